# SPDX-License-Identifier: MIT
"""``stop()`` while upgraded connections are open, whatever they do."""

import contextlib
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    echo,
    eventually,
    read_to_end,
    seconds_of,
    upgrade_request,
    upgraded,
)
from marks import each_mode, each_way, over_tls_too
from sessions import Run, switching

import pymhd
from pymhd._engine import running


def no_session_thread_is_left() -> bool:
    """Tell whether the threads of all sessions have ended."""
    return not any("session" in thread.name for thread in threading.enumerate())


@over_tls_too(each_mode)
def test_sessions_that_are_blocked_in_recv_are_woken(serve: Serve, mode: Mode) -> None:
    """They see the end of input and return; the clients see it, too."""
    ended: SimpleQueue[bytes] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(lambda s: ended.put(s.recv(1)), "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for _ in range(20)]
        assert seconds_of(daemon.stop) < 1.5
        assert [read_to_end(sock) for sock in socks] == [b""] * 20
    assert [ended.get(timeout=TIMEOUT) for _ in socks] == [b""] * 20


@over_tls_too(each_mode)
def test_sessions_that_are_blocked_in_sendall_are_woken(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Their clients do not read, and stop() does not wait for them."""
    sending: SimpleQueue[pymhd.Upgraded] = SimpleQueue()

    def flood(stream: pymhd.Upgraded) -> None:
        sending.put(stream)
        stream.sendall(b"x" * (64 << 20))

    switch = pymhd.Response.for_upgrade(flood, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon), upgraded(daemon):
        streams = [sending.get(timeout=TIMEOUT) for _ in range(2)]
        eventually(lambda: all(stream._users for stream in streams), "blocking")
        assert seconds_of(daemon.stop) < 2.5
    assert caplog.text == ""


@over_tls_too(each_mode)
def test_a_session_that_never_returns_is_cut_and_named(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Within the timeout and a second; the log says which callable it is."""
    release = threading.Event()

    def stubborn_session(stream: pymhd.Upgraded) -> None:
        release.wait(3 * TIMEOUT)

    switch = pymhd.Response.for_upgrade(stubborn_session, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    try:
        with upgraded(daemon) as sock:
            assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
            assert read_to_end(sock) == b""
            assert daemon.upgraded == 0
        assert "stubborn_session" in caplog.text
    finally:
        release.set()
        eventually(no_session_thread_is_left, "the end of the session's thread")


@each_mode
def test_an_upgrade_that_is_answered_after_stop_gave_up_leaves_nothing_behind(
    serve: Serve, mode: Mode
) -> None:
    """The handler comes back with it when nobody serves any more."""
    entered, release = threading.Event(), threading.Event()
    switch = pymhd.Response.for_upgrade(echo, "echo")

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return switch

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert entered.wait(TIMEOUT)
        daemon.stop(timeout=0)
        release.set()
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
        eventually(lambda: not running.drivers(), "the end of libmicrohttpd")
    assert pymhd.lib.pymhd_sessions_live() == 0


@over_tls_too(each_way)
def test_an_upgrade_that_is_answered_while_it_stops_does_not_hold_it_up(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """Either it is refused, or its session is woken as all the others are."""
    entered, release = threading.Event(), threading.Event()
    switch = switching(echo, run)

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return switch

    daemon = serve(handler, threads=mode)
    took: SimpleQueue[float] = SimpleQueue()
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert entered.wait(TIMEOUT)
        stopper = threading.Thread(target=lambda: took.put(seconds_of(daemon.stop)))
        stopper.start()
        eventually(lambda: not daemon.is_running, "the beginning of stop()")
        driver: Any = running.drivers()[0]
        eventually(lambda: driver.is_stopping, "the beginning of stop()")
        release.set()
        assert took.get(timeout=TIMEOUT) < 2.5
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
        stopper.join(TIMEOUT)


@over_tls_too(each_mode)
def test_a_stream_that_lingers_does_not_hold_it_up(serve: Serve, mode: Mode) -> None:
    """It was closed, only its client was not; stop() cuts that short."""
    switch = pymhd.Response.for_upgrade(lambda stream: None, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
        assert seconds_of(daemon.stop) < 0.6


@over_tls_too(each_mode)
def test_a_flood_of_input_does_not_hold_up_the_end(serve: Serve, mode: Mode) -> None:
    """A client that never stops sending is cut."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        sock.settimeout(0.5)

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock.sendall(b"x" * 65536)

        flooder = threading.Thread(target=flood)
        flooder.start()
        assert seconds_of(daemon.stop) < 2.5
        flooder.join(TIMEOUT)
