# SPDX-License-Identifier: MIT
"""The scenarios of libmicrohttpd's own test of upgrades: 6 programs in 14 modes.

The programs are plain and TLS, with messages and pools of three sizes; the modes are
ways to poll. Upstream's client asks for an upgrade without naming a protocol; ours
names one.
"""

import logging
import socket
import threading
from queue import SimpleQueue
from typing import NamedTuple

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    logged_errors,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
)

import pymhd

MODES: list[Mode] = [
    "external select",
    "external auto",
    "external epoll",
    "per-connection select",
    "per-connection auto",
    "per-connection poll",
    "1 select",
    "2 select",
    "1 auto",
    "2 auto",
    "1 poll",
    "2 poll",
    "1 epoll",
    "2 epoll",
]


class Sizes(NamedTuple):
    """Of what the client and the application say, and of a connection's pool."""

    hello: bytes
    world: bytes
    memory: int


PROGRAMS = {
    "default": Sizes(b"Hello", b"World", 32 * 1024),
    "large": Sizes(b"Hello" * 3482, b"World" * 3482, 4 * 1024),
    "vlarge": Sizes(b"Hello" * 13108, b"World" * 13108, 64 * 1024),
}
FINISHED = b"Finished"


class Application:
    """What upstream's handler starts in a thread of its own."""

    def __init__(self, sizes: Sizes, half_closes: bool) -> None:
        self.sizes = sizes
        self.half_closes = half_closes
        self.requests: list[str] = []
        self.results: SimpleQueue[tuple[int, bytes, bytes]] = SimpleQueue()
        self.switch = pymhd.Response.for_upgrade(self.talk, "Hello-World-Protocol/1")

    def handler(self, request: pymhd.Request) -> pymhd.Response:
        """Switch, whoever asks."""
        self.requests.append(request.target)
        return self.switch

    def talk(self, stream: pymhd.Upgraded) -> None:
        """Hear, answer, and part."""
        pending = stream.pending()
        heard = bytearray()
        while len(heard) < len(self.sizes.hello):
            heard += stream.recv(len(self.sizes.hello) - len(heard)) or b"?"
        stream.sendall(self.sizes.world)
        stream.sendall(FINISHED)
        end = stream.recv(1)
        if self.half_closes:
            stream.shutdown(socket.SHUT_WR)
        self.results.put((pending, bytes(heard), end))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("transport", ["plain", "tls"], indirect=True)
def test_an_upgrade_as_upstream_tries_it(
    serve: Serve,
    transport: str,
    program: str,
    mode: Mode,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every byte both ways, both ends, one request, and nothing is left."""
    sizes = PROGRAMS[program]
    application = Application(sizes, half_closes=transport == "plain")
    limits = pymhd.Limits(timeout=5, memory=sizes.memory)
    daemon = serve(application.handler, threads=mode, limits=limits)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol="Hello-World-Protocol/1"))
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nUpgrade: Hello-World-Protocol/1\r\n" in head
        # The application hears before it speaks, so this cannot block for ever.
        sender = threading.Thread(target=sock.sendall, args=(sizes.hello,))
        sender.start()
        assert read_exactly(sock, len(sizes.world)) == sizes.world
        assert read_exactly(sock, len(FINISHED)) == FINISHED
        sender.join(TIMEOUT)
        assert (daemon.connections, daemon.upgraded) == (1, 1)
        sock.shutdown(socket.SHUT_WR)
        if transport == "plain":
            assert read_to_end(sock) == b""
    assert application.results.get(timeout=TIMEOUT) == (0, sizes.hello, b"")
    assert application.requests == ["/"]
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    daemon.stop()
    assert logged_errors(caplog) == []
    assert not [r for r in caplog.records if r.levelno > logging.INFO]
