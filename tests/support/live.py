# SPDX-License-Identifier: MIT
"""What the tests share: clients on raw sockets, and waiting.

Programs of their own import it, too, so it does without pytest, which is slow to load.
"""

import contextlib
import logging
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import pymhd
from pymhd._engine.modes import choose

if TYPE_CHECKING:
    import pytest

TIMEOUT = 10.0
"""Seconds that anything may take which is expected to happen."""

MIB = 1 << 20

Mode = Literal["per-connection"] | int | str
"""What is given to ``serve()`` as threads=, with polling= behind a blank."""


def in_mode(mode: Mode) -> dict[str, Any]:
    """Return the options of ``Daemon`` for a mode."""
    if not isinstance(mode, str):
        return {"threads": mode}
    threads, _, polling = mode.partition(" ")
    return {
        "threads": int(threads) if threads.isdigit() else threads,
        "polling": polling or None,
    }


def is_served(mode: Mode, tls: bool = False) -> bool:
    """Tell whether this CPython is not refused a mode for having no GIL."""
    try:
        choose(**in_mode(mode), tls=tls)
    except pymhd.NotSupportedError:
        return False
    return True


# A test that is given another mode is skipped where it is refused (conftest.py).
MODES: list[Mode] = [mode for mode in (1, 3, "per-connection") if is_served(mode)]
ALL_MODES: list[Mode] = [
    *MODES,
    "1 select",
    "1 poll",
    "1 epoll",
    "3 select",
    "3 epoll",
    "per-connection select",
    "external",
    "external select",
]
"""For what each of them might do in its own way; the rest is one path."""

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Serve(Protocol):
    """Start a daemon for the rest of the test."""

    def __call__(
        self, handler: Callable[[pymhd.Request], Any], **options: Any
    ) -> pymhd.Daemon: ...


def eventually(condition: Callable[[], bool], what: str = "it") -> None:
    """Wait until a condition holds that another thread brings about."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {TIMEOUT} s"
        time.sleep(0.002)


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls in a thread each, and wait for their ends."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)


def logged_errors(caplog: "pytest.LogCaptureFixture") -> list[logging.LogRecord]:
    """Return what was logged as an error."""
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def run_to_its_end(daemon: pymhd.Daemon) -> None:
    """Be the loop of a daemon with threads="external", until it is stopped."""
    while daemon.run(1.0):
        pass


# --- clients ---


def connect(daemon: pymhd.Daemon) -> socket.socket:
    """Connect a socket with a timeout to a daemon, over TLS to one that has it."""
    sock = socket.create_connection(("127.0.0.1", daemon.port), timeout=TIMEOUT)
    if not daemon.url.startswith("https:"):
        return sock
    import secure  # which takes long to load

    return cast("socket.socket", secure.Client(sock))


def connect_to(address: Any, family: int = socket.AF_UNIX) -> socket.socket:
    """Connect a raw socket with a timeout to whoever listens there."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(family))
        sock.settimeout(TIMEOUT)
        sock.connect(address)
        stack.pop_all()
        return sock


def read_head(sock: socket.socket) -> bytes:
    """Read up to the end of a header, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended within the header {head!r}"
        head += byte
    return head


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(65536, size - len(data)))
        assert piece, f"the connection ended after {len(data)} of {size} bytes"
        data += piece
    return bytes(data)


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the peer's end."""
    data = bytearray()
    while piece := sock.recv(65536):
        data += piece
    return bytes(data)


def is_silent(sock: socket.socket, seconds: float = 0.1) -> bool:
    """Tell whether nothing comes for a while."""
    return select.select([sock], [], [], seconds)[0] == []


def reset(sock: socket.socket) -> None:
    """Vanish as a killed client does: with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# --- servers ---


@contextlib.contextmanager
def listening(as_fd: bool) -> Iterator[tuple[socket.socket, Any]]:
    """Yield a socket that listens, and what to pass as sock=."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock, sock.fileno() if as_fd else sock


def hello(request: pymhd.Request) -> pymhd.Response:
    """Answer every request with ``hello``."""
    return pymhd.Response(b"hello")


def upgrade_request(path: str = "/", protocol: str = "echo", more: str = "") -> bytes:
    """Return the bytes of a request that asks for an upgrade."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n"
        f"Upgrade: {protocol}\r\n{more}\r\n"
    ).encode("latin-1")


def upgraded(
    daemon: pymhd.Daemon, protocol: str = "echo", early: bytes = b""
) -> socket.socket:
    """Connect, upgrade, and return the socket behind the 101."""
    sock = connect(daemon)
    sock.sendall(upgrade_request(protocol=protocol) + early)
    head = read_head(sock)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return sock


def echo(stream: pymhd.Upgraded) -> None:
    """Send back what comes, until it ends."""
    while data := stream.recv(65536):
        stream.sendall(data)


def assert_echoes(sock: socket.socket, data: bytes = b"are you there?") -> None:
    """Fail unless the other end sends the data back."""
    sock.sendall(data)
    assert read_exactly(sock, len(data)) == data
