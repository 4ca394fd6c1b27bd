# SPDX-License-Identifier: MIT
"""The logger ``pymhd``.

What happens on Python's threads is logged there and then. What happens on
libmicrohttpd's goes through a queue to a thread of its own, for two reasons:
libmicrohttpd logs with its locks held, when nothing may wait for the GIL (those lines
wait in a bounded ring in C), and :mod:`logging` and :mod:`threading` would leave
something behind on every foreign thread. The thread lives as long as a daemon does.
"""

import contextlib
import functools
import logging
import sys
import threading
import traceback
from queue import Empty, SimpleQueue

from pymhd._library import copy_bytes, ffi, lib

__all__ = ["log", "name_of", "report", "report_later", "start", "stop"]

logger = logging.getLogger("pymhd")

_LINE_SIZE = 256
# What report_later() is given.
_later: SimpleQueue[tuple[int, str, BaseException | None]] = SimpleQueue()
# Guards the two below; reentrant, for a signal handler that stops a daemon.
_lock = threading.RLock()
_users = 0
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


def log(level: int, message: str, error: BaseException | None = None) -> None:
    """Log a line, with the traceback of an exception; never fails.

    A filter or handler of the user's may raise, which must not end the thread that
    serves everybody: then that goes to standard error.
    """
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
    """Do the same from a thread of libmicrohttpd's."""
    _later.put((level, message, error))
    lib.pymhd_log_wake()


def _drain() -> None:
    line = ffi.new("char[]", _LINE_SIZE)
    while (size := lib.pymhd_log_next(line, _LINE_SIZE)) >= 0:
        text = copy_bytes(line, size).decode("utf-8", "replace")
        log(logging.INFO, text)
    if dropped := lib.pymhd_log_dropped():
        log(logging.WARNING, f"{dropped} log lines of libmicrohttpd's were dropped")
    while True:
        try:
            level, message, error = _later.get_nowait()
        except Empty:
            return
        log(level, message, error)


def _run() -> None:
    own = threading.current_thread()
    while _thread is own:
        lib.pymhd_log_wait()
        _drain()


def start() -> None:
    """Count a daemon that may log from now on."""
    global _users, _thread
    with _lock:
        _users += 1
        if _thread is None:
            _thread = threading.Thread(target=_run, name="pymhd-log", daemon=True)
            try:
                _thread.start()
            except BaseException:
                _users, _thread = _users - 1, None
                raise


def stop() -> None:
    """Count a daemon that has ended; with the last one the thread ends, drained."""
    global _users, _thread
    with _lock:
        _users -= 1
        if _users or _thread is None:
            return
        thread, _thread = _thread, None
        lib.pymhd_log_wake()
        # Under the lock, so that there is never a second one to be woken instead; not
        # for ever: a handler of the user's logging may be what hangs.
        if thread is not threading.current_thread():
            thread.join(timeout=1)
    _drain()


def forked() -> None:
    """Begin anew in a fork's child, which has none of the parent's threads."""
    global _users, _thread, _lock, _later
    _users, _thread = 0, None
    _lock, _later = threading.RLock(), SimpleQueue()
