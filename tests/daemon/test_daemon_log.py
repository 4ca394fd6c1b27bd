# SPDX-License-Identifier: MIT
"""What libmicrohttpd logs comes out on the logger ``pymhd``."""

import contextlib
import functools
import logging
import socket
import threading
from collections.abc import Callable

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    hello,
    read_head,
    read_to_end,
    upgraded,
)
from marks import each_mode

import pymhd


def refused_by_libmicrohttpd(sock: socket.socket) -> None:
    """Ask for what has no room in its memory, which it refuses itself, and logs."""
    with contextlib.suppress(ConnectionError):  # it does not read to the end
        sock.sendall(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b" 414 " in read_head(sock).partition(b"\r\n")[0]


@each_mode
def test_what_libmicrohttpd_logs_is_on_the_logger(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """Below warnings: it is about clients, not about us."""
    caplog.set_level(logging.INFO, logger="pymhd")
    daemon = serve(hello, threads=mode)
    with connect(daemon) as sock:
        refused_by_libmicrohttpd(sock)
    eventually(lambda: len(caplog.records) > 0, "a line in the log")
    for record in caplog.records:
        assert record.name == "pymhd"
        assert record.levelno == logging.INFO
        assert record.getMessage().startswith("libmicrohttpd: ")
        assert not record.getMessage().endswith("\n")


def test_a_line_of_our_own_is_not_attributed_to_libmicrohttpd(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is we who close idle connections."""
    caplog.set_level(logging.INFO, logger="pymhd")
    switch = pymhd.Response.for_upgrade(lambda s: s.recv(1), "echo", idle_timeout=0.05)
    with upgraded(serve(lambda request: switch)) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: len(caplog.records) > 0, "a line in the log")
    message = caplog.records[0].getMessage()
    assert message == "an upgraded connection was idle for 0.05 s and is closed"


class Session:
    """Something to call that is no function."""

    def __call__(self, *args: object) -> None:
        """Do as a handler or a session that fails."""
        raise ValueError

    def method(self, *args: object) -> None:
        """Do as a call does."""
        raise ValueError


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Session(), "Session"),
        (Session().method, "Session.method"),
        (functools.partial(Session().method, 1), "Session.method"),
        (functools.partial(functools.partial(Session()), 2), "Session"),
        (functools.partialmethod(Session.method).__get__(Session()), "Session.method"),
    ],
)
def test_the_log_names_what_the_user_has_written(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    target: Callable[[object], object],
    name: str,
) -> None:
    """Not what it is wrapped in."""
    switch = pymhd.Response.for_upgrade(target, "echo")
    with upgraded(serve(lambda request: switch)) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: len(caplog.records) > 0, "a line in the log")
    message = caplog.records[0].getMessage()
    assert message == f"{name}() failed; its connection is closed"


def test_a_flood_of_log_lines_is_counted_where_it_is_dropped(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """No line holds a client up: what finds no room is told of in one."""
    caplog.set_level(logging.INFO, logger="pymhd")
    logger = logging.getLogger("pymhd")
    blocked, go = threading.Event(), threading.Event()

    def block(record: logging.LogRecord) -> bool:
        blocked.set()
        return go.wait(TIMEOUT)

    daemon = serve(hello)
    logger.addFilter(block)
    try:
        for _ in range(300):
            with connect(daemon) as sock:
                refused_by_libmicrohttpd(sock)
        assert blocked.wait(TIMEOUT)
    finally:
        go.set()
        logger.removeFilter(block)
    eventually(lambda: "were dropped" in caplog.text, "the line in the log")
