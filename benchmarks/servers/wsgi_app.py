# SPDX-License-Identifier: MIT
"""The WSGI application that bjoern and fastwsgi serve."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[Environ, Start], Iterable[bytes]]

BODY = b"x" * (1 << 20)
visitors = itertools.count()


def answer(start: Start, body: bytes, kind: str = "text/plain") -> Iterable[bytes]:
    """Answer with a body of a known length."""
    start("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ: Environ, start: Start) -> Iterable[bytes]:
    """Answer the same to everybody."""
    return answer(start, b"Hello, world\n")


def varied(environ: Environ, start: Start) -> Iterable[bytes]:
    """Answer each time with another body."""
    return answer(start, f"Hello, visitor {next(visitors)}\n".encode())


def headers(environ: Environ, start: Start) -> Iterable[bytes]:
    """Read ten fields of the header."""
    size = sum(len(environ.get(f"HTTP_X_BENCH_{i}", "")) for i in range(10))
    return answer(start, f"{size}\n".encode())


def json(environ: Environ, start: Start) -> Iterable[bytes]:
    """Send a body back."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return answer(start, body, "application/json")


def body(environ: Environ, start: Start) -> Iterable[bytes]:
    """Answer with 1 MiB."""
    return answer(start, BODY)


def upload(environ: Environ, start: Start) -> Iterable[bytes]:
    """Count what comes."""
    size = 0
    while piece := environ["wsgi.input"].read(1 << 16):
        size += len(piece)
    return answer(start, f"{size}\n".encode())


HANDLERS: dict[str, Application] = {
    handler.__name__: handler
    for handler in (hello, varied, headers, json, body, upload)
}
