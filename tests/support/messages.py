# SPDX-License-Identifier: MIT
"""Requests as bytes, what a handler sees of them, and answers taken apart."""

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from live import GET, Serve, connect, read_exactly, read_head, read_to_end

import pymhd

T = TypeVar("T")

LAST_GET = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
# Some releases of libmicrohttpd close the connection without a word.
REFUSED = (0, 400)


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes) -> bytes:
    """Return a request without a body, after whose answer the connection ends."""
    return b"\r\n".join([line, b"Host: test", b"Connection: close", *fields, b"", b""])


def post(body: bytes, *fields: bytes) -> bytes:
    """Return a request with a body of a known length."""
    length = b"Content-Length: %d" % len(body)
    return head(b"POST / HTTP/1.1", length, *fields) + body


def ask(daemon: pymhd.Daemon, raw: bytes = LAST_GET) -> bytes:
    """Send bytes; return everything that comes until the connection ends."""
    with connect(daemon) as sock:
        sock.sendall(raw)
        return read_to_end(sock)


def get(sock: socket.socket, request: bytes = GET) -> bytes:
    """Return the body of an answer, and keep the connection."""
    sock.sendall(request)
    length = read_head(sock).partition(b"Content-Length: ")[2].partition(b"\r")[0]
    return read_exactly(sock, int(length))


# --- what a handler sees ---


def taken(
    serve: Serve, take: Callable[[pymhd.Request], T], raw: bytes, **options: Any
) -> T:
    """Return what a handler has taken out of a request."""
    found: list[T] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(take(request))
        return pymhd.Response()

    answer = ask(serve(handler, **options), raw)
    assert status_of(answer) == 200, answer
    return found[0]


def status_without_python(serve: Serve, raw: bytes, **options: Any) -> int:
    """Return the status of a request that no handler must see."""
    seen: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(repr((request.target, request.headers, request.body)))
        return pymhd.Response()

    answer = ask(serve(handler, **options), raw)
    assert seen == []
    return status_of(answer)


def always(response: Any) -> Callable[[pymhd.Request], Any]:
    """Return a handler that gives the same response every time."""
    return lambda request: response


# --- what a client sees ---


def status_of(answer: bytes) -> int:
    """Return its status; 0 where the connection was closed without one."""
    return int(answer.split(b" ")[1]) if answer else 0


def fields_of(answer: bytes) -> list[str]:
    """Return the header fields that the handler has asked for, in their order."""
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    ours = ("Date:", "Connection:", "Content-Length:")
    return [line for line in lines if not line.startswith(ours)]


def body_of(answer: bytes) -> bytes:
    """Return what stands behind the header."""
    return answer.partition(b"\r\n\r\n")[2]
