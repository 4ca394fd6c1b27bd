# SPDX-License-Identifier: MIT
"""Handshakes whose client has begun, and does not go on."""

import contextlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import secure
from live import GET, TIMEOUT, Mode, Serve, eventually, hello, read_to_end, reset
from loops import until
from marks import every_mode

import pymhd

QUIET_SECONDS = 0.05


class Client:
    """A TLS client whose bytes are ours to send."""

    def __init__(self, version: ssl.TLSVersion | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = secure.client_context(version).wrap_bio(
            self.incoming, self.outgoing, server_hostname="localhost"
        )

    def next(self, data: bytes = b"") -> bytes:
        """Return what it has to say to that."""
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


HELLO = Client().next()
BEGINNINGS = [HELLO[:1], HELLO[:5], HELLO[: len(HELLO) // 2], HELLO]


def begin(port: int, data: bytes) -> socket.socket:
    """Connect, and send the beginning of a handshake."""
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    sock.sendall(data)
    return sock


def switches() -> int:
    """Return how often any thread of this process has come to run."""
    count = 0
    for status in Path("/proc/self/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError):
            lines = status.read_text().splitlines()
            count += sum(int(line.split()[1]) for line in lines if "ctxt" in line)
    return count


def is_quiet() -> bool:
    """Tell whether no thread runs for a while, but for this one, which sleeps."""
    before = switches()
    time.sleep(QUIET_SECONDS)
    return switches() - before <= 2


@every_mode
def test_they_cost_nothing_while_they_wait(serve: Serve, mode: Mode) -> None:
    """Whatever part of it has come."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    for data in BEGINNINGS:
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(begin(daemon.port, data))
            eventually(lambda: daemon.connections == 5, "their connections")
            eventually(is_quiet, "silence")
        eventually(lambda: daemon.connections == 0, "their end")


def test_a_loop_may_wait_as_long_as_it_would_without_them() -> None:
    """Up to the next of the limits in time."""
    with pymhd.Daemon(hello, threads="external", tls=secure.server_tls()) as daemon:
        for data in BEGINNINGS:
            with begin(daemon.port, data):
                until(daemon, lambda: daemon.connections == 1)
                until(daemon, lambda: (daemon.timeout() or 1) > 0.1)
            until(daemon, lambda: daemon.connections == 0)


@every_mode
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_that_goes_on_a_byte_at_a_time_is_served(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """And is no handshake any more afterwards."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    client = Client(version)
    with socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = client.next()
        while said or client.tls.version() is None:
            for i in range(len(said)):
                sock.sendall(said[i : i + 1])
            is_over = client.tls.version() is not None
            said = b"" if is_over else client.next(sock.recv(65536))
        for _ in range(2):
            client.tls.write(GET)
            sock.sendall(client.next())
            answer = b""
            while not answer.endswith(b"hello"):
                client.incoming.write(sock.recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    while True:
                        answer += client.tls.read(65536)


LEAVE: list[Callable[[socket.socket], None]] = [
    lambda sock: sock.shutdown(socket.SHUT_WR),
    lambda sock: sock.close(),
    reset,
    lambda sock: sock.sendall(b"no TLS at all" * 1000),
]


@every_mode
def test_they_end_with_their_client(serve: Serve, mode: Mode) -> None:
    """With a FIN, an RST, or what is no TLS."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    for leave in LEAVE:
        for data in BEGINNINGS:
            with begin(daemon.port, data) as sock:
                eventually(lambda: daemon.connections == 1, "the connection")
                leave(sock)
                eventually(lambda: daemon.connections == 0, "its end")


@every_mode
@pytest.mark.parametrize("limit", ["header_timeout", "timeout"])
def test_they_end_by_the_limits(
    serve: Serve, mode: Mode, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of the two that is there."""
    caplog.set_level("INFO", "pymhd")
    times = {"header_timeout": 0, "timeout": 0, limit: 1}
    daemon = serve(
        hello, threads=mode, tls=secure.server_tls(), limits=pymhd.Limits(**times)
    )
    with contextlib.ExitStack() as stack:
        for sock in [stack.enter_context(begin(daemon.port, d)) for d in BEGINNINGS]:
            with contextlib.suppress(ConnectionResetError):
                read_to_end(sock)
        eventually(lambda: daemon.connections == 0, "their end")
    assert all("Limits." + limit in record.getMessage() for record in caplog.records)


STOP = """
import contextlib, socket, sys
import pymhd, secure
from live import eventually, hello, in_mode, run_to_its_end
import threading
mode, beginning = sys.argv[1], bytes.fromhex(sys.argv[2])
options = in_mode(int(mode) if mode.isdigit() else mode)
daemon = pymhd.Daemon(hello, tls=secure.server_tls(), **options)
daemon.start()
if mode.startswith("external"):
    threading.Thread(target=run_to_its_end, args=(daemon,)).start()
socks = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(20)]
for sock in socks:
    sock.sendall(beginning)
eventually(lambda: daemon.connections == len(socks), "the connections")
daemon.stop()
for sock in socks:
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
"""


@every_mode
def test_stop_ends_them(mode: Mode) -> None:
    """Libmicrohttpd would abort the process if it had suspended connections then."""
    support = str(Path(secure.__file__).parent)
    program = f"import sys; sys.path.insert(0, {support!r})\n{STOP}"
    for data in [HELLO[:5], HELLO]:
        subprocess.run(
            [sys.executable, "-c", program, str(mode), data.hex()],
            check=True,
            timeout=3 * TIMEOUT,
        )
