# SPDX-License-Identifier: MIT
"""Upgraded connections on which nothing happens, and those that only seem so."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    MIB,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    connect_to,
    echo,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import every_mode, over_tls_too
from protocols import Recorder

import pymhd

IDLE = 0.2


def keeping(
    serve: Serve, **options: Any
) -> "tuple[pymhd.Daemon, SimpleQueue[pymhd.Upgraded]]":
    """Serve with streams that nobody closes, and a queue of them."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    idle = options.pop("idle", IDLE)
    switch = pymhd.Response.for_upgrade(
        streams.put, "echo", run="inline", idle_timeout=idle
    )
    return serve(lambda request: switch, **options), streams


@over_tls_too(every_mode)
def test_a_session_that_is_idle_sees_the_end_of_its_input(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread returns, the client sees the end, one line is logged."""
    ends: SimpleQueue[bytes] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(lambda s: ends.put(s.recv(1)), "echo")
    limits = pymhd.Limits(idle_timeout=IDLE)
    caplog.set_level(logging.INFO, "pymhd")
    daemon = serve(lambda request: switch, threads=mode, limits=limits)
    begun = time.monotonic()
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
        assert time.monotonic() - begun >= IDLE - 0.02
        assert ends.get(timeout=TIMEOUT) == b""
        eventually(lambda: daemon.connections == 0, "the end of the connection")
    daemon.stop()
    lines = [r.message for r in caplog.records if "idle for 0.2 s" in r.message]
    assert len(lines) == 1


@over_tls_too(
    pytest.mark.parametrize("mode", [1, "per-connection", "1 epoll", "external select"])
)
def test_a_stream_that_nobody_closes_is_closed_for_good(
    serve: Serve, mode: Mode
) -> None:
    """Its place is free again, and whoever still holds it hears of that."""
    limits = pymhd.Limits(connections=3)
    daemon, streams = keeping(serve, threads=mode, limits=limits)
    with upgraded(daemon) as sock:
        stream = streams.get(timeout=TIMEOUT)
        assert read_to_end(sock) == b""
        assert stream.recv(1) == b""
        eventually(lambda: daemon.upgraded == 0, "the end of the session")
        for call in (stream.pending, stream.fileno, lambda: stream.recv(1)):
            with pytest.raises(pymhd.StateError, match="idle_timeout"):
                call()
        with pytest.raises(pymhd.StateError, match="idle_timeout"):
            stream.sendall(b"x")
        stream.close()
        with pytest.raises(pymhd.StateError, match="has been closed"):
            stream.recv(1)


@over_tls_too(every_mode)
@pytest.mark.parametrize("kind", ["usual", "paused", "goes on"])
def test_the_connection_of_a_protocol_is_lost_by_a_timeout_error(
    serve: Serve, mode: Mode, kind: str
) -> None:
    """Also one that does not read, or that would stay when its input has ended."""
    protocol = Recorder(
        made=lambda protocol: kind == "paused" and protocol.transport.pause_reading(),
        eof=lambda protocol: kind == "goes on",
    )
    switch = pymhd.Response.for_upgrade(
        lambda: protocol, "echo", run="hub", idle_timeout=IDLE
    )
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        assert isinstance(protocol.end(), TimeoutError)
        assert read_to_end(sock) == b""
        eventually(lambda: daemon.upgraded == 0, "the end of the session")


WAYS: dict[str, Callable[[pymhd.Upgraded], object]] = {
    "recv": lambda stream: stream.recv(10),
    "recv_into": lambda stream: stream.recv_into(bytearray(10)),
    "send": lambda stream: stream.send(b"x"),
    "sendall": lambda stream: stream.sendall(b"x"),
    # Over TCP alone: a UNIX socket does not tell, so only the methods count.
    "os.read": lambda stream: os.read(stream.fileno(), 10),
}


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_a_session_that_moves_bytes_lives_on(
    serve: Serve, tmp_path: Path, transport: str
) -> None:
    """In either direction, whatever moves them."""
    path = str(tmp_path / "socket") if transport == "unix" else None
    daemon, streams = keeping(serve, unix=path, idle=0.5)
    ways = [way for way in WAYS if path is None or not way.startswith("os.")]
    with contextlib.ExitStack() as stack:
        served = []
        for way in ways:
            sock = stack.enter_context(connect_either(daemon, path))
            sock.sendall(upgrade_request())
            read_head(sock)
            stream = stack.enter_context(streams.get(timeout=TIMEOUT))
            served.append((way, sock, stream))
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            for way, sock, stream in served:
                if not way.startswith("send"):
                    sock.sendall(b"x")
                WAYS[way](stream)
            time.sleep(0.02)
        for _, sock, stream in served:
            assert stream.pending() == 0  # it has not been closed
            sock.shutdown(socket.SHUT_WR)


def connect_either(daemon: pymhd.Daemon, path: str | None) -> socket.socket:
    """Connect to a UNIX socket, or where there is none by TCP."""
    return connect_to(path) if path else connect(daemon)


def test_a_long_sendall_over_a_unix_socket_is_not_idle(
    serve: Serve, tmp_path: Path
) -> None:
    """Although it is one call, to a client that reads slowly."""
    path = str(tmp_path / "socket")
    daemon, streams = keeping(serve, unix=path, idle=0.5)
    with connect_to(path) as sock:
        sock.sendall(upgrade_request())
        read_head(sock)
        with streams.get(timeout=TIMEOUT) as stream:
            sender = threading.Thread(target=stream.sendall, args=(bytes(4 * MIB),))
            sender.start()
            for _ in range(32):
                assert len(read_exactly(sock, MIB // 8)) == MIB // 8
                time.sleep(0.04)
            sender.join(TIMEOUT)
            assert daemon.upgraded == 1
        sock.shutdown(socket.SHUT_WR)


def test_a_protocol_may_have_a_limit_of_its_own(serve: Serve) -> None:
    """None is the daemon's, 0 none at all."""
    limits = pymhd.Limits(idle_timeout=IDLE)
    responses = {
        "short": pymhd.Response.for_upgrade(echo, "short"),
        "long": pymhd.Response.for_upgrade(echo, "long", idle_timeout=1000),
        "none": pymhd.Response.for_upgrade(echo, "none", idle_timeout=0),
    }
    daemon = serve(lambda r: responses[r.headers["Upgrade"]], limits=limits)
    with contextlib.ExitStack() as stack:
        socks = {n: stack.enter_context(upgraded(daemon, n)) for n in responses}
        assert read_to_end(socks["short"]) == b""
        assert_echoes(socks["long"])
        assert_echoes(socks["none"])


@pytest.mark.parametrize(
    ("mode", "transport"), [(1, "tcp"), (1, "unix"), ("per-connection", "tcp")]
)
def test_a_protocol_of_the_hub_is_closed_when_it_is_idle(
    serve: Serve, tmp_path: Path, mode: Mode, transport: str
) -> None:
    """And not while it talks."""
    lost = threading.Event()

    class Echo(pymhd.Protocol):
        def connection_made(self, transport: pymhd.Transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

        def connection_lost(self, error: Exception | None) -> None:
            lost.set()

    path = str(tmp_path / "socket") if transport == "unix" else None
    switch = pymhd.Response.for_upgrade(Echo, "echo", idle_timeout=0.5)
    daemon = serve(lambda request: switch, threads=mode, unix=path)
    with connect_either(daemon, path) as sock:
        sock.sendall(upgrade_request())
        read_head(sock)
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            assert_echoes(sock)
            time.sleep(0.02)
        assert not lost.is_set()
        assert read_to_end(sock) == b""
        assert lost.wait(TIMEOUT)
    eventually(lambda: daemon.connections == 0, "the end of the connection")


@pytest.mark.parametrize("value", [-1, 1e-9, float("nan"), float("inf"), 2**31])
def test_a_limit_out_of_range_is_refused(value: float) -> None:
    """For the daemon and for one protocol."""
    with pytest.raises(ValueError, match="idle_timeout must be 0 or from"):
        pymhd.Limits(idle_timeout=value)
    with pytest.raises(ValueError, match="idle_timeout must be 0 or from"):
        pymhd.Response.for_upgrade(echo, "echo", idle_timeout=value)


@pytest.mark.parametrize("value", ["1", True, b"", [1]])
def test_a_limit_is_a_number(value: Any) -> None:
    """For the daemon and for one protocol."""
    with pytest.raises(TypeError, match="idle_timeout must be a number"):
        pymhd.Limits(idle_timeout=value)
    with pytest.raises(TypeError, match="idle_timeout must be a number"):
        pymhd.Response.for_upgrade(echo, "echo", idle_timeout=value)


def test_no_limit_for_the_daemon_is_none_at_all() -> None:
    """The defaults: nothing is closed."""
    assert pymhd.Limits().idle_timeout == 0
    with pytest.raises(TypeError, match="idle_timeout must be a number"):
        pymhd.Limits(idle_timeout=None)  # type: ignore[arg-type]
