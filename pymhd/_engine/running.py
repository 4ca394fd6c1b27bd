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
from collections.abc import Callable
from typing import Protocol

from pymhd import _stream, response
from pymhd._native import logs
from pymhd._native.library import lib

__all__ = ["began", "daemons", "driver", "drivers", "ended", "register", "unregister"]


class Driver(Protocol):
    """Who runs a daemon of libmicrohttpd's."""

    def forked(self) -> None:
        """Take note that this is a fork's child."""


class Daemon(Protocol):
    """What is stopped at exit."""

    def stop(self) -> None:
        """Stop it."""


# Threads change these by single operations of a dictionary, which need no lock, with or
# without a GIL.
_drivers: dict[int, Driver] = {}
# With what each of them does in a fork's child.
_daemons: dict[Daemon, Callable[[], None]] = {}


def register(driver: Driver) -> None:
    """Let csrc call a driver by its integer, which is its ``id()``."""
    _drivers[id(driver)] = driver


def unregister(driver: Driver) -> None:
    """Make the integer stale."""
    _drivers.pop(id(driver), None)


def driver(owner: int) -> Driver:
    """Return the driver of an integer; a stale one is a KeyError, not a crash."""
    return _drivers[owner]


def began(daemon: Daemon, forked: Callable[[], None]) -> None:
    """Keep a daemon that is started.

    Args:
        daemon: It is stopped at exit.
        forked: Called instead in a fork's child, where it is the parent's.
    """
    _daemons[daemon] = forked


def ended(daemon: Daemon) -> None:
    """Let a daemon go that does not run any more."""
    _daemons.pop(daemon, None)


def drivers() -> list[Driver]:
    """Return those that have been started and have not ended."""
    return list(_drivers.values())


def daemons() -> set[Daemon]:
    """Return those that would be stopped at exit."""
    return set(_daemons)


# atexit runs last what was registered first. weakref registers its finalizers' end when
# the first finalizer is made, which is done here: so _stop_all() runs before it. After
# it no upgraded connection could begin or end, since each has a finalizer.
weakref.finalize(began, int).detach()


@atexit.register
def _stop_all() -> None:
    for daemon in list(_daemons):
        try:
            daemon.stop()
        except BaseException as error:  # and the next one is stopped all the same
            logs.report("a daemon could not be stopped at exit", error)


def _after_fork_in_child() -> None:
    lib.pymhd_forked()
    logs.forked()
    response.forked()
    _stream.forked()
    for forget in list(_daemons.values()):
        forget()
    for driver in list(_drivers.values()):
        driver.forked()
    _daemons.clear()
    _drivers.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
