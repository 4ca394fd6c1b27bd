# SPDX-License-Identifier: MIT
"""``Limits``: what they accept, and what a daemon grants by them."""

import contextlib
import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any

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
    is_silent,
    read_head,
    read_to_end,
)
from marks import each_mode, every_mode
from messages import LAST_GET, ask, get, post, status_of

import pymhd

LIMITS = [
    "connections",
    "connections_per_ip",
    "upgraded",
    "memory",
    "body",
    "body_rate",
    "output",
]
TIMES = ["timeout", "header_timeout", "body_timeout", "idle_timeout", "close_timeout"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", ["1", 1.0, True, [1]])
def test_a_limit_must_be_an_int(name: str, value: Any) -> None:
    """The message names it."""
    with pytest.raises(TypeError, match=rf"Limits\.{name} must be an int"):
        pymhd.Limits(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in LIMITS for value in (-1, 2**31, 2**64)]
    + [("connections", 0), ("upgraded", 0), ("memory", 0), ("memory", 1023)],
)
def test_a_limit_must_be_in_its_range(name: str, value: int) -> None:
    """Which the message tells."""
    with pytest.raises(ValueError, match=rf"Limits\.{name} must be from \d+ to \d+"):
        pymhd.Limits(**{name: value})


@pytest.mark.parametrize("name", TIMES)
def test_times_are_seconds_whole_or_not(name: str) -> None:
    """And none is longer than C can count."""
    value: Any
    for value in (0, 1, 0.25, 2**31 - 1):
        assert getattr(pymhd.Limits(**{name: value}), name) == value
    wrong: Any
    for wrong in ("1", True, [1], None):
        with pytest.raises(TypeError, match=rf"Limits\.{name} must be a number of sec"):
            pymhd.Limits(**{name: wrong})
    for wrong in (-1, 0.0001, 2**31, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"Limits\.{name} must be 0 or from"):
            pymhd.Limits(**{name: wrong})


def test_limits_are_values() -> None:
    """Equal ones are equal, and none can be changed."""
    limits: Any = pymhd.Limits(body=5)
    assert limits == pymhd.Limits(body=5)
    assert limits != pymhd.Limits()
    with pytest.raises(AttributeError):
        limits.body = 6


@each_mode
def test_the_extreme_limits_work(serve: Serve, mode: Mode) -> None:
    """The smallest and the largest that are accepted."""
    large = 2**31 - 1
    small = pymhd.Limits(connections=3, memory=1024, timeout=0, body=0)
    huge = pymhd.Limits(
        timeout=large,
        header_timeout=large,
        body_timeout=large,
        body_rate=large,
        body=large,
        connections_per_ip=large,
    )
    for limits in (small, huge):
        assert ask(serve(hello, threads=mode, limits=limits)).endswith(b"hello")


@each_mode
def test_no_more_connections_are_served_than_the_limit(
    serve: Serve, mode: Mode
) -> None:
    """The next one waits or is closed; when one has gone there is room again."""
    daemon = serve(hello, threads=mode, limits=pymhd.Limits(connections=3))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(3)]
        for client in clients:
            assert get(client) == b"hello"
        with connect(daemon) as fourth:
            with contextlib.suppress(OSError):
                fourth.sendall(GET)
                assert is_silent(fourth) or fourth.recv(1) == b""
            assert daemon.connections == 3
            assert get(clients[0]) == b"hello"
        clients[0].close()

        def is_served() -> bool:
            with contextlib.suppress(OSError), connect(daemon) as sock:
                sock.settimeout(1)
                sock.sendall(LAST_GET)
                return read_to_end(sock).endswith(b"hello")
            return False

        eventually(is_served, "room for another connection")


@pytest.mark.parametrize("mode", [1, "per-connection"])
def test_no_more_connections_are_served_than_one_address_may_have(
    serve: Serve, mode: Mode
) -> None:
    """Another address is another matter."""
    limits = pymhd.Limits(connections_per_ip=2)
    daemon = serve(hello, threads=mode, limits=limits)
    with connect(daemon) as first, connect(daemon) as second:
        assert get(first) == b"hello"
        assert get(second) == b"hello"
        with connect(daemon) as third, contextlib.suppress(ConnectionError):
            third.sendall(GET)
            assert third.recv(1) == b""
        with socket.create_connection(
            ("127.0.0.1", daemon.port), TIMEOUT, ("127.0.0.2", 0)
        ) as other:
            assert get(other) == b"hello"


def test_a_unix_socket_has_no_addresses_to_count(serve: Serve, tmp_path: Path) -> None:
    """The limit of each does not apply."""
    path = str(tmp_path / "socket")
    serve(hello, unix=path, limits=pymhd.Limits(connections_per_ip=1))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            assert get(stack.enter_context(connect_to(path))) == b"hello"


def test_connections_that_are_idle_are_closed(serve: Serve) -> None:
    """In every mode, wherever they stand still."""
    limits = pymhd.Limits(timeout=1)
    daemons = [serve(hello, threads=mode, limits=limits) for mode in MODES]
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        for daemon in daemons:
            for raw in (
                b"",
                GET[:-2],
                b"POST" + GET[3:-2] + b"Content-Length: 9\r\n\r\n",
            ):
                sock = stack.enter_context(connect(daemon))
                sock.sendall(raw)
            kept = stack.enter_context(connect(daemon))
            assert get(kept) == b"hello"
        eventually(
            lambda: all(daemon.connections == 0 for daemon in daemons),
            "the end of the idle connections",
        )
    assert time.monotonic() - begun > 0.9


def test_a_handler_may_take_longer_than_the_timeout(serve: Serve) -> None:
    """Its client is not idle, it is waiting."""
    go = threading.Event()

    def slow(request: pymhd.Request) -> pymhd.Response:
        go.wait(1.5)
        return pymhd.Response(b"late")

    limits = pymhd.Limits(timeout=1)
    daemons = [serve(slow, threads=mode, limits=limits) for mode in MODES]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for daemon in daemons]
        for client in clients:
            client.sendall(LAST_GET)
        assert {read_to_end(client)[-4:] for client in clients} == {b"late"}


@each_mode
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 3000 + GET[5:], 414),
        (GET[:-2] + b"X: " + b"a" * 3000 + b"\r\n\r\n", 431),
        (GET[:-2] + b"X: y\r\n" * 500 + b"\r\n", 431),
    ],
    ids=["target", "field", "fields"],
)
def test_a_header_beyond_the_memory_is_refused(
    serve: Serve, mode: Mode, raw: bytes, status: int
) -> None:
    """With 414 or 431; a smaller one fits."""
    targets: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        targets.append(request.target)
        return pymhd.Response()

    limits = pymhd.Limits(memory=2048)
    daemon = serve(handler, threads=mode, limits=limits)
    with connect(daemon) as sock:
        sock.sendall(raw)
        assert status_of(read_head(sock)) == status
    assert targets == []
    ask(daemon)
    assert targets == ["/"]


@pytest.mark.parametrize("memory", [1024, 2048, 4096])
def test_a_body_may_be_larger_than_the_memory(serve: Serve, memory: int) -> None:
    """It does not lie there."""
    limits = pymhd.Limits(memory=memory, body=10**5)
    daemon = serve(lambda request: pymhd.Response(request.body), limits=limits)
    body = bytes(range(250)) * 400
    with connect(daemon) as sock:
        sock.sendall(post(body))
        assert read_to_end(sock).endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("size", [1000, 3000, 3500, 5000, 7000])
def test_a_large_header_may_be_followed_by_a_large_body(
    serve: Serve, size: int
) -> None:
    """Unless it is too large, which is told as such."""
    limits = pymhd.Limits(memory=8192)
    daemon = serve(lambda request: pymhd.Response(request.body), limits=limits)
    body = bytes(range(250)) * 400
    with connect(daemon) as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(post(body, b"X: " + b"x" * size))
        answer = read_to_end(sock)
        status = status_of(answer)
        assert status == 431 or answer.endswith(b"\r\n\r\n" + body)


@every_mode
def test_a_limit_that_is_reached_is_named_once(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """However many clients come upon it; and it goes on serving afterwards."""
    daemon = serve(hello, threads=mode, limits=pymhd.Limits(connections=3))
    for _ in range(4):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(daemon)) for _ in range(8)]
            eventually(lambda: daemon.connections == 3, "the limit")
            del clients
        eventually(lambda: daemon.connections == 0, "the end of the connections")
    with connect(daemon) as sock:
        assert get(sock) == b"hello"
    daemon.stop()  # which hands over what is still to be logged
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    text = [warning.getMessage() for warning in warnings]
    assert len([line for line in text if "Limits.connections" in line]) in (1, 2, 3)


COOKIES = 140 if pymhd.lib.MHD_VERSION < 0x00097400 else 200
FITS = {
    "a field": (b"/", b"X: " + b"a" * 16000),
    "cookies": (b"/", b"Cookie: " + b"; ".join([b"a=bcd"] * COOKIES)),
    "parameters": (b"/?" + b"&".join([b"a=bc"] * 3200), b"X: y"),
    "a table's columns": (
        b"/?" + b"&".join(b"columns%%5B%03d%%5D%%5Bname%%5D=" % i for i in range(280)),
        b"Cookie: " + b"; ".join(b"cookie%02d=1234567890" % i for i in range(50)),
    ),
}


@every_mode
@pytest.mark.parametrize("what", FITS)
def test_what_is_promised_has_room_by_default(
    serve: Serve, mode: Mode, what: str
) -> None:
    """As the docstring of ``Limits.memory`` says."""
    target, field = FITS[what]
    raw = b"GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n\r\n"
    assert ask(serve(hello, threads=mode), raw % (target, field)).endswith(b"hello")
