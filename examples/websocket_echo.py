# SPDX-License-Identifier: MIT
"""Echo WebSocket messages: pymhd switches, the package websockets does the frames.

Try it::

    pip install websockets
    python examples/websocket_echo.py 8080
    python -m websockets ws://127.0.0.1:8080/

websockets is used through its Sans-I/O layer: it never sees the socket. It checks
the handshake, chooses a subprotocol, compresses, answers pings and closes by itself; we
carry its bytes.
"""

import functools
import sys
from collections.abc import Sequence

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

import pymhd

MAX_MESSAGE = 16 * 1024 * 1024
# The best first.
SUBPROTOCOLS = [Subprotocol("echo.v2"), Subprotocol("echo")]
EXTENSIONS = [ServerPerMessageDeflateFactory()]
# The fields of an answer that for_upgrade() and libmicrohttpd set themselves.
SET_ELSEWHERE = ("connection", "upgrade", "date")
DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def choose(
    protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Choose a subprotocol; a client that knows none of ours goes without one."""
    return next((ours for ours in SUBPROTOCOLS if ours in offered), None)


def answer(protocol: ServerProtocol, message: list[Frame]) -> None:
    """Send one message back whole, whatever pieces it came in."""
    data = b"".join(frame.data for frame in message)
    if message[0].opcode is Opcode.BINARY:
        protocol.send_binary(data)
        return
    try:
        data.decode()
    except UnicodeDecodeError:
        protocol.fail(CloseCode.INVALID_DATA, "this text is not UTF-8")
    else:
        protocol.send_text(data)


def echo(protocol: ServerProtocol, stream: pymhd.Upgraded) -> None:
    """Carry bytes between the stream and `protocol` until one of them ends."""
    message: list[Frame] = []
    while data := stream.recv(65536):
        protocol.receive_data(data)
        for frame in protocol.events_received():
            # After the close handshake has begun nothing more may be sent.
            if (
                isinstance(frame, Frame)
                and frame.opcode in DATA
                and protocol.state is State.OPEN
            ):
                message.append(frame)
                if frame.fin:
                    answer(protocol, message)
                    message.clear()
        for chunk in protocol.data_to_send():
            if not chunk:  # the end; returning closes the connection in order
                return
            stream.sendall(chunk)


def handler(request: pymhd.Request) -> pymhd.Response:
    """Check the handshake; each response has its own key, so serves one client."""
    if request.method != "GET":
        return pymhd.Response("Use GET\n", status=405, headers={"Allow": "GET"})
    # The state is what it is once the 101, which MHD sends, has gone out.
    protocol = ServerProtocol(
        state=State.OPEN,
        max_size=MAX_MESSAGE,
        select_subprotocol=choose,
        extensions=EXTENSIONS,
    )
    handshake = protocol.accept(
        Request(request.target, Headers(request.headers.items()))
    )
    if handshake.status_code == 101:
        # All that has been agreed on must be said: the key, the subprotocol, and how
        # frames are compressed, since they are from now on.
        agreed = [
            (name, value)
            for name, value in handshake.headers.raw_items()
            if name.lower() not in SET_ELSEWHERE
        ]
        return pymhd.Response.for_upgrade(
            functools.partial(echo, protocol), "websocket", headers=agreed
        )
    refusal = pymhd.Response(
        (handshake.body or b"").decode(), status=handshake.status_code
    )
    refusal.add_header("Sec-WebSocket-Version", "13")
    if handshake.status_code == 426:
        refusal.add_header("Upgrade", "websocket")
    return refusal


def main() -> None:
    """Serve on the port that the first argument names."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with pymhd.Daemon(handler, port=port) as daemon:
        print(daemon.url, flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
