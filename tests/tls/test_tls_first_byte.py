# SPDX-License-Identifier: MIT
"""A new connection's first answer waits for no delayed acknowledgement of 40 ms.

The daemon's own socket, which is in this process, tells whether it holds back small
segments. A delayed acknowledgement can only be told by its time; but Linux delays none
by less than 40 ms, so one connection of many that is faster has had none.
"""

import contextlib
import os
import socket
import ssl

import pytest
import secure
from live import GET, TIMEOUT, Mode, Serve, hello, seconds_of
from marks import every_mode

import pymhd

DELAY = 0.04
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


@every_mode
@pytest.mark.parametrize("version", VERSIONS)
def test_the_end_of_the_handshake_is_acknowledged_at_once(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """A client with Nagle's algorithm sends its request only then."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())

    def first_answer() -> float:
        with connect(daemon, version) as sock:
            return seconds_of(lambda: ask(sock))

    assert any(first_answer() < DELAY for _ in range(20))
