# SPDX-License-Identifier: MIT
"""What ``threads`` and ``polling`` mean together, and what they cannot."""

import threading
from typing import Any

import pytest
from live import Mode, Serve, assert_echoes, connect, echo, eventually, hello, upgraded
from marks import every_mode
from messages import ask, get

import pymhd


@pytest.mark.parametrize("polling", ["", "kqueue", "EPOLL", 1, True, b"poll"])
def test_an_unknown_way_to_poll_is_refused(polling: Any) -> None:
    """The message names those that there are."""
    with pytest.raises(ValueError, match='polling must be None, "select", "poll"'):
        pymhd.Daemon(hello, polling=polling)


def test_per_connection_with_epoll_is_refused() -> None:
    """As libmicrohttpd does; the message names what works."""
    with pytest.raises(ValueError, match='"select", "poll", "auto" or None'):
        pymhd.Daemon(hello, threads="per-connection", polling="epoll")


@pytest.mark.parametrize("polling", ["select", "poll", "epoll", "auto"])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_libmicrohttpd_has_as_many_threads_as_were_asked_for(
    serve: Serve, threads: int, polling: str
) -> None:
    """The handlers run on them, and on none of Python's."""
    numbers: set[int] = set()

    def handler(request: pymhd.Request) -> pymhd.Response:
        numbers.add(threading.get_ident())
        return pymhd.Response()

    ours = {thread.ident for thread in threading.enumerate()}
    daemon = serve(handler, threads=f"{threads} {polling}")
    for _ in range(20 * threads):
        ask(daemon)
    assert 1 <= len(numbers) <= threads
    assert numbers.isdisjoint(ours)
    pumps = [t.name for t in threading.enumerate() if t.name.startswith("pymhd-")]
    # With epoll each has a daemon of libmicrohttpd's to itself.
    beside = threads if polling in ("epoll", "auto") else 1
    assert sorted(pumps) == ["pymhd-beside"] * beside + ["pymhd-log"]


@every_mode
def test_requests_and_upgrades_are_served_on_many_connections(
    serve: Serve, mode: Mode
) -> None:
    """Side by side, and the counts return to 0."""
    switch = pymhd.Response.for_upgrade(echo, "echo")

    def handler(request: pymhd.Request) -> pymhd.Response:
        return switch if request.wants_upgrade() else hello(request)

    daemon = serve(handler, threads=mode)
    plain = [connect(daemon) for _ in range(20)]
    streams = [upgraded(daemon) for _ in range(20)]
    for sock in streams:
        assert_echoes(sock)
    for sock in plain:
        assert get(sock) == b"hello"
    assert (daemon.connections, daemon.upgraded) == (40, 20)
    for sock in plain + streams:
        sock.close()
    eventually(lambda: daemon.connections == 0, "the end of the connections")
    eventually(lambda: daemon.upgraded == 0, "the end of the sessions")
