# SPDX-License-Identifier: MIT
"""What libmicrohttpd logs comes out on the logger ``pymhd``."""

import logging
import threading

import pytest
from live import TIMEOUT, Mode, Serve, connect, eventually, hello, read_head
from marks import each_mode


@each_mode
def test_what_libmicrohttpd_logs_is_on_the_logger(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """Below warnings: it is about clients, not about us."""
    caplog.set_level(logging.INFO, logger="pymhd")
    daemon = serve(hello, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: len(caplog.records) > 0, "a line in the log")
    for record in caplog.records:
        assert record.name == "pymhd"
        assert record.levelno == logging.INFO
        assert record.getMessage().startswith("libmicrohttpd: ")
        assert not record.getMessage().endswith("\n")


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
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert read_head(sock).startswith(b"HTTP/1.1 400 ")
        assert blocked.wait(TIMEOUT)
    finally:
        go.set()
        logger.removeFilter(block)
    eventually(lambda: "were dropped" in caplog.text, "the line in the log")
