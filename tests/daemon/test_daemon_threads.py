# SPDX-License-Identifier: MIT
"""The threads of a daemon, and how many handlers run at once."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from live import TIMEOUT, Serve, connect, hello, is_silent, read_to_end
from messages import LAST_GET

import pymhd


def meeting(parties: int) -> Callable[[pymhd.Request], pymhd.Response]:
    """Return a handler that answers when so many run at once."""
    barrier = threading.Barrier(parties)

    def handler(request: pymhd.Request) -> pymhd.Response:
        barrier.wait(TIMEOUT)
        return pymhd.Response(b"met")

    return handler


@pytest.mark.parametrize(("mode", "parties"), [(4, 4), ("per-connection", 8)])
def test_handlers_run_side_by_side(serve: Serve, mode: Any, parties: int) -> None:
    """As many as there are threads."""
    entered = threading.Semaphore(0)
    meet = meeting(parties)

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.release()
        return meet(request)

    daemon = serve(handler, threads=mode)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(parties)]
        clients = []
        for _ in range(parties):
            client = stack.enter_context(connect(daemon))
            client.sendall(LAST_GET)
            # Else one thread might accept two of them.
            assert entered.acquire(timeout=TIMEOUT)
            clients.append(client)
        for client in clients:
            assert read_to_end(client).endswith(b"met")


def test_with_one_thread_handlers_never_run_side_by_side(serve: Serve) -> None:
    """A slow one makes the others wait, and none is lost."""
    first, go = threading.Event(), threading.Event()
    running = 0
    most = 0

    def handler(request: pymhd.Request) -> pymhd.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if request.target == "/first":
            first.set()
            assert go.wait(TIMEOUT)
        running -= 1
        return pymhd.Response(b"hello")

    daemon = serve(handler)
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(connect(daemon))
        slow.sendall(b"GET /first" + LAST_GET[5:])
        assert first.wait(TIMEOUT)
        others = [stack.enter_context(connect(daemon)) for _ in range(100)]
        for other in others:
            other.sendall(LAST_GET)
        assert is_silent(others[0])
        go.set()
        for client in (slow, *others):
            assert read_to_end(client).endswith(b"hello")
    assert most == 1


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_it_has_as_many_threads_as_were_asked_for(serve: Serve, threads: int) -> None:
    """All of them daemon threads: they do not keep the interpreter from its end."""
    serve(hello, threads=threads)
    pumps = [t for t in threading.enumerate() if t.name.startswith("pymhd-pump")]
    assert len(pumps) == threads
    assert all(t.daemon for t in threading.enumerate() if t.name.startswith("pymhd"))
