# SPDX-License-Identifier: MIT
"""What ``threads`` and ``polling`` mean together, and what they cannot."""

import sys
import threading
from typing import Any

import pytest
import secure
from live import (
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    hello,
    in_mode,
    upgraded,
)
from marks import every_mode, needs_own_threads
from messages import ask, body_of, get

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


OWN_THREADS = [
    *("per-connection", "per-connection select", "per-connection poll"),
    *("per-connection auto", "1 select", "1 poll", "2 epoll", "2 auto"),
]


def say_that_the_gil_is(on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have CPython say so, whatever it was built for."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: on, raising=False)


@pytest.mark.parametrize("asked", OWN_THREADS)
def test_threads_of_libmicrohttpd_are_refused_without_a_gil(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message tells what was asked for, and what there is instead."""
    options = in_mode(asked)
    say_that_the_gil_is(False, monkeypatch)
    with pytest.raises(pymhd.NotSupportedError) as caught:
        pymhd.Daemon(hello, **options)
    words = [f"{name}={value!r}" for name, value in options.items() if value]
    assert str(caught.value).startswith(" with ".join(words) + " means threads that")
    assert "Use threads=N without polling=" in str(caught.value)
    assert "PYTHON_GIL=1" in str(caught.value)
    say_that_the_gil_is(True, monkeypatch)
    pymhd.Daemon(hello, **options)


@pytest.mark.parametrize("asked", [1, 2, "external", "external select"])
def test_threads_of_python_are_served_without_a_gil(
    serve: Serve, asked: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the application's event loop."""
    say_that_the_gil_is(False, monkeypatch)
    assert body_of(ask(serve(hello, threads=asked))) == b"hello"


def test_over_tls_any_number_with_polling_is_served_without_a_gil(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's threads are what it means there; per-connection means others."""
    say_that_the_gil_is(False, monkeypatch)
    tls = secure.server_tls()
    assert body_of(ask(serve(hello, threads="2 poll", tls=tls))) == b"hello"
    with pytest.raises(pymhd.NotSupportedError, match="per-connection"):
        pymhd.Daemon(hello, threads="per-connection", tls=tls)


def test_what_means_nothing_is_a_value_error_without_a_gil_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Turning the GIL on would not help."""
    say_that_the_gil_is(False, monkeypatch)
    with pytest.raises(ValueError, match="libmicrohttpd refuses that"):
        pymhd.Daemon(hello, threads="per-connection", polling="epoll")


@needs_own_threads
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
