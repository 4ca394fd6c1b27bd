# SPDX-License-Identifier: MIT
"""Upgrades beside others: many sessions, several daemons, plain requests."""

import contextlib
import gc
import http.client
import socket
import threading
import time
import weakref

import pytest
from live import (
    GET,
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    read_head,
    read_to_end,
    upgraded,
)
from marks import each_way
from sessions import Run, switching

import pymhd


def test_one_response_serves_hundreds_of_connections_of_two_daemons(
    serve: Serve,
) -> None:
    """One object, several daemons, many sessions at the same time."""
    response = pymhd.Response.for_upgrade(echo, "echo")
    daemons = [serve(lambda request: response, threads=mode) for mode in MODES[-2:]]
    with contextlib.ExitStack() as stack:
        for number in range(200):
            sock = stack.enter_context(upgraded(daemons[number % 2]))
            assert_echoes(sock, b"%d" % number)
        eventually(lambda: sum(d.upgraded for d in daemons) == 200, "all sessions")


@each_way
def test_a_response_may_be_dropped_as_soon_as_it_was_returned(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """Who sends it keeps it; afterwards nobody does."""
    ghosts: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = switching(echo, run)
        ghosts.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    with upgraded(daemon) as one, upgraded(daemon) as two:
        gc.collect()
        assert_echoes(one)
        assert_echoes(two)
        eventually(lambda: [ghost() for ghost in ghosts] == [None, None])
        assert_echoes(one)


@each_way
def test_requests_are_answered_while_sessions_are_open(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """An upgraded connection costs the others nothing, and is counted."""
    switch = switching(echo, run)
    daemon = serve(
        lambda request: switch if request.wants_upgrade() else pymhd.Response("hello"),
        threads=mode,
    )
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for _ in range(10)]
        eventually(lambda: daemon.upgraded == 10, "all sessions")
        assert daemon.connections == 10
        client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
        stack.enter_context(contextlib.closing(client))
        for number, sock in enumerate(socks):
            client.request("GET", "/")
            assert client.getresponse().read() == b"hello"
            assert_echoes(sock, b"%d" % number)
        assert daemon.connections == 11


@pytest.mark.parametrize("transport", ["plain", "tls"], indirect=True)
@pytest.mark.usefixtures("transport")
def test_a_session_ends_while_requests_follow_one_another(serve: Serve) -> None:
    """The pump, which has something to answer all the time, looks after it, too."""
    streams: list[pymhd.Upgraded] = []
    all_sent = threading.Event()
    switch = pymhd.Response.for_upgrade(streams.append, "echo", run="inline")
    upgraded_then: list[int] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.wants_upgrade():
            return switch
        assert all_sent.wait(TIMEOUT)
        streams[0].close()
        time.sleep(0.002)
        upgraded_then.append(daemon.upgraded)
        return pymhd.Response("hello")

    daemon = serve(handler)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(upgraded(daemon))
        eventually(lambda: bool(streams), "the session")
        reader = threading.Thread(target=leave_behind_the_server, args=(client,))
        reader.start()
        # Connected before the first one blocks the pump, which shakes hands over TLS.
        for sock in [stack.enter_context(connect(daemon)) for _ in range(5)]:
            sock.sendall(100 * GET)
        all_sent.set()
        eventually(lambda: len(upgraded_then) == 500, "all requests")
        reader.join(TIMEOUT)
    assert upgraded_then.index(0) < 250


def leave_behind_the_server(sock: socket.socket) -> None:
    """Wait for its end, and answer as the other daemon does."""
    with sock:
        read_to_end(sock)


@each_way
def test_no_thread_object_is_left_behind_by_foreign_threads(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """What runs on libmicrohttpd's threads does not register them."""
    before = set(threading.enumerate())  # handlers of other tests leave some
    daemon = serve(lambda request: switching(echo, run), threads=mode)
    with upgraded(daemon) as sock:
        assert_echoes(sock)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
    new = set(threading.enumerate()) - before
    dummies = [thread.name for thread in new if thread.name.startswith("Dummy")]
    assert dummies == []
