# SPDX-License-Identifier: MIT
"""Requests on one connection and side by side on many: order, fairness, rest."""

import contextlib
import http.client
import threading
import time
from queue import SimpleQueue

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    is_silent,
    read_head,
    read_to_end,
)
from marks import each_mode
from messages import ask, body_of, head, post

import pymhd


@each_mode
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


@each_mode
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


@each_mode
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


@each_mode
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
            answer = body_of(read_to_end(client))
            assert answer == b"%d;" % number + bodies[number]


@each_mode
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
        assert is_silent(sock, 0.15)
        assert time.process_time() - before < 0.1


@each_mode
def test_a_chunk_whose_line_does_not_end_costs_little_time(
    serve: Serve, mode: Mode
) -> None:
    """It fills the connection's memory, so that libmicrohttpd can read no more."""
    daemon = serve(lambda r: pymhd.Response(), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall(b"1;x=" + b"y" * 2 * pymhd.Limits().memory)
        is_silent(sock, 0.2)  # libmicrohttpd's own threads answer 500
        before = time.process_time()
        is_silent(sock, 0.4)
        assert time.process_time() - before < 0.2
    daemon.stop(timeout=0)  # it may not notice that the client has gone


def test_an_answer_goes_out_before_the_next_handler_is_called(serve: Serve) -> None:
    """Who has been answered does not wait for a slow handler of somebody else's."""
    entered: SimpleQueue[str] = SimpleQueue()
    may_go_on: SimpleQueue[None] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.put(request.path)
        may_go_on.get(timeout=TIMEOUT)
        return pymhd.Response("done\n")

    daemon = serve(handler, threads=1)
    with connect(daemon) as one, connect(daemon) as two:
        one.sendall(b"GET /one HTTP/1.1\r\nHost: t\r\n\r\n")
        assert entered.get(timeout=TIMEOUT) == "/one"
        two.sendall(b"GET /two HTTP/1.1\r\nHost: t\r\n\r\n")
        may_go_on.put(None)
        assert entered.get(timeout=TIMEOUT) == "/two"
        one.settimeout(1)
        try:
            assert read_head(one).startswith(b"HTTP/1.1 200 ")
        finally:
            may_go_on.put(None)
