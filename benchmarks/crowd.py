# SPDX-License-Identifier: MIT
"""Thousands of upgraded connections at once, idle: what each costs, and what is left.

    ./dev crowd
    ./dev crowd --connections 9000 --run inline

They upgrade, get an echo, rest while the memory is measured, get another echo, and
leave. ``inline``: one selector in Python serves all. ``hub``: csrc does. ``thread``: a
thread each. The anchor is benchmarks/c/echo.c. Prints one line of JSON for each; the
exit status is 1 if anything was lost or left.
"""

import argparse
import contextlib
import json
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import build
from clients import BUILT
from measure import serving
from soak import REQUEST, descriptors, echo, tasks, tasks_beyond

import pymhd

TIMEOUT = 60
SIZES = {"inline": 9_000, "hub": 9_000, "thread": 1_000}


# --- the client, a process of its own ---


def assert_echo(sock: socket.socket, payload: bytes) -> None:
    """Read these bytes."""
    if sock.recv(len(payload), socket.MSG_WAITALL) != payload:
        raise ValueError("other bytes came back")


def upgraded(port: int) -> socket.socket:
    """Connect and upgrade."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    sock.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (piece := sock.recv(4096)):
            raise ValueError(f"the connection ended within {head!r}")
        head += piece
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ValueError(f"refused: {head!r}")
    return sock


def be_the_client(port: int, count: int) -> None:
    """Hold so many connections, until told to end them."""
    socks = [upgraded(port) for _ in range(count)]
    for word in (b"arrived", b"leaving"):
        for number, sock in enumerate(socks):
            sock.sendall(word + b"%d" % number)
        for number, sock in enumerate(socks):
            assert_echo(sock, word + b"%d" % number)
        print(word.decode(), flush=True)
        sys.stdin.readline()


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[None]:
    """Have the client's connections within a ``with`` block, in which they rest."""
    command = [sys.executable, __file__, "--client", str(port), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        if client.stdout.readline() != "arrived\n":
            raise SystemExit("the client failed, and has said why")
        yield
        client.stdin.write("\n")
        client.stdin.flush()
        if client.stdout.readline() != "leaving\n":
            raise SystemExit("the client failed, and has said why")
        client.stdin.close()
    if client.returncode:
        raise SystemExit("the client failed, and has said why")


# --- the servers ---


class Selecting:
    """One thread that echoes for every stream it is given."""

    def __init__(self) -> None:
        self._new: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
        self._selector = selectors.EpollSelector()
        self.add = self._new.put
        self.is_over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.is_over:
            with contextlib.suppress(Empty):
                while True:
                    stream = self._new.get_nowait()
                    self._selector.register(stream, selectors.EVENT_READ)
                    if early := stream.pending():
                        stream.sendall(stream.recv(early))
            for key, _ in self._selector.select(0.005):
                self._echo(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()

    def _echo(self, stream: pymhd.Upgraded) -> None:
        with contextlib.suppress(ConnectionError):
            if data := stream.recv(65536):
                return stream.sendall(data)
        self._selector.unregister(stream)
        stream.close()
        return None

    def end(self) -> None:
        """End the thread."""
        self.is_over = True
        self._thread.join()


class Echo(pymhd.Protocol):
    """The same for the hub."""

    def connection_made(self, transport: pymhd.Transport) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


def resident_bytes(process: str = "self") -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def switching(run: str) -> tuple[pymhd.Response, Callable[[], None]]:
    """Make the response that upgrades, and what ends its thread."""
    if run == "hub":
        return pymhd.Response.for_upgrade(Echo, "echo", run="hub"), lambda: None
    if run == "thread":
        return pymhd.Response.for_upgrade(echo, "echo"), lambda: None
    selecting = Selecting()
    response = pymhd.Response.for_upgrade(selecting.add, "echo", run="inline")
    return response, selecting.end


def measure(run: str, count: int) -> dict[str, object]:
    """Serve a crowd; return what it cost, and what is left of it."""
    before = descriptors(), tasks()
    switch, end = switching(run)
    with pymhd.Daemon(lambda request: switch) as daemon:
        with crowd(daemon.port, 10):
            pass
        resident, begun = resident_bytes(), time.monotonic()
        with crowd(daemon.port, count):
            seconds = time.monotonic() - begun
            each = (resident_bytes() - resident) // count
            held = daemon.upgraded
            files = descriptors() - before[0]
        deadline = time.monotonic() + TIMEOUT
        while daemon.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        connections = daemon.connections
    end()
    return {
        "run": run,
        "connections": count,
        "lost": count - held,
        "seconds_to_upgrade": round(seconds, 1),
        "bytes_each": each,
        "descriptors": files,
        "connections_left": connections,
        "descriptors_left": descriptors() - before[0],
        "threads_left": tasks_beyond(before[1]),
        "sessions_left": pymhd.lib.pymhd_sessions_live(),
    }


def measure_anchor(count: int) -> dict[str, object]:
    """Do the same with the C program."""
    build.build()
    with serving([str(BUILT / "echo"), "PORT"], pinned=False) as server:
        with crowd(server.port, 10):
            pass
        resident = server.usage().rss_kib
        with crowd(server.port, count):
            each = (server.usage().rss_kib - resident) * 1024 // count
    return {"run": "C", "connections": count, "bytes_each": each}


def main() -> int:
    """Parse the command line and run."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:2] == ["--client"]:
        be_the_client(*map(int, sys.argv[2:]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, metavar="N")
    parser.add_argument("--run", choices=SIZES, action="append")
    arguments = parser.parse_args()
    failed = False
    for run in arguments.run or SIZES:
        count = arguments.connections or SIZES[run]
        result = measure(run, count)
        print(json.dumps(result), flush=True)
        left = [value for name, value in result.items() if name.endswith("_left")]
        failed = failed or any([result["lost"], *left])
        print(json.dumps(measure_anchor(count)), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
