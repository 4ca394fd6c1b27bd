# SPDX-License-Identifier: MIT
"""The body of a response: text, bytes, its type on the wire."""

import socket
from typing import Any

import pytest
from live import MIB, TIMEOUT, Mode, Serve, read_head, read_to_end
from marks import each_mode
from messages import LAST_GET, always, ask, body_of, fields_of

import pymhd

TEXT = "text/plain; charset=utf-8"


@each_mode
@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("", b""),
        ("hellö €", "hellö €".encode()),
        (b"", b""),
        (b"a\0b\r\n\r\nc\xff", b"a\0b\r\n\r\nc\xff"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"abcd").cast("I"), b"abcd"),
    ],
)
def test_a_body_is_sent_as_it_is(
    serve: Serve, mode: Mode, body: Any, sent: bytes
) -> None:
    """Text as UTF-8; the length is set by libmicrohttpd."""
    response = pymhd.Response(body)
    answer = ask(serve(always(response), threads=mode))
    assert body_of(answer) == sent
    assert b"\r\nContent-Length: %d\r\n" % len(sent) in answer
    assert response.body == sent


def test_a_body_is_copied_when_the_response_is_made(serve: Serve) -> None:
    """What becomes of a buffer afterwards does not matter."""
    buffer = bytearray(b"before")
    response = pymhd.Response(buffer)  # type: ignore[arg-type,unused-ignore]
    buffer[:] = b"after!"
    assert body_of(ask(serve(always(response)))) == b"before"


@pytest.mark.parametrize("body", [None, 1, 1.5, ["a"], object(), b"a".hex])
def test_a_body_of_another_type_is_refused(body: Any) -> None:
    """Where it is made, not when it is sent."""
    with pytest.raises(TypeError, match="body must be"):
        pymhd.Response(body)


def test_text_that_cannot_be_encoded_is_refused() -> None:
    """A lone surrogate that stands for no byte is no UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        pymhd.Response("\ud800")


@pytest.mark.parametrize(
    ("body", "headers", "content_type"),
    [
        ("text", None, [TEXT]),
        ("text", {"content-type": "text/html"}, ["text/html"]),
        ("text", {"X": "y"}, [TEXT]),
        (b"bytes", None, []),
        (b"bytes", {"Content-Type": "image/png"}, ["image/png"]),
        ("", None, []),
    ],
)
def test_only_text_has_a_content_type_by_itself(
    serve: Serve, body: Any, headers: Any, content_type: list[str]
) -> None:
    """And only where the caller gives no other."""
    response = pymhd.Response(body, headers=headers)
    assert response.headers.get_all("Content-Type") == content_type
    lines = [f for f in fields_of(ask(serve(always(response)))) if f[:3] != "X: "]
    assert [line.partition(": ")[2] for line in lines] == content_type


@each_mode
def test_a_large_body_reaches_a_slow_reader(serve: Serve, mode: Mode) -> None:
    """Meanwhile another client is served, by the same thread."""
    body = bytes(range(256)) * (8 * MIB // 256)
    daemon = serve(always(pymhd.Response(body)), threads=mode)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(TIMEOUT)
        slow.connect(("127.0.0.1", daemon.port))
        slow.sendall(LAST_GET)
        read_head(slow)
        assert body_of(ask(daemon)) == body
        assert read_to_end(slow) == body
