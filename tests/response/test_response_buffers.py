# SPDX-License-Identifier: MIT
"""Responses of several buffers."""

import sys
from typing import Any

import pytest
from live import GET, MIB, Mode, Serve, connect, eventually, read_exactly, read_head
from marks import every_mode
from messages import always, ask, body_of

import pymhd
from pymhd._native import zero_copy

LARGE = bytes(range(256)) * 512  # 128 KiB


@every_mode
@pytest.mark.parametrize(
    "buffers",
    [
        [],
        [b"", b""],
        [b"one"],
        [b"head", LARGE, b"", bytearray(LARGE), b"a", b"b", memoryview(LARGE)[1:]],
        [memoryview(b"abcdef")[::2], memoryview(b"abcd").cast("I")],
        [LARGE[:5000]] * 100,
        [b"x"] * 5000,
    ],
)
def test_buffers_are_sent_one_after_another(
    serve: Serve, mode: Mode, buffers: list[Any]
) -> None:
    """Also twice on a connection, and to HEAD only their length."""
    body = b"".join(bytes(buffer) for buffer in buffers)
    response = pymhd.Response.from_buffers(buffers)
    assert response.body == body
    daemon = serve(always(response), threads=mode)
    with connect(daemon) as client:
        for _ in range(3):
            client.sendall(GET.replace(b"GET", b"HEAD") + GET)
            for sent in (b"", body):
                head = read_head(client)
                assert b"\r\nContent-Length: %d\r\n" % len(body) in head
                assert read_exactly(client, len(sent)) == sent


def test_large_buffers_are_not_copied_and_let_go_again(serve: Serve) -> None:
    """They are kept until they have been sent."""
    large = bytes(MIB)
    before = sys.getrefcount(large)
    daemon = serve(lambda request: pymhd.Response.from_buffers([b"head", large]))
    with connect(daemon) as client:
        client.sendall(GET)
        client.recv(1000)
        assert sys.getrefcount(large) > before
    assert body_of(ask(daemon)) == b"head" + large
    daemon.stop()
    eventually(lambda: sys.getrefcount(large) == before, "the end of what uses it")
    assert zero_copy._kept == {}


def test_a_buffer_cannot_be_resized_under_a_response() -> None:
    """Memory that is sent stays where it is."""
    buffer = bytearray(LARGE)
    response = pymhd.Response.from_buffers([buffer])
    with pytest.raises(BufferError):
        buffer.clear()
    del response
    buffer.clear()


@pytest.mark.parametrize("buffers", [b"ab", "ab", ["a"], [1], [None], 5, None])
def test_what_is_no_buffer_is_refused(buffers: Any) -> None:
    """Nor are bytes an iterable of buffers."""
    with pytest.raises(TypeError):
        pymhd.Response.from_buffers(buffers)


def test_a_status_without_a_body_has_no_buffers() -> None:
    """As of bytes; none at all are fine."""
    with pytest.raises(ValueError, match="has no body"):
        pymhd.Response.from_buffers([b"a"], 204)
    assert pymhd.Response.from_buffers([b""], 204).status == 204
