# SPDX-License-Identifier: MIT
"""Protocols in the shape of ``asyncio.BufferedProtocol``."""

import asyncio
from queue import SimpleQueue
from typing import Any

import pytest
from live import TIMEOUT, Mode, Serve, eventually, read_exactly, read_to_end, upgraded
from marks import every_mode, over_tls_too
from protocols import Hub, Recorder

import pymhd

DATA = bytes(range(256)) * 1000
made: "SimpleQueue[Buffered]" = SimpleQueue()


class Buffered(asyncio.BufferedProtocol):
    """Echoes; its buffer is smaller than what comes."""

    transport: Any

    def __init__(self) -> None:
        self.buffer = bytearray(1000)
        self.data = b""
        self.lost: list[BaseException | None] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        made.put(self)

    def get_buffer(self, sizehint: int) -> Any:
        assert sizehint > 0
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]
        self.transport.write(bytes(self.buffer[:nbytes]))

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


class Slow(Buffered):
    """Pauses at each buffer."""

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.transport.pause_reading()


class Empty(Buffered):
    """Has no room."""

    def get_buffer(self, sizehint: int) -> Any:
        return b""


class Once(Buffered):
    """Closes at the first buffer."""

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        self.transport.close()


def daemon_of(serve: Serve, kind: type[Buffered], mode: Mode = 1) -> pymhd.Daemon:
    switch = pymhd.Response.for_upgrade(kind, "echo")
    return serve(lambda request: switch, threads=mode)


@over_tls_too(every_mode)
def test_what_comes_is_put_into_its_buffers(
    serve: Serve, mode: Mode, transport: str
) -> None:
    """Early bytes, too."""
    daemon = daemon_of(serve, Buffered, mode)
    with upgraded(daemon, early=b"early") as sock:
        sock.sendall(DATA)
        assert read_exactly(sock, 5 + len(DATA)) == b"early" + DATA
    protocol = made.get(timeout=TIMEOUT)
    eventually(lambda: len(protocol.lost) == 1, "the end")


def test_it_may_pause_within_what_has_come(serve: Serve) -> None:
    """The rest comes when it goes on."""
    with upgraded(daemon_of(serve, Slow)) as sock:
        protocol = made.get(timeout=TIMEOUT)
        sock.sendall(DATA[:10_000])
        for size in range(1000, 11_000, 1000):
            eventually(lambda size=size: len(protocol.data) == size)  # type: ignore[misc]
            assert not protocol.transport.is_reading()
            protocol.transport.resume_reading()
        assert read_exactly(sock, 10_000) == DATA[:10_000]


def test_it_may_close_within_what_has_come(serve: Serve) -> None:
    """The rest is not given to it."""
    with upgraded(daemon_of(serve, Once)) as sock:
        sock.sendall(DATA[:10_000])
        assert len(read_to_end(sock)) == 1000
    assert len(made.get(timeout=TIMEOUT).data) == 1000


def test_without_room_it_is_aborted(serve: Serve) -> None:
    """As by any other error of its own."""
    with upgraded(daemon_of(serve, Empty)) as sock:
        protocol = made.get(timeout=TIMEOUT)
        sock.sendall(b"x")
        assert read_to_end(sock) == b""
        eventually(lambda: len(protocol.lost) == 1, "the end")
        assert isinstance(protocol.lost[0], RuntimeError)


def test_another_protocol_may_take_its_place(serve: Serve) -> None:
    """And the other way round."""
    hub = Hub(serve)
    with hub.connect() as (recorder, sock):
        buffered = Buffered()
        buffered.transport = recorder.transport
        recorder.transport.set_protocol(buffered)
        sock.sendall(b"one")
        assert read_exactly(sock, 3) == b"one"
        other = Recorder(data=lambda protocol, data: None)
        other.calls.append("made")
        recorder.transport.set_protocol(other)
        recorder.transport.write(b"now")
        assert read_exactly(sock, 3) == b"now"
        sock.sendall(b"two")
        other.wait_for_data(3)
        with pytest.raises(TypeError, match="get_buffer"):
            recorder.transport.set_protocol(object())


@pytest.mark.parametrize("kind", [asyncio.BaseProtocol, asyncio.DatagramProtocol])
def test_protocols_that_take_no_data_are_refused_at_once(kind: type) -> None:
    """Not at the first connection."""
    with pytest.raises(TypeError, match=r"neither data_received\(\) nor get_buffer"):
        pymhd.Response.for_upgrade(kind, "echo")
