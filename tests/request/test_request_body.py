# SPDX-License-Identifier: MIT
"""The body of a request: how it is put together, its limit, 100-continue."""

import contextlib
import http.client
import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from live import (
    MIB,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    read_exactly,
    read_head,
    read_to_end,
)
from marks import each_mode, needs_curl
from messages import REFUSED, ask, head, post, status_of, status_without_python, taken

import pymhd


@each_mode
@pytest.mark.parametrize(
    "raw", [head(), head(b"POST / HTTP/1.1"), post(b"")], ids=["GET", "POST", "zero"]
)
def test_without_a_body_it_is_empty(serve: Serve, mode: Mode, raw: bytes) -> None:
    """Empty bytes, not None."""
    assert taken(serve, lambda r: r.body, raw, threads=mode) == b""


@each_mode
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "BREW"])
def test_every_method_may_have_a_body(serve: Serve, mode: Mode, method: str) -> None:
    """All bytes of it, NUL too."""
    body = bytes(range(256)) * 3
    raw = post(body).replace(b"POST", method.encode(), 1)
    assert taken(serve, lambda r: r.body, raw, threads=mode) == body


@each_mode
@pytest.mark.parametrize("size", [1, 16384, 16385])
def test_bodies_of_a_batch_are_kept_apart(serve: Serve, mode: Mode, size: int) -> None:
    """Each client gets its own back, and its head ends where its body begins."""

    def echo(request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response(request.body + request.headers["Last"].encode())

    daemon = serve(echo, threads=mode)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(daemon)) for _ in range(20)]
        for number, sock in enumerate(socks):
            sock.sendall(post(b"%c" % number * size, b"Last: %d" % number))
        for number, sock in enumerate(socks):
            expected = b"%c" % number * size + b"%d" % number
            read_head(sock)
            assert read_exactly(sock, len(expected)) == expected


@each_mode
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


@each_mode
def test_a_body_that_comes_byte_by_byte_is_whole(serve: Serve, mode: Mode) -> None:
    """However it is cut on the way."""
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    with connect(daemon) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"0123456789"):
            sock.send(bytes([byte]))
        assert read_to_end(sock).endswith(b"\r\n\r\n0123456789")


@each_mode
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


@each_mode
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


@each_mode
def test_the_limit_of_the_body_can_be_set(serve: Serve, mode: Mode) -> None:
    """Also to nothing at all."""
    limits = pymhd.Limits(body=0)
    daemon = serve(lambda r: pymhd.Response(), threads=mode, limits=limits)
    assert ask(daemon, post(b"")).startswith(b"HTTP/1.1 200 ")
    assert ask(daemon, post(b"a")).startswith(b"HTTP/1.1 413 ")


@each_mode
def test_a_client_that_asks_first_is_refused_before_it_sends(
    serve: Serve, mode: Mode
) -> None:
    """``Expect: 100-continue`` with too long a body is answered 413 at once."""
    raw = head(
        b"POST / HTTP/1.1", b"Content-Length: %d" % (MIB + 1), b"Expect: 100-Continue"
    )
    assert status_without_python(serve, raw, threads=mode) == 413


@each_mode
def test_a_client_that_asks_first_is_told_to_continue(serve: Serve, mode: Mode) -> None:
    """And then has its body read."""
    daemon = serve(lambda r: pymhd.Response(r.body), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(post(b"abc", b"Expect: 100-continue")[:-3])
        assert read_head(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_to_end(sock).endswith(b"\r\n\r\nabc")


@needs_curl
@each_mode
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
