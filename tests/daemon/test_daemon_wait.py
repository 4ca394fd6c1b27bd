# SPDX-License-Identifier: MIT
"""``wait()``: until somebody stops the daemon, or for a while."""

import threading
import time

import pytest
from live import TIMEOUT, Mode, Serve, hello
from marks import each_mode
from messages import ask

import pymhd


def test_wait_tells_that_the_time_has_passed(serve: Serve) -> None:
    """False, and the daemon runs on."""
    daemon = serve(hello)
    begun = time.monotonic()
    assert daemon.wait(timeout=0.05) is False
    assert time.monotonic() - begun >= 0.05
    assert daemon.wait(timeout=0) is False
    assert ask(daemon).endswith(b"hello")


@each_mode
def test_wait_returns_in_every_thread_after_stop(serve: Serve, mode: Mode) -> None:
    """True, in all of them."""
    daemon = serve(hello, threads=mode)
    returned: list[bool] = []
    threads = [
        threading.Thread(target=lambda: returned.append(daemon.wait()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert returned == []
    daemon.stop()
    for thread in threads:
        thread.join(TIMEOUT)
    assert returned == [True] * 3
    assert daemon.wait() is True


def test_wait_in_the_main_thread_returns_after_stop(serve: Serve) -> None:
    """Which another thread calls."""
    daemon = serve(hello)
    stopper = threading.Timer(0.05, daemon.stop)
    stopper.start()
    assert daemon.wait(TIMEOUT) is True
    stopper.join(TIMEOUT)


def test_wait_needs_a_start() -> None:
    """Else it would wait for ever."""
    with pytest.raises(pymhd.StateError, match="start"):
        pymhd.Daemon(hello).wait()
