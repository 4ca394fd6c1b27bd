# SPDX-License-Identifier: MIT
"""``start()`` and ``with``: once, by whomever, and never again."""

import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from live import MODES, TIMEOUT, Mode, Serve, at_once, connect, hello, in_mode
from marks import each_mode
from messages import ask, get

import pymhd


@each_mode
def test_starting_twice_changes_nothing(serve: Serve, mode: Mode) -> None:
    """It goes on as it was."""
    daemon = serve(hello, threads=mode)
    url = daemon.url
    with connect(daemon) as sock:
        assert get(sock) == b"hello"
        daemon.start()
        assert daemon.url == url
        assert get(sock) == b"hello"


def test_it_starts_once_whoever_calls(serve: Serve) -> None:
    """Several threads may start the same daemon."""
    daemon = pymhd.Daemon(hello)
    together = threading.Barrier(8)

    def start() -> None:
        together.wait(TIMEOUT)
        daemon.start()

    at_once(*[start] * 8)
    with daemon:
        assert ask(daemon).endswith(b"hello")


@each_mode
def test_it_does_not_start_after_its_end(serve: Serve, mode: Mode) -> None:
    """Another one must be made."""
    daemon = serve(hello, threads=mode)
    daemon.stop()
    with pytest.raises(pymhd.StateError, match="make another one"):
        daemon.start()
    with pytest.raises(pymhd.StateError, match="cannot start again"), daemon:
        pass
    never = pymhd.Daemon(hello)
    never.stop()
    with pytest.raises(pymhd.StateError, match="make another one"):
        never.start()


@each_mode
def test_with_takes_a_daemon_that_runs(serve: Serve, mode: Mode) -> None:
    """And stops it."""
    daemon = serve(hello, threads=mode)
    with daemon as same:
        assert same is daemon
        assert ask(daemon).endswith(b"hello")
    assert not daemon.is_running


def test_with_stops_the_daemon_after_an_exception() -> None:
    """Which goes on its way."""
    daemon = pymhd.Daemon(hello)
    with pytest.raises(ZeroDivisionError), daemon:
        raise ZeroDivisionError
    assert not daemon.is_running


@each_mode
def test_a_daemon_that_runs_keeps_itself_alive(mode: Mode) -> None:
    """As a thread does; afterwards it may go."""
    daemon = pymhd.Daemon(hello, **in_mode(mode))
    daemon.start()
    alive = weakref.ref(daemon)
    url = daemon.url
    del daemon
    gc.collect()
    again = alive()
    assert again is not None
    assert again.url == url
    assert ask(again).endswith(b"hello")
    again.stop()
    del again
    gc.collect()
    assert alive() is None


def test_a_daemon_that_was_never_started_leaves_nothing() -> None:
    """The constructor opens nothing."""
    daemons = [pymhd.Daemon(hello) for _ in range(100)]
    alive = [weakref.ref(daemon) for daemon in daemons]
    del daemons
    gc.collect()
    assert [a for a in alive if a() is not None] == []


def test_several_daemons_run_side_by_side(serve: Serve) -> None:
    """Each with its own handler, and none ends with another."""

    def saying(word: str) -> Callable[[pymhd.Request], pymhd.Response]:
        return lambda request: pymhd.Response(word)

    daemons = [serve(saying(f"{n}"), threads=MODES[n % len(MODES)]) for n in range(9)]
    assert len({daemon.port for daemon in daemons}) == 9
    for stopped, daemon in enumerate(daemons):
        for number in range(stopped, 9):
            assert ask(daemons[number]).endswith(b"\r\n\r\n%d" % number)
        daemon.stop()


def test_daemons_start_and_stop_in_several_threads() -> None:
    """What they share is made and ended as often as need be."""
    failed: list[BaseException] = []

    def cycle(mode: Any) -> None:
        try:
            for _ in range(15):
                with pymhd.Daemon(hello, **in_mode(mode)) as daemon:
                    assert ask(daemon).endswith(b"hello")
        except BaseException as error:
            failed.append(error)

    at_once(*(partial(cycle, mode) for mode in MODES))
    assert failed == []
