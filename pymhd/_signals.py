# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM while the main thread waits."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "interrupting_signals"]


class Interrupted(BaseException):
    """A signal has come: raised where the main thread is, by the handlers of ours."""


class _Interrupt:
    """A signal handler that raises once."""

    armed = True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            self.armed = False
            raise Interrupted


@contextlib.contextmanager
def interrupting_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted within a ``with`` block.

    A signal for which the program has a handler of its own is left to that.
    """
    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    ours = [n for n, default in defaults.items() if signal.getsignal(n) is default]
    interrupt = _Interrupt()
    try:
        for number in ours:
            signal.signal(number, interrupt)
        yield
    finally:
        interrupt.armed = False
        for number in ours:
            signal.signal(number, defaults[number])
