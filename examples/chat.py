# SPDX-License-Identifier: MIT
"""A chat: every line goes to all the others, with no thread for each of them.

Try it, with several of the second::

    python examples/chat.py 8080
    python -m pymhd connect http://127.0.0.1:8080/ --protocol chat
"""

import sys

import pymhd

MAX_LINE = 65536
room: set[pymhd.Transport] = set()


class Chat(pymhd.Protocol):
    """One of those in the room."""

    rest = b""

    def connection_made(self, transport: pymhd.Transport) -> None:
        self.transport = transport
        pymhd.broadcast(room, b"* somebody has come\n")
        room.add(transport)

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        if lines:
            pymhd.broadcast(room - {self.transport}, b"\n".join([*lines, b""]))
        if len(self.rest) > MAX_LINE:
            self.transport.abort()

    def pause_writing(self) -> None:
        # Too much waits for somebody who does not read.
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        room.discard(self.transport)
        pymhd.broadcast(room, b"* somebody has gone\n")


switch = pymhd.Response.for_upgrade(Chat, "chat")


def handler(request: pymhd.Request) -> pymhd.Response:
    """Switch if the client asks for it; else the answer says how to ask."""
    return switch


def main() -> None:
    """Serve on the port that the first argument names."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with pymhd.Daemon(handler, port=port) as daemon:
        print(daemon.url, flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
