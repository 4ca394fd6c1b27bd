# SPDX-License-Identifier: MIT
"""Clients that vanish within their requests and answers."""

import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from live import (
    MIB,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_exactly,
    read_to_end,
    reset,
    upgrade_request,
)
from marks import every_mode
from messages import ask, head, post

import pymhd


@every_mode
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
@pytest.mark.parametrize(
    "raw",
    [b"GE", head()[:-2], post(b"abc")[:-1], b""],
    ids=["line", "head", "body", ""],
)
def test_a_client_may_vanish_within_its_request(
    serve: Serve, mode: Mode, leave: Callable[[socket.socket], None], raw: bytes
) -> None:
    """Its connection goes, the handler is not called, and others are served."""
    targets: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        targets.append(request.target)
        return pymhd.Response()

    daemon = serve(handler, threads=mode)
    sock = connect(daemon)
    sock.sendall(raw)
    eventually(lambda: daemon.connections == 1, "the connection")
    leave(sock)
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    ask(daemon, head(b"GET /other HTTP/1.1"))
    assert targets == ["/other"]


@every_mode
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
def test_a_client_may_vanish_before_its_answer(
    serve: Serve, mode: Mode, leave: Callable[[socket.socket], None]
) -> None:
    """The answer goes nowhere; the connection goes, and others are served."""
    asked, gone = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        asked.set()
        assert gone.wait(TIMEOUT)
        return pymhd.Response(bytes(MIB))

    daemon = serve(handler, threads=mode)
    sock = connect(daemon)
    sock.sendall(head())
    assert asked.wait(TIMEOUT)
    leave(sock)
    gone.set()
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    assert len(ask(daemon, head())) > MIB


@every_mode
def test_a_client_may_vanish_within_its_answer(serve: Serve, mode: Mode) -> None:
    """With most of it unsent."""
    daemon = serve(lambda r: pymhd.Response(bytes(8 * MIB)), threads=mode)
    sock = connect(daemon)
    sock.sendall(head())
    read_exactly(sock, 1000)
    reset(sock)
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    assert len(ask(daemon, head())) > 8 * MIB


def test_an_upgrade_whose_client_has_left_is_forgotten(serve: Serve) -> None:
    """The request waits behind another one when its connection is reset."""
    first, go = threading.Event(), threading.Event()
    left: list[weakref.ref[pymhd.Response]] = []
    daemon: pymhd.Daemon

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.wants_upgrade("echo"):
            switch = pymhd.Response.for_upgrade(lambda stream: None, "echo")
            left.append(weakref.ref(switch))
            return switch
        if request.target == "/first":
            first.set()
            assert go.wait(TIMEOUT)
        if request.target == "/reset":
            reset(client)
        # Long enough for the batch to be interrupted.
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            pass
        return pymhd.Response()

    daemon = serve(handler)
    with connect(daemon) as blocker, connect(daemon) as behind:
        client = connect(daemon)
        blocker.sendall(head(b"GET /first HTTP/1.1"))
        assert first.wait(TIMEOUT)
        # One batch: the second one resets the connection of the third.
        behind.sendall(head(b"GET /reset HTTP/1.1"))
        client.sendall(upgrade_request())
        go.set()
        read_to_end(blocker)
        read_to_end(behind)
    ask(daemon, head())
    ask(daemon, head())
    gc.collect()
    eventually(lambda: all(r() is None for r in left), "the end of the response")
