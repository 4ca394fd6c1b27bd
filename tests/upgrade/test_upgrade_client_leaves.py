# SPDX-License-Identifier: MIT
"""How the client of an upgrade may leave: by halves, with an RST, too early."""

import socket
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    logged_errors,
    read_to_end,
    reset,
    upgrade_request,
    upgraded,
)
from marks import every_mode, every_way, over_tls_too
from sessions import Run, switching

import pymhd
from pymhd._engine import running


@over_tls_too(every_way)
def test_a_client_may_close_its_half_and_still_be_answered(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """The session sees the end, and may go on sending."""

    def collect(stream: pymhd.Upgraded) -> None:
        data = b""
        while piece := stream.recv(65536):
            data += piece
        stream.sendall(b"I have read: " + data)

    daemon = serve(lambda request: switching(collect, run), threads=mode)
    with upgraded(daemon, early=b"some") as sock:
        sock.sendall(b"thing")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"I have read: something"


@over_tls_too(every_mode)
def test_a_clients_reset_is_an_exception_in_the_session(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """And no error in the log."""
    seen: SimpleQueue[type[BaseException]] = SimpleQueue()

    def note(stream: pymhd.Upgraded) -> None:
        try:
            stream.recv(1)
        except OSError as error:
            seen.put(type(error))
            raise

    daemon = serve(lambda request: switching(note, "thread"), threads=mode)
    sock = upgraded(daemon)
    reset(sock)
    assert seen.get(timeout=TIMEOUT) is ConnectionResetError
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    assert logged_errors(caplog) == []


@over_tls_too(every_way)
def test_clients_that_leave_before_the_101_do_no_harm(
    serve: Serve, mode: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler still runs when they reset their connections."""
    entered: SimpleQueue[None] = SimpleQueue()
    may_answer = threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path == "/slow":
            entered.put(None)
            assert may_answer.wait(TIMEOUT)
        return switching(echo, run)

    daemon = serve(handler, threads=mode)
    socks = [connect(daemon) for _ in range(6)]
    for sock in socks:
        sock.sendall(upgrade_request("/slow") + b"early")
    entered.get(timeout=TIMEOUT)
    for sock in socks:
        reset(sock)
    may_answer.set()
    eventually(lambda: daemon.connections == 0, "the end of the connections")
    assert daemon.upgraded == 0
    with upgraded(daemon) as sock:
        assert_echoes(sock)
    assert logged_errors(caplog) == []


def test_an_upgrade_whose_client_left_while_it_waited_in_a_batch_is_forgotten(
    serve: Serve,
) -> None:
    """It is answered only after its request has ended, so nobody takes the answer."""
    entered: SimpleQueue[str] = SimpleQueue()
    may_go_on: SimpleQueue[None] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.put(request.path)
        may_go_on.get(timeout=TIMEOUT)
        return switching(echo, "thread")

    daemon = serve(handler, threads=1)
    socks = [connect(daemon) for _ in range(4)]
    for number, sock in enumerate(socks):
        sock.sendall(upgrade_request(f"/{number}"))
    served: set[str] = set()
    while len(served) < 2:  # then those behind are in the same batch
        if served:
            may_go_on.put(None)
        served.add(entered.get(timeout=TIMEOUT))
    waiting = [s for n, s in enumerate(socks) if f"/{n}" not in served]
    for sock in waiting:
        reset(sock)
    for _ in range(4):
        may_go_on.put(None)
    with upgraded(daemon) as sock:  # behind all the others
        assert_echoes(sock)
    driver: Any = running.drivers()[0]
    assert driver.dispatcher.switching == 0
    for sock in socks:
        sock.close()
