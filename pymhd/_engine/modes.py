# SPDX-License-Identifier: MIT
"""The ways to run libmicrohttpd: from the arguments of ``Daemon`` to a driver.

What a combination of ``threads`` and ``polling`` means stands here alone.
"""

import sys
from typing import NamedTuple

from pymhd._engine.driver import Driver, OwnThreads
from pymhd._engine.external import External
from pymhd._engine.pump import Pump
from pymhd._native.library import lib
from pymhd.errors import NotSupportedError

__all__ = ["Mode", "choose"]

_POLLING = {
    "select": 0,
    "poll": lib.MHD_USE_POLL,
    "epoll": lib.MHD_USE_EPOLL,
    "auto": lib.MHD_USE_AUTO,
}


class Mode(NamedTuple):
    """How a daemon is run."""

    driver: type[Driver]
    """Who runs libmicrohttpd."""

    flags: int
    """Of ``MHD_start_daemon``."""

    drivers: int = 1
    """How many drivers, each with a daemon of libmicrohttpd's."""

    pool: int = 0
    """How many threads libmicrohttpd itself is to have, 0 where it decides."""


def choose(threads: object, polling: object = None, tls: bool = False) -> Mode:
    """Return what the arguments mean.

    Raises:
        TypeError, ValueError: They mean nothing, alone or together.
        NotSupportedError: They mean threads that are refused without a GIL.
    """
    mode = _meaning(threads, polling, tls)
    if mode.driver is OwnThreads:
        _check_gil(threads, polling)
    return mode


def _check_gil(threads: object, polling: object) -> None:
    """Refuse threads that libmicrohttpd starts where they might crash the process.

    Up to 2.1 at least, cffi clears what Python keeps of such a thread on another one,
    after its end. Without a GIL both may use the same heap of CPython's at once.
    """
    # Asked each time, since importing a module may turn the GIL on.
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    also = "" if polling is None else f" with polling={polling!r}"
    raise NotSupportedError(
        f"threads={threads!r}{also} means threads that libmicrohttpd starts, which may "
        "crash this CPython without its GIL: cffi clears what Python keeps of one that "
        "has ended on another thread. Use threads=N without polling=, which runs on as "
        "many cores here, or turn the GIL on (PYTHON_GIL=1 or -X gil=1)"
    )


def _meaning(threads: object, polling: object, tls: bool) -> Mode:
    if polling not in (None, *_POLLING):
        names = ", ".join(f'"{name}"' for name in _POLLING)
        raise ValueError(f"polling must be None, {names}, not {polling!r}")
    if threads == "per-connection":
        return _per_connection(str(polling or "poll"))
    if threads == "external":
        return _external(str(polling or "epoll"))
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise TypeError(
            f'threads must be an int, "per-connection" or "external", not {threads!r}'
        )
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    # Over TLS an upgraded connection belongs to the pump (csrc/transport/relay.c).
    if polling is None or tls:
        flags = 0 if polling == "select" else lib.MHD_USE_EPOLL
        return Mode(Pump, flags, drivers=threads)
    flags = lib.MHD_USE_INTERNAL_POLLING_THREAD | _POLLING[str(polling)]
    if polling in ("epoll", "auto"):
        # Several daemons of one thread each, not one with a pool: libmicrohttpd does
        # not tell the epoll descriptors of a pool's threads, and without these we could
        # not stop listening (listening_deafen() in csrc).
        return Mode(OwnThreads, flags, drivers=threads)
    return Mode(OwnThreads, flags, pool=threads)


def _external(polling: str) -> Mode:
    if polling == "poll":
        raise _refused("external", polling, "select", "epoll", "auto")
    return Mode(External, 0 if polling == "select" else lib.MHD_USE_EPOLL)


def _refused(threads: str, polling: str, *others: str) -> ValueError:
    names = ", ".join(f'"{name}"' for name in others)
    return ValueError(
        f'polling must be {names} or None where threads is "{threads}", not '
        f'"{polling}": libmicrohttpd refuses that'
    )


def _per_connection(polling: str) -> Mode:
    if polling == "epoll":
        raise _refused("per-connection", polling, "select", "poll", "auto")
    flags = lib.MHD_USE_INTERNAL_POLLING_THREAD | lib.MHD_USE_THREAD_PER_CONNECTION
    return Mode(OwnThreads, flags | _POLLING[polling])
