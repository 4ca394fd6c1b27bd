# SPDX-License-Identifier: MIT
"""Responses that are sent again and again, shared, and frozen by it."""

import contextlib
import http
import http.client
import threading
import time
from functools import partial

import pytest
from live import MIB, MODES, TIMEOUT, Mode, Serve, at_once
from marks import each_mode
from messages import always, ask, body_of, fields_of

import pymhd


def used(serve: Serve, response: pymhd.Response) -> pymhd.Response:
    """Return the response after it has been sent once."""
    assert ask(serve(always(response))).startswith(b"HTTP/1.1 ")
    return response


@each_mode
def test_a_response_may_be_returned_again_and_again(serve: Serve, mode: Mode) -> None:
    """On one connection and on many."""
    daemon = serve(always(pymhd.Response("again")), threads=mode)
    for _ in range(3):
        client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
        with contextlib.closing(client):
            for _ in range(20):
                client.request("GET", "/")
                assert client.getresponse().read() == b"again"


def test_a_response_is_shared_by_daemons_and_threads(serve: Serve) -> None:
    """It is built once, whoever comes first."""
    response = pymhd.Response("shared" * 1000)
    daemons = [serve(always(response), threads=mode) for mode in MODES for _ in (1, 2)]
    wrong: list[bytes] = []
    start = threading.Barrier(len(daemons))

    def client(daemon: pymhd.Daemon) -> None:
        start.wait(TIMEOUT)
        for _ in range(20):
            body = body_of(ask(daemon))
            if body != response.body:
                wrong.append(body)

    at_once(*(partial(client, daemon) for daemon in daemons))
    assert wrong == []


@each_mode
def test_a_response_outlives_its_daemon(serve: Serve, mode: Mode) -> None:
    """It belongs to none of them."""
    response = pymhd.Response("still here")
    for _ in range(2):
        daemon = serve(always(response), threads=mode)
        assert body_of(ask(daemon)) == b"still here"
        daemon.stop()


def test_a_used_response_is_frozen(serve: Serve) -> None:
    """Its header cannot change any more; reading it still works."""
    response = used(serve, pymhd.Response(b"", headers={"X": "1"}))
    with pytest.raises(pymhd.StateError, match="has been used"):
        response.add_header("Y", "2")
    with pytest.raises(pymhd.StateError, match="has been used"):
        response.remove_header("X")
    with pytest.raises(pymhd.StateError, match="make another one"):
        response.remove_header("not there")
    assert response.get_header("X") == "1"


def test_a_response_that_was_not_sent_is_not_frozen() -> None:
    """Only its use freezes it."""
    response = pymhd.Response("x")
    for number in range(100):
        response.add_header("X", str(number))
    assert len(response.headers.get_all("X")) == 100


def test_the_repr_shows_the_status() -> None:
    """And does not show a body of megabytes."""
    assert repr(pymhd.Response(bytes(MIB), 404)) == "<pymhd.Response 404>"


def test_a_response_is_built_while_another_thread_changes_it(serve: Serve) -> None:
    """A change is either sent or refused."""
    responses: list[pymhd.Response] = []
    added: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(b"")
        responses.append(response)
        started.set()
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        return response

    def change() -> None:
        assert started.wait(TIMEOUT)
        with contextlib.suppress(pymhd.StateError):
            for number in range(10**6):
                responses[-1].add_header("X", str(number))
                added.append(f"X: {number}")

    daemon = serve(handler, limits=pymhd.Limits(memory=1024 * 1024))
    started = threading.Event()
    thread = threading.Thread(target=change)
    thread.start()
    answer = ask(daemon)
    thread.join(TIMEOUT)
    assert fields_of(answer) == added
