# SPDX-License-Identifier: MIT
"""Waiting that a signal handler may end, wherever it strikes.

A signal handler that raises does so between any two calls of the main thread's, and so
may an exception that another thread has Python set. What is here, and what uses it,
bears one such exception at any place: what was done is done once more, which does no
harm.
"""

import math
import threading
import time
from threading import get_ident
from typing import final

__all__ = ["SIGNAL_SECONDS", "Claim", "Latch", "Turns", "clamped"]

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
    # Half of what threads can wait, since time.monotonic() is added to make a deadline.
    return max(0.0, min(float(seconds), threading.TIMEOUT_MAX / 2))


@final
class Claim:
    """What goes to the thread that asks first, and to no other one afterwards.

    One operation of a dict both decides it and says who it is, so an exception that
    strikes behind it changes nothing: that thread may ask again.
    """

    def __init__(self) -> None:
        self._thread: dict[str, int] = {}

    def take(self) -> bool:
        """Tell whether it is the calling thread's."""
        own = get_ident()
        return self._thread.setdefault("thread", own) == own

    @property
    def is_own(self) -> bool:
        """True if the calling thread has taken it."""
        return self._thread.get("thread") == get_ident()


@final
class Latch:
    """An event that is set once.

    A :class:`threading.Event` holds a lock for a moment when somebody waits; a signal
    handler that sets it then, in the same thread, waits for ever. One lock that passes
    from waiter to waiter has no such moment. Once it is open, nobody has the lock for
    longer than to pass it on, so whoever is in doubt releases it.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let everybody go on, now and later."""
        self.is_open = True
        self._pass_on()

    def _pass_on(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            return  # nobody holds it

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is open; False if so many seconds passed before."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            while not self.is_open:
                if self._lock.acquire(timeout=self._left(deadline)):
                    self._pass_on()
                elif time.monotonic() >= deadline:
                    return self.is_open
        except BaseException:
            # A signal handler's, which may have struck when we had the lock.
            if self.is_open:
                self._pass_on()
            raise
        return True

    @staticmethod
    def _left(deadline: float) -> float:
        left = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
        if threading.current_thread() is threading.main_thread():
            # A signal that comes just before the lock blocks does not interrupt it:
            # Python runs the handler only when we are back.
            return min(left, SIGNAL_SECONDS)
        return left


@final
class Turns:
    """A lock that goes to one turn at a time: a latch, which is opened at its end.

    Who has it is known, so it can be given back wherever an exception has struck.
    """

    def __init__(self) -> None:
        self._turn: dict[str, Latch] = {}

    def take(self, turn: Latch, timeout: float = 0.0) -> bool:
        """Wait until it is this turn; False if so many seconds passed before."""
        deadline = time.monotonic() + timeout
        while (other := self._turn.setdefault("turn", turn)) is not turn:
            if not other.wait(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def has(self, turn: Latch) -> bool:
        """Tell whether it is this turn."""
        return self._turn.get("turn") is turn

    def give(self, turn: Latch) -> None:
        """Let the next one have its turn; once more does no harm."""
        if self.has(turn):
            del self._turn["turn"]
        turn.open()
