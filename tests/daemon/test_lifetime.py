# SPDX-License-Identifier: MIT
"""What dies when: objects, tables, threads and descriptors."""

import contextlib
import gc
import itertools
import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest
from live import (
    GET,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    echo,
    eventually,
    in_mode,
    read_exactly,
    read_head,
    read_to_end,
    upgraded,
)
from marks import each_mode

import pymhd
from pymhd._engine import running
from pymhd._native import logs
from pymhd.response import build as response_in_c


def is_dead(ghost: "weakref.ref[object]") -> bool:
    """Tell whether an object has gone, cycles included."""
    gc.collect()
    return ghost() is None


def tables_are_empty() -> bool:
    """Tell whether nothing is left of any daemon."""
    return (
        not running.drivers()
        and not running.daemons()
        and pymhd.lib.pymhd_sessions_live() == 0
    )


class Handler:
    """A handler that can be watched."""

    def __call__(self, request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response("hello\n")


@each_mode
def test_a_handler_goes_with_its_daemon(mode: Mode) -> None:
    """After stop(), nobody keeps it."""
    handler = Handler()
    daemon = pymhd.Daemon(handler, **in_mode(mode))
    ghosts = [weakref.ref[object](handler), weakref.ref[object](daemon)]
    with daemon, connect(daemon) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    del handler, daemon
    assert all(is_dead(ghost) for ghost in ghosts)


def test_a_daemon_that_was_never_started_goes_as_any_object() -> None:
    """It owns nothing yet."""
    daemon = pymhd.Daemon(Handler())
    ghost = weakref.ref[object](daemon)
    del daemon
    assert is_dead(ghost)
    assert tables_are_empty()


@each_mode
def test_a_response_goes_when_it_has_been_sent(serve: Serve, mode: Mode) -> None:
    """Although its connection goes on."""
    ghosts: SimpleQueue[weakref.ref[object]] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response("hello\n")
        ghosts.put(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
        ghost = ghosts.get(timeout=TIMEOUT)
        eventually(lambda: is_dead(ghost), "the end of the response")


def test_a_response_that_nobody_used_goes() -> None:
    """Built in C or not."""
    for build in (False, True):
        response = pymhd.Response("hello\n")
        if build:
            response_in_c(response)
        ghost = weakref.ref[object](response)
        del response
        assert is_dead(ghost)


@each_mode
def test_a_request_goes_with_its_handlers_return(serve: Serve, mode: Mode) -> None:
    """Nobody else has it; whoever keeps it gets StateError."""
    kept: SimpleQueue[pymhd.Request] = SimpleQueue()
    ghosts: SimpleQueue[weakref.ref[object]] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path == "/keep":
            kept.put(request)
        ghosts.put(weakref.ref(request))
        return pymhd.Response("hello\n")

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
        read_exactly(sock, len(b"hello\n"))
        ghost = ghosts.get(timeout=TIMEOUT)
        eventually(lambda: is_dead(ghost), "the end of the request")
        sock.sendall(GET.replace(b"/", b"/keep", 1))
        read_head(sock)
        with pytest.raises(pymhd.StateError, match="ended"):
            _ = kept.get(timeout=TIMEOUT).path


@each_mode
def test_an_upgraded_connection_goes_with_its_session(serve: Serve, mode: Mode) -> None:
    """The stream, its copy of the request, and the callable of a used response."""
    ghosts: SimpleQueue[weakref.ref[object]] = SimpleQueue()

    class Target:
        def __call__(self, stream: pymhd.Upgraded) -> None:
            ghosts.put(weakref.ref(stream))
            ghosts.put(weakref.ref(stream.request))
            ghosts.put(weakref.ref(self))
            echo(stream)

    def handler(request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response.for_upgrade(Target(), "echo")

    daemon = serve(handler, threads=mode)
    with upgraded(daemon) as sock:
        watched = [ghosts.get(timeout=TIMEOUT) for _ in range(3)]
        gc.collect()
        assert all(ghost() is not None for ghost in watched)
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
    for ghost in watched:
        eventually(lambda ghost=ghost: is_dead(ghost), "the end")  # type: ignore[misc]
    eventually(lambda: pymhd.lib.pymhd_sessions_live() == 0, "the end of the session")
    assert daemon.is_running


@each_mode
def test_a_closed_inline_stream_goes_with_its_last_reference(
    serve: Serve, mode: Mode
) -> None:
    """Nobody but the user keeps it, open or closed."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon):
        stream = streams.get(timeout=TIMEOUT)
        stream.close()
        ghost = weakref.ref[object](stream)
        del stream
        eventually(lambda: is_dead(ghost), "the end of the stream")


class _Messages(logging.Handler):
    """Keeps the text of what is logged, and not the record with its traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: SimpleQueue[str] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.put(record.getMessage())


@each_mode
def test_a_failed_session_is_kept_by_nobody(
    serve: Serve, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But by its traceback, as long as somebody keeps that."""
    messages = _Messages()
    monkeypatch.setattr(logging.getLogger("pymhd"), "propagate", False)
    monkeypatch.setattr(logging.getLogger("pymhd"), "handlers", [messages])
    ghosts: SimpleQueue[weakref.ref[object]] = SimpleQueue()

    def fail(stream: pymhd.Upgraded) -> None:
        ghosts.put(weakref.ref(stream))
        raise LookupError("on purpose")

    switch = pymhd.Response.for_upgrade(fail, "echo")
    daemon = serve(lambda request: switch, threads=mode)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
    assert "failed" in messages.texts.get(timeout=TIMEOUT)
    ghost = ghosts.get(timeout=TIMEOUT)
    eventually(lambda: is_dead(ghost), "the end of the stream")


@each_mode
def test_the_tables_are_empty_after_stop(mode: Mode) -> None:
    """With requests answered, sessions open, closed and cut."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = pymhd.Daemon(
        lambda request: switch if request.wants_upgrade() else pymhd.Response("x"),
        **in_mode(mode),
    )
    with contextlib.ExitStack() as stack:
        with daemon:
            assert len(running.drivers()) == (mode if mode == 3 else 1)
            assert running.daemons() == {daemon}
            for _ in range(5):
                stack.enter_context(upgraded(daemon))
                upgraded(daemon).close()
                sock = stack.enter_context(connect(daemon))
                sock.sendall(GET)
                read_head(sock)
        assert tables_are_empty()
        assert (daemon.connections, daemon.upgraded) == (0, 0)
        assert not logs._users
        assert logs._thread is None


@each_mode
def test_a_thousand_connections_share_a_response_that_is_dropped(
    serve: Serve, mode: Mode
) -> None:
    """Python lets it go at the last answer, before any client has read one."""
    body = b"x" * 100_000
    shared = [pymhd.Response(body), pymhd.Response.for_upgrade(echo, "echo")]
    ghosts = [weakref.ref[object](response) for response in shared]
    calls = itertools.count(1)

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = shared[request.wants_upgrade()]
        if next(calls) == 1000:
            shared.clear()
        return response

    daemon = serve(handler, threads=mode)
    with contextlib.ExitStack() as stack:
        switched = [stack.enter_context(upgraded(daemon)) for _ in range(50)]
        plain = [stack.enter_context(connect(daemon)) for _ in range(950)]
        for sock in plain:
            sock.sendall(GET)
        eventually(lambda: not shared)
        assert daemon.connections == 1000
        for sock in switched:
            sock.sendall(b"hello\n")
            assert read_exactly(sock, 6) == b"hello\n"
        for sock in plain:
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            assert read_exactly(sock, len(body)) == body
    daemon.stop()
    assert all(is_dead(ghost) for ghost in ghosts)


def _count(what: str) -> int:
    return len(list(Path(f"/proc/self/{what}").iterdir()))


def _stop_at_once(daemon: pymhd.Daemon) -> None:
    """Nobody has come."""


def _with_a_session(daemon: pymhd.Daemon) -> None:
    with upgraded(daemon) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"


@each_mode
@pytest.mark.parametrize(
    ("times", "use"), [(200, _stop_at_once), (60, _with_a_session)]
)
def test_starting_and_stopping_often_leaves_nothing_behind(
    mode: Mode, times: int, use: Callable[[pymhd.Daemon], None]
) -> None:
    """Neither descriptors nor threads grow, nor objects."""
    switch = pymhd.Response.for_upgrade(echo, "echo")

    def once() -> None:
        with pymhd.Daemon(lambda request: switch, **in_mode(mode)) as daemon:
            use(daemon)

    def settled() -> tuple[int, int]:
        return _count("fd"), _count("task")

    once()
    before = settled()
    for _ in range(times):
        once()
    eventually(lambda: settled() <= before, "the end of everything")
    gc.collect()
    assert not [o for o in gc.get_objects() if isinstance(o, pymhd.Daemon)]
    assert tables_are_empty()


def test_a_daemon_that_could_not_start_leaves_nothing_behind(serve: Serve) -> None:
    """Neither descriptor nor thread, and the handler goes."""
    other = serve(Handler())
    before = os.listdir("/proc/self/fd")
    handler = Handler()
    ghost = weakref.ref[object](handler)
    for _ in range(10):
        with pytest.raises(pymhd.StartError):
            pymhd.Daemon(handler, port=other.port).start()
    del handler
    assert is_dead(ghost)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert not [t for t in threading.enumerate() if "per-connection" in t.name]
