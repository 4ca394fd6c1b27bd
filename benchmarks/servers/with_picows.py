# SPDX-License-Identifier: MIT
"""picows: WebSocket in Cython on uvloop. Usage: with_picows.py PORT echo"""

import sys

import uvloop
from picows import WSFrame, WSListener, WSTransport, ws_create_server


class Echo(WSListener):  # type: ignore[misc]
    """Send back each message."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send back one."""
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def main() -> None:
    """Serve until the end."""
    server = await ws_create_server(
        lambda request: Echo(), "127.0.0.1", int(sys.argv[1])
    )
    await server.serve_forever()


uvloop.run(main())
