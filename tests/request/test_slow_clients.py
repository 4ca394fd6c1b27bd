# SPDX-License-Identifier: MIT
"""Clients that take their time: what ``Limits`` grants for a header and for a body."""

import contextlib
import select
import socket
import threading
from pathlib import Path

import pytest
from live import (
    ALL_MODES,
    GET,
    MIB,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    connect_to,
    eventually,
    hello,
    read_head,
    read_to_end,
)
from marks import every_mode, over_tls_too
from messages import ask, get, status_of

import pymhd

SHORT = 0.4
POST = b"POST / HTTP/1.1\r\nHost: test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

SLOW_HEADERS = {
    "the request line": (b"", b"GET /" + b"a" * 10**6),
    "a field": (b"GET / HTTP/1.1\r\nHost: test\r\n", b"X: " + b"a" * 10**6),
    "many fields": (b"GET / HTTP/1.1\r\nHost: test\r\n", b"X: a\r\n" * 10**6),
    "a second header": (GET, b"GET /" + b"a" * 10**6),
    "a second one's fields": (GET + b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 10**6),
}
SLOW_BODIES = {
    "a body": (POST + b"Content-Length: 9999\r\n\r\n", b"a" * 9999),
    "chunks": (CHUNKED, b"1\r\na\r\n" * 9999),
    "a chunk extension": (CHUNKED + b"5;", b"a" * 9999),
    "a chunk": (CHUNKED + b"2000\r\n", b"a" * 8192),
    "a trailer": (CHUNKED + b"0\r\n", b"X: a\r\n" * 9999),
}


def drip(
    socks: dict[str, socket.socket], slow: dict[str, tuple[bytes, bytes]]
) -> dict[str, bytes]:
    """Send a byte each now and then; return what has come when all are ended."""
    heard = dict.fromkeys(slow, b"")
    left = dict(socks)
    for what, sock in left.items():
        sock.sendall(slow[what][0])
    for number in range(int(TIMEOUT / 0.03)):
        select.select([], [], [], 0.03)
        for what, sock in list(left.items()):
            try:
                while select.select([sock], [], [], 0)[0]:
                    if not (piece := sock.recv(65536)):
                        raise ConnectionError
                    heard[what] += piece
                sock.sendall(slow[what][1][number : number + 1])
            except OSError:
                del left[what]
        if not left:
            return heard
    pytest.fail(f"nobody has ended {', '.join(left)}")


@over_tls_too(every_mode)
def test_a_header_that_drips_in_is_answered_408(
    serve: Serve, mode: Mode, transport: str
) -> None:
    """However often a byte comes; over TLS it is cut off."""
    limits = pymhd.Limits(header_timeout=SHORT, timeout=0)
    daemon = serve(hello, threads=mode, limits=limits)
    with contextlib.ExitStack() as stack:
        socks = {what: stack.enter_context(connect(daemon)) for what in SLOW_HEADERS}
        for what, heard in drip(socks, SLOW_HEADERS).items():
            first, _, rest = heard.rpartition(b"hello")
            assert status_of(first) == (200 if "second" in what else 0), what
            assert status_of(rest) == (0 if transport == "tls" else 408), what
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@over_tls_too(every_mode)
def test_a_body_that_drips_in_is_answered_408(
    serve: Serve, mode: Mode, transport: str
) -> None:
    """Its trailer is part of it."""
    limits = pymhd.Limits(body_timeout=SHORT, body_rate=1000, timeout=0)
    daemon = serve(hello, threads=mode, limits=limits)
    with contextlib.ExitStack() as stack:
        socks = {what: stack.enter_context(connect(daemon)) for what in SLOW_BODIES}
        for what, heard in drip(socks, SLOW_BODIES).items():
            assert status_of(heard) == (0 if transport == "tls" else 408), what
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@pytest.mark.parametrize("mode", [1, "per-connection", "external"])
def test_a_tls_handshake_that_does_not_come_is_cut_off(
    serve: Serve, mode: Mode
) -> None:
    """It belongs to the time for the header."""
    import secure

    limits = pymhd.Limits(header_timeout=SHORT, timeout=0)
    daemon = serve(hello, threads=mode, limits=limits, tls=secure.server_tls())
    with socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00")
        assert read_to_end(sock) == b""


@every_mode
def test_who_sends_nothing_is_closed_without_a_word(serve: Serve, mode: Mode) -> None:
    """A browser connects before it has anything to ask."""
    limits = pymhd.Limits(header_timeout=SHORT, timeout=0)
    daemon = serve(hello, threads=mode, limits=limits)
    with connect(daemon) as sock:
        assert read_to_end(sock) == b""


@every_mode
def test_who_keeps_its_connection_has_time_for_the_next_request(
    serve: Serve, mode: Mode
) -> None:
    """Time without a byte is what Limits.timeout bounds."""
    limits = pymhd.Limits(header_timeout=SHORT, body_timeout=SHORT)
    daemon = serve(hello, threads=mode, limits=limits)
    with connect(daemon) as sock, connect(daemon) as silent:
        assert get(sock) == b"hello"
        assert read_to_end(silent) == b""  # as long as that takes
        with connect(daemon) as silent_too:
            assert read_to_end(silent_too) == b""
        assert get(sock) == b"hello"


@every_mode
def test_a_body_that_comes_fast_enough_may_take_longer(
    serve: Serve, mode: Mode
) -> None:
    """A second more for each Limits.body_rate bytes."""
    limits = pymhd.Limits(body_timeout=SHORT, body_rate=5, timeout=0)
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode, limits=limits)
    body = b"0123456789" * 8
    with connect(daemon) as sock:
        sock.sendall(POST + b"Connection: close\r\nContent-Length: 80\r\n\r\n")
        for at in range(0, 80, 2):
            assert not select.select([sock], [], [], 0.03)[0]
            sock.sendall(body[at : at + 2])
        assert read_to_end(sock).endswith(b"\r\n\r\n" + body)


@every_mode
def test_time_in_a_handler_is_not_held_against_clients(
    serve: Serve, mode: Mode
) -> None:
    """Neither the one that it answers nor those that wait behind it."""
    limits = pymhd.Limits(header_timeout=SHORT, body_timeout=SHORT, timeout=0)
    inside, leave = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.target == "/slow":
            inside.set()
            leave.wait(TIMEOUT)
        return pymhd.Response(request.body)

    daemon = serve(handler, threads=mode, limits=limits)
    with connect(daemon) as first, connect(daemon) as second:
        first.sendall(GET.replace(b"/", b"/slow", 1))
        assert inside.wait(TIMEOUT)
        second.sendall(POST + b"Content-Length: 5\r\n\r\nhello")
        leave.wait(3 * SHORT)
        leave.set()
        assert status_of(read_head(first)) == 200
        assert status_of(read_head(second)) == 200


def test_a_loop_of_somebody_elses_is_told_when_to_run() -> None:
    """``timeout()`` knows of the next look at the clients."""
    limits = pymhd.Limits(header_timeout=2, timeout=0)
    with pymhd.Daemon(hello, threads="external", limits=limits) as daemon:
        assert daemon.timeout() is None
        with connect(daemon):
            eventually(
                lambda: bool(daemon.run() and daemon.connections), "the connection"
            )
            while not (left := daemon.timeout()):
                daemon.run()
            assert left <= 2


@over_tls_too(every_mode)
def test_limits_of_none_grant_all_time(serve: Serve, mode: Mode) -> None:
    """0 stands for that."""
    limits = pymhd.Limits(timeout=0, header_timeout=0, body_timeout=0)
    daemon = serve(hello, threads=mode, limits=limits)
    assert ask(daemon).endswith(b"hello")
    eventually(lambda: daemon.connections == 0, "the end of the connection")


def test_a_slow_header_on_a_unix_socket_is_answered_408(
    serve: Serve, tmp_path: Path
) -> None:
    """Of which the kernel knows less."""
    limits = pymhd.Limits(header_timeout=SHORT, timeout=1)
    serve(hello, unix=tmp_path / "socket", limits=limits)
    with contextlib.ExitStack() as stack:
        socks = {
            what: stack.enter_context(connect_to(str(tmp_path / "socket")))
            for what in SLOW_HEADERS
        }
        for what, heard in drip(socks, SLOW_HEADERS).items():
            assert status_of(heard.rpartition(b"hello")[2]) == 408, what


def test_who_reads_a_byte_at_a_time_is_ended_by_the_timeout(serve: Serve) -> None:
    """The kernel holds so much for it that to libmicrohttpd nothing moves."""
    large = pymhd.Response(bytes(16 * MIB))
    limits = pymhd.Limits(timeout=1)
    daemons = [
        serve(lambda _: large, threads=mode, limits=limits) for mode in ALL_MODES
    ]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(daemon)) for daemon in daemons]
        for sock in socks:
            sock.sendall(GET)
            assert sock.recv(1) == b"H"

        def all_have_ended() -> bool:
            select.select([], [], [], 0.03)
            for sock in socks:
                with contextlib.suppress(ConnectionError):
                    sock.recv(1)
            return all(daemon.connections == 0 for daemon in daemons)

        eventually(all_have_ended, "the end of the slow readers")
