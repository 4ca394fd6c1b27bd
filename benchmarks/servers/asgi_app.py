# SPDX-License-Identifier: MIT
"""The ASGI application that uvicorn serves."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = b"x" * (1 << 20)
visitors = itertools.count()


async def answer(send: Send, body: bytes, kind: bytes = b"text/plain") -> None:
    """Answer with a body of a known length."""
    fields = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the same to everybody."""
    await answer(send, b"Hello, world\n")


async def varied(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer each time with another body."""
    await answer(send, b"Hello, visitor %d\n" % next(visitors))


async def headers(scope: Scope, receive: Receive, send: Send) -> None:
    """Read ten fields of the header."""
    fields = dict(scope["headers"])
    size = sum(len(fields.get(b"x-bench-%d" % i, b"")) for i in range(10))
    await answer(send, b"%d\n" % size)


async def json(scope: Scope, receive: Receive, send: Send) -> None:
    """Send a body back."""
    gathered = b""
    more = True
    while more:
        event = await receive()
        gathered += event.get("body", b"")
        more = event.get("more_body", False)
    await answer(send, gathered, b"application/json")


async def body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with 1 MiB."""
    await answer(send, BODY)


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """Count what comes."""
    size = 0
    more = True
    while more:
        event = await receive()
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
    await answer(send, b"%d\n" % size)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back each WebSocket message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event["bytes"]})


HANDLERS: dict[str, Application] = {
    handler.__name__: handler
    for handler in (hello, varied, headers, json, body, upload, echo)
}
