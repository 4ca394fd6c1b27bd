# SPDX-License-Identifier: MIT
"""The header of a response: its fields, and those that are refused."""

import http
import http.client
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import GET, Mode, Serve, connect, read_to_end
from marks import each_mode
from messages import always, ask, body_of, fields_of, head
from multidict import CIMultiDict

import pymhd


@each_mode
def test_the_fields_are_sent_in_their_order(serve: Serve, mode: Mode) -> None:
    """In their spelling, repeated ones where they were added."""
    pairs = [
        ("b", "1"),
        ("Set-Cookie", "x=1; Path=/"),
        ("A", "2"),
        ("Set-Cookie", "y=2"),
        ("B", "3"),
        ("set-cookie", "z=3"),
    ]
    response = pymhd.Response(b"", headers=pairs)
    response.add_header("Last", "caf\xe9 \xff")
    answer = ask(serve(always(response), threads=mode))
    expected = [*pairs, ("Last", "caf\xe9 \xff")]
    assert fields_of(answer) == [f"{name}: {value}" for name, value in expected]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1", "X-B": "2"},
        [("X-A", "1"), ("X-B", "2")],
        (pair for pair in [("X-A", "1"), ("X-B", "2")]),
        http.client.HTTPMessage(),
    ],
    ids=["mapping", "pairs", "generator", "message"],
)
def test_headers_are_a_mapping_or_pairs(headers: Any) -> None:
    """Any iterable of them."""
    if isinstance(headers, http.client.HTTPMessage):
        headers["X-A"], headers["X-B"] = "1", "2"
        headers = headers.items()
    response = pymhd.Response(b"", headers=headers)
    assert response.headers.pairs() == (("X-A", "1"), ("X-B", "2"))


@pytest.mark.parametrize("headers", ["X: y", b"X: y", 1, [1], [("a", 1)]])
def test_headers_of_another_type_are_refused(headers: Any) -> None:
    """A str would be an iterable of pairs for whom does not look."""
    with pytest.raises(TypeError):
        pymhd.Response(b"", headers=headers)


@pytest.mark.parametrize("headers", ["ab", ["abc"], [("a", "b", "c")]])
def test_what_is_no_pair_is_refused(headers: Any) -> None:
    """Also a str, which is an iterable."""
    with pytest.raises((TypeError, ValueError)):
        pymhd.Response(b"", headers=headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: b=c"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0b"),
        ("X", "a\x7fb"),
        ("X", "€"),
        ("X", ""),
        ("X", " \t"),
        ("", "a"),
        ("X\r\nY", "a"),
        ("X:", "a"),
        ("X ", "a"),
        ("Ü", "a"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused(name: str, value: str) -> None:
    """Where it is given, and the response stays as it was."""
    with pytest.raises(ValueError, match=r"RFC 9110|without a value"):
        pymhd.Response(b"", headers={name: value})
    response = pymhd.Response(b"", headers={"Y": "z"})
    with pytest.raises(ValueError, match=r"RFC 9110|without a value"):
        response.add_header(name, value)
    assert response.headers.pairs() == (("Y", "z"),)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_what_the_body_decides_is_not_the_callers(name: str) -> None:
    """A wrong length would split the answers."""
    with pytest.raises(ValueError, match="libmicrohttpd sets"):
        pymhd.Response("x", headers={name: "1"})


@pytest.mark.parametrize(
    "values",
    [
        ["keep-alive"],
        ["Keep-Alive"],
        ["keep-alive, close"],
        ["close", "keep-alive"],
        ["close", "close"],
        [","],
        ["Upgrade"],
        ["x", "y, close"],
    ],
)
def test_a_connection_field_is_sent_or_refused_at_once(
    serve: Serve, values: list[str]
) -> None:
    """Nothing that was accepted fails later, in each of the requests."""
    try:
        response = pymhd.Response(
            "x", headers=[("Connection", value) for value in values]
        )
    except ValueError:
        return
    assert ask(serve(always(response))).startswith(b"HTTP/1.1 200 ")


def test_connection_close_closes(serve: Serve) -> None:
    """After the answer, although the client did not ask for it."""
    daemon = serve(always(pymhd.Response("bye", headers={"Connection": "close"})))
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert body_of(read_to_end(sock)) == b"bye"


def test_every_field_that_is_accepted_can_be_sent(serve: Serve) -> None:
    """None makes libmicrohttpd refuse the response when it is built."""
    name = st.sampled_from(
        ["X", "Connection", "Date", "Server", "Upgrade", "Keep-Alive", "Trailer"]
    )
    token = st.sampled_from(
        ["a", "close", "keep-alive", "Upgrade", ",", " ", "\t", ";"]
    )
    value = st.lists(token, max_size=4).map("".join)
    current = pymhd.Response()
    daemon = serve(lambda request: current)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(name, value), max_size=4))
    def check(headers: list[tuple[str, str]]) -> None:
        nonlocal current
        try:
            current = pymhd.Response("x", headers=headers)
        except ValueError:
            return
        assert ask(daemon).startswith(b"HTTP/1.1 200 ")

    check()


def test_get_header_finds_the_first_without_regard_to_case() -> None:
    """None if there is none."""
    response = pymhd.Response(b"", headers=[("X", "1"), ("x", "2")])
    assert response.get_header("x") == "1"
    assert response.get_header("Y") is None


def test_remove_header_removes_every_field_of_the_name(serve: Serve) -> None:
    """Without regard to case; it tells whether there was one."""
    response = pymhd.Response(b"", headers=[("X", "1"), ("Y", "2"), ("x", "3")])
    assert response.remove_header("x") is True
    assert response.remove_header("X") is False
    assert fields_of(ask(serve(always(response)))) == ["Y: 2"]


def test_the_headers_are_a_copy() -> None:
    """What was taken before does not change."""
    response = pymhd.Response(b"", headers={"X": "1"})
    before = response.headers
    response.add_header("Y", "2")
    assert before.pairs() == (("X", "1"),)


def test_equal_fields_in_another_order_stay_in_theirs() -> None:
    for headers in ({"X": "1", "Y": "2"}, {"Y": "2", "X": "1"}, {"X": "1", "Y": "2"}):
        response = pymhd.Response(b"", headers=headers)
        assert response.headers.pairs() == tuple(headers.items())


def test_a_dict_may_change_between_responses() -> None:
    """What is known of the last one is what it was then."""
    headers = {"X": "1"}
    for value in ("1", "2", "2"):
        headers["X"] = value
        assert pymhd.Response(b"", headers=headers).get_header("X") == value
    headers.clear()
    assert len(pymhd.Response(b"", headers=headers).headers) == 0


def test_a_dict_is_not_taken_for_pairs_of_one_name() -> None:
    pairs = [("X", "1"), ("X", "2")]
    assert pymhd.Response(b"", headers=pairs).headers.pairs() == tuple(pairs)
    assert pymhd.Response(b"", headers={"X": "2"}).headers.pairs() == (("X", "2"),)


@pytest.mark.parametrize("headers", [{}, {"X": "1"}])
def test_text_says_that_it_is(headers: dict[str, str]) -> None:
    """Also if a response of bytes with these fields has been sent before."""
    pymhd.Response(b"", headers=headers)
    response = pymhd.Response("x", headers=headers)
    assert response.get_header("Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize("via", ["headers", "multidict", "message"])
@each_mode
def test_the_headers_of_another_response_lose_nothing(
    serve: Serve, mode: Mode, via: str
) -> None:
    """Fields that stand more than once, in their order, from any mapping of such."""
    pairs = [("Set-Cookie", "a=1"), ("X", "y"), ("set-cookie", "b=2"), ("Vary", "Z")]
    other: Any = pymhd.Response(b"", headers=pairs).headers
    if via == "multidict":
        other = CIMultiDict(pairs)
    elif via == "message":
        other = http.client.HTTPMessage()
        for name, value in pairs:
            other[name] = value
    response = pymhd.Response(b"", headers=other)
    assert response.headers.pairs() == tuple(pairs)
    answer = ask(serve(always(response), threads=mode))
    assert fields_of(answer) == [f"{name}: {value}" for name, value in pairs]
    switch = pymhd.Response.for_upgrade(print, "echo", headers=other)
    assert switch.headers.pairs()[1:] == tuple(pairs)


@each_mode
def test_the_fields_of_a_request_can_be_sent_back(serve: Serve, mode: Mode) -> None:
    """All of them, however often each stands."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        hidden = ("connection", "host")
        mine = [f for f in request.headers.items() if f[0].lower() not in hidden]
        return pymhd.Response(b"", headers=pymhd.Headers(mine))

    answer = ask(
        serve(handler, threads=mode), head(b"GET / HTTP/1.1", b"A: 1", b"a: 2")
    )
    assert fields_of(answer) == ["A: 1", "a: 2"]


@pytest.mark.parametrize(
    "headers",
    [[("a",)], [("a", "b", "c")], ["ab"], [b"ab"], [5], 5, "ab", b"ab", [()], [None]],
)
@pytest.mark.parametrize("make", [pymhd.Response, pymhd.Headers])
def test_what_are_no_pairs_is_said_in_a_sentence(make: Any, headers: Any) -> None:
    """Not that there are too few values to unpack."""
    arguments = {"headers": headers} if make is pymhd.Response else {"pairs": headers}
    with pytest.raises(TypeError, match=r"must be (a mapping or pairs|str)"):
        make(**arguments)
