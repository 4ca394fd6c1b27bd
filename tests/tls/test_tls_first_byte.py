# SPDX-License-Identifier: MIT
"""A new connection's first answer waits for no delayed acknowledgement of 40 ms.

The daemon's own socket, which is in this process, tells whether it holds back small
segments. How many acknowledgements the kernel has delayed it counts for the whole
machine; so one connection of many, while it was alone, must have had none.
"""

import contextlib
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest
import secure
from live import GET, TIMEOUT, Mode, Serve, eventually, hello
from marks import every_mode

import pymhd

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def option(client: socket.socket, name: int) -> int | None:
    """Return one of TCP's options of the daemon's end of a connection."""
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(fd))) as sock:
                if sock.getpeername() == client.getsockname():
                    return sock.getsockopt(socket.IPPROTO_TCP, name)
    return None


def connect(daemon: pymhd.Daemon, version: ssl.TLSVersion) -> ssl.SSLSocket:
    """Do a handshake, and no more."""
    sock = socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT)
    return secure.client_context(version).wrap_socket(sock, server_hostname="localhost")


def ask(sock: socket.socket) -> None:
    """Send a request, and read its answer."""
    sock.sendall(GET)
    answer = b""
    while not answer.endswith(b"hello"):
        answer += sock.recv(1000)


@every_mode
@pytest.mark.parametrize("version", VERSIONS)
def test_small_segments_are_not_held_back(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """Neither those of the handshake, nor header and body of an answer."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    with connect(daemon, version) as sock:
        assert option(sock, socket.TCP_NODELAY) == 1
        for _ in range(3):
            ask(sock)
            assert option(sock, socket.TCP_NODELAY) == 1


def delayed_acknowledgements() -> int:
    """Return how many were sent by a timer, on this machine."""
    lines = Path("/proc/net/netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(values[names.index("DelayedACKs")])


def is_acknowledged(sock: socket.socket) -> bool:
    """Tell whether the other end has acknowledged all that was sent."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return struct.unpack_from("I", info, 24) == (0,)  # tcpi_unacked


@every_mode
@pytest.mark.parametrize("version", VERSIONS)
def test_the_end_of_the_handshake_is_acknowledged_at_once(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """A client with Nagle's algorithm sends its request only then."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())

    def delayed() -> int:
        before = delayed_acknowledgements()
        with connect(daemon, version) as sock:
            eventually(lambda: is_acknowledged(sock), "the acknowledgement")
            return delayed_acknowledgements() - before

    assert any(delayed() == 0 for _ in range(20))
