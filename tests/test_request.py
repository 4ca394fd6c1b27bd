# SPDX-License-Identifier: MIT
"""Requests: what a handler sees of them, and what it never sees."""

import contextlib
import gc
import http.client
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import (
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
)

import pymhd

T = TypeVar("T")
MIB = 1024 * 1024
# Some releases of libmicrohttpd close the connection without a word.
REFUSED = (0, 400)


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=10):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="needs IPv6")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
in_every_mode = pytest.mark.parametrize("mode", MODES)


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes) -> bytes:
    """Return a request without a body, after whose answer the connection ends."""
    return b"\r\n".join([line, b"Host: test", b"Connection: close", *fields, b"", b""])


def post(body: bytes, *fields: bytes) -> bytes:
    """Return a request with a body of a known length."""
    length = b"Content-Length: %d" % len(body)
    return head(b"POST / HTTP/1.1", length, *fields) + body


def ask(daemon: pymhd.Daemon, raw: bytes) -> bytes:
    """Send bytes; return everything that comes until the connection ends."""
    with connect(daemon) as sock:
        sock.sendall(raw)
        return read_to_end(sock)


def status_of(answer: bytes) -> int:
    """Return its status; 0 where the connection was closed without one."""
    return int(answer.split(b" ")[1]) if answer else 0


def taken(
    serve: Serve, take: Callable[[pymhd.Request], T], raw: bytes, **options: Any
) -> T:
    """Return what a handler has taken out of a request."""
    found: list[T] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(take(request))
        return pymhd.Response()

    answer = ask(serve(handler, **options), raw)
    assert status_of(answer) == 200, answer
    return found[0]


def status_without_python(serve: Serve, raw: bytes, **options: Any) -> int:
    """Return the status of a request that no handler must see."""
    seen: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(repr((request.target, request.headers, request.body)))
        return pymhd.Response()

    answer = ask(serve(handler, **options), raw)
    assert seen == []
    return status_of(answer)


def reset(sock: socket.socket) -> None:
    """Vanish as a killed client does: with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# --- method, target, version ---


@in_every_mode
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW", "get"])
def test_the_method_is_as_it_was_sent(serve: Serve, mode: Mode, method: str) -> None:
    """Also one that nobody knows; case is kept."""
    raw = head(f"{method} / HTTP/1.1".encode())
    assert taken(serve, lambda r: r.method, raw, threads=mode) == method


@in_every_mode
def test_the_target_is_raw(serve: Serve, mode: Mode) -> None:
    """Nothing of it is decoded, normalised or cut off."""
    target = "/a%20b/../%2F//c?x=1&&y=%C3%A9+%2B#f"
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
        (b"/caf\xc3\xa9", "/café"),
        (b"/caf%E9", "/caf\udce9"),
        (b"/caf\xe9", "/caf\udce9"),
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
        (b"OPTIONS test:80 HTTP/1.1", "test:80"),
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
        (b"?a=\xc3\xa9", [("a", "é")]),
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
    """By libmicrohttpd."""
    status = status_without_python(serve, head(b"GET / " + version))
    assert status in (*REFUSED, 505)


# --- what must not come as far as a handler ---


@in_every_mode
@pytest.mark.parametrize("target", [b"/a%00b", b"/%00", b"/?a=%00", b"/?%00", b"/%%00"])
def test_an_encoded_nul_is_answered_400(
    serve: Serve, mode: Mode, target: bytes
) -> None:
    """It would cut ``/a%00secret`` in C."""
    raw = head(b"GET %s HTTP/1.1" % target)
    assert status_without_python(serve, raw, threads=mode) == 400


def test_a_raw_nul_in_the_target_is_not_cut_off(serve: Serve) -> None:
    """Else a proxy and a handler would see different targets."""
    assert status_without_python(serve, head(b"GET /a\0b HTTP/1.1")) in REFUSED


@pytest.mark.parametrize("field", [b"X: a\0b", b"X: \0a", b"X\0Y: a"])
def test_a_nul_in_a_header_field_is_not_cut_off(serve: Serve, field: bytes) -> None:
    """RFC 9110, section 5.5: dangerous, to be refused."""
    assert status_without_python(serve, head(b"GET / HTTP/1.1", field)) in REFUSED


@pytest.mark.parametrize(
    "line", [b"GET /a\rb HTTP/1.1", b"GET /\x1b[31m HTTP/1.1", b"GET /\x7f HTTP/1.1"]
)
def test_a_control_character_in_the_target_is_refused(
    serve: Serve, line: bytes
) -> None:
    """It could split a header or forge a line in a log."""
    assert status_without_python(serve, head(line)) in REFUSED


def test_a_method_that_is_no_token_is_refused(serve: Serve) -> None:
    """RFC 9110, section 9.1."""
    assert status_without_python(serve, head(b"G\xe9T / HTTP/1.1")) in REFUSED


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([b"Host: other"], id="two hosts"),
        pytest.param([b"Content-Length: 1", b"Content-Length: 2"], id="two lengths"),
        pytest.param([b"Content-Length: 1", b"Content-Length: 1"], id="twice the same"),
        pytest.param(
            [b"Content-Length: 1", b"Transfer-Encoding: chunked"], id="CL and TE"
        ),
        pytest.param(
            [b"transfer-encoding: chunked", b"content-length: 1"], id="TE and CL"
        ),
        pytest.param([b"Content-Length: 1, 1"], id="list of lengths"),
        pytest.param([b"Content-Length: +1"], id="plus"),
        pytest.param([b"Content-Length: -1"], id="minus"),
        pytest.param([b"Content-Length: 1x"], id="no number"),
        pytest.param([b"Content-Length: 0x1"], id="hexadecimal"),
        pytest.param([b"Content-Length:"], id="empty length"),
        pytest.param([b"X : a"], id="space before the colon"),
        pytest.param([b"X"], id="no colon"),
        pytest.param([b"X: a\rb"], id="bare CR"),
        pytest.param([b"X(: a"], id="no token"),
    ],
)
@in_every_mode
def test_a_header_that_can_be_read_in_two_ways_is_refused(
    serve: Serve, mode: Mode, fields: list[bytes]
) -> None:
    """That is how requests are smuggled."""
    body = b"1\r\na\r\n0\r\n\r\n"
    raw = head(b"POST / HTTP/1.1", *fields) + body
    assert status_without_python(serve, raw, threads=mode) in REFUSED


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"gzip", b"x"])
def test_a_transfer_coding_that_is_not_chunked_is_refused(
    serve: Serve, coding: bytes
) -> None:
    """At once, with 400 or 501 (RFC 9112, section 6.1), instead of never."""
    raw = head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + coding)
    assert status_without_python(serve, raw + b"0\r\n\r\n") in (400, 501)


def test_a_folded_field_does_not_change_its_name(serve: Serve) -> None:
    """RFC 9112, section 5.2: refused, or unfolded with spaces."""
    names: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        names.extend(request.headers)
        return pymhd.Response()

    ask(serve(handler), head(b"GET / HTTP/1.1", b"X: a\r\n b"))
    assert names in ([], ["Host", "Connection", "X"])


def test_http_1_1_without_a_host_is_refused(serve: Serve) -> None:
    """RFC 9112, section 3.2."""
    raw = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert status_without_python(serve, raw) == 400


def test_http_1_0_needs_no_host(serve: Serve) -> None:
    """There was none then."""
    raw = b"GET / HTTP/1.0\r\n\r\n"
    assert taken(serve, lambda r: r.headers.pairs(), raw) == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b" / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff" * 50000 + b"\r\n\r\n",
    ],
)
@in_every_mode
def test_garbage_ends_its_connection_and_nothing_else(
    serve: Serve, mode: Mode, raw: bytes
) -> None:
    """Another connection goes on, and new ones are served."""
    daemon = serve(lambda r: pymhd.Response(r.target), threads=mode)
    with connect(daemon) as other, connect(daemon) as sock:
        sock.sendall(raw)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
        other.sendall(head(b"GET /other HTTP/1.1"))
        assert read_to_end(other).endswith(b"/other")
    assert ask(daemon, head(b"GET /new HTTP/1.1")).endswith(b"/new")


# --- headers ---


@in_every_mode
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


@in_every_mode
@pytest.mark.parametrize("piece", [97, 10**6])
def test_many_fields_arrive(serve: Serve, mode: Mode, piece: int) -> None:
    """As many as the memory of the connection holds, in however many pieces."""
    fields = [f"X-{n}: {n}" for n in range(300)]
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


# --- client ---


@in_every_mode
def test_the_client_is_the_peers_address(serve: Serve, mode: Mode) -> None:
    """As the client's own socket names it."""
    found: list[pymhd.request.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(request.client)
        return pymhd.Response()

    with connect(serve(handler, threads=mode)) as sock:
        sock.sendall(head())
        read_to_end(sock)
        assert found == [sock.getsockname()]


@needs_ipv6
@in_every_mode
def test_the_client_over_ipv6_has_four_parts(serve: Serve, mode: Mode) -> None:
    """Host, port, flow and scope, as the socket module has them."""
    found: list[pymhd.request.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(request.client)
        return pymhd.Response()

    port = serve(handler, threads=mode, host="::1").port
    with socket.create_connection(("::1", port), timeout=TIMEOUT) as sock:
        sock.sendall(head())
        read_to_end(sock)
        assert found == [sock.getsockname()]


@in_every_mode
def test_the_client_of_a_unix_socket_has_no_address(
    serve: Serve, tmp_path: Path, mode: Mode
) -> None:
    """An empty string, as getpeername() gives it."""
    path = str(tmp_path / "socket")
    serve(lambda r: pymhd.Response(repr(r.client)), threads=mode, unix=path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(path)
        sock.sendall(head())
        assert read_to_end(sock).endswith(b"\r\n\r\n''")


# --- body ---


@in_every_mode
@pytest.mark.parametrize(
    "raw", [head(), head(b"POST / HTTP/1.1"), post(b"")], ids=["GET", "POST", "zero"]
)
def test_without_a_body_it_is_empty(serve: Serve, mode: Mode, raw: bytes) -> None:
    """Empty bytes, not None."""
    assert taken(serve, lambda r: r.body, raw, threads=mode) == b""


@in_every_mode
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "BREW"])
def test_every_method_may_have_a_body(serve: Serve, mode: Mode, method: str) -> None:
    """All bytes of it, NUL too."""
    body = bytes(range(256)) * 3
    raw = post(body).replace(b"POST", method.encode(), 1)
    assert taken(serve, lambda r: r.body, raw, threads=mode) == body


@in_every_mode
def test_a_chunked_body_is_put_together(serve: Serve, mode: Mode) -> None:
    """Trailers are no part of it."""
    raw = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
    raw += b"3\r\nabc\r\n0A\r\n0123456789\r\n1\r\n\0\r\n0\r\nX: y\r\n\r\n"
    assert taken(serve, lambda r: r.body, raw, threads=mode) == b"abc0123456789\0"


def test_the_extension_of_a_chunk_is_no_part_of_the_body(serve: Serve) -> None:
    """libmicrohttpd 1.0.1 refuses it altogether."""
    raw = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked")
    daemon = serve(lambda request: pymhd.Response(request.body))
    answer = ask(daemon, raw + b"3;x=y\r\nabc\r\n0;z\r\n\r\n")
    assert status_of(answer) == 400 or answer.endswith(b"\r\n\r\nabc")


def test_a_malformed_chunk_is_refused(serve: Serve) -> None:
    """By libmicrohttpd."""
    raw = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked") + b"zz\r\nab\r\n"
    assert status_without_python(serve, raw) in REFUSED


@in_every_mode
def test_a_body_that_comes_byte_by_byte_is_whole(serve: Serve, mode: Mode) -> None:
    """However it is cut on the way."""
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    with connect(daemon) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"0123456789"):
            sock.send(bytes([byte]))
        assert read_to_end(sock).endswith(b"\r\n\r\n0123456789")


@in_every_mode
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_the_limit_is_accepted(
    serve: Serve, mode: Mode, chunked: bool
) -> None:
    """1 MiB is not yet too much."""
    body = bytes(range(256)) * 4096
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    status, answer = send_with_http_client(daemon, body, chunked)
    assert status == 200
    assert answer == body


@in_every_mode
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MIB + 1, 9 * MIB])
def test_a_body_beyond_the_limit_is_answered_413(
    serve: Serve, mode: Mode, chunked: bool, size: int
) -> None:
    """A client that sends all of it first can read the answer."""
    called = threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        called.set()
        return pymhd.Response()

    daemon = serve(handler, threads=mode)
    status, _ = send_with_http_client(daemon, bytes(size), chunked)
    assert status == 413
    assert not called.is_set()


def send_with_http_client(
    daemon: pymhd.Daemon, body: bytes, chunked: bool
) -> tuple[int, bytes]:
    """Send a body as ``http.client`` does: all of it before it listens."""
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        if chunked:
            pieces = (body[at : at + 70000] for at in range(0, len(body), 70000))
            client.request("POST", "/", pieces, encode_chunked=True)
        else:
            client.request("POST", "/", body)
        response = client.getresponse()
        return response.status, response.read()


@in_every_mode
def test_the_limit_of_the_body_can_be_set(serve: Serve, mode: Mode) -> None:
    """Also to nothing at all."""
    limits = pymhd.Limits(body=0)
    daemon = serve(lambda r: pymhd.Response(), threads=mode, limits=limits)
    assert ask(daemon, post(b"")).startswith(b"HTTP/1.1 200 ")
    assert ask(daemon, post(b"a")).startswith(b"HTTP/1.1 413 ")


@in_every_mode
def test_a_client_that_asks_first_is_refused_before_it_sends(
    serve: Serve, mode: Mode
) -> None:
    """``Expect: 100-continue`` with too long a body is answered 413 at once."""
    raw = head(
        b"POST / HTTP/1.1", b"Content-Length: %d" % (MIB + 1), b"Expect: 100-Continue"
    )
    assert status_without_python(serve, raw, threads=mode) == 413


@in_every_mode
def test_a_client_that_asks_first_is_told_to_continue(serve: Serve, mode: Mode) -> None:
    """And then has its body read."""
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(post(b"abc", b"Expect: 100-continue")[:-3])
        assert read_head(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_to_end(sock).endswith(b"\r\n\r\nabc")


@needs_curl
@in_every_mode
def test_curl_uploads_a_file(serve: Serve, tmp_path: Path, mode: Mode) -> None:
    """With its ``Expect: 100-continue``, and back again."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 4000)
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    # Not into curl, what AddressSanitizer needs in here.
    env = {name: os.environ[name] for name in os.environ if name != "LD_PRELOAD"}
    done = subprocess.run(
        ["curl", "-sSf", "-H", "Expect: 100-continue", "-T", file, daemon.url],
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
        env=env,
    )
    assert done.stdout == file.read_bytes()


# --- wants_upgrade ---


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


# --- the object ---


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
@in_every_mode
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


@in_every_mode
def test_what_was_taken_out_of_a_request_stays(serve: Serve, mode: Mode) -> None:
    """Mappings, strings and bytes do not end with it."""
    raw = post(b"abc", b"X: y").replace(b" / ", b" /p?a=1 ", 1)
    headers, query, body = taken(
        serve, lambda r: (r.headers, r.query, r.body), raw, threads=mode
    )
    assert (headers["x"], query["a"], body) == ("y", "1", b"abc")


def test_the_repr_is_one_line_of_plain_text(serve: Serve) -> None:
    """It goes into logs, where a client must not write lines or colours."""
    raw = head(b"GET /a?b\x9b HTTP/1.1")
    text = taken(serve, repr, raw)
    assert text.startswith("<pymhd.Request GET ")
    assert text.isprintable()


@in_every_mode
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


# --- connections ---


@in_every_mode
def test_pipelined_requests_are_answered_in_their_order(
    serve: Serve, mode: Mode
) -> None:
    """Each after the one before, bodies included."""
    daemon = serve(lambda r: pymhd.Response(r.body + b";"), threads=mode)
    raw = b"".join(
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n%03d" % n
        for n in range(200)
    )
    with connect(daemon) as sock:
        sock.sendall(raw + head())
        answers = read_to_end(sock)
    bodies = [part.split(b";")[0] for part in answers.split(b"\r\n\r\n")[1:]]
    assert bodies == [b"%03d" % n for n in range(200)] + [b""]


@in_every_mode
def test_a_connection_is_kept_for_many_requests(serve: Serve, mode: Mode) -> None:
    """And stays one."""
    daemon = serve(lambda r: pymhd.Response(r.target), threads=mode)
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        client.connect()
        address = client.sock.getsockname()
        for number in range(300):
            client.request("GET", f"/{number}")
            assert client.getresponse().read() == b"/%d" % number
        assert client.sock.getsockname() == address
        assert daemon.connections == 1


def test_http_1_0_is_closed_after_its_answer(serve: Serve) -> None:
    """Without being asked."""
    daemon = serve(lambda r: pymhd.Response("hi"))
    assert ask(daemon, b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nhi")


@in_every_mode
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
@pytest.mark.parametrize(
    "raw",
    [b"GE", head()[:-2], post(b"abc")[:-1], b""],
    ids=["line", "head", "body", ""],
)
def test_a_client_may_vanish_within_its_request(
    serve: Serve, mode: Mode, leave: Callable[[socket.socket], None], raw: bytes
) -> None:
    """Its connection goes, the handler is not called, and others are served."""
    targets: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        targets.append(request.target)
        return pymhd.Response()

    daemon = serve(handler, threads=mode)
    sock = connect(daemon)
    sock.sendall(raw)
    eventually(lambda: daemon.connections == 1, "the connection")
    leave(sock)
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    ask(daemon, head(b"GET /other HTTP/1.1"))
    assert targets == ["/other"]


@in_every_mode
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
def test_a_client_may_vanish_before_its_answer(
    serve: Serve, mode: Mode, leave: Callable[[socket.socket], None]
) -> None:
    """The answer goes nowhere; the connection goes, and others are served."""
    asked, gone = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        asked.set()
        assert gone.wait(TIMEOUT)
        return pymhd.Response(bytes(MIB))

    daemon = serve(handler, threads=mode)
    sock = connect(daemon)
    sock.sendall(head())
    assert asked.wait(TIMEOUT)
    leave(sock)
    gone.set()
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    assert len(ask(daemon, head())) > MIB


@in_every_mode
def test_a_client_may_vanish_within_its_answer(serve: Serve, mode: Mode) -> None:
    """With most of it unsent."""
    daemon = serve(lambda r: pymhd.Response(bytes(8 * MIB)), threads=mode)
    sock = connect(daemon)
    sock.sendall(head())
    read_exactly(sock, 1000)
    reset(sock)
    eventually(lambda: daemon.connections == 0, "the end of the connection")
    assert len(ask(daemon, head())) > 8 * MIB


def test_an_upgrade_whose_client_has_left_is_forgotten(serve: Serve) -> None:
    """The request waits behind another one when its connection is reset."""
    first, go = threading.Event(), threading.Event()
    left: list[weakref.ref[pymhd.Response]] = []
    daemon: pymhd.Daemon

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.wants_upgrade("echo"):
            switch = pymhd.Response.for_upgrade(lambda stream: None, "echo")
            left.append(weakref.ref(switch))
            return switch
        if request.target == "/first":
            first.set()
            assert go.wait(TIMEOUT)
        if request.target == "/reset":
            reset(client)
        # Long enough for the batch to be interrupted.
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            pass
        return pymhd.Response()

    daemon = serve(handler)
    with connect(daemon) as blocker, connect(daemon) as behind:
        client = connect(daemon)
        blocker.sendall(head(b"GET /first HTTP/1.1"))
        assert first.wait(TIMEOUT)
        # One batch: the second one resets the connection of the third.
        behind.sendall(head(b"GET /reset HTTP/1.1"))
        client.sendall(upgrade_request())
        go.set()
        read_to_end(blocker)
        read_to_end(behind)
    ask(daemon, head())
    ask(daemon, head())
    gc.collect()
    eventually(lambda: all(r() is None for r in left), "the end of the response")


@in_every_mode
def test_many_slow_clients_are_served_side_by_side(serve: Serve, mode: Mode) -> None:
    """Each sends a byte at a time, all at once."""
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(40)]
        requests = [post(b"%05d" % n, b"X-Number: %05d" % n) for n in range(40)]
        for at in range(len(requests[0])):
            for client, request in zip(clients, requests, strict=True):
                client.send(request[at : at + 1])
        for number, client in enumerate(clients):
            assert read_to_end(client).endswith(b"\r\n\r\n%05d" % number)


@in_every_mode
def test_requests_that_come_together_keep_their_bodies_apart(
    serve: Serve, mode: Mode
) -> None:
    """They wait behind one whose handler is slow."""
    first, go = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.target == "/first":
            first.set()
            assert go.wait(TIMEOUT)
        return pymhd.Response(request.headers.get("X", "").encode() + request.body)

    daemon = serve(handler, threads=mode)
    with contextlib.ExitStack() as stack:
        blocker = stack.enter_context(connect(daemon))
        clients = [stack.enter_context(connect(daemon)) for _ in range(50)]
        blocker.sendall(head(b"GET /first HTTP/1.1"))
        assert first.wait(TIMEOUT)
        bodies = [b"%d" % number * (number * 40) for number in range(50)]
        for number, client in enumerate(clients):
            client.sendall(post(bodies[number], b"X: %d;" % number))
        go.set()
        for number, client in enumerate(clients):
            answer = read_to_end(client).partition(b"\r\n\r\n")[2]
            assert answer == b"%d;" % number + bodies[number]


@in_every_mode
@pytest.mark.parametrize(
    "raw", [head()[:-2], post(b"abc")[:-1], b""], ids=["head", "body", "nothing"]
)
def test_a_client_that_stalls_costs_no_time_of_the_processor(
    serve: Serve, mode: Mode, raw: bytes
) -> None:
    """We wait for it without asking again and again."""
    daemon = serve(lambda r: pymhd.Response(), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(raw)
        eventually(lambda: daemon.connections == 1, "the connection")
        before = time.process_time()
        assert select.select([sock], [], [], 0.15)[0] == []
        assert time.process_time() - before < 0.1
