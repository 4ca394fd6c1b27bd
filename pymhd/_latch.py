# SPDX-License-Identifier: MIT
"""Waiting that a signal handler may end."""

import math
import threading
import time
from typing import final

__all__ = ["SIGNAL_SECONDS", "Latch", "clamped"]

# How late a signal handler may run, in the worst case, while the main thread waits.
SIGNAL_SECONDS = 0.25


def clamped(seconds: float) -> float:
    """Return a timeout that the system can count, at least 0.

    Raises:
        TypeError, ValueError: It is no number of seconds.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"timeout must be a number of seconds, not {seconds!r}")
    if math.isnan(seconds):
        raise ValueError("timeout must be a number of seconds, not nan")
    # Half: deadlines are made of it, by adding the time of day.
    return max(0.0, min(float(seconds), threading.TIMEOUT_MAX / 2))


@final
class Latch:
    """An event that is set once.

    A :class:`threading.Event` holds a lock for a moment when somebody waits; a signal
    handler that sets it then, in the same thread, waits for ever. One lock that passes
    from waiter to waiter has no such moment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let everybody go on, now and later; to be called once."""
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is open; False if so many seconds passed before."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not self._lock.acquire(timeout=self._patience(deadline)):
            if time.monotonic() >= deadline:
                return False
        self._lock.release()
        return True

    @staticmethod
    def _patience(deadline: float) -> float:
        left = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
        if threading.current_thread() is threading.main_thread():
            # A signal that comes just before the lock blocks does not interrupt it:
            # Python runs the handler only when we are back.
            return min(left, SIGNAL_SECONDS)
        return left
