# SPDX-License-Identifier: MIT
"""``stop()`` ends the listening before it waits for anything else."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import (
    GET,
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    connect_to,
    eventually,
    hello,
    listening,
    read_head,
    read_to_end,
    upgraded,
)
from marks import every_mode
from messages import ask

import pymhd

HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\n\r\nhalf"


@contextlib.contextmanager
def being_stopped(daemon: pymhd.Daemon) -> Iterator[threading.Thread]:
    """Call stop() in a thread, which something keeps waiting within this block."""
    stopper = threading.Thread(target=daemon.stop, args=(TIMEOUT,))
    stopper.start()
    try:
        yield stopper
    finally:
        stopper.join(2 * TIMEOUT)


def is_asked(daemon: pymhd.Daemon) -> bool:
    """Tell whether the header of a request has come."""
    return any(
        pymhd.lib.pymhd_driver_requests(driver._ptr) for driver in daemon._drivers
    )


def is_refused(daemon: pymhd.Daemon) -> bool:
    """Tell whether nobody listens on the daemon's port."""
    with socket.socket() as sock:
        sock.settimeout(TIMEOUT)
        return sock.connect_ex(("127.0.0.1", daemon.port)) != 0


def assert_another_may_listen(daemon: pymhd.Daemon, stopper: threading.Thread) -> None:
    """Fail unless its port is free for somebody else while stop() waits."""
    eventually(lambda: is_refused(daemon), "the end of listening")
    with (
        socket.create_server(("127.0.0.1", daemon.port)) as other,
        connect(daemon),
    ):
        other.settimeout(TIMEOUT)
        other.accept()[0].close()
    assert stopper.is_alive()


@every_mode
def test_nobody_listens_while_half_a_body_is_waited_for(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets its answer all the same, and the log is quiet."""
    caplog.set_level(logging.INFO)
    daemon = serve(hello, threads=mode)
    with connect(daemon) as client:
        client.sendall(HALF_A_BODY)
        eventually(lambda: is_asked(daemon), "the request")
        with being_stopped(daemon) as stopper:
            assert_another_may_listen(daemon, stopper)
            client.sendall(b"half")
            # The application's own loop gets no call of the handler's any more.
            status = b"503" if str(mode).startswith("external") else b"200"
            assert read_to_end(client).startswith(b"HTTP/1.1 " + status)
    assert "accept" not in caplog.text


@every_mode
def test_nobody_listens_while_a_handler_is_slow(serve: Serve, mode: Mode) -> None:
    """It keeps the thread that would have libmicrohttpd stop."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return pymhd.Response("done")

    daemon = serve(handler, threads=mode)
    with connect(daemon) as client:
        client.sendall(GET)
        assert entered.wait(TIMEOUT)
        with being_stopped(daemon) as stopper:
            try:
                assert_another_may_listen(daemon, stopper)
            finally:
                release.set()
            assert read_to_end(client).endswith(b"done")


@every_mode
def test_nobody_listens_while_a_session_says_goodbye(serve: Serve, mode: Mode) -> None:
    """However long its callable takes."""
    release = threading.Event()
    switch = pymhd.Response.for_upgrade(lambda stream: release.wait(TIMEOUT), "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon):
        eventually(lambda: daemon.upgraded == 1, "the session")
        with being_stopped(daemon) as stopper:
            try:
                assert_another_may_listen(daemon, stopper)
            finally:
                release.set()


@every_mode
def test_it_listens_no_more_while_it_is_quiesced_and_then_stopped(
    serve: Serve, mode: Mode
) -> None:
    """The first of them ends the listening; the second has no more to end."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as client:
        client.sendall(HALF_A_BODY)
        eventually(lambda: is_asked(daemon), "the request")
        daemon.quiesce()
        with being_stopped(daemon) as stopper:
            assert_another_may_listen(daemon, stopper)
            client.sendall(b"half")
            assert read_to_end(client).startswith(b"HTTP/1.1 ")


@every_mode
def test_a_given_socket_is_left_to_whoever_listens_on_it_too(
    serve: Serve, mode: Mode
) -> None:
    """stop() does not shut it down, and takes no client of it any more."""
    with listening(as_fd=False) as (_, sock):
        old = serve(hello, sock=sock, threads=mode)
        with connect(old) as client:
            client.sendall(HALF_A_BODY)
            eventually(lambda: is_asked(old), "the request")
            with being_stopped(old) as stopper:
                new = serve(lambda request: pymhd.Response(b"new"), sock=sock)
                # Each of the old one's threads lets go of the socket by itself.
                eventually(
                    lambda: all(asks_new(new) for _ in range(30)),
                    "the change of daemons",
                )
                assert stopper.is_alive()
                client.sendall(b"half")
                read_to_end(client)
        assert ask(new).endswith(b"new")


def asks_new(daemon: pymhd.Daemon) -> bool:
    """Tell who has answered; nobody does whom the kernel gave to the old one."""
    with contextlib.suppress(OSError):
        return ask(daemon).endswith(b"new")
    return False


@pytest.mark.parametrize("mode", MODES)
def test_daemons_that_share_a_port_do_not_stop_one_another(
    serve: Serve, mode: Mode
) -> None:
    """As worker processes do: each has a socket of its own."""
    old = serve(hello, reuse_port=True, threads=mode)
    with connect(old) as client:
        client.sendall(HALF_A_BODY)
        eventually(lambda: is_asked(old), "the request")
        new = serve(
            lambda request: pymhd.Response(b"new"),
            port=old.port,
            reuse_port=True,
            threads=mode,
        )
        with being_stopped(old) as stopper:
            eventually(lambda: all(map(asks_new, [new] * 20)), "the change of daemons")
            assert stopper.is_alive()
            client.sendall(b"half")
            read_to_end(client)


@pytest.mark.parametrize("mode", MODES)
def test_the_path_of_a_unix_socket_is_free_while_stop_waits(
    serve: Serve, mode: Mode, tmp_path: Path
) -> None:
    """Another server may listen there; its file is not removed."""
    path = str(tmp_path / "sock")
    old = serve(hello, unix=path, threads=mode)
    with connect_to(path) as client:
        client.sendall(HALF_A_BODY)
        eventually(lambda: is_asked(old), "the request")
        with being_stopped(old) as stopper:
            eventually(lambda: not os.path.exists(path), "the end of the file")
            serve(lambda request: pymhd.Response(b"new"), unix=path)
            assert stopper.is_alive()
            client.sendall(b"half")
            read_to_end(client)
        with connect_to(path) as late:
            late.sendall(GET)
            assert read_head(late).startswith(b"HTTP/1.1 200 ")
