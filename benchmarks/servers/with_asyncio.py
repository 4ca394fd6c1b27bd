# SPDX-License-Identifier: MIT
"""A bare asyncio.Protocol that answers any request with a 101, then echoes.

The least that Python can do without C of its own: it parses nothing.
Usage: with_asyncio.py PORT asyncio|uvloop
"""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"
)


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header."""
        self._write = cast(asyncio.Transport, transport).write
        self._head = b""
        self._take: Callable[[bytes], None] = self._take_head

    def data_received(self, data: bytes) -> None:
        """Take a part of the header, or send back what comes."""
        self._take(data)

    def _take_head(self, data: bytes) -> None:
        self._head += data
        _, end, early = self._head.partition(b"\r\n\r\n")
        if end:
            self._take = self._write
            self._write(SWITCH + early)


async def main() -> None:
    """Serve until the end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if sys.argv[2] == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
