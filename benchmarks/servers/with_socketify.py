# SPDX-License-Identifier: MIT
"""socketify: cffi on uWebSockets. Usage: with_socketify.py PORT WHAT [CERT KEY]"""

import itertools
import sys
from typing import Any

from socketify import App, AppOptions

BODY = b"x" * (1 << 20)
visitors = itertools.count()


def hello(response: Any, request: Any) -> None:
    """Answer the same to everybody."""
    response.write_header("Content-Type", "text/plain")
    response.end("Hello, world\n")


def varied(response: Any, request: Any) -> None:
    """Answer each time with another body."""
    response.write_header("Content-Type", "text/plain")
    response.end(f"Hello, visitor {next(visitors)}\n")


def headers(response: Any, request: Any) -> None:
    """Read ten fields of the header."""
    size = sum(len(request.get_header(f"x-bench-{i}") or "") for i in range(10))
    response.end(f"{size}\n")


def json(response: Any, request: Any) -> None:
    """Send a body back."""
    gathered = bytearray()

    def on_data(response: Any, piece: bytes | None, is_end: bool) -> None:
        gathered.extend(piece or b"")
        if is_end:
            response.write_header("Content-Type", "application/json")
            response.end(bytes(gathered))

    response.on_data(on_data)


def body(response: Any, request: Any) -> None:
    """Answer with 1 MiB."""
    response.end(BODY)


def upload(response: Any, request: Any) -> None:
    """Count what comes."""
    size = 0

    def on_data(response: Any, piece: bytes | None, is_end: bool) -> None:
        nonlocal size
        size += len(piece or b"")
        if is_end:
            response.end(f"{size}\n")

    response.on_data(on_data)


def echo(socket: Any, message: Any, opcode: Any) -> None:
    """Send back each WebSocket message."""
    socket.send(message, opcode)


port, what, *files = sys.argv[1:]
options = AppOptions(cert_file_name=files[0], key_file_name=files[1]) if files else None
application = App(options)
if what == "echo":
    application.ws("/*", {"message": echo})
else:
    application.any("/*", globals()[what])
application.listen({"host": "127.0.0.1", "port": int(port)}, lambda config: None)
application.run()
