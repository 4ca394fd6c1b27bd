# SPDX-License-Identifier: MIT
"""What a daemon tells of itself: its state, its address, its connections."""

import contextlib

import pytest
from live import Mode, Serve, connect, eventually, hello, in_mode
from marks import each_mode
from messages import get

import pymhd


@each_mode
def test_it_tells_its_state(serve: Serve, mode: Mode) -> None:
    """New, running, stopped; the address stays known."""
    daemon = pymhd.Daemon(hello, **in_mode(mode))
    assert not daemon.is_running
    assert repr(daemon) == "<pymhd.Daemon, has not been started>"
    daemon.start()
    url = daemon.url
    assert daemon.is_running
    assert repr(daemon) == f"<pymhd.Daemon {url}, is running>"
    daemon.stop()
    assert not daemon.is_running
    assert repr(daemon) == f"<pymhd.Daemon {url}, has been stopped>"
    assert daemon.url == url


def test_the_repr_never_fails() -> None:
    """Also of one that was stopped before it was started."""
    daemon = pymhd.Daemon(hello)
    daemon.stop()
    assert repr(daemon) == "<pymhd.Daemon, has been stopped>"


def test_before_its_start_it_has_no_address() -> None:
    """port=0 would be a lie."""
    daemon = pymhd.Daemon(hello, port=0)
    with pytest.raises(pymhd.StateError, match=r"start\(\) it before"):
        _ = daemon.port
    with pytest.raises(pymhd.StateError, match=r"start\(\) it before"):
        _ = daemon.url


@each_mode
def test_it_counts_its_connections(serve: Serve, mode: Mode) -> None:
    """Those that are open."""
    daemon = pymhd.Daemon(hello, **in_mode(mode))
    assert (daemon.connections, daemon.upgraded) == (0, 0)
    with daemon, contextlib.ExitStack() as stack:
        for number in (1, 2, 3, 4):
            get(stack.enter_context(connect(daemon)))
            assert daemon.connections == number
        assert daemon.upgraded == 0
        stack.close()
        eventually(lambda: daemon.connections == 0, "the end of the connections")
