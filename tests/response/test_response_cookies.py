# SPDX-License-Identifier: MIT
"""Cookies: what clients take is sent, what they would drop is refused."""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from live import Mode, Serve
from marks import every_mode
from messages import always, ask, fields_of

import pymhd


def cookies(response: pymhd.Response) -> list[str]:
    """Return the Set-Cookie fields."""
    return response.headers.get_all("Set-Cookie")


def with_cookie(*args: Any, **options: Any) -> list[str]:
    """Return the fields of a response with one cookie."""
    response = pymhd.Response()
    response.set_cookie(*args, **options)
    return cookies(response)


@every_mode
def test_several_cookies_are_several_fields(serve: Serve, mode: Mode) -> None:
    """In the order in which they were set (RFC 6265, section 3)."""
    response = pymhd.Response()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", path="/x")
    answer = ask(serve(always(response), threads=mode))
    assert fields_of(answer) == [
        "Set-Cookie: a=1; Path=/; SameSite=Lax",
        "Set-Cookie: b=2; Path=/x; SameSite=Lax",
    ]


def test_a_cookie_has_what_was_said_of_it() -> None:
    """And the standard library reads it so."""
    [field] = with_cookie(
        "id",
        "x=1",
        max_age=60,
        path="/a",
        domain=".Example.org",
        secure=True,
        httponly=True,
        samesite="none",
    )
    assert field == (
        "id=x=1; Max-Age=60; Domain=Example.org; Path=/a; Secure; HttpOnly; "
        "SameSite=None"
    )
    parsed = SimpleCookie(field)["id"]
    assert (parsed.value, parsed["max-age"], parsed["path"]) == ("x=1", "60", "/a")


def test_nothing_is_said_that_was_not_asked_for() -> None:
    """None leaves an attribute out."""
    assert with_cookie("a", "", path=None, samesite=None) == ["a="]


def test_the_same_cookie_is_replaced() -> None:
    """A client would keep the last one; another scope is another cookie."""
    response = pymhd.Response(headers=[("set-cookie", "a=0; domain=X.org; path=/")])
    response.set_cookie("a", "1")
    response.set_cookie("a", "2", path="/x")
    response.set_cookie("A", "3")
    response.set_cookie("a", "4")
    response.set_cookie("a", "5", domain="x.org")
    assert [cookie.partition(";")[0] for cookie in cookies(response)] == [
        "a=2",
        "A=3",
        "a=4",
        "a=5",
    ]


def test_a_cookie_is_deleted_where_it_was_set() -> None:
    """By one that has expired; it takes the place of one that was set before."""
    response = pymhd.Response()
    response.set_cookie("a", "1", domain="x.org")
    response.delete_cookie("a", domain="x.org")
    assert cookies(response) == [
        "a=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=x.org; Path=/; "
        "SameSite=Lax"
    ]


@pytest.mark.parametrize("name", ["__Host-id", "__secure-id"])
def test_a_cookie_with_a_prefix_is_deleted_securely(name: str) -> None:
    """Else clients would not even look at it."""
    response = pymhd.Response()
    response.delete_cookie(name)
    assert "; Secure" in cookies(response)[0]


def test_a_response_that_has_been_used_takes_no_cookie() -> None:
    """As every other change."""
    response = pymhd.Response()
    response._pointer()
    with pytest.raises(pymhd.StateError):
        response.set_cookie("a", "1")
    with pytest.raises(pymhd.StateError):
        response.delete_cookie("a")
    assert cookies(response) == []


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;", "ä", "a\r\n", "a\0", '"a"'])
def test_what_is_no_name_of_a_cookie_is_refused(name: str) -> None:
    """It must be a token."""
    with pytest.raises(ValueError, match="no name of a cookie"):
        with_cookie(name, "")


@pytest.mark.parametrize(
    "value", ["a b", "a;b", "a,b", 'a"b', '"', 'a\\"', "ä", "a\r\nX: y", "\0", "\x7f"]
)
def test_what_is_no_value_of_a_cookie_is_refused(value: str) -> None:
    """Clients would see another one, or another field."""
    with pytest.raises(ValueError, match="may not stand in its value"):
        with_cookie("a", value)


def test_a_value_may_stand_in_quotes() -> None:
    """RFC 6265, section 4.1.1."""
    assert with_cookie("a", '"b"', path=None, samesite=None) == ['a="b"']


@pytest.mark.parametrize("path", ["", "a", "/;", "/\n", "/ä", "/" + "a" * 1024])
def test_what_is_no_path_of_a_cookie_is_refused(path: str) -> None:
    """A semicolon would begin another attribute."""
    with pytest.raises(ValueError, match="no path of a cookie"):
        with_cookie("a", "", path=path)


@pytest.mark.parametrize(
    "domain", ["", ".", "a b", "a;b", "x.org:80", "http://x.org", "ä.org", "a..b", "-a"]
)
def test_what_is_no_domain_of_a_cookie_is_refused(domain: str) -> None:
    """It is a host's name and no more."""
    with pytest.raises(ValueError, match="no domain of a cookie"):
        with_cookie("a", "", domain=domain)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("__Secure-a", {}),
        ("__HOST-a", {}),
        ("__Host-a", {"secure": True, "path": "/x"}),
        ("__Host-a", {"secure": True, "path": None}),
        ("__Host-a", {"secure": True, "domain": "x.org"}),
        ("a", {"samesite": "None"}),
    ],
)
def test_what_clients_drop_is_refused(name: str, options: dict[str, Any]) -> None:
    """They do so silently (RFC 6265bis)."""
    with pytest.raises(ValueError, match="clients drop"):
        with_cookie(name, "", **options)


def test_a_cookie_that_is_too_long_is_refused() -> None:
    """Clients keep 4096 bytes of name and value, and no byte more."""
    with_cookie("a", "b" * 4095)
    with pytest.raises(ValueError, match="4097 bytes"):
        with_cookie("a", "b" * 4096)


@pytest.mark.parametrize(
    "options",
    [
        {"max_age": 1.5},
        {"max_age": True},
        {"path": 1},
        {"domain": b""},
        {"samesite": 1},
    ],
)
def test_an_argument_of_another_type_is_refused(options: dict[str, Any]) -> None:
    """By name."""
    with pytest.raises(TypeError, match=f"{next(iter(options))} must be"):
        with_cookie("a", "", **options)


@pytest.mark.parametrize(("name", "value"), [(b"a", "b"), ("a", 1), (None, "")])
def test_a_name_and_a_value_are_text(name: Any, value: Any) -> None:
    """Bytes have no encoding, and a number's spelling is the caller's."""
    with pytest.raises(TypeError, match="cookie must be str"):
        with_cookie(name, value)


def test_another_samesite_is_refused() -> None:
    """Clients would take it for Lax, or for none."""
    with pytest.raises(ValueError, match="samesite must be"):
        with_cookie("a", "", samesite="strictly")
