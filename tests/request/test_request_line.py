# SPDX-License-Identifier: MIT
"""What a handler sees of the request line: method, target, path, query, version."""

import contextlib
import http.client
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import (
    GET,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    read_head,
    upgrade_request,
)
from marks import each_mode
from messages import REFUSED, ask, get, head, status_of, status_without_python, taken

import pymhd


@each_mode
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW", "get"])
def test_the_method_is_as_it_was_sent(serve: Serve, mode: Mode, method: str) -> None:
    """Also one that nobody knows; case is kept."""
    raw = head(f"{method} / HTTP/1.1".encode())
    assert taken(serve, lambda r: r.method, raw, threads=mode) == method


@each_mode
def test_the_target_is_raw(serve: Serve, mode: Mode) -> None:
    """Nothing of it is decoded, normalised or cut off."""
    target = "/a%20b/../%2F//c?x=1&&y=%C3%A9+%2B[]"
    raw = head(f"GET {target} HTTP/1.1".encode())
    assert taken(serve, lambda r: r.target, raw, threads=mode) == target


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/a%20b", "/a b"),
        (b"/a%2Fb", "/a/b"),
        (b"/a+b", "/a+b"),
        (b"/caf%C3%A9", "/café"),
        (b"/caf%c3%a9", "/café"),
        (b"/caf%E9", "/caf\udce9"),
        (b"/%2541", "/%41"),
        (b"/%2500", "/%00"),
        (b"/../a/./b", "/../a/./b"),
        (b"//a", "//a"),
        (b"/a%3Fb?c", "/a?b"),
        (b"/a://b", "/a://b"),
        (b"/a;b=c", "/a;b=c"),
    ],
)
def test_the_path_is_decoded_once(serve: Serve, target: bytes, path: str) -> None:
    """UTF-8, what is none as surrogates; what is not encoded stays as it is."""
    raw = head(b"GET %s HTTP/1.1" % target)
    assert taken(serve, lambda r: r.path, raw) == path


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/%", "/%"), (b"/%4", "/%4"), (b"/%zz%41", "/%zzA"), (b"/%%41", "/%A")],
)
def test_what_is_no_percent_encoding_stays_or_is_refused(
    serve: Serve, target: bytes, path: str
) -> None:
    """libmicrohttpd has become stricter."""
    daemon = serve(lambda request: pymhd.Response(request.path))
    answer = ask(daemon, head(b"GET %s HTTP/1.1" % target))
    assert status_of(answer) == 400 or answer.endswith(f"\r\n\r\n{path}".encode())


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"GET http://test/a%20b?c HTTP/1.1", "/a b"),
        (b"GET http://test HTTP/1.1", "/"),
        (b"GET http://test?c=/d HTTP/1.1", "/"),
        (b"GET http://test:80/a://b HTTP/1.1", "/a://b"),
        (b"OPTIONS * HTTP/1.1", "*"),
    ],
)
def test_a_target_need_not_begin_with_a_slash(
    serve: Serve, line: bytes, path: str
) -> None:
    """The absolute form has a path; the other forms are their own."""
    assert taken(serve, lambda r: r.path, head(line)) == path


def test_any_path_survives_percent_encoding(serve: Serve) -> None:
    """What a client quotes is what a handler gets, byte by byte."""
    daemon = serve(lambda r: pymhd.Response(r.path.encode("utf-8", "surrogateescape")))
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)

    @settings(max_examples=100, deadline=None)
    @given(st.binary().filter(lambda b: b"\0" not in b))
    def check(path: bytes) -> None:
        client.request("GET", "/" + urllib.parse.quote(path))
        assert client.getresponse().read() == b"/" + path

    with contextlib.closing(client):
        check()


def test_any_query_survives_urlencode(serve: Serve) -> None:
    """The other side of ``urllib.parse.urlencode``."""
    got: list[tuple[tuple[str, str], ...]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        got.append(request.query.pairs())
        return pymhd.Response()

    client = http.client.HTTPConnection(
        "127.0.0.1", serve(handler).port, timeout=TIMEOUT
    )
    text = st.text(st.characters(exclude_characters="\0", codec="utf-8"))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(text, text), max_size=5))
    def check(pairs: list[tuple[str, str]]) -> None:
        client.request("GET", "/?" + urllib.parse.urlencode(pairs))
        assert client.getresponse().read() == b""
        assert got.pop() == tuple(pairs)

    with contextlib.closing(client):
        check()


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"?", []),
        (b"?&&", []),
        (b"?a=1&a=2&b=3&a=4", [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]),
        (b"?a=&b", [("a", ""), ("b", "")]),
        (b"?=1", [("", "1")]),
        (b"?a=b=c", [("a", "b=c")]),
        (b"?a+b=c+d%2Be", [("a b", "c d+e")]),
        (b"?%61%3D=%26", [("a=", "&")]),
        (b"?a=%ff%C3%A9", [("a", "\udcffé")]),
        (b"?a=1;b=2", [("a", "1;b=2")]),
        (b"?a=/b?c", [("a", "/b?c")]),
    ],
)
def test_the_query_is_split_and_decoded(
    serve: Serve, query: bytes, pairs: list[tuple[str, str]]
) -> None:
    """Repeated and blank ones are kept, in their order; a plus is a space."""
    raw = head(b"GET /%s HTTP/1.1" % query)
    assert taken(serve, lambda r: r.query.pairs(), raw) == tuple(pairs)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_the_version_is_as_it_was_sent(serve: Serve, version: str) -> None:
    """1.0 and 1.1 are served."""
    raw = head(f"GET / {version}".encode())
    assert taken(serve, lambda r: r.version, raw) == version


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"ICY/1.1"])
def test_other_versions_are_refused(serve: Serve, version: bytes) -> None:
    """With 400, or 505 if it is a version at all."""
    status = status_without_python(serve, head(b"GET / " + version))
    assert status in (*REFUSED, 505)


@each_mode
@pytest.mark.parametrize("minor", ["2", "9"])
def test_a_higher_minor_version_is_as_1_1(serve: Serve, mode: Mode, minor: str) -> None:
    """It keeps the connection, is told to continue, and may upgrade (RFC 9110, 2.5)."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.wants_upgrade("echo"):
            return pymhd.Response.for_upgrade(echo, "echo")
        return pymhd.Response(request.version.encode() + request.body)

    version = f"HTTP/1.{minor}".encode()
    with connect(serve(handler, threads=mode)) as sock:
        assert get(sock, GET.replace(b"HTTP/1.1", version)) == version
        expecting = b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        sock.sendall(b"POST / %s\r\nHost: test\r\n" % version + expecting)
        assert read_head(sock).startswith(b"HTTP/1.1 100 ")
        assert get(sock, b"x") == version + b"x"
        sock.sendall(upgrade_request().replace(b"HTTP/1.1", version))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_an_absolute_target_says_what_host_is(serve: Serve, version: bytes) -> None:
    """RFC 9112, section 3.2.2: the field is ignored."""
    raw = head(b"GET http://example:80/a " + version)
    assert taken(serve, lambda r: r.headers["Host"], raw) == "example:80"
    assert taken(serve, lambda r: r.target, raw) == "http://example:80/a"
