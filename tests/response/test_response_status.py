# SPDX-License-Identifier: MIT
"""The status of a response: which ones there are, and those without a body."""

import enum
import http
import http.client
from collections.abc import Callable
from typing import Any

import pytest
from live import Mode, Serve, connect, read_head, read_to_end
from marks import each_mode, every_mode
from messages import LAST_GET, always, ask, body_of

import pymhd
from pymhd import lib


@each_mode
@pytest.mark.parametrize("status", [200, 203, 299, 418, 451, 500, 599])
def test_the_status_is_sent(serve: Serve, mode: Mode, status: int) -> None:
    """Also one that has no name."""
    response = pymhd.Response("x", status)
    assert response.status == status
    answer = ask(serve(always(response), threads=mode))
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_the_status_may_be_an_enumerator(serve: Serve) -> None:
    """``http.HTTPStatus`` and any other IntEnum."""
    other = enum.IntEnum("other", {"TEAPOT": 418})
    assert pymhd.Response("x", http.HTTPStatus.NOT_FOUND).status == 404
    answer = ask(serve(always(pymhd.Response("x", other.TEAPOT))))
    assert answer.startswith(b"HTTP/1.1 418 ")


@pytest.mark.parametrize("status", [0, -1, 1, 99, 100, 102, 199, 600, 999, 2**40])
def test_a_status_that_is_no_answers_is_refused(status: int) -> None:
    """1xx are not final, the others not HTTP."""
    with pytest.raises(ValueError, match="from 200 to 599"):
        pymhd.Response("x", status)


@pytest.mark.parametrize("status", ["200", 200.0, None, True, b"200"])
def test_a_status_that_is_no_int_is_refused(status: Any) -> None:
    """A TypeError, raised at once."""
    with pytest.raises(TypeError, match="status must be an int"):
        pymhd.Response("x", status)


def test_101_is_left_to_for_upgrade() -> None:
    """The message says so."""
    with pytest.raises(ValueError, match="for_upgrade"):
        pymhd.Response("", 101)


def heads_on_one_connection(
    daemon: pymhd.Daemon, method: bytes, count: int = 2
) -> list[bytes]:
    """Return the headers of responses without bodies, and see that there are none."""
    heads = []
    with connect(daemon) as sock:
        for _ in range(count):
            sock.sendall(method + b" / HTTP/1.1\r\nHost: test\r\n\r\n")
            heads.append(read_head(sock))
        sock.sendall(method + b" / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        heads.append(read_head(sock))
        assert read_to_end(sock) == b""
    return heads


@every_mode
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_204_tells_no_length_and_the_connection_goes_on(
    serve: Serve, mode: Mode, method: bytes
) -> None:
    """RFC 9110, section 8.6."""
    daemon = serve(always(pymhd.Response(b"", 204)), threads=mode)
    for head in heads_on_one_connection(daemon, method):
        assert head.startswith(b"HTTP/1.1 204 ")
        assert b"content-length" not in head.lower()
        assert b"transfer-encoding" not in head.lower()


@every_mode
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_205_has_a_body_of_no_bytes(serve: Serve, mode: Mode, method: bytes) -> None:
    """RFC 9110, section 15.3.6."""
    daemon = serve(always(pymhd.Response(b"", 205)), threads=mode)
    for head in heads_on_one_connection(daemon, method):
        assert b"\r\nContent-Length: 0\r\n" in head


# What it takes for a response to be made in each of the ways that there are.
MADE: dict[str, Callable[[int, bytes], pymhd.Handler]] = {
    "once": lambda status, body: lambda _: pymhd.Response(body, status),
    "shared": lambda status, body: always(pymhd.Response(body, status)),
}


@every_mode
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("made", MADE)
def test_a_304_without_a_body_tells_no_length(
    serve: Serve, mode: Mode, method: bytes, made: str
) -> None:
    """The connection goes on where libmicrohttpd lets it."""
    daemon = serve(MADE[made](304, b""), threads=mode)
    closes = 0x00097300 <= lib.MHD_VERSION < 0x01000000
    for head in heads_on_one_connection(daemon, method, 0 if closes else 4):
        assert head.startswith(b"HTTP/1.1 304 ")
        assert b"content-length" not in head.lower()
        assert b"transfer-encoding" not in head.lower()


@every_mode
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("size", [1, 5000, 100_000])
def test_a_304_with_a_body_tells_its_length_and_sends_none(
    serve: Serve, mode: Mode, method: bytes, made: str, size: int
) -> None:
    """What the 200 would have; and the connection goes on."""
    daemon = serve(MADE[made](304, bytes(size)), threads=mode)
    for head in heads_on_one_connection(daemon, method, 4):
        assert head.startswith(b"HTTP/1.1 304 ")
        assert head.count(b"\r\nContent-Length: %d\r\n" % size) == 1
        assert b"transfer-encoding" not in head.lower()


def test_a_304_to_an_older_client_tells_no_length_either(serve: Serve) -> None:
    """HTTP/1.0, where the connection ends."""
    daemon = serve(always(pymhd.Response(b"", 304)))
    answer = ask(daemon, b"GET / HTTP/1.0\r\nHost: test\r\n\r\n")
    assert answer.split(b" ")[1] == b"304"
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length" not in answer.lower()


@pytest.mark.parametrize("status", [204, 205])
def test_a_status_without_a_body_cannot_have_one(status: int) -> None:
    """RFC 9110, sections 15.3.5 and 15.3.6."""
    with pytest.raises(ValueError, match="has no body"):
        pymhd.Response("x", status)


@each_mode
def test_head_has_the_header_of_get_and_no_body(serve: Serve, mode: Mode) -> None:
    """Its length, too; and the connection goes on."""
    daemon = serve(always(pymhd.Response("hello", headers={"X": "y"})), threads=mode)
    with connect(daemon) as sock:
        for _ in range(2):
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n")
            head = read_head(sock)
            assert b"\r\nContent-Length: 5\r\n" in head
            assert b"\r\nX: y\r\n" in head
        sock.sendall(LAST_GET)
        assert body_of(read_to_end(sock)) == b"hello"
