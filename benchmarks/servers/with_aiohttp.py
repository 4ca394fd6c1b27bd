# SPDX-License-Identifier: MIT
"""aiohttp on uvloop. Usage: with_aiohttp.py PORT WHAT [FILE | CERT KEY]"""

import itertools
import ssl
import sys

import uvloop
from aiohttp import web

port, what, *files = sys.argv[1:]
BODY = b"x" * (1 << 20)
visitors = itertools.count()


async def hello(request: web.Request) -> web.StreamResponse:
    """Answer the same to everybody."""
    return web.Response(body=b"Hello, world\n", content_type="text/plain")


async def varied(request: web.Request) -> web.StreamResponse:
    """Answer each time with another body."""
    return web.Response(text=f"Hello, visitor {next(visitors)}\n")


async def headers(request: web.Request) -> web.StreamResponse:
    """Read ten fields of the header."""
    size = sum(len(request.headers.get(f"X-Bench-{i}", "")) for i in range(10))
    return web.Response(text=f"{size}\n")


async def json(request: web.Request) -> web.StreamResponse:
    """Send a body back."""
    return web.Response(body=await request.read(), content_type="application/json")


async def body(request: web.Request) -> web.StreamResponse:
    """Answer with 1 MiB."""
    return web.Response(body=BODY, content_type="text/plain")


async def file(request: web.Request) -> web.StreamResponse:
    """Answer with a file."""
    return web.FileResponse(files[0])


async def upload(request: web.Request) -> web.StreamResponse:
    """Count what comes."""
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
    return web.Response(text=f"{size}\n")


async def echo(request: web.Request) -> web.StreamResponse:
    """Send back each WebSocket message."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket


context = None
if len(files) == 2:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
application = web.Application()
application.router.add_route("*", "/", globals()[what])
web.run_app(
    application,
    host="127.0.0.1",
    port=int(port),
    ssl_context=context,
    access_log=None,
    print=lambda *_: None,
    loop=uvloop.new_event_loop(),
)
