# SPDX-License-Identifier: MIT
"""A line in the log is one line, whatever it is made of, and not many wait."""

import gc
import logging
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_head,
    read_to_end,
    upgraded,
)
from marks import every_mode

import pymhd
from pymhd._native import logs

# Line breaks of each kind, escape sequences of terminals, turns of direction.
HOSTILE = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00\x07\x1b\x7f\x9b\u202e\ud800"


@given(st.text())
def test_every_text_becomes_one_line_that_can_be_printed(text: str) -> None:
    """What can be printed stays as it is."""
    line = logs.escape(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    line.encode()
    if text.isprintable():
        assert line == text


@pytest.mark.parametrize("character", HOSTILE)
def test_no_character_forges_a_line(
    character: str, caplog: pytest.LogCaptureFixture
) -> None:
    """From none of our own messages."""
    logs.report(f"a{character}b")
    (record,) = caplog.records
    message = record.getMessage()
    assert message.isprintable()
    assert message.startswith("a")
    assert message.endswith("b")


@every_mode
def test_a_client_cannot_forge_lines_of_libmicrohttpds(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """It decodes what it logs; each release has other occasions to."""
    caplog.set_level(logging.INFO, "pymhd")
    daemon = serve(lambda request: pymhd.Response("fine"), threads=mode)
    hostile = "%0aERROR:root:forged%0d%1b[2J%c2%9b%e2%80%a8"
    for line in (f"GET /{hostile}?{hostile}={hostile}", f"BR\x1bEW /{hostile}"):
        with connect(daemon) as sock:
            sock.sendall(f"{line} HTTP/1.1\r\n".encode("latin-1"))
            sock.sendall(f"Cookie: a={hostile}; \x1b\r\n\x1b: 1\r\n\r\n".encode())
            read_to_end(sock)
    daemon.stop()
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_line_in_the_ring_cannot_break(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As any of libmicrohttpd's may be: it writes down what clients have sent."""
    caplog.set_level(logging.INFO, "pymhd")
    lines = iter([b"Ia\n\x1b\xc2\x85\xe2\x80\xa8\xffb"])

    class Ring:
        def __getattr__(self, name: str) -> Any:
            return getattr(pymhd.lib, name)

        def pymhd_log_next(self, buffer: Any, size: int) -> int:
            line = next(lines, None)
            if line is None:
                return -1
            pymhd.ffi.memmove(buffer, line, len(line))
            return len(line)

    monkeypatch.setattr(logs, "lib", Ring())
    logs._drain()
    (record,) = caplog.records
    assert record.getMessage() == r"a\n\x1b\x85\u2028" + "\ufffdb"


# --- what waits ---


class Body:
    """What a failing handler holds, as a request or its body."""


def test_what_waits_to_be_logged_is_bounded_and_counted(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that hangs holds few exceptions, and what they hold, and no others."""
    alive: list[weakref.ref[Body]] = []
    blocked, go = threading.Event(), threading.Event()

    def block(record: logging.LogRecord) -> bool:
        blocked.set()
        return go.wait(2 * TIMEOUT)

    def fail() -> None:
        body = Body()
        alive.append(weakref.ref(body))
        try:
            raise ValueError(f"number {len(alive)}\n of many")
        except ValueError as error:
            logs.report_later("it failed", error)

    serve(lambda request: pymhd.Response())  # so that the thread runs
    logger = logging.getLogger("pymhd")
    logger.addFilter(block)
    try:
        fail()
        assert blocked.wait(TIMEOUT)
        for _ in range(999):
            fail()
        gc.collect()
        assert 16 <= sum(body() is not None for body in alive) <= 17
        assert len(logs._later._lines) == 256
    finally:
        go.set()
        logger.removeFilter(block)
    eventually(lambda: "were dropped" in caplog.text, "the count in the log")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1 + 256 + 1
    assert lines[-1] == "743 log lines about requests were dropped"
    assert lines[17] == r"it failed: ValueError('number 18\n of many')"


def test_a_log_that_hangs_holds_no_handler_up(serve: Serve) -> None:
    """In the mode in which libmicrohttpd's threads call the handlers, either."""
    blocked, go = threading.Event(), threading.Event()

    def block(record: logging.LogRecord) -> bool:
        blocked.set()
        return go.wait(2 * TIMEOUT)

    def handler(request: pymhd.Request) -> pymhd.Response:
        raise ValueError("no")

    daemon = serve(handler, threads="per-connection")
    logger = logging.getLogger("pymhd")
    logger.addFilter(block)
    try:
        for _ in range(20):
            with connect(daemon) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                assert read_head(sock).startswith(b"HTTP/1.1 500 ")
        assert blocked.wait(TIMEOUT)
    finally:
        go.set()
        logger.removeFilter(block)


def test_a_repr_that_fails_is_named_by_its_class() -> None:
    """What cannot be described is no reason to log nothing."""

    class Unprintable(Exception):
        def __repr__(self) -> str:
            raise RuntimeError("repr")

    assert logs.describe(Unprintable()) == "Unprintable"
    assert logs.describe(ValueError("x")) == "ValueError('x')"


def test_an_upgraded_connections_end_is_one_line(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if its target has a name that is none."""
    caplog.set_level(logging.INFO, "pymhd")

    def fail(stream: pymhd.Upgraded) -> None:
        raise ValueError("on purpose")

    fail.__qualname__ = "a\nb"
    response = pymhd.Response.for_upgrade(fail, "echo")
    with upgraded(serve(lambda request: response)) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: bool(caplog.records), "the line")
    assert caplog.records[0].getMessage().startswith(r"a\nb() failed")
