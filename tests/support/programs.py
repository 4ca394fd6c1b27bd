# SPDX-License-Identifier: MIT
"""Programs of their own, for what ends a process, forks it or may abort it."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from live import TIMEOUT

DEV_MODE = ["-X", "dev"]
# Python 3.12 and newer say so of every fork beside threads; here that is the subject.
FORKS = ["-W", "ignore:This process:DeprecationWarning"]
PROLOGUE = f"""
import contextlib, gc, logging, multiprocessing, os, queue, resource, signal, socket
import sys, threading, time
sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
import pymhd
from pymhd._engine import running
from live import GET, assert_echoes, connect, echo, eventually, hello, in_mode
from live import read_exactly, read_head, read_to_end, upgrade_request, upgraded
switch = pymhd.Response.for_upgrade(echo, "echo")
def both(request):
    return switch if request.wants_upgrade() else hello(request)
"""
"""What the programs begin with; most of them serve ``both``."""


@contextlib.contextmanager
def program(
    code: str, options: Sequence[str] = DEV_MODE
) -> Iterator[subprocess.Popen[str]]:
    """Run a program; it is killed, with its children, if it does not end in time."""
    # -P: it imports the pymhd that this process does, wherever it runs.
    with subprocess.Popen(
        [
            sys.executable,
            "-P",
            *FORKS,
            *options,
            "-c",
            PROLOGUE + textwrap.dedent(code),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        watchdog = threading.Timer(2 * TIMEOUT, _kill, (process.pid,))
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def run_program(code: str, options: Sequence[str] = DEV_MODE) -> tuple[int, str, str]:
    """Run a program to its end: its exit code, its output, its errors."""
    with program(code, options) as process:
        output, errors = process.communicate()
        return process.returncode, output, errors
