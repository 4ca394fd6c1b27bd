# SPDX-License-Identifier: MIT
"""Many clients that are in the middle of something, beside one who asks.

Of daemons with ``threads="external"``; nobody's time is up meanwhile.
"""

import contextlib
import socket
from collections.abc import Iterator

from live import GET, TIMEOUT
from loops import is_readable, until
from messages import post

import pymhd

LONG = 10_000
PATIENT = pymhd.Limits(
    connections=3000, timeout=LONG, header_timeout=LONG, body_timeout=LONG
)
_POST = b"POST / HTTP/1.1\r\nHost: test\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_large = pymhd.Response(bytes(16 << 20))
_small = pymhd.Response(b"hello")

# What each of a crowd sends.
CROWDS = {
    "half_closed": GET.replace(b"/", b"/large", 1) + b"x" * 1000,
    "uploads": post(b"x" * 1000)[:-900],
    "chunked": _CHUNKED + b"5\r\nhel",
    "kept": GET,
    "headers": GET[:-2] + b"X-Slow: y",
    "silent": b"",
}


def respond(request: pymhd.Request) -> pymhd.Response:
    """Answer with 16 MiB, or with little."""
    return _large if request.path == "/large" else _small


def join(daemon: pymhd.Daemon) -> socket.socket:
    """Connect with little room for what the daemon sends."""
    sock = socket.socket()
    sock.settimeout(TIMEOUT)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", daemon.port))
    return sock


@contextlib.contextmanager
def crowd(daemon: pymhd.Daemon, kind: str, count: int) -> Iterator[None]:
    """Have so many clients of a kind stay where they are."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(join(daemon))
            sock.sendall(CROWDS[kind])
            daemon.run(0)
            if kind == "half_closed":
                sock.shutdown(socket.SHUT_WR)
            elif kind == "kept":
                until(daemon, lambda sock=sock: is_readable(sock))  # type: ignore[misc]
                sock.recv(1000)
        until(daemon, lambda: daemon.connections >= count)
        for _ in range(20):
            daemon.run(0)
        yield
        assert daemon.connections >= count, daemon.connections
    until(daemon, lambda: daemon.connections == 0)


def ask_and_run(daemon: pymhd.Daemon, sock: socket.socket) -> None:
    """Make one request on a connection that is kept."""
    sock.sendall(GET)
    until(daemon, lambda: is_readable(sock))
    assert sock.recv(1000).endswith(b"hello")


def ask_badly_and_run(daemon: pymhd.Daemon) -> None:
    """Connect, make a request whose length is none, and hear that."""
    with join(daemon) as sock:
        sock.sendall(_POST + b"Content-Length: five\r\n\r\n")
        until(daemon, lambda: is_readable(sock))
        sock.recv(1000)
