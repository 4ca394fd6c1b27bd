# SPDX-License-Identifier: MIT
"""Requests with mutations: a handler sees what h11 sees of them, or nobody does."""

import contextlib
import socket
from typing import Any

import http11
import pytest
from fuzzing import FUZZED_MODES, examples
from hostile import BEFORE_1_0
from hypothesis import example, given
from hypothesis import strategies as st
from live import Mode, Serve, connect, in_mode, logged_errors
from messages import LAST_GET, ask, status_of

import pymhd

# --- what is sent ---

methods = st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW", "get"])
targets = st.sampled_from(
    ["/", "/a", "/a?b=c", "/%41?%42", "//", "/a;b,c", "http://h/", "http://x:80?y", "*"]
)
versions = st.sampled_from(["HTTP/1.1"] * 5 + ["HTTP/1.0", "HTTP/1.2"])
names = st.sampled_from(["X", "x-y", "Cookie", "Accept", "Via", "Connection", "TE"])
values = st.sampled_from(
    ["", "a", " a b ", "\ta\t", "a:b", "a=b; c=d", "close", "keep-alive", "\xe9", '"a"']
)
hosts = st.sampled_from(["Host: h", "host:h:80", "HOST: [::1]\t", "Host:"])
sizes = st.integers(0, 40)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Give the fields that say where a body ends, and the body."""
    body = bytes(draw(sizes)).replace(
        b"\0", draw(st.sampled_from([b"a", b"\0", b"\r\n"]))
    )
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    if kind == "none":
        return [], b""
    if kind == "length":
        return [f"Content-Length: {len(body)}"], body
    extension = draw(st.sampled_from(["", "", ";a", ";a=b", ';a="b c"']))
    trailer = draw(st.sampled_from(["", "", "T: t\r\n", "T: t\r\nU: u\r\n"]))
    size = draw(st.sampled_from(["%x", "%X", "00%x"]))
    chunks = b"".join(
        f"{size % len(part)}{extension}\r\n".encode() + part + b"\r\n"
        for part in (body[:7], body[7:])
        if part
    )
    coding = draw(st.sampled_from(["chunked", "Chunked"]))
    return [f"Transfer-Encoding: {coding}"], chunks + f"0\r\n{trailer}\r\n".encode()


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Give a request that is right, or nearly."""
    fields, body = draw(bodies())
    fields += draw(st.lists(st.builds("{}: {}".format, names, values), max_size=3))
    fields.insert(draw(st.integers(0, len(fields))), draw(hosts))
    line = f"{draw(methods)} {draw(targets)} {draw(versions)}"
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1") + body


PARTS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"\a",
        b"\xe9",
        b",",
        b";",
        b"0",
    ),
    *(b"\r\n ", b"\r\n\r\n", b"\r\n:\r\n", b"\0\r\n", b"Host: h\r\n", b"/", b"#", b"%"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"CONNECT ", b"1.0"),
    *(
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"chunked",
    ),
]
parts = st.one_of(st.sampled_from(PARTS), st.binary(max_size=3))


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Give some requests, one behind the other, with parts replaced."""
    sent = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, len(sent)))
        end = draw(st.integers(begin, min(len(sent), begin + 3)))
        sent = sent[:begin] + draw(parts) + sent[end:]
    return sent


# --- what we may see differently ---

EMPTY_LINES = (b"\r\n", b"\n", *([b"\0"] if BEFORE_1_0 else []))
"""What begins a line that is skipped before a request."""


def as_h11_sees(request: pymhd.Request) -> http11.Request:
    """Return what a handler sees, in the spelling of h11."""
    pairs = [(name.lower(), value) for name, value in request.headers.pairs()]
    fields = tuple((n, v.lower() if n == "transfer-encoding" else v) for n, v in pairs)
    return http11.Request(request.method, request.target, fields, request.body)


def as_we_see(request: http11.Request) -> http11.Request:
    """Return what a handler sees of what h11 sees.

    The target in absolute form says what ``Host`` is (RFC 9112, section 3.2.2).
    """
    scheme, separator, rest = request.target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return request
    authority = rest.split("/")[0].split("?")[0]
    fields = tuple((n, authority if n == "host" else v) for n, v in request.fields)
    return request._replace(fields=fields)


def are_loose_chunks(more: list[http11.Request]) -> bool:
    """Tell whether we see one request more, with a body in chunks.

    Before libmicrohttpd 1.0 an LF may end a chunk's line, or a NUL the trailer. The
    connection ends with that request.
    """
    return [[n for n, _ in r.fields if n == "transfer-encoding"] for r in more] == [
        ["transfer-encoding"]
    ]


def is_ended_by_us(answers: list[http11.Answer]) -> bool:
    """Tell whether the last answer closes the connection.

    A server may do so when it likes (RFC 9112, section 9.6). No answer is a close
    before pymhd has been asked.
    """
    return not answers or answers[-1].closes


def difference(sent: bytes, seen: list[http11.Request], received: bytes) -> str | None:
    """Return how a handler saw more, or other requests than h11 sees, or None."""
    expected, rest = http11.requests(sent, EMPTY_LINES)
    expected = [as_we_see(request) for request in expected]
    if BEFORE_1_0 and are_loose_chunks(seen[len(expected) :]):
        expected = expected + seen[len(expected) :]
    if seen != expected[: len(seen)]:
        return f"h11 sees {expected}, then {rest}"
    methods = [request.method for request in expected]
    try:
        answers = http11.answers(received, methods)
    except http11.ProtocolError as error:
        if b"HEAD" not in sent:
            return f"{error}: {received!r}"
        # What is refused may have been one, to which there is no body.
        answers = http11.answers(received, [*methods[: len(seen)], "HEAD"])
    served = [answer for answer in answers if answer.status == 200]
    if len(served) != len(seen) or len(answers) > len(seen) + 1:
        return f"{len(seen)} requests, answers {answers}"
    if len(seen) < len(expected) and not is_ended_by_us(answers):
        return f"neither served nor refused: {expected[len(seen) :]}"
    return None


# --- the test ---


def send(sock: socket.socket, sent: bytes, cuts: list[int]) -> None:
    """Send it in several packets, then the end."""
    at = 0
    with contextlib.suppress(OSError):  # we have been refused
        for cut in [*sorted({cut % (len(sent) + 1) for cut in cuts}), len(sent)]:
            sock.sendall(sent[at:cut])
            at = cut
        sock.shutdown(socket.SHUT_WR)


def receive(sock: socket.socket) -> bytes:
    """Return what comes until the end, be it an RST."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("mode", FUZZED_MODES)
def test_a_handler_sees_the_requests_that_another_parser_sees(
    serve: Serve, mode: Mode, caplog: Any
) -> None:
    """As many, with the same method, target, fields and body; or they are refused."""
    seen: list[http11.Request] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(as_h11_sees(request))
        return pymhd.Response(b"ok\n")

    daemon = serve(handler, **in_mode(mode))

    @examples(150)
    @given(streams(), st.lists(st.integers(0, 1000), max_size=3))
    @example(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n:\r\nX: GET /", [])
    def compare(sent: bytes, cuts: list[int]) -> None:
        seen.clear()
        with connect(daemon) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            send(sock, sent, cuts)
            received = receive(sock)
        wrong = difference(sent, seen, received)
        assert wrong is None, f"{sent!r}: {wrong}; a handler saw {seen}"

    compare()
    assert logged_errors(caplog) == []
    assert status_of(ask(daemon, LAST_GET)) == 200
