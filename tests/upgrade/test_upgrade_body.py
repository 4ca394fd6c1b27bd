# SPDX-License-Identifier: MIT
"""A large body that came with an upgrade lasts as long as somebody refers to it."""

import functools
import socket
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_exactly,
    read_head,
    upgrade_request,
)
from marks import every_mode, over_tls_too, without_asan
from messages import always
from programs import run_program
from protocols import Recorder

import pymhd

LARGE = bytes(range(256)) * 256  # 64 KiB


def post(daemon: pymhd.Daemon, body: bytes = LARGE) -> socket.socket:
    """Ask for an upgrade with a body; return the socket behind the 101."""
    sock = connect(daemon)
    more = f"Content-Length: {len(body)}\r\n"
    sock.sendall(upgrade_request(more=more).replace(b"GET", b"POST", 1) + body)
    assert read_head(sock).startswith(b"HTTP/1.1 101 ")
    return sock


def stream_of(serve: Serve, mode: Mode) -> Callable[..., Any]:
    """Return a function that makes a stream and its client, from a body."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    response = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    daemon = serve(lambda request: response, threads=mode)
    return lambda body: (post(daemon, body), streams.get(timeout=TIMEOUT))


USES: list[Callable[[pymhd.Upgraded], object]] = [
    lambda stream: stream.send(b"x"),
    lambda stream: stream.sendall(b"x"),
    lambda stream: stream.recv(1),
    lambda stream: stream.recv_into(bytearray(1)),
    lambda stream: stream.recv_exactly(1),
    lambda stream: stream.fileno(),
]


@over_tls_too(every_mode)
def test_a_large_body_is_there_until_the_stream_is_used(
    serve: Serve, mode: Mode
) -> None:
    """Whatever is asked of the stream before; then it says what to do."""
    make = stream_of(serve, mode)
    for use in USES:
        sock, stream = make(LARGE)
        with sock, stream:
            stream.settimeout(TIMEOUT)
            stream.getsockname()
            assert stream.request.body == LARGE
            assert stream.request.body == LARGE
            sock.sendall(b"x")
            use(stream)
            with pytest.raises(pymhd.StateError, match=r"take that before"):
                _ = stream.request.body
            assert stream.request.method == "POST"
            assert stream.request.headers["content-length"] == str(len(LARGE))
            assert stream.client == sock.getsockname()


@over_tls_too(every_mode)
def test_whoever_holds_the_request_keeps_its_body(serve: Serve, mode: Mode) -> None:
    """And when nobody does any more it is gone."""
    sock, stream = stream_of(serve, mode)(LARGE)
    with sock, stream:
        request = stream.request
        stream.sendall(b"x")
        assert request.body == LARGE
        assert stream.request is request
        body = stream.request.body
        # The request, this name, and the argument: nobody else has it.
        eventually(lambda: sys.getrefcount(body) <= 3, "the end of other references")
        del request
        assert sys.getrefcount(body) == 2
        with pytest.raises(pymhd.StateError):
            _ = stream.request.body


@over_tls_too(every_mode)
def test_a_small_body_stays(serve: Serve, mode: Mode) -> None:
    """Parameters in JSON, say: they cost no more than the connection."""
    body = LARGE[: 16 * 1024]
    sock, stream = stream_of(serve, mode)(body)
    with sock, stream:
        stream.sendall(b"x")
        assert stream.request.body == body


@over_tls_too(every_mode)
def test_a_protocol_has_a_large_body_while_its_connection_is_made(
    serve: Serve, mode: Mode
) -> None:
    """Later, only if it has kept the request."""
    made: SimpleQueue[tuple[pymhd.Transport, bytes, Any]] = SimpleQueue()

    class Protocol(Recorder):
        def __init__(self, keeps: bool) -> None:
            super().__init__()
            self.keeps = keeps

        def connection_made(self, transport: pymhd.Transport) -> None:
            super().connection_made(transport)
            request = transport.get_extra_info("request")
            made.put((transport, request.body, request if self.keeps else None))

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    for keeps in (False, True):
        factory = functools.partial(Protocol, keeps)
        response = pymhd.Response.for_upgrade(factory, "echo", run="hub")
        daemon = serve(always(response), threads=mode)
        with post(daemon) as sock:
            transport, body, kept = made.get(timeout=TIMEOUT)
            assert body == LARGE
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"  # connection_made() has returned
            request = transport.get_extra_info("request")
            if keeps:
                assert request is kept
                assert request.body == LARGE
            else:
                with pytest.raises(pymhd.StateError, match="connection_made"):
                    _ = request.body
        daemon.stop()


def test_threads_that_use_a_stream_first_agree_about_its_request(
    serve: Serve,
) -> None:
    """One of them gives the body up, and both go on."""
    sock, stream = stream_of(serve, 1)(LARGE)
    with sock, stream:
        threads = [
            threading.Thread(target=stream.sendall, args=(b"x",)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        assert read_exactly(sock, 8) == b"x" * 8
        with pytest.raises(pymhd.StateError):
            _ = stream.request.body


@without_asan
@pytest.mark.parametrize("mode", [1, 3, "per-connection", "1 epoll", "external"])
@pytest.mark.parametrize("run", ["thread", "hub"])
def test_idle_connections_do_not_cost_their_bodies(
    mode: Mode, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty of them, of 1 MiB each: in the process there is place for ten."""
    # What the allocator keeps for each of libmicrohttpd's threads is another matter.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    code = f"""
        body = b"x" * (1 << 20)
        more = "Content-Length: %d\\r\\n" % len(body)
        ask = upgrade_request(more=more).replace(b"GET", b"POST", 1) + body
        class Idle(pymhd.Protocol):
            pass
        def idle(stream):
            stream.recv(1)
        def rss():
            with open("/proc/self/status") as status:
                (line,) = [line for line in status if line.startswith("RssAnon")]
            return int(line.split()[1]) // 1024
        target = Idle if {run!r} == "hub" else idle
        response = pymhd.Response.for_upgrade(target, "echo")
        options = in_mode({mode!r})
        with pymhd.Daemon(lambda request: response, **options) as daemon:
            if options["threads"] == "external":
                def loop():
                    while daemon.run(0.1):
                        pass
                threading.Thread(target=loop, daemon=True).start()
            def upgrade(count):
                socks = []
                for _ in range(count):
                    socks.append(connect(daemon))
                    socks[-1].sendall(ask)
                    assert read_head(socks[-1]).startswith(b"HTTP/1.1 101 ")
                return socks
            first = upgrade(4)  # what the allocator keeps is there now
            before = rss()
            more = upgrade(40)
            eventually(lambda: rss() - before < 10, f"giving up the bodies")
            for sock in first + more:
                sock.close()
            eventually(lambda: daemon.upgraded == 0)
        print("small")
    """
    assert run_program(code) == (0, "small\n", "")
