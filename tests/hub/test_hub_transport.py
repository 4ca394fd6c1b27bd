# SPDX-License-Identifier: MIT
"""``Transport``: what it tells, and what it does besides writing."""

import contextlib
import fcntl
import gc
import os
import socket
import struct
import termios
import threading
import weakref
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Serve,
    assert_echoes,
    eventually,
    is_silent,
    logged_errors,
    read_exactly,
    read_to_end,
    upgraded,
)
from protocols import Hub, Recorder, echoing

import pymhd
from pymhd._hub import hub as module


def unread(fd: int) -> int:
    """Return how many bytes wait to be received."""
    answer = fcntl.ioctl(fd, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def test_a_transport_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="for_upgrade"):
        pymhd.Transport()


def test_a_transport_tells_what_it_knows(serve: Serve) -> None:
    """Also after the end, but for the socket's own."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        info = transport.get_extra_info
        assert info("peername") == sock.getsockname()
        assert info("sockname") == sock.getpeername()
        assert info("protocol") == "echo"
        assert info("request").headers["Upgrade"] == "echo"
        assert (info("nothing"), info("nothing", 1)) == (None, 1)
        assert transport.get_protocol() is protocol
        assert repr(transport) == "<pymhd.Transport echo open>"
        sock.shutdown(socket.SHUT_WR)
        protocol.end()
    eventually(lambda: transport.get_protocol() is None, "the end")
    assert repr(transport) == "<pymhd.Transport echo ended>"
    assert info("request").method == "GET"
    assert info("sockname", "gone") == "gone"


def test_its_descriptor_is_a_duplicate_that_goes_with_the_connection(
    serve: Serve,
) -> None:
    """So nothing that is done with it hits one of libmicrohttpd's."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        fd = transport.fileno()
        assert fd == transport.fileno() == transport.get_extra_info("socket").fileno()
        option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert transport.get_extra_info("socket").getsockopt(*option)
        os.close(os.dup(fd))
        assert_echoes(sock)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
        protocol.end()
    with pytest.raises(pymhd.StateError, match="has ended"):
        transport.fileno()


def test_a_descriptor_that_somebody_has_closed_ends_nothing_else(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it keep connection_lost() from being called."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (other, other_sock):
        with hub.connect() as (protocol, sock):
            assert_echoes(sock)
            os.close(protocol.transport.fileno())
            protocol.transport.abort()
            assert protocol.end() is None
        assert_echoes(other_sock)
        assert not other.transport.is_closing()
    assert not logged_errors(caplog)


class Unsteady(Recorder):
    """Its method is there for as long as it has been looked for, not longer."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def data_received(self) -> Any:
        self._looks -= 1
        if self._looks < 0:
            raise RuntimeError("not any more")
        return self.note_data

    def note_data(self, data: bytes) -> None:
        """Take what comes."""


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_a_protocol_whose_method_goes_away_ends_nothing_else(
    serve: Serve, looks: int
) -> None:
    """Its own connection is aborted."""

    def change(protocol: Recorder, data: bytes) -> None:
        protocol.transport.set_protocol(unsteady)

    unsteady = Unsteady(looks)
    hub = Hub(serve, data=echoing)
    with hub.connect() as (_, other):
        hub.does = {"data": change}
        with hub.connect() as (_, sock):
            sock.sendall(b"x")
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        assert_echoes(other)


def test_nothing_is_received_while_reading_is_paused(serve: Serve) -> None:
    """Then everything is, in order."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        assert_echoes(sock)
        protocol.transport.pause_reading()
        protocol.transport.pause_reading()
        assert not protocol.transport.is_reading()
        hub.daemon.port  # noqa: B018 - the order is carried out before the next echo
        with hub.connect() as (_, other):
            assert_echoes(other)
        sock.sendall(b"one")
        sock.sendall(b"two")
        assert is_silent(sock)
        protocol.transport.resume_reading()
        assert protocol.transport.is_reading()
        assert read_exactly(sock, 6) == b"onetwo"


def test_reading_may_be_paused_from_the_beginning(serve: Serve) -> None:
    """Early bytes and the end of input wait, too."""
    hub = Hub(serve, made=lambda protocol: protocol.transport.pause_reading())
    with hub.connect(b"early") as (protocol, sock):
        sock.shutdown(socket.SHUT_WR)
        assert is_silent(sock)
        assert protocol.calls == ["made"]
        protocol.transport.resume_reading()
        protocol.end()
        assert (protocol.calls, protocol.data) == (
            ["made", "data", "eof", "lost"],
            b"early",
        )


def test_reading_may_be_paused_at_every_piece(serve: Serve) -> None:
    """And resumed at once: that loses nothing and calls nothing within a call."""
    inside: list[int] = []

    def again(protocol: Recorder, data: bytes) -> None:
        assert not inside
        inside.append(1)
        protocol.transport.pause_reading()
        protocol.transport.write(data)
        protocol.transport.resume_reading()
        inside.clear()

    hub = Hub(serve, data=again)
    with hub.connect() as (_, sock):
        for _ in range(20):
            assert_echoes(sock, bytes(100_000))


def test_a_pause_counts_from_the_next_piece_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is there to be read, and however much time."""
    monkeypatch.setattr("pymhd._hub.hub._BATCH_SECONDS", TIMEOUT)
    message = bytes(range(256)) * 4096

    def enlarge(protocol: Recorder) -> None:
        sock = protocol.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, len(message))

    def pause(protocol: Recorder, data: bytes) -> None:
        if len(protocol.data) > len(data):
            return  # that was not the first one
        protocol.transport.pause_reading()
        sock = protocol.transport.get_extra_info("socket")
        # Three pieces, of which the first may be held and no other.
        eventually(lambda: unread(sock.fileno()) > 3 * 65536 - 16384, "input")

    hub = Hub(serve, made=enlarge, data=pause)
    with hub.connect() as (protocol, sock):
        sender = threading.Thread(target=sock.sendall, args=(message,))
        sender.start()
        protocol.wait_for_data(1)
        assert is_silent(sock)
        protocol.transport.resume_reading()
        protocol.wait_for_data(len(message))
        sender.join(TIMEOUT)
        assert protocol.data == message


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_paused_connection_may_be_ended(serve: Serve, how: str) -> None:
    """What has come meanwhile is not received any more."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        protocol.transport.pause_reading()
        sock.sendall(b"x")
        getattr(protocol.transport, how)()
        assert protocol.end() is None
        assert "data" not in protocol.calls
        assert read_to_end(sock) == b""


def test_the_protocol_may_change_in_the_middle(serve: Serve) -> None:
    """As after a handshake: what follows in the next piece is the other's."""
    second = Recorder(data=echoing)

    def hand_over(protocol: Recorder, data: bytes) -> None:
        second.transport = protocol.transport
        second.calls.append("made")
        protocol.transport.set_protocol(second)
        protocol.transport.write(b"welcome")

    hub = Hub(serve, data=hand_over)
    with hub.connect() as (first, sock):
        sock.sendall(b"hello")
        assert read_exactly(sock, 7) == b"welcome"
        assert_echoes(sock)
        sock.shutdown(socket.SHUT_WR)
        second.end()
    assert first.calls == ["made", "data"]
    assert second.calls == ["made", "data", "eof", "lost"]


def test_a_protocol_must_have_the_methods(serve: Serve) -> None:
    """It is told where it is set."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        with pytest.raises(TypeError, match="data_received"):
            protocol.transport.set_protocol(object())
        assert_echoes(sock)


def test_writing_after_write_eof_is_an_error(serve: Serve) -> None:
    """As everywhere; the peer may go on sending."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        assert protocol.transport.can_write_eof()
        protocol.transport.write_eof()
        protocol.transport.write_eof()
        assert read_to_end(sock) == b""
        with pytest.raises(RuntimeError, match="write_eof"):
            protocol.transport.write(b"x")
        sock.sendall(b"still here")
        eventually(lambda: protocol.data == b"still here", "data")
        assert not protocol.transport.is_closing()


@pytest.mark.parametrize("data", ["text", None, 1, [b"x"]])
def test_what_is_written_must_be_bytes(serve: Serve, data: Any) -> None:
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        for write in (
            protocol.transport.write,
            lambda data: pymhd.broadcast([protocol.transport], data),
        ):
            with pytest.raises(TypeError, match="bytes-like"):
                write(data)
        assert_echoes(sock)


@pytest.mark.parametrize("others", [[None], ["text"], [object()]])
def test_a_broadcast_is_for_transports(serve: Serve, others: list[Any]) -> None:
    """Else nobody gets anything."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        with pytest.raises(TypeError, match=r"must be pymhd\.Transports, not "):
            pymhd.broadcast([protocol.transport, *others], b"x")
        assert_echoes(sock)


def test_buffers_may_be_changed_after_they_were_written(serve: Serve) -> None:
    """They are copied; several are one write."""

    def write(protocol: Recorder) -> None:
        buffer = bytearray(b"abc")
        protocol.transport.write(buffer)
        protocol.transport.write(memoryview(buffer)[1:])
        buffer[:] = b"xyz"
        protocol.transport.write(b"")
        protocol.transport.writelines([b"1", buffer, memoryview(b"2")])
        protocol.transport.writelines([])

    hub = Hub(serve, made=write)
    with hub.connect() as (_, sock):
        assert read_exactly(sock, 10) == b"abcbc1xyz2"


def test_what_is_written_after_the_end_is_ignored_with_one_warning(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is with asyncio."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        sock.close()
        protocol.end()
    transport = protocol.transport
    eventually(lambda: transport.get_protocol() is None, "the end")
    for _ in range(100):
        transport.write(b"x")
    transport.write_eof()
    transport.close()
    transport.abort()
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(0)
    pymhd.broadcast([transport], b"x")
    assert transport.get_write_buffer_size() == 0
    assert transport.is_closing()
    assert not transport.is_reading()
    ignored = [r for r in caplog.records if "is ignored" in r.getMessage()]
    assert len(ignored) == 1


def test_a_transport_that_nobody_keeps_goes_on(serve: Serve) -> None:
    """And goes away with its protocol when it has ended."""

    class Echo(pymhd.Protocol):
        def connection_made(self, transport: pymhd.Transport) -> None:
            self.transport = transport
            weak.append(weakref.ref(transport))
            weak.append(weakref.ref(self))

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    weak: list[weakref.ref[Any]] = []
    switch = pymhd.Response.for_upgrade(Echo, "echo")
    daemon = serve(lambda request: switch)
    with upgraded(daemon) as sock:
        gc.collect()
        assert_echoes(sock)
    gc.disable()
    try:
        eventually(lambda: all(ref() is None for ref in weak), "the end")
    finally:
        gc.enable()
    assert len(weak) == 2


def test_many_connections_come_and_go(serve: Serve) -> None:
    """Their places are used again, and mixed up never."""
    hub = Hub(serve, data=echoing)
    for turn in range(5):
        made = [hub.connect() for _ in range(30)]
        pairs = [one.__enter__() for one in made]
        for number, (_, sock) in enumerate(pairs):
            sock.sendall(b"%d %d" % (turn, number))
        for number, (protocol, sock) in enumerate(pairs):
            data = b"%d %d" % (turn, number)
            assert read_exactly(sock, len(data)) == data == protocol.data
        for one in made:
            one.__exit__(None, None, None)
        for protocol, _ in pairs:
            protocol.ended.get(timeout=TIMEOUT)


def test_pieces_begin_where_the_kernel_copies_fast(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes behind a page some processors copy 30 times as slowly."""
    begins: list[int] = []
    all_sent = threading.Event()
    deal_with = module.Hub._deal_with

    def noting(hub: Any, events: Any) -> None:
        arena = int(pymhd.ffi.cast("intptr_t", hub._batch.arena))
        several = list(events)
        begins.extend(arena + first for kind, _, first, _ in several if not kind)
        deal_with(hub, iter(several))

    def wait(protocol: Recorder, data: bytes) -> None:
        all_sent.wait(TIMEOUT)

    monkeypatch.setattr("pymhd._hub.hub.Hub._deal_with", noting)
    hub = Hub(serve, data=wait)
    with contextlib.ExitStack() as stack:
        connected = [stack.enter_context(hub.connect()) for _ in range(5)]
        for _, sock in connected:
            sock.sendall(b"odd")
        all_sent.set()
        for protocol, _ in connected:
            protocol.wait_for_data(3)
    assert len(set(begins)) > 1  # some came together
    assert {begin % 64 for begin in begins} == {0}
