# SPDX-License-Identifier: MIT
"""Responses of JSON, and redirections."""

import json
import math
from typing import Any

import pytest
from live import Mode, Serve
from marks import every_mode
from messages import always, ask, body_of

import pymhd


@every_mode
def test_a_value_is_sent_as_json(serve: Serve, mode: Mode) -> None:
    """As ASCII, which every client takes."""
    value = {"a": [1, 2.5, None, True], "ö": "\N{EURO SIGN} \ud800"}
    answer = ask(serve(always(pymhd.Response.json(value)), threads=mode))
    assert json.loads(body_of(answer)) == value
    assert b"\r\nContent-Type: application/json\r\n" in answer


def test_json_may_have_another_status_and_type() -> None:
    """A Content-Type of the caller's stands alone, however it is written."""
    headers = {"content-type": "application/problem+json", "X": "y"}
    response = pymhd.Response.json({}, 404, headers)
    assert response.status == 404
    assert response.body == b"{}"
    assert [*response.headers.items()] == [*headers.items()]


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": -math.inf}])
def test_what_is_no_number_is_no_json(value: object) -> None:
    """Other parsers than Python's would fail at it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        pymhd.Response.json(value)


def test_a_value_of_another_type_is_refused() -> None:
    """As json.dumps() does it."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        pymhd.Response.json(object())


@every_mode
def test_a_redirection_says_where_to(serve: Serve, mode: Mode) -> None:
    """With 303 and an empty body unless told otherwise."""
    response = pymhd.Response.redirect("/next?a=b&c=%20#d")
    answer = ask(serve(always(response), threads=mode))
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert b"\r\nLocation: /next?a=b&c=%20#d\r\n" in answer
    assert body_of(answer) == b""


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("/ä b", "/%C3%A4%20b"),
        ("/\udcff", "/%FF"),
        ("/\\evil.example", "/%5Cevil.example"),
        ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
    ],
)
def test_a_location_is_encoded(location: str, sent: str) -> None:
    """Clients take a backslash for a slash, and what is no URI for anything."""
    assert pymhd.Response.redirect(location).get_header("Location") == sent


@pytest.mark.parametrize("location", ["", "/a\r\nX: y", "/\0", "/\x7f", "/a\tb"])
def test_what_is_no_location_is_refused(location: str) -> None:
    """Nobody may split the header by it."""
    with pytest.raises(ValueError, match="no location"):
        pymhd.Response.redirect(location)


@pytest.mark.parametrize("status", [200, 300, 304, 404, None, "303"])
def test_only_redirections_redirect(status: Any) -> None:
    """The others have no location that clients follow."""
    with pytest.raises(ValueError, match="status of a redirection"):
        pymhd.Response.redirect("/", status)


def test_a_location_of_another_type_is_refused() -> None:
    """Bytes have no encoding."""
    with pytest.raises(TypeError, match="location must be a str"):
        pymhd.Response.redirect(b"/")  # type: ignore[arg-type]
