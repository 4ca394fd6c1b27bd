# SPDX-License-Identifier: MIT
"""Upgrades in both ways, and pairs of a stream and its client."""

import contextlib
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Literal, Protocol

from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_head,
    upgrade_request,
)

import pymhd

Run = Literal["thread", "inline"]
Target = Callable[[pymhd.Upgraded], object]
RUNS: list[Run] = ["thread", "inline"]


def in_a_thread(target: Target) -> Target:
    """Make of a target for run="thread" one for run="inline"."""

    def serve_it(stream: pymhd.Upgraded) -> None:
        with stream, contextlib.suppress(ConnectionError, pymhd.StateError):
            target(stream)

    def begin(stream: pymhd.Upgraded) -> None:
        threading.Thread(target=serve_it, args=(stream,), daemon=True).start()

    return begin


def switching(
    target: Target, run: Run, protocol: str | None = "echo"
) -> pymhd.Response:
    """Make a response that upgrades, in one way or the other."""
    if run == "inline":
        target = in_a_thread(target)
    return pymhd.Response.for_upgrade(target, protocol, run=run)


# --- pairs ---


class Pair(Protocol):
    """Make an upgraded connection: its stream, and the client's socket."""

    daemon: pymhd.Daemon

    def __call__(self, early: bytes = b"") -> tuple[pymhd.Upgraded, socket.socket]: ...


class Pairs:
    """What the fixture ``pair`` gives: see :class:`Pair`."""

    def __init__(self, serve: Serve, mode: Mode) -> None:
        self.streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
        self._stack = contextlib.ExitStack()
        switch = pymhd.Response.for_upgrade(self.streams.put, "echo", run="inline")
        self.daemon = serve(lambda request: switch, threads=mode)

    def __call__(self, early: bytes = b"") -> tuple[pymhd.Upgraded, socket.socket]:
        sock = self._stack.enter_context(connect(self.daemon))
        sock.sendall(upgrade_request("/path?a=b") + early)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        stream = self.streams.get(timeout=TIMEOUT)
        self._stack.callback(stream.close)
        return stream, sock

    def close(self) -> None:
        """Close all of them."""
        self._stack.close()


def until_blocked(threads: list[threading.Thread], stream: pymhd.Upgraded) -> None:
    """Wait until so many threads are inside a call of the stream's."""
    for thread in threads:
        thread.start()
    eventually(lambda: stream._users == len(threads), "blocking")
