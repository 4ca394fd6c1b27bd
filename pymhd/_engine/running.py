# SPDX-License-Identifier: MIT
"""What is running: integers that csrc holds for drivers, and the daemons to stop.

A driver is in the table from its start until libmicrohttpd has been stopped; a daemon
from the beginning of its start until its stop() is through, so a running daemon owns
itself, as a running thread does. At exit the daemons are stopped; a fork's child
forgets them.
"""

import atexit
import os
import weakref
from typing import TYPE_CHECKING, cast

from pymhd import _stream, response
from pymhd._native import logs
from pymhd._native.library import lib

if TYPE_CHECKING:
    from pymhd._engine.driver import Driver, OwnThreads
    from pymhd.daemon import Daemon

__all__ = ["driver", "register", "unregister"]

# Single operations on dictionaries and sets, which need no lock, with or without a GIL.
_drivers: "dict[int, Driver]" = {}
_daemons: "set[Daemon]" = set()


def register(driver: "Driver") -> None:
    """Let csrc call a driver by its integer, which is its ``id()``."""
    _drivers[id(driver)] = driver


def unregister(driver: "Driver") -> None:
    """Make the integer stale."""
    _drivers.pop(id(driver), None)


def driver(owner: int) -> "OwnThreads":
    """Return the driver of an integer; a stale one is a KeyError, not a crash."""
    # csrc calls back for no other.
    return cast("OwnThreads", _drivers[owner])


def end_in_child(parent: int) -> None:
    """End a fork's child in which a thread of ours would return.

    What it would go on with is the parent's. If the thread just ended, and is the
    last one, that would be an exit(), which runs what other libraries in C have left
    for the parent's exit.

    Args:
        parent: The process in which the thread began.
    """
    if os.getpid() != parent:
        os._exit(0)


def began(daemon: "Daemon") -> None:
    """Keep a daemon that is started."""
    _daemons.add(daemon)


def ended(daemon: "Daemon") -> None:
    """Let a daemon go that does not run any more."""
    _daemons.discard(daemon)


# At exit, what was registered last runs first: weakref's finalizers, which register
# with the first of them, must run after _stop_all(). They cannot bear that sessions,
# which have finalizers, begin and end meanwhile.
weakref.finalize(_daemons, int).detach()


@atexit.register
def _stop_all() -> None:
    for daemon in list(_daemons):
        try:
            daemon.stop()
        except BaseException as error:  # the others are to be stopped, too
            logs.report("a daemon could not be stopped at exit", error)


def _after_fork_in_child() -> None:
    lib.pymhd_forked()
    logs.forked()
    response.forked()
    _stream.forked()
    for daemon in list(_daemons):
        daemon._forked()
    for driver in list(_drivers.values()):
        driver.forked()
    _daemons.clear()
    _drivers.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
