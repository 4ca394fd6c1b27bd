# SPDX-License-Identifier: MIT
"""Threads that are none: what gevent and eventlet put in the place of the system's."""

import sys
import threading
from types import BuiltinFunctionType

from pymhd.errors import NotSupportedError

__all__ = ["check_threads"]

_ADVICE = {
    "gevent": "gevent.monkey.patch_all(thread=False)",
    "eventlet": "eventlet.monkey_patch(thread=False)",
}


def check_threads() -> None:
    """Refuse to start threads that would run, and wait in C, on the caller's own.

    Raises:
        NotSupportedError: It would block for ever. The text says how to go on.
    """
    # What starts one, up to 3.12 and from 3.13 on: a function in C, unless replaced.
    for name in ("_start_new_thread", "_start_joinable_thread"):
        start = getattr(threading, name, None)
        if start is not None and not isinstance(start, BuiltinFunctionType):
            break
    else:
        return
    package = str(getattr(start, "__module__", "")).partition(".")[0]
    if package not in _ADVICE:
        package = next((name for name in _ADVICE if name in sys.modules), package)
    advice = _ADVICE.get(package, "its monkey patching without threads")
    raise NotSupportedError(
        f"{package or 'something'} has replaced the threads of Python's by its own, on "
        "which a daemon would stop the whole program while it waits for clients: call "
        f"{advice} instead, or start the daemon in a process that is not patched"
    )
