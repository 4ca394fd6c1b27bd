# SPDX-License-Identifier: MIT
"""Server processes, what they use, and where they run."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

START_SECONDS = 20.0
END_SECONDS = 5.0
_REST_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))


class NotStartedError(Exception):
    """A server does not serve; the text is the last line that it said."""


@dataclass(frozen=True)
class Usage:
    """What a server's processes have used up, or hold."""

    cpu_seconds: float
    rss_kib: int
    pss_kib: int


def server_cores(pinned: bool) -> list[int]:
    """Return the cores of a server: the last one, or all.

    A server has a core for itself, and whoever loads it the other ones: ratios are
    steadier than where both are moved about.
    """
    return _CORES[-1:] if pinned and len(_CORES) > 1 else _CORES


def load_cores() -> list[int]:
    """Return the cores of the load clients."""
    return _CORES[:-1] or _CORES


@contextlib.contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Let what is started meanwhile run on these cores, from its first moment on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class ServerProcess:
    """A server that listens, with its children."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.port = port

    @property
    def has_ended(self) -> bool:
        """True if it does not run any more."""
        return self._process.poll() is not None

    def await_rest(self) -> None:
        """Wait until it uses no CPU: who listens may not have started all workers."""
        deadline = time.monotonic() + START_SECONDS
        used = -1.0
        while time.monotonic() < deadline:
            before, used = used, self.usage().cpu_seconds
            if before == used:
                return
            time.sleep(_REST_SECONDS)

    def usage(self) -> Usage:
        """Add up what the server and its children have used."""
        ticks = rss = pss = 0
        for process in _tree(self._process.pid):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
                # utime and stime of all threads, those that have ended included
                ticks += sum(map(int, fields.split()[11:13]))
                rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
                rss += _kib(rollup, "Rss:")
                pss += _kib(rollup, "Pss:")
        return Usage(ticks / _TICKS, rss, pss)


def _tree(root: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(directory.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def _kib(rollup: str, name: str) -> int:
    return int(rollup.partition(f"\n{name}")[2].split()[0])


@contextlib.contextmanager
def serving(command: Sequence[str], pinned: bool = True) -> Iterator[ServerProcess]:
    """Run a server; "PORT" in its command stands for the port that it gets.

    Raises:
        NotStartedError: It ended, or did not listen in time.
    """
    port = free_port()
    words = [str(port) if word == "PORT" else word for word in command]
    with tempfile.TemporaryFile() as output:
        with on_cores(server_cores(pinned)):
            try:
                # A group of its own: a server's children must not outlive it.
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise NotStartedError(f"{words[0]}: {error.strerror}") from error
        try:
            _await_listening(process, port, output)
            server = ServerProcess(process, port)
            server.await_rest()
            yield server
        finally:
            _end(process)


def _await_listening(
    process: "subprocess.Popen[bytes]", port: int, output: IO[bytes]
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    raise NotStartedError(lines[-1] if lines else "it said nothing")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a server in order if it does so in time, and its children in any case."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
