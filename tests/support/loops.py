# SPDX-License-Identifier: MIT
"""Daemons with ``threads="external"``, and tests that run them by themselves."""

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from live import TIMEOUT, echo, hello
from sessions import switching

import pymhd

Handler = Callable[[pymhd.Request], Any]


def external(handler: Handler = hello, **options: Any) -> pymhd.Daemon:
    """Make a daemon that nobody runs yet."""
    return pymhd.Daemon(handler, threads="external", **options)


def both(request: pymhd.Request) -> pymhd.Response:
    """Answer, or switch to an echo in a thread of its own."""
    return switching(echo, "thread") if request.wants_upgrade() else hello(request)


def until(daemon: pymhd.Daemon, condition: Callable[[], bool]) -> None:
    """Run a daemon until something has happened."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        assert daemon.run(0.01)


def is_readable(sock: socket.socket) -> bool:
    """Tell whether an answer, or the end, is here."""
    return select.select([sock], [], [], 0)[0] != []
