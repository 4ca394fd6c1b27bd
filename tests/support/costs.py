# SPDX-License-Identifier: MIT
"""Counts what one thing costs while 10, and while 1,000, others wait: ./dev costs.

Counted are the instructions of a process under valgrind, of one thread, which is the
daemon's loop and its client; so the numbers are nearly the same each time, on any
machine. It fails if a hundred times as many make anything half as dear again.
"""

import ctypes
import os
import re
import resource
import select
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crowds import CROWDS, PATIENT, ask_and_run, ask_badly_and_run, crowd, join, respond
from live import upgrade_request
from loops import until

import pymhd
from pymhd._engine.pump import Pump

FEW, MANY = 10, 1000
MOST = 1.5
SUPPORT = Path(__file__).parent


class Quiet(pymhd.Protocol):
    """Says nothing."""

    def connection_made(self, transport: pymhd.Transport) -> None:
        self.transport = transport
        transports.append(transport)


class Echo(Quiet):
    """Sends back what comes."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Full(Quiet):
    """Is paused, and has output that its peer does not take."""

    def connection_made(self, transport: pymhd.Transport) -> None:
        super().connection_made(transport)
        transport.pause_reading()
        transport.write(bytes(4 << 20))


streams: list[pymhd.Upgraded] = []
transports: list[pymhd.Transport] = []
socks: list[socket.socket] = []
KINDS = {
    "/quiet": pymhd.Response.for_upgrade(Quiet, "echo"),
    "/echo": pymhd.Response.for_upgrade(Echo, "echo"),
    "/full": pymhd.Response.for_upgrade(Full, "echo"),
    "/idle": pymhd.Response.for_upgrade(Echo, "echo", idle_timeout=1000),
    "/soon": pymhd.Response.for_upgrade(Echo, "echo", idle_timeout=1),
    "/stream": pymhd.Response.for_upgrade(streams.append, "echo", run="inline"),
}


class Costs:
    """What things cost a daemon while so many others wait."""

    def __init__(self, count: int, counter: Any) -> None:
        self.count = count
        self.counter = counter
        self.daemon = pymhd.Daemon(
            lambda request: KINDS[request.path],
            threads="external",
            limits=pymhd.Limits(connections=3000),
        )

    def measure(self) -> None:
        """Count all of them."""
        self.forget_a_request()
        for kind in CROWDS:
            self.ask_beside(kind)
        with self.daemon:
            self.echo_beside("/quiet")
            self.echo_beside("/full")
            self.echo_beside("/stream")
            self.look_whether_one_is_idle()
            self.ask_for_a_size()

    def count_instructions(
        self, name: str, call: Callable[[], object], times: int
    ) -> None:
        call()  # what comes once does not count
        self.counter.count_from_here()
        for _ in range(times):
            call()
        self.counter.count_up_to_here(f"{name} {self.count} {times}".encode())

    def join(self, path: str, count: int = 1) -> socket.socket:
        there = self.daemon.upgraded
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", self.daemon.port))
            sock.sendall(upgrade_request(path))
            socks.append(sock)
            self.daemon.run(0)
        until(self.daemon, lambda: self.daemon.upgraded == there + count)
        for _ in range(5):
            self.daemon.run(0)
        return sock

    def leave(self) -> None:
        for sock in socks:
            sock.close()
        socks.clear()
        until(self.daemon, lambda: self.daemon.upgraded == 0)
        streams.clear()
        transports.clear()

    def echo_on(self, sock: socket.socket) -> None:
        sock.sendall(b"x")
        until(self.daemon, lambda: select.select([sock], [], [], 0)[0] != [])
        assert sock.recv(100) == b"x"

    # --- what costs ---

    def forget_a_request(self) -> None:
        """A client leaves while its request waits for the handler."""
        pump: Any = object.__new__(Pump)
        pump._begin()
        for token in range(self.count + 100):
            pump._waiting.order.append(token)
            pump._waiting.requests[token] = None
        tokens = iter(range(self.count + 99, 0, -1))
        self.count_instructions("forget", lambda: pump._forget(next(tokens)), 90)

    def ask_beside(self, kind: str) -> None:
        """A request, a right one and a bad one, beside clients amid theirs."""
        daemon = pymhd.Daemon(respond, threads="external", limits=PATIENT)
        with daemon, join(daemon) as sock:
            ask_and_run(daemon, sock)
            with crowd(daemon, kind, self.count):
                self.count_instructions(
                    f"ask_beside_{kind}", lambda: ask_and_run(daemon, sock), 20
                )
                self.count_instructions(
                    f"ask_badly_beside_{kind}", lambda: ask_badly_and_run(daemon), 20
                )
                sock.close()

    def echo_beside(self, path: str) -> None:
        """A message, beside protocols that wait, or sessions that linger."""
        sock = self.join("/echo")
        sock.recv(1000)
        self.join(path, self.count)
        for stream in streams:
            stream.close()
        name = "beside_" + path[1:]
        self.count_instructions(name, lambda: self.echo_on(sock), 5)
        assert self.daemon.upgraded == self.count + 1, self.daemon.upgraded
        self.leave()

    def look_whether_one_is_idle(self) -> None:
        """The time of one comes, and of the others not yet."""
        self.join("/idle", self.count)
        sock = self.join("/soon")
        sock.recv(1000)

        def look() -> None:
            for _ in range(2):
                time.sleep(0.52)
                self.echo_on(sock)

        self.count_instructions("idle", look, 3)
        self.leave()

    def ask_for_a_size(self) -> None:
        """Others have written since the last turn."""
        self.join("/quiet", 2)
        one, other = transports
        for _ in range(self.count):
            other.write(b"x")
        self.count_instructions("size", one.get_write_buffer_size, 90)
        self.leave()


def run_under_valgrind(folder: str, many: int) -> dict[str, dict[int, float]]:
    """Return the instructions of each of the costs, by how many others wait."""
    library = f"{folder}/counting.so"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    source = str(SUPPORT / "counting.c")
    subprocess.run([*compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    valgrind = ["valgrind", "-q", "--tool=callgrind", f"--log-file={folder}/log"]
    program = [sys.executable, __file__, str(many), library]
    counts = f"--callgrind-out-file={folder}/counts"
    subprocess.run([*valgrind, counts, *program], check=True)
    costs: dict[str, dict[int, float]] = {}
    for file in Path(folder).glob("counts.*"):
        text = file.read_text()
        name = re.search(r"^desc: Trigger: .* (\w+) (\d+) (\d+)$", text, re.M)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if name and total:
            each = int(total[1]) / int(name[3])
            costs.setdefault(name[1], {})[int(name[2])] = each
    return costs


def main() -> None:
    """Measure, or, under valgrind, be measured."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    if len(sys.argv) > 2:
        counter = ctypes.CDLL(sys.argv[2])
        files, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files < 4 * many:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4 * many, most_files))
        for count in (FEW, many):
            Costs(count, counter).measure()
        return
    with tempfile.TemporaryDirectory() as folder:
        costs = run_under_valgrind(folder, many)
    dear = False
    print(f"instructions while so many others wait: {FEW:>14} {many:>9}")
    for name, of in sorted(costs.items()):
        ratio = of[many] / of[FEW]
        dear = dear or ratio > MOST
        print(f"{name:<38} {of[FEW]:>15,.0f} {of[many]:>9,.0f}  x {ratio:.2f}")
    if dear or len(costs) != 6 + 2 * len(CROWDS):
        sys.exit(1)


if __name__ == "__main__":
    main()
