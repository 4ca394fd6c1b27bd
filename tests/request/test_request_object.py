# SPDX-License-Identifier: MIT
"""``Request`` as an object: its end, what stays of it, its repr."""

import weakref
from collections.abc import Callable

import pytest
from live import Mode, Serve, eventually
from marks import each_mode
from messages import ask, head, post, taken

import pymhd


def test_a_request_cannot_be_constructed() -> None:
    """Only pymhd makes them."""
    with pytest.raises(TypeError, match="pymhd makes the requests"):
        pymhd.Request()


@pytest.mark.parametrize(
    "use",
    [
        lambda r: r.method,
        lambda r: r.target,
        lambda r: r.path,
        lambda r: r.query,
        lambda r: r.headers,
        lambda r: r.version,
        lambda r: r.client,
        lambda r: r.body,
        lambda r: r.wants_upgrade(),
    ],
)
@each_mode
def test_a_request_that_has_ended_says_so(
    serve: Serve, mode: Mode, use: Callable[[pymhd.Request], object]
) -> None:
    """Also one that has been looked at before."""
    kept: list[pymhd.Request] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        kept.append(request)
        use(request)
        return pymhd.Response()

    ask(serve(handler, threads=mode), head())
    with pytest.raises(pymhd.StateError, match="its handler has returned"):
        use(kept[0])
    assert repr(kept[0]) == "<pymhd.Request, ended>"


def test_a_request_has_ended_also_after_a_failure(serve: Serve) -> None:
    """An exception ends the handler, too."""
    kept: list[pymhd.Request] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        kept.append(request)
        raise RuntimeError

    ask(serve(handler), head())
    with pytest.raises(pymhd.StateError):
        _ = kept[0].method


@each_mode
def test_what_was_taken_out_of_a_request_stays(serve: Serve, mode: Mode) -> None:
    """Mappings, strings and bytes do not end with it."""
    raw = post(b"abc", b"X: y").replace(b" / ", b" /p?a=1 ", 1)
    headers, query, body = taken(
        serve, lambda r: (r.headers, r.query, r.body), raw, threads=mode
    )
    assert (headers["x"], query["a"], body) == ("y", "1", b"abc")


def test_the_repr_is_one_line_of_plain_text(serve: Serve) -> None:
    """It goes into logs, where a client must not write lines or colours."""
    raw = head(b"GET /a?b%9b HTTP/1.1", b"X: \x9b")
    text = taken(serve, repr, raw)
    assert text.startswith("<pymhd.Request GET ")
    assert text.isprintable()


@each_mode
def test_requests_do_not_stay_in_memory(serve: Serve, mode: Mode) -> None:
    """They die with their handlers, whatever comes next."""
    requests: list[weakref.ref[pymhd.Request]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        requests.append(weakref.ref(request))
        return pymhd.Response(request.headers["Host"])

    daemon = serve(handler, threads=mode)
    for _ in range(3):
        ask(daemon, post(bytes(1000)))
    assert len(requests) == 3
    eventually(lambda: all(r() is None for r in requests), "the end of the requests")
