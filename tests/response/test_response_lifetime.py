# SPDX-License-Identifier: MIT
"""How long a response lives, and when its memory is freed."""

import contextlib
import gc
import http
import http.client
import weakref
from pathlib import Path

from live import MIB, TIMEOUT, Mode, Serve, connect, eventually, read_head, read_to_end
from marks import each_mode, without_asan
from messages import LAST_GET, ask, body_of

import pymhd


def resident_bytes() -> int:
    """Return how much memory the process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_a_response_that_was_never_sent_dies() -> None:
    """With the last reference to it."""
    response = pymhd.Response("x")
    gone = weakref.ref(response)
    del response
    assert gone() is None


@each_mode
def test_a_response_dies_when_nobody_holds_it(serve: Serve, mode: Mode) -> None:
    """A daemon that has nothing to do keeps none."""
    made: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(bytes(MIB))
        made.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    for _ in range(5):
        assert len(body_of(ask(daemon))) == MIB
    assert len(made) == 5
    eventually(lambda: all(r() is None for r in made), "the end of the responses")


@without_asan
@each_mode
def test_the_memory_of_used_responses_is_freed(serve: Serve, mode: Mode) -> None:
    """The copies in C go, too, while the daemon runs."""
    body = bytes(MIB)
    daemon = serve(lambda request: pymhd.Response(body), threads=mode)
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        before = resident_bytes()
        for _ in range(64):
            client.request("GET", "/")
            assert len(client.getresponse().read()) == MIB
        gc.collect()
        assert resident_bytes() - before < 32 * MIB


@each_mode
def test_a_response_may_be_dropped_while_it_is_sent(serve: Serve, mode: Mode) -> None:
    """C holds what it still needs."""
    made: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(b"0123456789abcdef" * (MIB // 2))
        made.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(LAST_GET)
        read_head(sock)
        eventually(lambda: made[0]() is None, "the end of the response")
        assert read_to_end(sock) == b"0123456789abcdef" * (MIB // 2)
