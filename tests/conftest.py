# SPDX-License-Identifier: MIT
"""The live daemon of every test, and what it must leave behind: nothing."""

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import secure
from live import TIMEOUT, Serve, eventually, in_mode, is_served, run_to_its_end
from marks import needs_own_threads
from sessions import Pair, Pairs

import pymhd
from pymhd._engine import running


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """Tell what the daemons of a test speak: "plain", or "tls" (marks.py)."""
    return str(getattr(request, "param", "plain"))


@pytest.fixture
def serve(transport: str) -> Iterator[Serve]:
    """Give a function that starts a daemon; stop all of them after the test."""
    daemons: list[pymhd.Daemon] = []
    loops: list[threading.Thread] = []

    def start(handler: Callable[[pymhd.Request], Any], **options: Any) -> pymhd.Daemon:
        if transport == "tls":
            options.setdefault("tls", secure.server_tls())
        options |= in_mode(options.pop("threads", 1))
        daemon = pymhd.Daemon(handler, **options)
        daemons.append(daemon)
        daemon.start()
        if options["threads"] == "external":
            loops.append(threading.Thread(target=run_to_its_end, args=(daemon,)))
            loops[-1].start()
        return daemon

    yield start
    for daemon in daemons:
        daemon.stop()
    daemons.clear()  # which their handlers' responses go with, and the files of these
    for loop in loops:
        loop.join(TIMEOUT)


@pytest.fixture
def pair(serve: Serve, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give a function that makes connections, which are closed after the test.

    With threads=1, but for tests that are marked with ``each_pair``.
    """
    pairs = Pairs(serve, getattr(request, "param", 1))
    yield pairs
    pairs.close()


def pytest_configure() -> None:
    """Hear SIGINT, also where a shell has started us in the background, deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the modes that this CPython is refused, and what only ./dev real runs."""
    for item in items:
        if item.get_closest_marker("real") and "PYMHD_REAL" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="real programs: ./dev real"))
        callspec = getattr(item, "callspec", None)
        params = callspec.params if callspec else {}
        mode = params.get("mode", params.get("pair", 1))
        if not is_served(mode, tls=params.get("transport") == "tls"):
            item.add_marker(needs_own_threads)


def pytest_collection_finish() -> None:
    """Spare the collections after each test a walk over all of pytest."""
    gc.collect()
    gc.freeze()


def _descriptors() -> set[str]:
    return {f"{fd} -> {_target(fd)}" for fd in os.listdir("/proc/self/fd")}


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # the descriptor that listed them
        return "gone"


def _threads_of_the_process() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which a descriptor, a thread or a token is left over."""
    before = _descriptors()
    tasks = _threads_of_the_process()
    yield
    gc.collect()
    eventually(lambda: pymhd.lib.pymhd_sessions_live() == 0, "the end of sessions")
    eventually(lambda: not running.drivers(), "the end of drivers")
    eventually(lambda: _threads_of_the_process() <= tasks, "the end of threads")
    assert [t.name for t in threading.enumerate() if t.name.startswith("pymhd")] == []
    left = {fd for fd in _descriptors() - before if not fd.endswith("gone")}
    assert set() == left
