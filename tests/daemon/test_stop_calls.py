# SPDX-License-Identifier: MIT
"""Who may call ``stop()``, when, and how often."""

import gc
import math
import socket
import threading
import weakref
from queue import SimpleQueue

import pytest
from live import (
    GET,
    TIMEOUT,
    Mode,
    Serve,
    at_once,
    connect,
    echo,
    hello,
    read_head,
    read_to_end,
    seconds_of,
    upgraded,
)
from marks import each_mode

import pymhd
from pymhd._engine import running


@each_mode
def test_stop_may_be_called_twice(serve: Serve, mode: Mode) -> None:
    """And before the start, after which there is none."""
    daemon = serve(hello, threads=mode)
    assert daemon.is_running
    daemon.stop()
    assert not daemon.is_running
    daemon.stop()
    with pytest.raises(pymhd.StateError):
        daemon.start()
    with pytest.raises(ConnectionRefusedError):
        connect(daemon)


@each_mode
def test_threads_that_come_later_may_call_stop_again(serve: Serve, mode: Mode) -> None:
    """Although the system gives them the numbers of threads that have ended."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
    daemon.stop()
    raised: list[BaseException] = []

    def stop_again() -> None:
        try:
            daemon.stop()
        except BaseException as error:
            raised.append(error)

    for _ in range(5):
        at_once(*[stop_again] * 8)
    assert raised == []


@each_mode
def test_stop_may_be_called_from_many_threads_at_once(serve: Serve, mode: Mode) -> None:
    """When it has returned to any of them, the daemon has been stopped."""
    daemon = serve(hello, threads=mode)
    together = threading.Barrier(8)
    states: SimpleQueue[bool] = SimpleQueue()

    def stop() -> None:
        together.wait(TIMEOUT)
        daemon.stop()
        states.put(daemon.is_running or bool(running.drivers()))

    at_once(*[stop] * 8)
    assert [states.get(timeout=TIMEOUT) for _ in range(8)] == [False] * 8


@each_mode
def test_stop_in_a_handler_raises_state_error(serve: Serve, mode: Mode) -> None:
    """It would wait for itself; the daemon goes on."""
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        with pytest.raises(pymhd.StateError, match="handler") as caught:
            daemon.stop()
        raised.put(caught.value)
        return pymhd.Response("still here\n")

    daemon = serve(handler, threads=mode)
    for _ in range(2):
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    assert daemon.is_running


@each_mode
def test_stop_in_an_inline_target_raises_state_error(serve: Serve, mode: Mode) -> None:
    """It runs on the same thread as a handler."""
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def begin(stream: pymhd.Upgraded) -> None:
        with stream, pytest.raises(pymhd.StateError, match="handler") as caught:
            daemon.stop()
        raised.put(caught.value)

    switch = pymhd.Response.for_upgrade(begin, "echo", run="inline")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon):
        assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    assert daemon.is_running


@each_mode
def test_one_daemon_may_be_stopped_in_a_handler_of_another(
    serve: Serve, mode: Mode
) -> None:
    """Only its own handlers would wait for themselves."""
    other = serve(hello, threads=mode)

    def handler(request: pymhd.Request) -> pymhd.Response:
        other.stop()
        return pymhd.Response("stopped it\n")

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert not other.is_running


@each_mode
def test_a_session_may_stop_its_daemon(serve: Serve, mode: Mode) -> None:
    """A remote control: its own connection is closed first."""
    took: SimpleQueue[float] = SimpleQueue()

    def control(stream: pymhd.Upgraded) -> None:
        stream.sendall(b"stopping")
        took.put(seconds_of(daemon.stop))
        assert stream.closed

    switch = pymhd.Response.for_upgrade(control, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b"stopping"
    assert took.get(timeout=TIMEOUT) < 2
    assert not daemon.is_running


@each_mode
def test_two_sessions_may_stop_their_daemon_at_once(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """They do not wait for each other until the timeout."""
    together = threading.Barrier(2)
    took: SimpleQueue[float] = SimpleQueue()

    def control(stream: pymhd.Upgraded) -> None:
        together.wait(TIMEOUT)
        took.put(seconds_of(daemon.stop))

    switch = pymhd.Response.for_upgrade(control, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as one, upgraded(daemon) as two:
        assert read_to_end(one) + read_to_end(two) == b""
    assert max(took.get(timeout=TIMEOUT) for _ in range(2)) < 3
    assert "cut" not in caplog.text


@each_mode
@pytest.mark.parametrize("timeout", [math.inf, 1e12])
def test_a_very_long_timeout_is_a_timeout(
    serve: Serve, mode: Mode, timeout: float
) -> None:
    """It stops, and stays stopped."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        daemon.stop(timeout=timeout)
        assert read_to_end(sock) == b""
    assert not daemon.is_running
    assert running.drivers() == []


def test_a_running_daemon_owns_itself(serve: Serve) -> None:
    """As a running thread does; after stop() it goes."""
    daemon = pymhd.Daemon(hello)
    daemon.start()
    port, ghost = daemon.port, weakref.ref(daemon)
    del daemon
    gc.collect()
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    still = ghost()
    assert still is not None
    still.stop()
    del still
    gc.collect()
    assert ghost() is None
