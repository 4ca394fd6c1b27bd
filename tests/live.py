# SPDX-License-Identifier: MIT
"""What the tests share: clients on raw sockets, and waiting."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import pytest

import pymhd

TIMEOUT = 10.0
"""Seconds that anything may take which is expected to happen."""

Mode = Literal["per-connection"] | int
MODES: list[Mode] = [1, 3, "per-connection"]


without_asan = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="AddressSanitizer's allocator does not behave as the system's",
)


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


def connect(daemon: pymhd.Daemon) -> socket.socket:
    """Connect a raw socket with a timeout to a daemon."""
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=TIMEOUT)


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
