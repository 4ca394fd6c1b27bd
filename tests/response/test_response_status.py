# SPDX-License-Identifier: MIT
"""The status of a response: which ones there are, and those without a body."""

import enum
import http
import http.client
from typing import Any

import pytest
from live import GET, Mode, Serve, connect, read_head, read_to_end
from marks import each_mode
from messages import LAST_GET, always, ask, body_of

import pymhd


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


@each_mode
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_header(
    serve: Serve, mode: Mode, status: int
) -> None:
    """And the connection goes on."""
    daemon = serve(always(pymhd.Response(b"", status)), threads=mode)
    with connect(daemon) as sock:
        for _ in range(2):
            sock.sendall(GET)
            head = read_head(sock)
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert b"Transfer-Encoding" not in head


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_cannot_have_one(status: int) -> None:
    """RFC 9110, sections 15.3.5 and 15.4.5."""
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
