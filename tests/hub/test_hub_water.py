# SPDX-License-Identifier: MIT
"""What the kernel does not take: it is kept, and protocols are paused and resumed."""

import contextlib
import threading
from typing import Any

import pytest
from live import (
    MIB,
    TIMEOUT,
    Serve,
    connect,
    eventually,
    read_exactly,
    read_to_end,
    reset,
)
from messages import get
from protocols import Hub, Recorder, echoing

BIG = bytes(range(256)) * (8 * MIB // 256)


def test_writing_is_paused_within_the_write_that_is_too_much(serve: Serve) -> None:
    """A protocol that goes on until it is paused comes to an end."""
    written: list[int] = []

    def fill(protocol: Recorder) -> None:
        while "pause" not in protocol.calls:
            protocol.transport.write(bytes(1000))
            written.append(1000)
            assert len(written) < 1_000_000

    hub = Hub(serve, made=fill)
    with hub.connect() as (protocol, sock):
        protocol.wait_for("pause")
        assert read_exactly(sock, sum(written)) == bytes(sum(written))
        protocol.wait_for("resume")
        assert protocol.calls == ["made", "pause", "resume"]
        assert protocol.transport.get_write_buffer_size() == 0


def test_the_size_of_what_waits_is_told(serve: Serve) -> None:
    """On the protocol's thread and on others, sent or still collected."""
    sizes: list[int] = []

    def write(protocol: Recorder) -> None:
        protocol.transport.write(b"12345")
        sizes.append(protocol.transport.get_write_buffer_size())
        protocol.transport.write(BIG)

    hub = Hub(serve, made=write)
    with hub.connect() as (protocol, sock):
        waiting = protocol.transport.get_write_buffer_size
        protocol.wait_for("pause")
        assert sizes == [5]
        eventually(lambda: 0 < waiting() < len(BIG), "something that waits")
        read_exactly(sock, 5 + len(BIG))
        eventually(lambda: waiting() == 0, "the rest")


def test_marks_may_be_set(serve: Serve) -> None:
    """The numbers are asyncio's; they count at once."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        assert transport.get_write_buffer_limits() == (16384, 65536)
        transport.set_write_buffer_limits(high=10 * MIB)
        assert transport.get_write_buffer_limits() == (10 * MIB // 4, 10 * MIB)
        transport.write(BIG)
        eventually(lambda: transport.get_write_buffer_size() < len(BIG), "sending")
        assert protocol.calls == ["made"]
        transport.set_write_buffer_limits(0)
        eventually(lambda: protocol.calls == ["made", "pause"], "pause_writing()")
        assert read_exactly(sock, len(BIG)) == BIG
        protocol.wait_for("resume")
        transport.set_write_buffer_limits(low=5)
        assert transport.get_write_buffer_limits() == (5, 20)


@pytest.mark.parametrize("limits", [(1, 2), (-1, None), (2**63, 0)])
def test_marks_must_make_sense(serve: Serve, limits: Any) -> None:
    hub = Hub(serve)
    with hub.connect() as (protocol, _), pytest.raises(ValueError, match="must be >="):
        protocol.transport.set_write_buffer_limits(*limits)


@pytest.mark.parametrize("limits", [("a", "b"), ("a", None), (None, "b"), ([], None)])
def test_marks_must_be_numbers(serve: Serve, limits: Any) -> None:
    hub = Hub(serve)
    with (
        hub.connect() as (protocol, _),
        pytest.raises(TypeError, match="high and low must be ints"),
    ):
        protocol.transport.set_write_buffer_limits(*limits)


def test_close_sends_what_waits(serve: Serve) -> None:
    """However long it takes the peer to read it."""

    def write(protocol: Recorder) -> None:
        protocol.transport.write(BIG)
        protocol.transport.close()
        protocol.transport.write(b"more")

    hub = Hub(serve, made=write)
    with hub.connect() as (protocol, sock):
        assert protocol.ended.empty()
        assert read_to_end(sock) == BIG
        assert protocol.end() is None


def test_write_eof_sends_what_waits(serve: Serve) -> None:
    """The FIN comes behind it."""

    def write(protocol: Recorder) -> None:
        protocol.transport.write(BIG)
        protocol.transport.write_eof()

    hub = Hub(serve, made=write)
    with hub.connect() as (protocol, sock):
        assert read_to_end(sock) == BIG
        assert "lost" not in protocol.calls


def test_abort_forgets_what_waits(serve: Serve) -> None:
    """The end comes at once."""

    def write(protocol: Recorder) -> None:
        protocol.transport.write(BIG)
        protocol.transport.abort()

    hub = Hub(serve, made=write)
    with hub.connect() as (protocol, sock):
        assert protocol.end() is None
        assert len(read_to_end(sock)) < len(BIG)
        assert protocol.transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("closing", [False, True])
def test_a_peer_may_vanish_while_something_waits(serve: Serve, closing: bool) -> None:
    """Whatever has been asked for: it is an error of the connection's."""

    def write(protocol: Recorder) -> None:
        protocol.transport.write(BIG)
        if closing:
            protocol.transport.close()

    hub = Hub(serve, made=write)
    with hub.connect() as (protocol, sock):
        eventually(lambda: protocol.transport.get_write_buffer_size() > 0, "sending")
        reset(sock)
        assert isinstance(protocol.end(), ConnectionResetError | BrokenPipeError)


def test_both_sides_may_send_8_mib_before_they_read(serve: Serve) -> None:
    """The protocol stops reading while its output waits, as it should."""

    def pause(protocol: Recorder) -> None:
        protocol.transport.pause_reading()

    def resume(protocol: Recorder) -> None:
        protocol.transport.resume_reading()

    hub = Hub(serve, data=echoing, pause=pause, resume=resume)
    with hub.connect() as (protocol, sock):
        sock.setblocking(False)
        sent, received = 0, bytearray()
        while len(received) < len(BIG):
            with contextlib.suppress(BlockingIOError):
                sent += sock.send(BIG[sent : sent + 65536])
            if protocol.calls[-1] == "pause" or sent == len(BIG):
                with contextlib.suppress(BlockingIOError):
                    received += sock.recv(1 << 20)
        assert bytes(received) == BIG == protocol.data


def test_input_is_not_read_ahead_of_a_protocol_that_has_paused(serve: Serve) -> None:
    """The peer feels it: what it sends stays with the kernel."""
    hub = Hub(serve, made=lambda protocol: protocol.transport.pause_reading())
    with hub.connect() as (protocol, sock):
        sock.settimeout(0.2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 * MIB:
                sent += sock.send(BIG)
        assert sent < 64 * MIB
        assert protocol.data == b""
        protocol.transport.resume_reading()
        eventually(lambda: len(protocol.data) == sent, "all of it")


def test_a_peer_that_only_sends_does_not_hold_up_the_others(serve: Serve) -> None:
    """Each has its turn, requests as well."""
    hub = Hub(serve, make=lambda: Recorder(data=forget))
    over = threading.Event()
    with hub.connect() as (flooded, flood), hub.connect() as (protocol, sock):

        def send() -> None:
            while not over.is_set():
                flood.sendall(BIG)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(50):
                sock.sendall(b"x")
                protocol.wait_for("data")
                flooded.wait_for("data")
                protocol.calls[:] = flooded.calls[:] = ["made"]
                with connect(hub.daemon) as other:
                    assert get(other).startswith(b"426 ")
        finally:
            over.set()
            sender.join(TIMEOUT)


def forget(protocol: Recorder, data: bytes) -> None:
    protocol.data = b""
