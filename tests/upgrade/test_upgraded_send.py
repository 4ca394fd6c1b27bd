# SPDX-License-Identifier: MIT
"""``Upgraded`` sends: ``send()``, ``sendall()``, ``shutdown()``, ``cork()``."""

import contextlib
import socket
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import TIMEOUT, read_exactly, read_to_end, reset
from marks import each_pair, over_tls_too
from sessions import Pair, until_blocked

import pymhd


def send_without_end(stream: pymhd.Upgraded) -> None:
    """Send until it fails."""
    for _ in range(1000):
        stream.send(b"x" * (1 << 20))


def test_send_says_how_much_the_kernel_took(pair: Pair) -> None:
    """Less than everything, if the peer does not read."""
    stream, sock = pair()
    assert stream.send(b"hello") == 5
    assert read_exactly(sock, 5) == b"hello"
    stream.settimeout(0)
    big = b"x" * (64 << 20)
    taken = stream.send(big)
    assert 0 < taken < len(big)
    with pytest.raises(BlockingIOError):
        send_without_end(stream)


@pytest.mark.parametrize(
    "data", [b"abcd", bytearray(b"abcd"), memoryview(b"-abcd-")[1:5], b""]
)
def test_sendall_takes_whatever_has_bytes(pair: Pair, data: Any) -> None:
    """And nothing of it is nothing."""
    stream, sock = pair()
    stream.sendall(data)
    stream.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == bytes(data)


def test_text_is_no_bytes(pair: Pair) -> None:
    """It says so, and the stream goes on."""
    stream, sock = pair()
    for call in (stream.send, stream.sendall):
        with pytest.raises(TypeError):
            call("text")  # type: ignore[arg-type]
    stream.sendall(b"bytes")
    assert read_exactly(sock, 5) == b"bytes"


@each_pair
def test_shutdown_closes_one_half_and_leaves_the_other(pair: Pair) -> None:
    """The session says that it is through, and still listens."""
    stream, sock = pair()
    stream.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == b""
    with pytest.raises(BrokenPipeError):
        stream.sendall(b"more")
    sock.sendall(b"an answer")
    assert stream.recv(100) == b"an answer"


@over_tls_too(each_pair)
def test_a_peers_reset_is_a_connection_reset_error(pair: Pair) -> None:
    """And sending after it a broken pipe."""
    stream, sock = pair()
    reset(sock)
    with pytest.raises(ConnectionResetError):
        stream.recv(1)
    with pytest.raises(BrokenPipeError):
        stream.sendall(b"more")


@each_pair
def test_cork_holds_small_writes_back_until_the_block_ends(pair: Pair) -> None:
    """Also if it ends with an exception."""
    stream, sock = pair()
    sock.settimeout(0.05)
    with contextlib.suppress(LookupError), stream.cork():
        stream.sendall(b"one, ")
        stream.sendall(b"two")
        with pytest.raises(TimeoutError):
            sock.recv(100)
        raise LookupError
    sock.settimeout(TIMEOUT)
    assert sock.recv(100) == b"one, two"


def test_a_stream_may_be_closed_while_it_is_corked(pair: Pair) -> None:
    """What was held back is sent."""
    stream, sock = pair()
    with stream.cork():
        stream.sendall(b"the end")
        stream.close()
    assert read_to_end(sock) == b"the end"


@over_tls_too(each_pair)
def test_one_thread_sends_while_another_receives(pair: Pair) -> None:
    """Neither waits for the other."""
    stream, sock = pair()
    got: SimpleQueue[bytes] = SimpleQueue()
    receiver = threading.Thread(target=lambda: got.put(stream.recv(100)))
    until_blocked([receiver], stream)
    stream.sendall(b"sent")
    assert read_exactly(sock, 4) == b"sent"
    assert got.empty()
    sock.sendall(b"received")
    assert got.get(timeout=TIMEOUT) == b"received"
    receiver.join(TIMEOUT)
