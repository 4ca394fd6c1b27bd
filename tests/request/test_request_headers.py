# SPDX-License-Identifier: MIT
"""What a handler sees of the header fields, and ``wants_upgrade()``."""

import socket

import pytest
from live import Mode, Serve, connect, read_to_end
from marks import each_mode
from messages import head, status_of, taken

import pymhd


@each_mode
def test_the_fields_come_in_their_order(serve: Serve, mode: Mode) -> None:
    """Repeated ones too, each in its spelling."""
    raw = (
        b"GET / HTTP/1.1\r\nb: 1\r\nHost: test\r\nA: 2\r\nB: 3\r\na:4\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert taken(serve, lambda r: r.headers.pairs(), raw, threads=mode) == (
        ("b", "1"),
        ("Host", "test"),
        ("A", "2"),
        ("B", "3"),
        ("a", "4"),
        ("Connection", "close"),
    )


def test_the_fields_are_found_without_regard_to_case(serve: Serve) -> None:
    """RFC 9110, section 5.1."""
    raw = head(b"GET / HTTP/1.1", b"X-Thing: one", b"x-thing: two")
    assert taken(serve, lambda r: r.headers.get_all("X-THING"), raw) == ["one", "two"]


def test_header_text_is_latin_1(serve: Serve) -> None:
    """Every byte is a character, so nothing is lost."""
    value = bytes(range(0xA0, 0x100))
    raw = head(b"GET / HTTP/1.1", b"X: " + value)
    assert taken(serve, lambda r: r.headers["X"].encode("latin-1"), raw) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"X:", ""),
        (b"X: \t ", ""),
        (b"X:a", "a"),
        (b"X: \t a", "a"),
        (b"X: a \t ", "a"),
        (b"X: a  b", "a  b"),
        (b"X: a:b, c", "a:b, c"),
    ],
)
def test_whitespace_around_a_value_is_no_part_of_it(
    serve: Serve, field: bytes, value: str
) -> None:
    """RFC 9110, section 5.5."""
    raw = head(b"GET / HTTP/1.1", field)
    assert taken(serve, lambda r: r.headers["X"], raw) == value


@each_mode
@pytest.mark.parametrize("piece", [97, 10**6])
def test_many_fields_arrive(serve: Serve, mode: Mode, piece: int) -> None:
    """As many as the memory of the connection holds, in however many pieces."""
    fields = [f"X-{n}: {n}" for n in range(100)]
    found: list[tuple[str, str]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.extend(request.headers.pairs())
        return pymhd.Response()

    raw = head(b"GET / HTTP/1.1", *(field.encode() for field in fields))
    with connect(serve(handler, threads=mode)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(raw), piece):
            sock.sendall(raw[at : at + piece])
        assert status_of(read_to_end(sock)) == 200
    assert [f"{name}: {value}" for name, value in found[2:]] == fields


@pytest.mark.parametrize(
    ("connection", "upgrade", "asked", "wants"),
    [
        ("Upgrade", "echo", None, True),
        ("Upgrade", "echo", "echo", True),
        ("upgrade", "echo", "echo", True),
        ("UPGRADE", "ECHO", "echo", True),
        ("Upgrade", "echo", "Echo", True),
        ("keep-alive, Upgrade", "echo", "echo", True),
        ("keep-alive,upgrade ,x", "a, echo,b", "echo", True),
        ("Upgrade", "echo/2", "echo/2", True),
        ("Upgrade", "echo/2", "echo", False),
        ("Upgrade", "echo", "ech", False),
        ("Upgrade", "echoes", "echo", False),
        ("Upgrade", "chat", "echo", False),
        ("Upgrade", "chat", "echo, chat", True),
        ("Upgrade", "chat", "echo,other", False),
        ("Upgrade", ",", None, False),
        ("Upgrade", "echo", "", False),
        ("close", "echo", "echo", False),
        ("Upgraded", "echo", "echo", False),
        ("not-upgrade", "echo", None, False),
    ],
)
def test_wants_upgrade_compares_tokens(
    serve: Serve, connection: str, upgrade: str, asked: str | None, wants: bool
) -> None:
    """Lists on both sides, without regard to case."""
    raw = (
        f"GET / HTTP/1.1\r\nHost: test\r\nConnection: {connection}\r\n"
        f"Upgrade: {upgrade}\r\nConnection: close\r\n\r\n"
    ).encode()
    assert taken(serve, lambda r: r.wants_upgrade(asked), raw) is wants


def test_wants_upgrade_needs_both_fields(serve: Serve) -> None:
    """RFC 9110, section 7.8: Upgrade without Connection is ignored."""
    raw = head(b"GET / HTTP/1.1", b"Upgrade: echo")
    assert taken(serve, lambda r: r.wants_upgrade(), raw) is False
    raw = head(b"GET / HTTP/1.1", b"Connection: Upgrade")
    assert taken(serve, lambda r: r.wants_upgrade(), raw) is False


def test_wants_upgrade_is_false_for_http_1_0(serve: Serve) -> None:
    """RFC 9110, section 7.8: it must be ignored there."""
    raw = head(b"GET / HTTP/1.0", b"Connection: Upgrade", b"Upgrade: echo")
    assert taken(serve, lambda r: r.wants_upgrade("echo"), raw) is False


def test_wants_upgrade_reads_fields_that_are_repeated(serve: Serve) -> None:
    """Several fields are one list."""
    raw = head(
        b"GET / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: a", b"Upgrade: echo"
    )
    assert taken(serve, lambda r: r.wants_upgrade("echo"), raw) is True
