# SPDX-License-Identifier: MIT
"""The thirty-three requests of the compliance test h1spec, and what it wants to see."""

import socket

import pytest
from hostile import VERSION
from http11 import answers
from live import Serve, connect, is_silent, read_to_end

import pymhd

HOST = b"Host: example.com\r\n"
WHOLE = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNFINISHED = [
    *(b"G", b"GET ", b"GET /hello", b"GET /hello ", b"GET /hello HTTP"),
    *(b"GET /hello HTTP/1.1", b"GET /hello HTTP/1.1\r", b"GET /hello HTTP/1.1\r\n"),
    *(b"GET /hello HTTP/1.1\r\nHos", b"GET /hello HTTP/1.1\r\nHost:"),
    *(b"GET /hello HTTP/1.1\r\nHost: ", WHOLE[:-4], WHOLE[:-3], WHOLE[:-2], WHOLE[:-1]),
]
GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
SERVED = {
    "Expect": (GET + HOST + b"Expect: 100-continue\r\n\r\n", b""),
    "a valid request": (GET + HOST + b"\r\n", b""),
    "edge cases": (GET + b"hoSt:\texample.com\r\nempty:\r\n\r\n", b""),
    "an empty value": (GET + HOST + b"X-Empty: \r\n\r\n", b""),
    "a body": (POST + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "chunks": (
        POST + b"Transfer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n",
        b"HellO world1",
    ),
}
REFUSED = {
    "no version": b"GET / \r\n\r\n",
    "brackets in a name": GET + HOST + b"X-Invalid[]: test\r\n\r\n",
    "no Host": GET + b"Content-Length: 5\r\n\r\n",
    "two Hosts": GET + HOST + b"Host: example.org\r\n\r\n",
    "a long negative length": GET + HOST + b"Content-Length: -%s\r\n\r\n" % (b"9" * 27),
    "a negative length": GET + HOST + b"Content-Length: -1234\r\n\r\n",
    "letters for a length": GET + HOST + b"Content-Length: abc\r\n\r\n",
    "a control character": GET + HOST + b"X-Bad: test\a\r\n\r\n",
    "version 9.9": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "a prefix": b"Extra lineGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a CR before a name": GET + HOST + b"\rSome-Header: Test\r\n\r\n",
    "a length and chunks": POST
    + b"content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n"
    + b"c\r\nHellO world1\r\n0\r\n\r\n",
}
CLOSED = {"a prefix"} if VERSION >= 0x01000000 else set()
"""libmicrohttpd closes at a line of three blanks and an unknown method, untold."""


def mirror(request: pymhd.Request) -> pymhd.Response:
    """Send the body back."""
    return pymhd.Response(request.body)


def test_there_are_thirty_three() -> None:
    """As many as h1spec has."""
    assert len(UNFINISHED) + len(SERVED) + len(REFUSED) == 33


@pytest.mark.parametrize("sent", UNFINISHED)
def test_what_is_not_finished_is_waited_for(serve: Serve, sent: bytes) -> None:
    """Neither answered nor closed."""
    with connect(serve(mirror)) as sock:
        sock.sendall(sent)
        assert is_silent(sock)


@pytest.mark.parametrize("case", SERVED)
def test_what_is_right_is_served(serve: Serve, case: str) -> None:
    """With its body sent back."""
    sent, body = SERVED[case]
    with connect(serve(mirror)) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        received = read_to_end(sock)
    assert b"HTTP/1.1 200 OK\r\n" in received
    assert received.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused(serve: Serve, case: str) -> None:
    """By one answer, 4xx or 5xx, and a close."""
    with connect(serve(mirror)) as sock:
        sock.sendall(REFUSED[case])
        statuses = [answer.status // 100 for answer in answers(read_to_end(sock))]
    assert statuses == [] if case in CLOSED else statuses in ([4], [5])
