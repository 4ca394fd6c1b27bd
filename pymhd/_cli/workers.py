# SPDX-License-Identifier: MIT
"""Worker processes, and the one that supervises them.

Each worker is a process of its own that listens on the same port (``SO_REUSEPORT``), so
that one that is killed takes no connection of the others with it. A pair of sockets
joins it with the supervisor: it says there that it is ready, or why it cannot be, and
ends in order when the other end is closed, also because the supervisor was killed.
"""

import contextlib
import logging
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import final

__all__ = ["READY", "Supervisor", "WorkerError"]

READY = b"\0ready"
"""What a worker says when it serves; anything else is the reason why it does not."""

# A worker that ends is replaced after a while: longer each time, unless it had lived.
_FIRST_DELAY_SECONDS = 0.1
_LAST_DELAY_SECONDS = 5.0
_LIVED_SECONDS = 10.0
# Daemon.stop() takes 5 s at most, and a margin.
_STOP_SECONDS = 8.0

_logger = logging.getLogger("pymhd")


class WorkerError(Exception):
    """The workers do not start; the text says why."""


@final
class _Worker:
    """One process."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, its = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [*command, "--channel", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                process_group=0,  # Ctrl-C is for the supervisor
            )
        except BaseException:
            ours.close()
            raise
        finally:
            its.close()
        ours.setblocking(False)
        self.channel = ours
        self.said = b""
        self.begun = time.monotonic()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def reason(self) -> str:
        """Why it cannot serve, if it said so."""
        return "" if self.said == READY else self.said.decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        """True if it does not run any more."""
        return self._process.poll() is not None

    def hear(self) -> bool:
        """Take what it says; return False if nothing comes any more."""
        try:
            piece = self.channel.recv(4096)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        self.said += piece
        return bool(piece)

    def join(self, deadline: float) -> str:
        """Wait for its end, kill it at the deadline; return how it ended."""
        try:
            status = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "did not end in time and was killed"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"


@final
class Supervisor:
    """Starts workers, replaces those that end, and ends all of them.

    Args:
        command: Starts one; it is given ``--channel FD`` as well.
        count: How many.
    """

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = command
        self._count = count
        self._workers: dict[socket.socket, _Worker] = {}
        self._due: list[float] = []
        self._delay = _FIRST_DELAY_SECONDS
        self._selector = selectors.DefaultSelector()
        self._signals: socket.socket

    def run(self, announcement: str) -> int:
        """Serve until SIGINT or SIGTERM, in the main thread; return an exit status.

        Args:
            announcement: Printed when all workers are ready.

        Raises:
            WorkerError: A worker could not start at first.
        """
        with self._selector, _signals() as signals:
            self._signals = signals
            self._selector.register(signals, selectors.EVENT_READ)
            try:
                for _ in range(self._count):
                    self._start()
                if self._await_ready():
                    print(announcement, flush=True)
                    self._supervise()
            finally:
                self._end()
        return 0

    def _start(self) -> None:
        worker = _Worker(self._command)
        self._workers[worker.channel] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ)

    def _await_ready(self) -> bool:
        """Wait until all workers serve; return False if a signal came first."""
        while any(worker.said != READY for worker in self._workers.values()):
            if not self._turn(None):
                return False
            for worker in self._ended():
                how = self._bury(worker)
                raise WorkerError(worker.reason or f"a worker {how} before it served")
        return True

    def _supervise(self) -> None:
        while self._turn(min(self._due) - time.monotonic() if self._due else None):
            for worker in self._ended():
                self._replace(worker)
            self._start_due()

    def _turn(self, seconds: float | None) -> bool:
        """Wait for news; return False at a signal that ends us."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._signals:
                if {signal.SIGINT, signal.SIGTERM} & set(self._signals.recv(4096)):
                    return False
            elif not self._workers[key.fileobj].hear():  # type: ignore[index]
                self._selector.unregister(key.fileobj)
        return True

    def _ended(self) -> list[_Worker]:
        return [worker for worker in self._workers.values() if worker.has_ended]

    def _bury(self, worker: _Worker) -> str:
        """Forget a worker that has ended; return how it did."""
        if worker.channel in self._selector.get_map():
            worker.hear()
            self._selector.unregister(worker.channel)
        del self._workers[worker.channel]
        worker.channel.close()
        return worker.join(0)

    def _replace(self, worker: _Worker) -> None:
        """Start another one after a while."""
        lived = time.monotonic() - worker.begun >= _LIVED_SECONDS
        delay = _FIRST_DELAY_SECONDS if lived else self._delay
        self._delay = min(2 * delay, _LAST_DELAY_SECONDS)
        self._due.append(time.monotonic() + delay)
        how = self._bury(worker)
        if worker.reason:
            how = f"does not start: {worker.reason}"
        _logger.warning(
            "worker %d %s; another one starts in %.1f s", worker.pid, how, delay
        )

    def _start_due(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            try:
                self._start()
            except OSError as error:
                _logger.warning("cannot start a worker: %s", error.strerror)
                self._due.append(now + _LAST_DELAY_SECONDS)

    def _end(self) -> None:
        """End all workers in order, at the same time."""
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers.values():
            worker.channel.close()
        for worker in self._workers.values():
            how = worker.join(deadline)
            if "killed" in how:
                _logger.warning("worker %d %s", worker.pid, how)
        self._workers.clear()


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Yield a socket from which the numbers of signals that come can be read."""
    ours, pythons = socket.socketpair()
    with ours, pythons:
        pythons.setblocking(False)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
        before = [signal.signal(number, _noted) for number in numbers]
        descriptor = signal.set_wakeup_fd(pythons.fileno())
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor tells of the signal."""
