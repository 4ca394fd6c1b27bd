# SPDX-License-Identifier: MIT
"""Random bytes, and requests that are cut up and glued together, on the socket."""

import contextlib
import socket
import threading
from typing import Any

import pytest
from fuzzing import FUZZED_MODES, examples
from hypothesis import given
from hypothesis import strategies as st
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    logged_errors,
    reset,
    upgrade_request,
    upgraded,
)
from messages import get

import pymhd

WHOLE = [
    b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
    b"POST /a?b=%41 HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nabcde",
    b"PUT / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"HEAD * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    upgrade_request(),
    upgrade_request("/hub"),
    upgrade_request("/hub") + b"early",
    upgrade_request(more="Content-Length: 3\r\n") + b"abc",
]
PARTS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%", b"%00", b"?", b"/" * 300),
    *(b"GET", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"0\r\n\r\n", b"ffffffffffffffff"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(b"Host: x\r\n", b" folded\r\n", b"x" * 40_000, b"a: b\r\n" * 500, b"\x80\xff"),
]
sent = st.one_of(st.sampled_from(WHOLE), st.sampled_from(PARTS), st.binary(max_size=40))


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """Give a valid request with some bytes replaced, repeated or left out."""
    request = draw(st.sampled_from(WHOLE))
    begin = draw(st.integers(0, len(request)))
    end = draw(st.integers(begin, min(len(request), begin + 9)))
    return request[:begin] + draw(sent) + request[end:]


transports: set[pymhd.Transport] = set()


class Echo(pymhd.Protocol):
    """Sends back what comes; others write to it at the same time."""

    def connection_made(self, transport: pymhd.Transport) -> None:
        self.transport = transport
        transports.add(transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        transports.discard(self.transport)


def write_to_all(over: threading.Event) -> None:
    """Do what other threads may do with transports, whatever becomes of them."""
    while not over.wait(0.001):
        for transport in list(transports):
            transport.write(b"x" * 20_000)
            transport.get_write_buffer_size()
        pymhd.broadcast(list(transports), b"to all")


def serve_both(request: pymhd.Request) -> pymhd.Response:
    """Look at everything that a request has."""
    assert repr(request)
    assert isinstance(request.query, object)
    assert isinstance(request.headers, object)
    if request.wants_upgrade() and request.path.startswith("/hub"):
        return pymhd.Response.for_upgrade(Echo, "echo")
    if request.wants_upgrade():
        return pymhd.Response.for_upgrade(echo, "echo")
    return pymhd.Response(request.path.encode("utf-8", "surrogateescape"))


def send_in_pieces(sock: socket.socket, data: bytes, cuts: list[int]) -> None:
    """Send it in several packets."""
    at = 0
    for cut in [*sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]:
        sock.sendall(data[at:cut])
        at = cut


def leave(sock: socket.socket, how: str) -> None:
    """End a connection in one way or the other."""
    if how == "half":
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    elif how == "reset":
        reset(sock)


@pytest.mark.parametrize("mode", FUZZED_MODES)
def test_whatever_comes_is_the_problem_of_who_sent_it(
    serve: Serve, mode: Mode, caplog: Any
) -> None:
    """Nobody else notices, no exception is logged, and nothing is left."""
    daemon = serve(serve_both, limits=pymhd.Limits(timeout=1), threads=mode)
    over = threading.Event()
    writers = [threading.Thread(target=write_to_all, args=(over,)) for _ in range(3)]

    @examples(150)
    @given(
        st.lists(st.one_of(mutilated(), sent), min_size=1, max_size=4),
        st.lists(st.integers(0, 10_000), max_size=4),
        st.sampled_from(["close", "reset", "half"]),
    )
    def attack(pieces: list[bytes], cuts: list[int], how: str) -> None:
        # A timeout is right where it waits for more; an RST where it was refused.
        with connect(daemon) as sock, contextlib.suppress(OSError):
            send_in_pieces(sock, b"".join(pieces), cuts)
            leave(sock, how)
        with connect(daemon) as other:
            assert get(other) == b"/"
        assert_echoes(talking)
        # At the latest after the timeout.
        eventually(lambda: daemon.connections == 1, "the end of the connection")

    for writer in writers:
        writer.start()
    try:
        with upgraded(daemon) as talking:
            attack()
    finally:
        over.set()
        for writer in writers:
            writer.join(TIMEOUT)
    assert transports == set()
    assert logged_errors(caplog) == []
