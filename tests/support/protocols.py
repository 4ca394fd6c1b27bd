# SPDX-License-Identifier: MIT
"""Protocols for the tests of the hub, and daemons that serve them."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from live import TIMEOUT, Mode, Serve, eventually, upgraded

import pymhd


class Recorder:
    """Notes every call; tests change what it does by giving it functions.

    No base class, since it is for asyncio as well.
    """

    def __init__(self, **does: Callable[..., Any]) -> None:
        self.transport: Any = None
        self.data = b""
        self.calls: list[Any] = []
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._does = does

    def _note(self, name: str, *args: Any) -> Any:
        self.calls.append(name)
        does = self._does.get(name)
        return does(self, *args) if does else None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data
        self.data += data
        if self.calls[-1] == "data":  # the network may have cut it anywhere
            self.calls.pop()
        self._note("data", data)

    def eof_received(self) -> Any:
        return self._note("eof")

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost" if exc is None else type(exc).__name__)
        self.ended.put(exc)
        if "lost" in self._does:
            self._does["lost"](self, exc)

    def wait_for(self, call: str) -> None:
        """Wait until a call has been made."""
        eventually(lambda: call in self.calls, call)

    def wait_for_data(self, size: int) -> None:
        """Wait until so much has been received."""
        eventually(lambda: len(self.data) >= size, f"receiving {size} bytes")

    def end(self) -> BaseException | None:
        """Wait for the end of the connection; return what has ended it."""
        return self.ended.get(timeout=TIMEOUT)


def echoing(protocol: Recorder, data: bytes) -> None:
    """Send back what comes: for ``data=``."""
    protocol.transport.write(data)


class Hub:
    """A daemon whose connections get recorders."""

    def __init__(
        self,
        serve: Serve,
        *,
        make: Callable[[], Recorder] | None = None,
        mode: Mode = 1,
        limits: pymhd.Limits | None = None,
        **does: Callable[..., Any],
    ) -> None:
        self._made: SimpleQueue[Recorder] = SimpleQueue()
        self.does = does
        self._make = make or (lambda: Recorder(**self.does))
        self._switch = pymhd.Response.for_upgrade(self._factory, "echo", run="hub")
        self.daemon = serve(lambda request: self._switch, threads=mode, limits=limits)

    def _factory(self) -> Recorder:
        protocol = self._make()
        self._made.put(protocol)
        return protocol

    def protocols(self, count: int) -> list[Recorder]:
        """Wait for connections that others have made; return their protocols."""
        made = [self._made.get(timeout=TIMEOUT) for _ in range(count)]
        eventually(lambda: all(one.calls for one in made), "connection_made()")
        return made

    @contextlib.contextmanager
    def connect(self, early: bytes = b"") -> Iterator[tuple[Recorder, socket.socket]]:
        """Yield the protocol of a new connection, and the client's socket."""
        with upgraded(self.daemon, early=early) as sock:
            protocol = self._made.get(timeout=TIMEOUT)
            eventually(lambda: bool(protocol.calls), "connection_made()")
            yield protocol, sock
