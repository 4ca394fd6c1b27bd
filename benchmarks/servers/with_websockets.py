# SPDX-License-Identifier: MIT
"""websockets on uvloop. Usage: with_websockets.py PORT echo"""

import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(socket: ServerConnection) -> None:
    """Send back each message."""
    async for message in socket:
        await socket.send(message)


async def main() -> None:
    """Serve until the end."""
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        await server.serve_forever()


uvloop.run(main())
