# SPDX-License-Identifier: MIT
"""``Upgraded`` receives: ``recv()``, ``recv_into()``, and bytes that came early."""

import io
import socket
import threading
from queue import SimpleQueue
from typing import Any, cast

import pytest
from live import TIMEOUT
from marks import each_pair, over_tls_too
from sessions import Pair

import pymhd


@over_tls_too(each_pair)
def test_recv_returns_what_has_come_and_at_the_end_nothing(pair: Pair) -> None:
    """As of a socket."""
    stream, sock = pair()
    sock.sendall(b"hello")
    assert stream.recv(2) == b"he"
    assert stream.recv(100) == b"llo"
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv(100) == b""
    assert stream.recv(100) == b""


@over_tls_too(each_pair)
def test_early_bytes_are_pending_and_come_in_the_pieces_asked_for(pair: Pair) -> None:
    """They are not mixed with later ones, nor lost between recv() and recv_into()."""
    stream, sock = pair(b"early")
    assert stream.pending() == 5
    assert stream.recv(0) == b""
    assert stream.recv(1) == b"e"
    assert stream.pending() == 4
    buffer = bytearray(b"......")
    assert stream.recv_into(buffer, 2) == 2
    assert buffer == b"ar...."
    assert stream.recv_into(memoryview(buffer)[3:]) == 2
    assert buffer == b"ar.ly."
    assert stream.pending() == 0
    sock.sendall(b"late")
    assert stream.recv(100) == b"late"


def test_recv_into_fills_any_writable_buffer(pair: Pair) -> None:
    """With or without a size, and 0 at the end."""
    stream, sock = pair()
    sock.sendall(b"abcdef")
    buffer = memoryview(bytearray(8)).cast("I")
    assert stream.recv_into(buffer, 2) == 2
    assert buffer.tobytes() == b"ab\0\0\0\0\0\0"
    assert stream.recv_into(buffer) == 4
    assert buffer.tobytes() == b"cdef\0\0\0\0"
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv_into(buffer) == 0


@pytest.mark.parametrize("early", [b"", b"early"])
@pytest.mark.parametrize(
    ("buffer", "size", "error"),
    [
        (b"read-only", 0, (TypeError, BufferError)),
        (bytearray(3), -1, ValueError),
        (bytearray(3), 4, ValueError),
        ("text", 0, TypeError),
    ],
)
def test_a_call_that_fails_takes_no_bytes(
    pair: Pair,
    early: bytes,
    buffer: Any,
    size: int,
    error: type[Exception] | tuple[type[Exception], ...],
) -> None:
    """Whether they came early or not."""
    stream, sock = pair(early)
    with pytest.raises(error):
        stream.recv_into(buffer, size)
    sock.sendall(b"late")
    sock.shutdown(socket.SHUT_WR)
    with stream.makefile("rb") as file:
        assert cast("io.BufferedReader", file).read() == early + b"late"


@pytest.mark.parametrize("early", [b"", b"early"])
def test_a_negative_size_is_refused(pair: Pair, early: bytes) -> None:
    """As a socket refuses it, and no bytes are lost."""
    stream, sock = pair(early)
    with pytest.raises(ValueError, match="negative"):
        stream.recv(-1)
    sock.sendall(b"late")
    assert stream.recv(5) == (early or b"late")


def test_two_threads_may_race_for_early_bytes(pair: Pair) -> None:
    """Neither of them takes the other's success for the end of the stream."""
    for _ in range(20):
        stream, sock = pair(b"x")
        got: SimpleQueue[bytes] = SimpleQueue()
        together = threading.Barrier(4)

        def receive(
            stream: pymhd.Upgraded = stream,
            together: threading.Barrier = together,
            got: SimpleQueue[bytes] = got,
        ) -> None:
            together.wait(TIMEOUT)
            got.put(stream.recv(1))

        receivers = [threading.Thread(target=receive) for _ in range(4)]
        for receiver in receivers:
            receiver.start()
        sock.sendall(b"yyy")
        for receiver in receivers:
            receiver.join(TIMEOUT)
        assert sorted(got.get() for _ in receivers) == [b"x", b"y", b"y", b"y"]
        stream.close()
        sock.close()
