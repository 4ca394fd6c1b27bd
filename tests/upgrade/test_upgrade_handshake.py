# SPDX-License-Identifier: MIT
"""The handshake of an upgrade: 101 with its fields, or 426, or 500."""

import re
from queue import SimpleQueue

import pytest
from live import (
    GET,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    logged_errors,
    read_exactly,
    read_head,
    upgrade_request,
    upgraded,
)
from marks import each_mode, each_way
from sessions import Run, switching

import pymhd


def fields_of(head: bytes) -> list[tuple[str, str]]:
    """Return the fields of a header, their names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in lines)
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def values_of(head: bytes, name: str) -> list[str]:
    """Return the values of one field of a header."""
    return [value for key, value in fields_of(head) if key == name]


@each_way
def test_the_answer_is_101_with_every_field_once(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """Connection and Upgrade stand once, also if one is added by hand as well."""
    response = switching(echo, run)
    response.add_header("Connection", "upgrade")
    response.add_header("X-Greeting", "hi")
    response.add_header("X-Greeting", "ho")
    daemon = serve(lambda request: response, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert [v.lower() for v in values_of(head, "connection")] == ["upgrade"]
        assert values_of(head, "upgrade") == ["echo"]
        assert values_of(head, "x-greeting") == ["hi", "ho"]
        assert values_of(head, "content-length") == []
        assert values_of(head, "transfer-encoding") == []
        assert_echoes(sock)


@each_mode
def test_a_request_that_also_says_close_is_upgraded_with_one_connection_field(
    serve: Serve, mode: Mode
) -> None:
    """RFC 9110, 7.6.1: close concerns the end of the connection, which comes."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close, Upgrade\r\n"
            b"Upgrade: echo\r\n\r\n"
        )
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert len(values_of(head, "connection")) == 1
        assert_echoes(sock)


@each_mode
def test_head_is_upgraded_too(serve: Serve, mode: Mode) -> None:
    """The method does not matter (RFC 9110, section 7.8)."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request().replace(b"GET", b"HEAD", 1))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@each_mode
@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("1.1", ""),
        ("1.1", "Connection: Upgrade\r\n"),
        ("1.1", "Upgrade: echo\r\n"),
        ("1.1", "Connection: keep-alive\r\nUpgrade: echo\r\n"),
        ("1.1", "Connection: Upgrades\r\nUpgrade: echo\r\n"),
        ("1.1", "Connection: Upgrade\r\nUpgrade: echoes\r\n"),
        ("1.1", "Connection: Upgrade\r\nUpgrade: echo/2\r\n"),
        ("1.0", "Connection: Upgrade\r\nUpgrade: echo\r\n"),
    ],
)
def test_a_client_that_does_not_ask_for_it_is_told_426(
    serve: Serve, mode: Mode, version: str, lines: str
) -> None:
    """The answer names the protocol, and no session begins."""
    begun: list[pymhd.Upgraded] = []
    daemon = serve(lambda request: switching(begun.append, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(f"GET / HTTP/{version}\r\nHost: t\r\n{lines}\r\n".encode())
        head = read_head(sock)
        assert re.match(rb"HTTP/1\.[01] 426 ", head), head
        assert values_of(head, "upgrade") == ["echo"]
        size = int(values_of(head, "content-length")[0])
        assert b"426 Upgrade Required" in read_exactly(sock, size)
    assert daemon.upgraded == 0
    assert begun == []


@each_mode
def test_a_connection_goes_on_after_426_and_may_be_upgraded_then(
    serve: Serve, mode: Mode
) -> None:
    """A refusal is an answer as any other: the connection is kept alive."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 426 ")
        read_exactly(sock, int(values_of(head, "content-length")[0]))
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        ("echo", "ECHO", "echo"),
        ("Echo", "echo", "Echo"),
        ("a, b", "b, a", "a"),
        ("a, b", "c,b", "b"),
        ("tls/1.2, h2c", "h2c , ,TLS/1.2", "tls/1.2"),
    ],
)
def test_the_first_of_our_protocols_that_is_offered_is_chosen(
    serve: Serve, ours: str, theirs: str, chosen: str
) -> None:
    """``stream.protocol`` says which, spelt as in the response."""
    seen: SimpleQueue[str] = SimpleQueue()
    response = pymhd.Response.for_upgrade(
        lambda stream: seen.put(stream.protocol), ours
    )
    daemon = serve(lambda request: response)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol=theirs))
        assert values_of(read_head(sock), "upgrade") == [chosen]
        assert seen.get(timeout=TIMEOUT) == chosen


def test_offers_may_stand_in_several_fields(serve: Serve) -> None:
    """Several fields of a name are one list (RFC 9110, section 5.3)."""
    daemon = serve(lambda request: switching(echo, "thread", "b"))
    with connect(daemon) as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: keep-alive\r\n"
            b"connection: UPGRADE\r\nUpgrade: a\r\nupgrade: b\r\n\r\n"
        )
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@each_mode
def test_the_upgrade_field_may_be_added_by_hand(serve: Serve, mode: Mode) -> None:
    """Without ``protocol``, as the C interface has it."""
    response = pymhd.Response.for_upgrade(echo)
    response.add_header("uPGRADE", "echo, other")
    daemon = serve(lambda request: response, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol="other"))
        assert values_of(read_head(sock), "upgrade") == ["other"]
        assert_echoes(sock)


@each_mode
def test_without_the_upgrade_field_it_is_500_and_logged(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what to do; once that is done, the same response works."""
    response = pymhd.Response.for_upgrade(echo)
    daemon = serve(lambda request: response, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 500 ")
    eventually(lambda: bool(logged_errors(caplog)), "the log line")
    assert 'add_header("Upgrade"' in caplog.text
    response.add_header("Upgrade", "echo")
    with upgraded(daemon) as sock:
        assert_echoes(sock)
