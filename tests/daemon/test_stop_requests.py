# SPDX-License-Identifier: MIT
"""``stop()`` while requests are under way, whatever state they are in."""

import contextlib
import socket
import threading
from queue import SimpleQueue

import pytest
from live import (
    GET,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    echo,
    eventually,
    hello,
    read_exactly,
    read_head,
    read_to_end,
    seconds_of,
    upgrade_request,
)
from marks import each_mode

import pymhd
from pymhd._engine import running


@each_mode
def test_a_handler_that_never_returns_is_left_behind_and_logged(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can end it; stop() returns within the timeout and a second."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(3 * TIMEOUT)
        return pymhd.Response("too late\n")

    daemon = serve(handler, threads=mode)
    try:
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert entered.wait(TIMEOUT)
            assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
            assert not daemon.is_running
            assert "blocks" in caplog.text
            assert "<locals>.handler" in caplog.text
            release.set()
            eventually(lambda: not running.drivers(), "the end of libmicrohttpd")
    finally:
        release.set()


@each_mode
def test_nobody_can_connect_to_a_daemon_that_is_stuck_after_stop(
    serve: Serve, mode: Mode
) -> None:
    """It stops listening at once, whatever its handlers do."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return pymhd.Response("too late\n")

    daemon = serve(handler, threads=mode)
    try:
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert entered.wait(TIMEOUT)
            daemon.stop(timeout=0)
            with socket.socket() as late:
                late.settimeout(TIMEOUT)
                assert late.connect_ex(("127.0.0.1", daemon.port)) != 0
    finally:
        release.set()
        eventually(lambda: not running.drivers(), "the end of libmicrohttpd")


@each_mode
def test_requests_in_flight_are_answered(serve: Serve, mode: Mode) -> None:
    """They are complete, and a handler has them already."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return pymhd.Response("done")

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert entered.wait(TIMEOUT)
        stopper = threading.Thread(target=daemon.stop)
        stopper.start()
        eventually(lambda: not daemon.is_running, "the beginning of stop()")
        release.set()
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\ndone")
        stopper.join(TIMEOUT)
        assert not stopper.is_alive()


@each_mode
def test_idle_connections_do_not_hold_it_up(serve: Serve, mode: Mode) -> None:
    """Neither kept alive ones nor those that have sent nothing yet."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as kept, connect(daemon) as silent:
        kept.sendall(GET)
        head = read_head(kept)
        assert b"close" not in head.lower()
        read_exactly(kept, len(b"hello"))
        eventually(lambda: daemon.connections == 2, "both connections")
        assert seconds_of(daemon.stop) < 1
        assert read_to_end(kept) == b""
        assert read_to_end(silent) == b""


@each_mode
@pytest.mark.parametrize(
    "half",
    [
        b"GE",
        b"GET / HTTP/1.1\r\nHos",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_half_a_request_is_cut_after_the_timeout(
    serve: Serve, mode: Mode, half: bytes
) -> None:
    """Its client does not decide how long stop() takes."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as sock, connect(daemon) as other:
        sock.sendall(half)
        other.sendall(GET)
        read_head(other)
        assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


@each_mode
def test_it_stops_while_connections_and_upgrades_pour_in(
    serve: Serve, mode: Mode
) -> None:
    """Clients of both kinds, until they are refused."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(
        lambda request: switch if request.wants_upgrade() else hello(request),
        threads=mode,
    )
    counts: SimpleQueue[int] = SimpleQueue()

    def pour(request: bytes) -> None:
        count = 0
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            while True:
                sock = stack.enter_context(connect(daemon))
                sock.sendall(request)
                if not sock.recv(1):
                    break
                count += 1
        counts.put(count)

    pourers = [
        threading.Thread(target=pour, args=(request,))
        for request in (GET, upgrade_request())
        for _ in range(2)
    ]
    for pourer in pourers:
        pourer.start()
    eventually(lambda: daemon.upgraded > 20, "20 sessions")
    assert seconds_of(daemon.stop) < 4
    for pourer in pourers:
        pourer.join(TIMEOUT)
    assert min(counts.get(timeout=TIMEOUT) for _ in pourers) > 0
    assert daemon.upgraded == 0
