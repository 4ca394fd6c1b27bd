# SPDX-License-Identifier: MIT
"""Where the stream begins: behind the request and its body, at that byte."""

import socket
from collections.abc import Callable
from queue import SimpleQueue

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import every_mode, every_way, mends_chunks, over_tls_too
from sessions import Run, switching

import pymhd


@over_tls_too(every_way)
@pytest.mark.parametrize("size", [0, 1, 65536])
def test_bytes_that_come_early_come_first(
    serve: Serve, mode: Mode, run: Run, size: int
) -> None:
    """What is sent together with the request is the beginning of the stream."""
    early = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    daemon = serve(lambda request: switching(echo, run), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request() + early)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"and then this")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == early + b"and then this"


@over_tls_too(every_mode)
def test_a_second_request_behind_the_first_is_data(serve: Serve, mode: Mode) -> None:
    """What follows the request is the protocol's, even if it looks like HTTP."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with upgraded(daemon, early=upgrade_request("/second")) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == upgrade_request("/second")


def by_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def in_chunks(body: bytes) -> bytes:
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 777]), body[at : at + 777])
        for at in range(0, len(body), 777)
    )
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Sum: 1\r\n\r\n"


@over_tls_too(every_way)
@pytest.mark.parametrize("coding", [by_length, in_chunks])
def test_the_body_of_the_request_is_kept_and_the_rest_is_the_stream(
    serve: Serve, mode: Mode, run: Run, coding: Callable[[bytes], bytes]
) -> None:
    """Not a byte of the body gets into the stream, and none of the stream is lost."""
    body = bytes(range(256)) * 200

    def answer(stream: pymhd.Upgraded) -> None:
        stream.sendall(stream.request.body)
        echo(stream)

    daemon = serve(lambda request: switching(answer, run), threads=mode)
    head = upgrade_request().replace(b"GET", b"POST", 1).removesuffix(b"\r\n")
    with connect(daemon) as sock:
        sock.sendall(head + coding(body) + b"early")
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b", late")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == body + b"early, late"


@every_mode
@pytest.mark.parametrize(
    "coding", [by_length, pytest.param(in_chunks, marks=mends_chunks)]
)
def test_a_request_may_come_byte_by_byte(
    serve: Serve, mode: Mode, coding: Callable[[bytes], bytes]
) -> None:
    """However the network cuts it, the stream begins at the same byte."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    head = upgrade_request().replace(b"GET", b"POST", 1).removesuffix(b"\r\n")
    with connect(daemon) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + coding(b"body") + b"stream":
            sock.sendall(bytes([byte]))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"stream"


@over_tls_too(every_mode)
def test_an_upgrade_may_wait_for_100_continue(serve: Serve, mode: Mode) -> None:
    """The client sends its body after 100, and its stream after 101."""
    seen: SimpleQueue[bytes] = SimpleQueue()

    def note(stream: pymhd.Upgraded) -> None:
        seen.put(stream.request.body)
        echo(stream)

    daemon = serve(lambda request: switching(note, "thread"), threads=mode)
    more = "Content-Length: 4\r\nExpect: 100-continue\r\n"
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(more=more).replace(b"GET", b"POST", 1))
        assert read_head(sock).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"body")
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)
        assert seen.get(timeout=TIMEOUT) == b"body"
