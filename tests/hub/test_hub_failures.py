# SPDX-License-Identifier: MIT
"""Protocols that raise: their connection is aborted, everything else goes on."""

import contextlib
import socket
from typing import Any

import pytest
from live import (
    Serve,
    assert_echoes,
    connect,
    eventually,
    logged_errors,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from protocols import Hub, Recorder, echoing

import pymhd


class Oops(Exception):
    pass


def fail(protocol: Recorder, *args: Any) -> None:
    raise Oops(f"in {protocol.calls[-1]}")


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("made", ["made", "Oops"]),
        ("data", ["made", "data", "Oops"]),
        ("eof", ["made", "data", "eof", "Oops"]),
        ("lost", ["made", "data", "eof", "lost"]),
    ],
)
def test_an_exception_ends_its_connection_only(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, calls: list[str]
) -> None:
    """It is logged with its traceback, and connection_lost() gets it."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (_, other):
        hub.does = {method: fail}
        with hub.connect() as (protocol, sock):
            with contextlib.suppress(OSError):  # it may be over
                sock.sendall(b"x")
                sock.shutdown(socket.SHUT_WR)
                read_to_end(sock)
            error = protocol.end()
        eventually(lambda: hub.daemon.upgraded == 1, "the end")
        assert_echoes(other)
    assert protocol.calls == calls
    assert isinstance(error, Oops) == (method != "lost")
    (record,) = logged_errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is Oops


@pytest.mark.parametrize("method", ["pause", "resume"])
def test_an_exception_at_a_mark_does_the_same(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """pause_writing() is called within write(), which does not raise."""
    returned: list[bool] = []

    def flood(protocol: Recorder) -> None:
        protocol.transport.write(bytes(8 << 20))
        returned.append(True)

    hub = Hub(serve, made=flood)
    hub.does[method] = fail
    with hub.connect() as (protocol, sock):
        protocol.wait_for("pause")
        if method == "resume":
            read_to_end(sock)
        assert isinstance(protocol.end(), Oops)
    assert returned == [True]
    assert protocol.calls[-2:] == [method, "Oops"]
    assert len(logged_errors(caplog)) == 1


@pytest.mark.parametrize("factory", [lambda: 1 / 0, lambda: object(), lambda x: x])
def test_a_factory_that_gives_no_protocol(
    serve: Serve, caplog: pytest.LogCaptureFixture, factory: Any
) -> None:
    """The connection ends at once; the log says what is missing."""
    switch = pymhd.Response.for_upgrade(factory, "echo", run="hub")
    daemon = serve(lambda request: switch)
    with upgraded(daemon, early=b"early") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: daemon.upgraded == 0, "the end")
    assert len(logged_errors(caplog)) == 1
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")


def test_a_protocol_without_a_method_that_is_needed(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is like one that raises."""

    class Bare:
        def connection_made(self, transport: pymhd.Transport) -> None:
            pass

        def data_received(self, data: bytes) -> None:
            pass

    switch = pymhd.Response.for_upgrade(Bare, "echo")
    daemon = serve(lambda request: switch)
    with upgraded(daemon) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    eventually(lambda: daemon.upgraded == 0, "the end")
    assert "eof_received" in caplog.text


def test_an_exception_that_is_none_of_exceptions_does_not_end_the_pump(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """SystemExit, for one."""

    def leave(protocol: Recorder, data: bytes) -> None:
        raise SystemExit(1)

    hub = Hub(serve, data=leave)
    for _ in range(2):
        with hub.connect() as (protocol, sock):
            sock.sendall(b"x")
            assert isinstance(protocol.end(), SystemExit)
    assert len(logged_errors(caplog)) == 2
