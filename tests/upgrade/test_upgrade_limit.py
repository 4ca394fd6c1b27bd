# SPDX-License-Identifier: MIT
"""``Limits.upgraded``: how many connections may be upgraded at once."""

import contextlib
import logging
import resource
import socket
from typing import Any

import pytest
from live import (
    GET,
    Mode,
    Serve,
    at_once,
    connect,
    echo,
    eventually,
    hello,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import every_mode, over_tls_too
from messages import get
from sessions import switching

import pymhd
from pymhd.limits import default_connections


def both(run: str) -> Any:
    """Return a handler that switches those who ask for it."""
    switch = (
        pymhd.Response.for_upgrade(pymhd.Protocol, "echo")
        if run == "hub"
        else switching(echo, "thread")
    )
    return lambda request: switch if request.wants_upgrade() else hello(request)


def refusal(daemon: pymhd.Daemon) -> bytes:
    """Ask for an upgrade; return the whole answer, which is none."""
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        return read_to_end(sock)


@pytest.mark.parametrize("run", ["thread", "hub"])
@over_tls_too(every_mode)
def test_no_more_are_upgraded_than_may_be(
    serve: Serve,
    mode: Mode,
    run: str,
    transport: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next one is told to come again, and requests are answered as ever."""
    limits = pymhd.Limits(upgraded=3)
    daemon = serve(both(run), threads=mode, limits=limits)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for _ in range(3)]
        for _ in range(2):
            answer = refusal(daemon)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 5\r\n" in answer
            with connect(daemon) as sock:
                assert get(sock) == b"hello"
        eventually(lambda: caplog.messages != [], "a warning")
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "Limits.upgraded" in record.getMessage()
        eventually(lambda: daemon.upgraded == 3, "the last one")
        # A place that becomes free is another one's.
        socks[0].close()
        eventually(lambda: daemon.upgraded == 2, "the end of one")
        stack.enter_context(upgraded(daemon))


@every_mode
def test_many_that_ask_at_once_get_as_many_places_as_there_are(
    serve: Serve, mode: Mode
) -> None:
    """However many threads answer them."""
    daemon = serve(both("hub"), threads=mode, limits=pymhd.Limits(upgraded=5))
    socks = [connect(daemon) for _ in range(20)]
    heads: list[bytes] = []

    def ask(sock: socket.socket) -> None:
        sock.sendall(upgrade_request())
        heads.append(read_head(sock)[:12])

    at_once(*[lambda sock=sock: ask(sock) for sock in socks])
    assert sorted(heads) == [b"HTTP/1.1 101"] * 5 + [b"HTTP/1.1 503"] * 15
    for sock in socks:
        sock.close()


@every_mode
def test_who_leaves_before_the_101_gives_the_place_back(
    serve: Serve, mode: Mode
) -> None:
    """Whatever has become of the request."""
    daemon = serve(both("hub"), threads=mode, limits=pymhd.Limits(upgraded=1))
    for _ in range(20):
        with connect(daemon) as sock:
            sock.sendall(upgrade_request())
        with connect(daemon) as sock:
            sock.sendall(GET[:-4] + b"\r\nConnection: close\r\n\r\n")
            read_to_end(sock)
        eventually(lambda: daemon.upgraded == 0, "the end")
    eventually(lambda: is_upgraded(daemon), "a place")


def is_upgraded(daemon: pymhd.Daemon) -> bool:
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        return read_head(sock).startswith(b"HTTP/1.1 101 ")


def test_the_default_is_what_a_machine_survives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that lets a process open a million files."""
    for files in (1 << 20, resource.RLIM_INFINITY):
        limits = (files, files)
        monkeypatch.setattr(resource, "getrlimit", lambda which, limits=limits: limits)
        assert default_connections(2) == 8192
        assert default_connections(2, threads=True) == 4096
    assert pymhd.Limits().upgraded == 4096
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 1024))
    assert default_connections(2) == 480
