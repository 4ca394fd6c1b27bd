# SPDX-License-Identifier: MIT
"""granian: RSGI in Rust on hyper. Usage: with_granian.py PORT WHAT [FILE | CERT KEY]"""

import itertools
import os
import sys
from pathlib import Path
from typing import Any

from granian import Granian

BODY = "x" * (1 << 20)
visitors = itertools.count()
TEXT = [("content-type", "text/plain")]


async def hello(scope: Any, protocol: Any) -> None:
    """Answer the same to everybody."""
    protocol.response_str(200, TEXT, "Hello, world\n")


async def varied(scope: Any, protocol: Any) -> None:
    """Answer each time with another body."""
    protocol.response_str(200, TEXT, f"Hello, visitor {next(visitors)}\n")


async def headers(scope: Any, protocol: Any) -> None:
    """Read ten fields of the header."""
    size = sum(len(scope.headers.get(f"x-bench-{i}", "")) for i in range(10))
    protocol.response_str(200, TEXT, f"{size}\n")


async def json(scope: Any, protocol: Any) -> None:
    """Send a body back."""
    kind = [("content-type", "application/json")]
    protocol.response_bytes(200, kind, await protocol())


async def body(scope: Any, protocol: Any) -> None:
    """Answer with 1 MiB."""
    protocol.response_str(200, TEXT, BODY)


async def file(scope: Any, protocol: Any) -> None:
    """Answer with a file."""
    protocol.response_file(200, TEXT, os.environ["BENCH_FILE"])


async def upload(scope: Any, protocol: Any) -> None:
    """Count what comes."""
    size = 0
    async for piece in protocol:
        size += len(piece)
    protocol.response_str(200, TEXT, f"{size}\n")


async def echo(scope: Any, protocol: Any) -> None:
    """Send back each WebSocket message."""
    transport = await protocol.accept()
    while (message := await transport.receive()).kind:
        await transport.send_bytes(message.data)


if __name__ == "__main__":
    port, what, *files = sys.argv[1:]
    if what == "file":
        os.environ["BENCH_FILE"] = files[0]
    cert, key = map(Path, files) if len(files) == 2 else (None, None)
    Granian(
        f"with_granian:{what}",
        port=int(port),
        log_enabled=False,
        ssl_cert=cert,
        ssl_key=key,
    ).serve()
