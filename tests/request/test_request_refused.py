# SPDX-License-Identifier: MIT
"""Requests that never come as far as a handler: smuggled, malformed, ambiguous."""

import contextlib

import pytest
from live import Mode, Serve, connect, read_to_end
from marks import each_mode
from messages import REFUSED, ask, head, status_without_python, taken

import pymhd


@each_mode
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
@each_mode
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
@each_mode
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
