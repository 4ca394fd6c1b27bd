# SPDX-License-Identifier: MIT
"""nginx and HAProxy in front of a daemon, as sites have them."""

import contextlib
import http.client
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from live import (
    GET,
    MIB,
    Mode,
    Serve,
    assert_echoes,
    echo,
    hello,
    read_head,
    read_to_end,
    upgrade_request,
)
from marks import each_mode
from real import Proxy, haproxy, needs, nginx

import pymhd

pytestmark = pytest.mark.real
each_proxy = pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(nginx, marks=needs("nginx"), id="nginx"),
        pytest.param(haproxy, marks=needs("haproxy"), id="haproxy"),
    ],
)
Start = Callable[[pymhd.Daemon], AbstractContextManager[Proxy]]


def answer_of(sock: socket.socket) -> http.client.HTTPResponse:
    """Read the header of an answer."""
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return answer


@each_mode
@each_proxy
def test_a_proxy_asks_again_on_its_connections(
    serve: Serve, mode: Mode, proxy: Start
) -> None:
    """Ten clients of it, one after the other, need fewer connections to the daemon."""
    peers: set[pymhd.Address] = set()

    def handler(request: pymhd.Request) -> pymhd.Response:
        peers.add(request.client)
        return hello(request)

    with proxy(serve(handler, threads=mode)) as connect:
        for _ in range(10):
            with connect() as sock:
                sock.sendall(GET)
                assert answer_of(sock).read() == b"hello"
    assert len(peers) < 10


@each_mode
@each_proxy
def test_large_bodies_pass_a_proxy_both_ways(
    serve: Serve, mode: Mode, proxy: Start
) -> None:
    """They come back as they were sent."""
    body = bytes(range(256)) * (MIB // 256)
    limits = pymhd.Limits(body=2 * MIB)
    daemon = serve(
        lambda request: pymhd.Response(request.body), threads=mode, limits=limits
    )
    with proxy(daemon) as connect, connect() as sock:
        length = f"Content-Length: {len(body)}"
        sock.sendall(f"POST / HTTP/1.1\r\nHost: test\r\n{length}\r\n\r\n".encode())
        sock.sendall(body)
        answer = answer_of(sock)
        assert (answer.status, answer.read()) == (200, body)


@each_mode
@each_proxy
def test_an_upgrade_passes_a_proxy(serve: Serve, mode: Mode, proxy: Start) -> None:
    """Bytes go both ways, and the end of one side is the end of the other."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with proxy(daemon) as connect, connect() as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)
        assert_echoes(sock, b"x" * 50_000)


EVIL = b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
HIDING = {
    "CONNECT": b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n" + EVIL,
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"
    b"Content-Length: %d\r\n\r\n" % len(EVIL) + EVIL,
    "length and chunks": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(EVIL)) + EVIL,
    "an upgrade that is refused": b"GET / HTTP/1.1\r\nHost: h\r\n"
    b"Connection: upgrade\r\nUpgrade: x\r\n\r\n" + EVIL,
    "a blank behind the coding": b"POST / HTTP/1.1\r\nHost: h\r\n"
    b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" + EVIL,
}


@needs("haproxy")
@pytest.mark.parametrize("name", HIDING)
def test_nothing_passes_a_rule_of_haproxys_behind_another_request(
    serve: Serve, name: str
) -> None:
    """What it takes for one request is one for the daemon."""
    seen: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(request.path)
        return pymhd.Response(b"hello")

    with haproxy(serve(handler)) as connect, connect() as sock:
        sock.sendall(HIDING[name])
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            read_to_end(sock)
    assert "/evil" not in seen
