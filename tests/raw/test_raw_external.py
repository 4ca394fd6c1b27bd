# SPDX-License-Identifier: MIT
"""The raw layer alone, in a loop of one's own, as one would write it in C."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from live import TIMEOUT, eventually, read_exactly, read_head, read_to_end
from raw_server import REQUEST, RawServer, connect

from pymhd import ffi, lib

if TYPE_CHECKING:
    from pymhd._native._mhd import CData, DaemonPtr

WAIT_MS = 50
FDSET_BYTES = 1024 // 8


def run(daemon: "DaemonPtr") -> None:
    """Wait for libmicrohttpd's epoll descriptor, then run it."""
    info = lib.MHD_get_daemon_info(daemon, lib.MHD_DAEMON_INFO_EPOLL_FD)
    epoll_fd: int = info.epoll_fd  # type: ignore[attr-defined]
    select.select([epoll_fd], [], [], 0.0 if is_busy(daemon) else WAIT_MS / 1000)
    assert lib.MHD_run(daemon) == lib.MHD_YES


def is_busy(daemon: "DaemonPtr") -> bool:
    """Tell whether it wants to run at once."""
    ms = ffi.new("unsigned long long *")
    return lib.MHD_get_timeout(daemon, ms) == lib.MHD_YES and not ffi.unpack(ms, 1)[0]


def run_wait(daemon: "DaemonPtr") -> None:
    """Let it wait by itself."""
    assert lib.MHD_run_wait(daemon, WAIT_MS) == lib.MHD_YES


def run_from_select(daemon: "DaemonPtr") -> None:
    """Ask what to watch, wait, and say what has happened."""
    sets = [ffi.new("unsigned char[]", FDSET_BYTES) for _ in range(3)]
    pointers = (ffi.cast("fd_set *", bits) for bits in sets)
    read, write, failed = pointers
    highest = ffi.new("MHD_socket *", -1)
    assert lib.MHD_get_fdset(daemon, read, write, failed, highest) == lib.MHD_YES
    watched = readers, writers, others = tuple(descriptors(bits) for bits in sets)
    assert max(fd for fds in watched for fd in fds) == ffi.unpack(highest, 1)[0]
    wait = 0.0 if is_busy(daemon) else WAIT_MS / 1000
    ready = select.select(readers, writers, others, wait)
    for bits, fds in zip(sets, ready, strict=True):
        mark = sum(1 << fd for fd in fds)
        ffi.memmove(bits, mark.to_bytes(FDSET_BYTES, "little"), FDSET_BYTES)
    assert lib.MHD_run_from_select(daemon, read, write, failed) == lib.MHD_YES


def descriptors(bits: "CData") -> list[int]:
    """Return the members of a fd_set, which is a row of bits."""
    mark = int.from_bytes(ffi.buffer(bits)[:], "little")
    return [fd for fd in range(8 * FDSET_BYTES) if mark >> fd & 1]


class DrivenServer(RawServer):
    """One that has no thread of libmicrohttpd's."""

    def __init__(self, flags: int, turn: "Callable[[DaemonPtr], None]") -> None:
        super().__init__(flags)
        self._turn = turn
        self._enough = threading.Event()
        self._loop = threading.Thread(target=self._go_on)
        self._loop.start()

    def _go_on(self) -> None:
        while not self._enough.is_set():
            self._turn(self._daemon)

    def stop(self) -> None:
        """Wait for the sessions and the loop, then stop."""
        for thread in self.threads:
            thread.join(TIMEOUT)
        self._enough.set()
        self._loop.join(TIMEOUT)
        super().stop()


WAYS: "dict[str, tuple[int, Callable[[DaemonPtr], None]]]" = {
    "MHD_run": (lib.MHD_USE_EPOLL, run),
    "MHD_run_from_select": (0, run_from_select),
}
if lib.MHD_VERSION >= 0x00097300:
    WAYS["MHD_run_wait, epoll"] = (lib.MHD_USE_EPOLL, run_wait)
    WAYS["MHD_run_wait, select"] = (0, run_wait)


@pytest.fixture(params=WAYS)
def driven(request: pytest.FixtureRequest) -> Iterator[DrivenServer]:
    """Run a raw server in every way to do it oneself."""
    server = DrivenServer(*WAYS[request.param])
    yield server
    server.stop()


def test_a_driven_server_upgrades_and_echoes(driven: DrivenServer) -> None:
    """Several at once, with what came early, to both ends, and CLOSE."""
    socks = [connect(driven) for _ in range(5)]
    for sock in socks:
        sock.sendall(REQUEST + b"early")
        assert read_head(sock).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert read_exactly(sock, 5) == b"early"
    for sock in socks:
        sock.sendall(b"late")
        assert read_exactly(sock, 4) == b"late"
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
        sock.close()
    for _ in socks:
        assert driven.closed.get(timeout=TIMEOUT) == lib.MHD_YES


def test_a_client_that_vanishes_ends_its_session(driven: DrivenServer) -> None:
    """The next one is served."""
    with connect(driven) as sock:
        sock.sendall(REQUEST)
        read_head(sock)
    assert driven.closed.get(timeout=TIMEOUT) == lib.MHD_YES
    with connect(driven) as sock:
        sock.sendall(REQUEST)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
    eventually(lambda: driven.calls.qsize() == 2, "both calls")
