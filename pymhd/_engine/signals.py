# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM while the main thread waits."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "interrupting_signals", "is_of_a_signal"]


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

    def restore() -> None:
        interrupt.armed = False
        for number in ours:
            signal.signal(number, defaults[number])

    try:
        for number in ours:
            signal.signal(number, interrupt)
        yield
    finally:
        try:
            restore()
        except BaseException:  # of a signal that one of them was given back already
            restore()
            raise


def is_of_a_signal(error: BaseException) -> bool:
    """Tell whether a signal handler of the program's has raised an exception.

    Such a function is called with the frame that it interrupts, which is the one that
    it returns to; no other function has that among its arguments.
    """
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        for value in list(frame.f_locals.values()):
            given = value if isinstance(value, tuple) else (value,)
            if frame.f_back is not None and any(v is frame.f_back for v in given):
                return True
        trace = trace.tb_next
    return False
