# SPDX-License-Identifier: MIT
"""``Upgraded`` as a socket: its addresses, options and timeouts, and exact reads."""

import contextlib
import socket
import struct
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Serve,
    connect_to,
    eventually,
    read_head,
    reset,
    upgrade_request,
)
from marks import each_pair, every_pair, over_tls_too
from sessions import Pair

import pymhd

KEEPALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)


@over_tls_too(every_pair)
def test_it_knows_both_addresses(pair: Pair) -> None:
    """Over TLS those of the real socket, not of the pair that stands for it."""
    stream, sock = pair()
    assert stream.getsockname() == sock.getpeername()
    assert stream.getpeername() == stream.client == sock.getsockname()


@over_tls_too(every_pair)
def test_its_options_are_those_of_the_real_socket(pair: Pair) -> None:
    """Numbers and bytes; a UNIX socket would have no TCP_INFO."""
    stream, _ = pair()
    assert stream.getsockopt(*KEEPALIVE) == 0
    stream.setsockopt(*KEEPALIVE, 1)
    assert stream.getsockopt(*KEEPALIVE) == 1
    stream.setsockopt(*LINGER, struct.pack("ii", 1, 7))
    assert stream.getsockopt(*LINGER, 8) == struct.pack("ii", 1, 7)
    stream.setsockopt(*LINGER, struct.pack("ii", 0, 0))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 33)
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 33
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert isinstance(info, bytes)
    assert info[0] == 1  # TCP_ESTABLISHED


@over_tls_too(each_pair)
def test_an_option_that_does_not_exist_is_an_os_error(pair: Pair) -> None:
    """As a socket has it; the stream goes on."""
    stream, sock = pair()
    for call in (
        lambda: stream.getsockopt(socket.IPPROTO_TCP, 9999),
        lambda: stream.setsockopt(socket.IPPROTO_TCP, 9999, 1),
    ):
        with pytest.raises(OSError, match="Protocol not available"):
            call()
    with pytest.raises(TypeError):
        stream.setsockopt(*KEEPALIVE, "on")  # type: ignore[arg-type]
    sock.sendall(b"x")
    assert stream.recv(1) == b"x"


@over_tls_too(each_pair)
def test_after_stop_there_is_no_socket_to_ask(pair: Pair) -> None:
    """But an OSError, over TLS too, or the descriptor that is still ours."""
    stream, _ = pair()
    pair.daemon.stop(timeout=0.1)
    try:
        stream.getsockopt(*KEEPALIVE)
    except OSError as error:
        assert error.errno  # noqa: PT017 - it need not raise
    stream.close()
    for call in (stream.getsockname, stream.getpeername, stream.gettimeout):
        with pytest.raises(pymhd.StreamClosedError):
            call()


def test_a_unix_socket_has_the_names_that_it_has(serve: Serve, tmp_path: Any) -> None:
    """The path of the server, and nothing of its client."""
    path = str(tmp_path / "socket")
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    response = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    serve(lambda request: response, unix=path)
    with connect_to(path) as sock:
        sock.sendall(upgrade_request())
        read_head(sock)
        with streams.get(timeout=TIMEOUT) as stream:
            assert stream.getsockname() == path
            assert stream.getpeername() == ""
            assert stream.getsockopt(*KEEPALIVE) == 0


@over_tls_too(each_pair)
def test_gettimeout_gives_what_settimeout_was_given(pair: Pair) -> None:
    """None at the beginning."""
    stream, _ = pair()
    assert stream.gettimeout() is None
    for seconds in (2.5, 0.0, None):
        stream.settimeout(seconds)
        assert stream.gettimeout() == seconds


# --- recv_exactly() ---


@over_tls_too(every_pair)
def test_recv_exactly_waits_for_all_and_takes_no_more(pair: Pair) -> None:
    """However the bytes come, early ones first."""
    stream, sock = pair(b"ear")
    got: SimpleQueue[bytes] = SimpleQueue()
    thread = threading.Thread(target=lambda: got.put(stream.recv_exactly(10)))
    thread.start()
    for piece in (b"ly, ", b"la", b"ter"):
        sock.sendall(piece)
    assert got.get(timeout=TIMEOUT) == b"early, lat"
    thread.join(TIMEOUT)
    assert stream.recv_exactly(2) == b"er"
    assert stream.recv_exactly(0) == b""
    big = bytes(range(256)) * 4096
    sender = threading.Thread(target=sock.sendall, args=(big,))
    sender.start()
    assert stream.recv_exactly(len(big)) == big
    sender.join(TIMEOUT)


@over_tls_too(every_pair)
def test_an_end_before_all_has_come_is_an_incomplete_read_error(pair: Pair) -> None:
    """Which has what did come, as asyncio's."""
    stream, sock = pair()
    sock.sendall(b"par")
    sock.shutdown(socket.SHUT_WR)
    with pytest.raises(pymhd.IncompleteReadError, match="3 of 7") as caught:
        stream.recv_exactly(7)
    assert (caught.value.partial, caught.value.expected) == (b"par", 7)
    assert isinstance(caught.value, EOFError)
    with pytest.raises(pymhd.IncompleteReadError):
        stream.recv_exactly(1)
    assert stream.recv_exactly(0) == b""


@over_tls_too(each_pair)
@pytest.mark.parametrize("seconds", [0, 0.05])
def test_what_a_timeout_interrupts_is_received_later(
    pair: Pair, seconds: float
) -> None:
    """Nothing is lost, also where nothing may be waited for."""
    stream, sock = pair()
    sock.sendall(b"first")
    assert stream.recv(1) == b"f"
    stream.settimeout(seconds)
    with pytest.raises((TimeoutError, BlockingIOError)):
        stream.recv_exactly(9)
    eventually(lambda: again(stream) == 4, "the rest of the bytes")
    sock.sendall(b" last")
    stream.settimeout(None)
    assert stream.recv_exactly(9) == b"irst last"


def again(stream: pymhd.Upgraded) -> int:
    """Try once more; return how much is kept of what has come."""
    with contextlib.suppress(TimeoutError, BlockingIOError):
        stream.recv_exactly(9)
    return stream.pending()


def test_the_timeout_is_for_all_of_it(pair: Pair) -> None:
    """A peer that sends a byte now and then does not put it off."""
    stream, sock = pair()
    stream.settimeout(0.2)
    stopped = threading.Event()

    def drip() -> None:
        while not stopped.wait(0.02):
            sock.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            stream.recv_exactly(1 << 20)
    finally:
        stopped.set()
        thread.join(TIMEOUT)


def test_a_size_from_a_peer_costs_nothing_before_its_bytes_come(pair: Pair) -> None:
    """2**62 is waited for like 2; the end comes first."""
    stream, sock = pair()
    sock.sendall(b"xy")
    sock.shutdown(socket.SHUT_WR)
    with pytest.raises(pymhd.IncompleteReadError) as caught:
        stream.recv_exactly(1 << 62)
    assert caught.value.partial == b"xy"
    with pytest.raises(ValueError, match="negative"):
        stream.recv_exactly(-1)


@over_tls_too(each_pair)
def test_close_and_reset_end_an_exact_read(pair: Pair) -> None:
    """As they end recv()."""
    stream, _ = pair()
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def receive() -> None:
        try:
            stream.recv_exactly(5)
        except OSError as error:
            raised.put(error)

    thread = threading.Thread(target=receive)
    thread.start()
    eventually(lambda: stream._users == 2, "blocking")
    stream.close()
    assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StreamClosedError)
    thread.join(TIMEOUT)
    other, sock = pair()
    reset(sock)
    with pytest.raises(ConnectionResetError):
        other.recv_exactly(5)
