# SPDX-License-Identifier: MIT
"""The logger ``pymhd``.

What happens on Python's threads is logged there and then. What happens on
libmicrohttpd's goes through a queue to a thread of its own, for two reasons:
libmicrohttpd logs with its locks held, when nothing may wait for the GIL (those lines
wait in a bounded ring in C), and :mod:`logging` and :mod:`threading` would leave
something behind on every foreign thread. The thread lives as long as a daemon does.

Whatever a line is made of, it is one line: what a client has sent, or what an
exception says, cannot end it, nor speak to a terminal.
"""

import contextlib
import functools
import logging
import sys
import threading
import traceback
from collections import deque

from pymhd._lock import RLock
from pymhd._native.layouts import LOG_LINE
from pymhd._native.library import copy_bytes, ffi, lib

__all__ = [
    "describe",
    "escape",
    "log",
    "name_of",
    "report",
    "report_later",
    "start",
    "stop",
]

logger = logging.getLogger("pymhd")

_LOST = "lines for the log were lost"
# So often in a row the thread may fail before it gives up.
_FAILURES = 3
# So many lines may wait to be logged, as in C; more are counted.
_LINES = 256
# So many of them with their exceptions, which keep alive whatever their frames refer
# to, requests and bodies among it. Of those behind, the line names the exception.
_EXCEPTIONS = 16
_NAMED = 1000  # characters of it


class _Waiting:
    """Lines for the thread to log, from any other one."""

    def __init__(self) -> None:
        self._lock = RLock()  # for signal handlers and finalizers
        self._lines: deque[tuple[int, str, BaseException | None]] = deque()
        self._dropped = 0

    def put(self, level: int, message: str, error: BaseException | None) -> None:
        """Add a line, unless there are too many."""
        named = "" if error is None else f": {describe(error)[:_NAMED]}"
        with self._lock:
            count = len(self._lines)
            if count >= _LINES:
                self._dropped += 1
            elif count >= _EXCEPTIONS:
                self._lines.append((level, message + named, None))
            else:
                self._lines.append((level, message, error))

    def take(self) -> tuple[int, str, BaseException | None] | None:
        """Return the oldest line; None if there is none."""
        with self._lock:
            return self._lines.popleft() if self._lines else None

    def dropped(self) -> int:
        """Return how many lines found no room since the last call."""
        with self._lock:
            count, self._dropped = self._dropped, 0
        return count


_later = _Waiting()
# Guards the two below; reentrant, for a signal handler that stops a daemon.
_lock = RLock()
# The daemons that may log. To enter one twice, or remove it twice, does no harm.
_users: set[object] = set()
_thread: threading.Thread | None = None


def name_of(function: object) -> str:
    """Name a callable of the user's, whose own repr() might fail.

    A partial has the name of what it calls, an instance that of its class.
    """
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(type(function), "__qualname__", "?")
    with contextlib.suppress(BaseException):
        name = str(getattr(function, "__qualname__", name))
    return name


def describe(error: BaseException) -> str:
    """Return the repr() of an exception, which might fail itself."""
    with contextlib.suppress(BaseException):
        return repr(error)
    return type(error).__name__


def escape(text: str) -> str:
    """Return a text as one line of characters that can be printed.

    Those that cannot, such as line breaks of any kind, escape sequences of terminals,
    marks that turn the direction of writing, and bytes that are no UTF-8, are shown as
    :func:`repr` shows them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def log(level: int, message: str, error: BaseException | None = None) -> None:
    """Log a line, with the traceback of an exception; never fails.

    The traceback has as many lines as it has; the line itself is one.

    A filter or handler of the user's may raise, which must not end the thread that
    serves everybody: then that goes to standard error.
    """
    message = escape(message)
    try:
        logger.log(level, message, exc_info=error)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
            print(message, file=sys.stderr)
            if error is not None:
                traceback.print_exception(error)


def report(
    message: str, error: BaseException | None = None, level: int = logging.ERROR
) -> None:
    """Log an error, with the traceback of an exception."""
    log(level, message, error)


def report_later(
    message: str, error: BaseException | None = None, level: int = logging.ERROR
) -> None:
    """Have an error logged by our own thread; for libmicrohttpd's threads."""
    _later.put(level, message, error)
    lib.pymhd_log_wake()


# What the first character of a line of csrc's says (base/log.h).
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR}


def _drain() -> None:
    line = ffi.new("char[]", LOG_LINE)
    while (size := lib.pymhd_log_next(line, LOG_LINE)) >= 0:
        text = copy_bytes(line, size).decode("utf-8", "replace")
        log(_LEVELS[text[0]], text[1:])
    if dropped := lib.pymhd_log_dropped():
        log(logging.WARNING, f"{dropped} log lines of libmicrohttpd's were dropped")
    while waiting := _later.take():
        log(*waiting)
    if dropped := _later.dropped():
        log(logging.WARNING, f"{dropped} log lines about requests were dropped")


def _run() -> None:
    global _thread
    own = threading.current_thread()
    failures = 0
    while _thread is own and failures < _FAILURES:
        try:
            lib.pymhd_log_wait()
            _drain()
            failures = 0
        except BaseException as error:  # memory is short
            failures += 1
            log(logging.CRITICAL, _LOST, error)
    if failures == _FAILURES:
        log(logging.CRITICAL, "what libmicrohttpd logs is told no more")
        with _lock:
            _thread = None if _thread is own else _thread


def start(daemon: object) -> None:
    """Have a thread log what a daemon has to log later."""
    global _thread
    with _lock:
        _users.add(daemon)
        if _thread is None:
            thread = threading.Thread(target=_run, name="pymhd-log", daemon=True)
            _thread = thread
            try:
                thread.start()
            except BaseException:
                _thread = None
                lib.pymhd_log_wake()  # in case that it has begun
                raise


def stop(daemon: object) -> None:
    """Forget a daemon that has ended; with the last one the thread ends, drained."""
    global _thread
    with _lock:
        _users.discard(daemon)
        if _users or _thread is None:
            return
        thread = _thread
        try:
            _end(thread)
        except BaseException:  # raised by a signal handler
            _thread = None
            lib.pymhd_log_wake()
            raise
    try:
        _drain()
    except Exception as error:
        log(logging.CRITICAL, _LOST, error)


def _end(thread: threading.Thread) -> None:
    global _thread
    _thread = None
    lib.pymhd_log_wake()
    # Under the lock, so that there is never a second one to be woken instead; not
    # for ever: a handler of the user's logging may be what hangs.
    if thread is not threading.current_thread():
        thread.join(timeout=1)


def forked() -> None:
    """Begin anew in a fork's child, which has none of the parent's threads."""
    global _thread, _lock, _later
    _users.clear()
    _thread = None
    _lock, _later = RLock(), _Waiting()
