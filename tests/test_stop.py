# SPDX-License-Identifier: MIT
"""``stop()`` returns, whoever calls it, whenever, and whatever goes on."""

import contextlib
import gc
import math
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Literal

import pytest
from live import (
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    echo,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)

import pymhd
from pymhd import _live

GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
Run = Literal["thread", "inline"]
PROGRAM_MODES = ["1", "3", "'per-connection'"]

each_mode = pytest.mark.parametrize("threads", MODES)


def hello(request: pymhd.Request) -> pymhd.Response:
    return pymhd.Response("hello\n")


def no_session_thread_is_left() -> bool:
    """Tell whether the threads of all sessions have ended."""
    return not any("session" in thread.name for thread in threading.enumerate())


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


# --- who calls it, and how often ---


@each_mode
def test_stop_may_be_called_twice(serve: Serve, threads: Mode) -> None:
    """And before the start, after which there is none."""
    daemon = serve(hello, threads=threads)
    assert daemon.is_running
    daemon.stop()
    assert not daemon.is_running
    daemon.stop()
    with pytest.raises(pymhd.StateError):
        daemon.start()
    with pytest.raises(ConnectionRefusedError):
        connect(daemon)


@each_mode
def test_threads_that_come_later_may_call_stop_again(
    serve: Serve, threads: Mode
) -> None:
    """Although the system gives them the numbers of threads that have ended."""
    daemon = serve(hello, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
    daemon.stop()
    raised: list[BaseException] = []

    def stop_again() -> None:
        try:
            daemon.stop()
        except BaseException as error:
            raised.append(error)

    for _ in range(5):
        later = [threading.Thread(target=stop_again) for _ in range(8)]
        for thread in later:
            thread.start()
        for thread in later:
            thread.join(TIMEOUT)
    assert raised == []


@each_mode
def test_stop_may_be_called_from_many_threads_at_once(
    serve: Serve, threads: Mode
) -> None:
    """When it has returned to any of them, the daemon has been stopped."""
    daemon = serve(hello, threads=threads)
    together = threading.Barrier(8)
    states: SimpleQueue[bool] = SimpleQueue()

    def stop() -> None:
        together.wait(TIMEOUT)
        daemon.stop()
        states.put(daemon.is_running or bool(_live._drivers))

    stoppers = [threading.Thread(target=stop) for _ in range(8)]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join(TIMEOUT)
    assert [states.get(timeout=TIMEOUT) for _ in stoppers] == [False] * 8


@each_mode
def test_stop_in_a_handler_raises_state_error(serve: Serve, threads: Mode) -> None:
    """It would wait for itself; the daemon goes on."""
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        with pytest.raises(pymhd.StateError, match="handler") as caught:
            daemon.stop()
        raised.put(caught.value)
        return pymhd.Response("still here\n")

    daemon = serve(handler, threads=threads)
    for _ in range(2):
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    assert daemon.is_running


@each_mode
def test_stop_in_an_inline_target_raises_state_error(
    serve: Serve, threads: Mode
) -> None:
    """It runs on the same thread as a handler."""
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def begin(stream: pymhd.Upgraded) -> None:
        with stream, pytest.raises(pymhd.StateError, match="handler") as caught:
            daemon.stop()
        raised.put(caught.value)

    switch = pymhd.Response.for_upgrade(begin, "echo", run="inline")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon):
        assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    assert daemon.is_running


@each_mode
def test_one_daemon_may_be_stopped_in_a_handler_of_another(
    serve: Serve, threads: Mode
) -> None:
    """Only its own handlers would wait for themselves."""
    other = serve(hello, threads=threads)

    def handler(request: pymhd.Request) -> pymhd.Response:
        other.stop()
        return pymhd.Response("stopped it\n")

    daemon = serve(handler, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert not other.is_running


@each_mode
def test_a_session_may_stop_its_daemon(serve: Serve, threads: Mode) -> None:
    """A remote control: its own connection is closed first."""
    took: SimpleQueue[float] = SimpleQueue()

    def control(stream: pymhd.Upgraded) -> None:
        stream.sendall(b"stopping")
        took.put(seconds_of(daemon.stop))
        assert stream.closed

    switch = pymhd.Response.for_upgrade(control, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b"stopping"
    assert took.get(timeout=TIMEOUT) < 2
    assert not daemon.is_running


@each_mode
def test_two_sessions_may_stop_their_daemon_at_once(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """They do not wait for each other until the timeout."""
    together = threading.Barrier(2)
    took: SimpleQueue[float] = SimpleQueue()

    def control(stream: pymhd.Upgraded) -> None:
        together.wait(TIMEOUT)
        took.put(seconds_of(daemon.stop))

    switch = pymhd.Response.for_upgrade(control, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon) as one, upgraded(daemon) as two:
        assert read_to_end(one) + read_to_end(two) == b""
    assert max(took.get(timeout=TIMEOUT) for _ in range(2)) < 3
    assert "cut" not in caplog.text


@each_mode
@pytest.mark.parametrize("timeout", [math.inf, 1e12])
def test_a_very_long_timeout_is_a_timeout(
    serve: Serve, threads: Mode, timeout: float
) -> None:
    """It stops, and stays stopped."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon) as sock:
        daemon.stop(timeout=timeout)
        assert read_to_end(sock) == b""
    assert not daemon.is_running
    assert _live._drivers == {}


# --- what is under way ---


@each_mode
def test_sessions_that_are_blocked_in_recv_are_woken(
    serve: Serve, threads: Mode
) -> None:
    """They see the end of input and return; the clients see it, too."""
    ended: SimpleQueue[bytes] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(lambda s: ended.put(s.recv(1)), "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for _ in range(20)]
        assert seconds_of(daemon.stop) < 1.5
        assert [read_to_end(sock) for sock in socks] == [b""] * 20
    assert [ended.get(timeout=TIMEOUT) for _ in socks] == [b""] * 20


@each_mode
def test_sessions_that_are_blocked_in_sendall_are_woken(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Their clients do not read, and stop() does not wait for them."""
    sending: SimpleQueue[pymhd.Upgraded] = SimpleQueue()

    def flood(stream: pymhd.Upgraded) -> None:
        sending.put(stream)
        stream.sendall(b"x" * (64 << 20))

    switch = pymhd.Response.for_upgrade(flood, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon), upgraded(daemon):
        streams = [sending.get(timeout=TIMEOUT) for _ in range(2)]
        eventually(lambda: all(stream._users for stream in streams), "blocking")
        assert seconds_of(daemon.stop) < 2.5
    assert caplog.text == ""


@each_mode
def test_a_session_that_never_returns_is_cut_and_named(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Within the timeout and a second; the log says which callable it is."""
    release = threading.Event()

    def stubborn_session(stream: pymhd.Upgraded) -> None:
        release.wait(3 * TIMEOUT)

    switch = pymhd.Response.for_upgrade(stubborn_session, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    try:
        with upgraded(daemon) as sock:
            assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
            assert read_to_end(sock) == b""
            assert daemon.upgraded == 0
        assert "stubborn_session" in caplog.text
    finally:
        release.set()
        eventually(no_session_thread_is_left, "the end of the session's thread")


@each_mode
def test_a_handler_that_never_returns_is_left_behind_and_logged(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can end it; stop() returns within the timeout and a second."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(3 * TIMEOUT)
        return pymhd.Response("too late\n")

    daemon = serve(handler, threads=threads)
    try:
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert entered.wait(TIMEOUT)
            assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
            assert not daemon.is_running
            assert "blocks" in caplog.text
            assert "<locals>.handler" in caplog.text
            release.set()
            eventually(lambda: not _live._drivers, "the end of libmicrohttpd")
    finally:
        release.set()


@each_mode
def test_nobody_can_connect_to_a_daemon_that_is_stuck_after_stop(
    serve: Serve, threads: Mode
) -> None:
    """It stops listening at once, whatever its handlers do."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return pymhd.Response("too late\n")

    daemon = serve(handler, threads=threads)
    try:
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert entered.wait(TIMEOUT)
            daemon.stop(timeout=0)
            with socket.socket() as late:
                late.settimeout(TIMEOUT)
                assert late.connect_ex(("127.0.0.1", daemon.port)) != 0
    finally:
        release.set()
        eventually(lambda: not _live._drivers, "the end of libmicrohttpd")


@each_mode
def test_an_upgrade_that_is_answered_after_stop_gave_up_leaves_nothing_behind(
    serve: Serve, threads: Mode
) -> None:
    """The handler comes back with it when nobody serves any more."""
    entered, release = threading.Event(), threading.Event()
    switch = pymhd.Response.for_upgrade(echo, "echo")

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return switch

    daemon = serve(handler, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert entered.wait(TIMEOUT)
        daemon.stop(timeout=0)
        release.set()
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
        eventually(lambda: not _live._drivers, "the end of libmicrohttpd")
    assert pymhd.lib.pymhd_sessions_live() == 0


@each_mode
@pytest.mark.parametrize("run", ["thread", "inline"])
def test_an_upgrade_that_is_answered_while_it_stops_does_not_hold_it_up(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """Either it is refused, or its session is woken as all the others are."""
    entered, release = threading.Event(), threading.Event()

    def serve_it(stream: pymhd.Upgraded) -> None:
        with stream:
            echo(stream)

    def begin(stream: pymhd.Upgraded) -> None:
        if run == "thread":
            return echo(stream)
        return threading.Thread(target=serve_it, args=(stream,)).start()

    switch = pymhd.Response.for_upgrade(begin, "echo", run=run)

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return switch

    daemon = serve(handler, threads=threads)
    took: SimpleQueue[float] = SimpleQueue()
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert entered.wait(TIMEOUT)
        stopper = threading.Thread(target=lambda: took.put(seconds_of(daemon.stop)))
        stopper.start()
        eventually(lambda: not daemon.is_running, "the beginning of stop()")
        (driver, *_) = list(_live._drivers.values())
        eventually(lambda: driver._stopping, "the beginning of stop()")
        release.set()
        assert took.get(timeout=TIMEOUT) < 2.5
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
        stopper.join(TIMEOUT)


@each_mode
def test_requests_in_flight_are_answered(serve: Serve, threads: Mode) -> None:
    """They are complete, and a handler has them already."""
    entered, release = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return pymhd.Response("done")

    daemon = serve(handler, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert entered.wait(TIMEOUT)
        stopper = threading.Thread(target=daemon.stop)
        stopper.start()
        eventually(lambda: not daemon.is_running, "the beginning of stop()")
        release.set()
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\ndone")
        stopper.join(TIMEOUT)
        assert not stopper.is_alive()


@each_mode
def test_idle_connections_do_not_hold_it_up(serve: Serve, threads: Mode) -> None:
    """Neither kept alive ones nor those that have sent nothing yet."""
    daemon = serve(hello, threads=threads)
    with connect(daemon) as kept, connect(daemon) as silent:
        kept.sendall(GET)
        head = read_head(kept)
        assert b"close" not in head.lower()
        read_exactly(kept, len(b"hello\n"))
        eventually(lambda: daemon.connections == 2, "both connections")
        assert seconds_of(daemon.stop) < 1
        assert read_to_end(kept) == b""
        assert read_to_end(silent) == b""


@each_mode
@pytest.mark.parametrize(
    "half",
    [
        b"GE",
        b"GET / HTTP/1.1\r\nHos",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
def test_half_a_request_is_cut_after_the_timeout(
    serve: Serve, threads: Mode, half: bytes
) -> None:
    """Its client does not decide how long stop() takes."""
    daemon = serve(hello, threads=threads)
    with connect(daemon) as sock, connect(daemon) as other:
        sock.sendall(half)
        other.sendall(GET)
        read_head(other)
        assert seconds_of(lambda: daemon.stop(timeout=0.2)) < 1.2
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


@each_mode
def test_it_stops_while_connections_and_upgrades_pour_in(
    serve: Serve, threads: Mode
) -> None:
    """Clients of both kinds, until they are refused."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(
        lambda request: switch if request.wants_upgrade() else hello(request),
        threads=threads,
    )
    counts: SimpleQueue[int] = SimpleQueue()

    def pour(request: bytes) -> None:
        count = 0
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            while True:
                sock = stack.enter_context(connect(daemon))
                sock.sendall(request)
                if not sock.recv(1):
                    break
                count += 1
        counts.put(count)

    pourers = [
        threading.Thread(target=pour, args=(request,))
        for request in (GET, upgrade_request())
        for _ in range(2)
    ]
    for pourer in pourers:
        pourer.start()
    eventually(lambda: daemon.upgraded > 20, "20 sessions")
    assert seconds_of(daemon.stop) < 4
    for pourer in pourers:
        pourer.join(TIMEOUT)
    assert min(counts.get(timeout=TIMEOUT) for _ in pourers) > 0
    assert daemon.upgraded == 0


@each_mode
def test_a_stream_that_lingers_does_not_hold_it_up(serve: Serve, threads: Mode) -> None:
    """It was closed, only its client was not; stop() cuts that short."""
    switch = pymhd.Response.for_upgrade(lambda stream: None, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
        assert seconds_of(daemon.stop) < 0.6


@each_mode
def test_a_flood_of_input_does_not_hold_up_the_end(serve: Serve, threads: Mode) -> None:
    """A client that never stops sending is cut."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: switch, threads=threads)
    with upgraded(daemon) as sock:
        sock.settimeout(0.5)

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock.sendall(b"x" * 65536)

        flooder = threading.Thread(target=flood)
        flooder.start()
        assert seconds_of(daemon.stop) < 2.5
        flooder.join(TIMEOUT)


def test_a_running_daemon_owns_itself(serve: Serve) -> None:
    """As a running thread does; after stop() it goes."""
    daemon = pymhd.Daemon(hello)
    daemon.start()
    port, ghost = daemon.port, weakref.ref(daemon)
    del daemon
    gc.collect()
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    still = ghost()
    assert still is not None
    still.stop()
    del still
    gc.collect()
    assert ghost() is None


# --- in a program of its own ---

PROLOGUE = """
import os, signal, socket, sys, threading, time
sys.path.insert(0, "tests")
import pymhd
from live import connect, echo, eventually, read_to_end, read_head, upgraded
def hello(request):
    return pymhd.Response("hello\\n")
switch = pymhd.Response.for_upgrade(echo, "echo")
def both(request):
    return switch if request.wants_upgrade() else hello(request)
"""


@contextlib.contextmanager
def program(code: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program; it is killed if it does not end in time."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", *options, "-c", PROLOGUE + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        watchdog = threading.Timer(2 * TIMEOUT, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def run(code: str) -> tuple[int, str, str]:
    """Run a program to its end: its exit code, its output, its errors."""
    with program(code) as process:
        output, errors = process.communicate()
        return process.returncode, output, errors


@pytest.mark.parametrize("mode", PROGRAM_MODES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_wait_and_the_program_ends_well(
    mode: str, number: signal.Signals
) -> None:
    """The exit code is 0, and sessions are closed in order."""
    code = f"""
        with pymhd.Daemon(both, threads={mode}) as daemon:
            sock = upgraded(daemon)
            before = signal.getsignal({number:d})
            print("ready", flush=True)
            print(daemon.wait())
            assert signal.getsignal({number:d}) is before
            assert daemon.is_running
        assert read_to_end(sock) == b""
        sock.close()
        print("end")
    """
    with program(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        eventually(lambda: _catches(process.pid, number), "wait()")
        process.send_signal(number)
        assert process.communicate() == ("True\nend\n", "")
        assert process.returncode == 0


def _catches(pid: int, number: int) -> bool:
    """Tell whether a process has a signal handler and sleeps: it is in wait()."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/wchan") as file:
        asleep = file.read() != "0"
    return asleep and bool(int(status["SigCgt"], 16) & 1 << (number - 1))


@pytest.mark.parametrize("mode", PROGRAM_MODES)
def test_a_signal_handler_may_stop_a_daemon_that_is_waited_for(mode: str) -> None:
    """It runs on the thread that waits, in the middle of wait()."""
    code = f"""
        for number in range(180):
            daemon = pymhd.Daemon(both, threads={mode})
            daemon.start()
            signal.signal(signal.SIGALRM, lambda *args: daemon.stop())
            signal.setitimer(signal.ITIMER_REAL, 0.00005 + number % 60 * 0.00001)
            assert daemon.wait(5)
            assert not daemon.is_running
    """
    assert run(code) == (0, "", "")


@pytest.mark.parametrize("mode", PROGRAM_MODES)
def test_a_keyboard_interrupt_in_a_with_block_stops_the_daemon(mode: str) -> None:
    """And goes on to whoever is outside."""
    code = f"""
        try:
            with pymhd.Daemon(both, threads={mode}) as daemon:
                sock = upgraded(daemon)
                signal.raise_signal(signal.SIGINT)
                time.sleep(5)
        except KeyboardInterrupt:
            print("interrupted", daemon.is_running, read_to_end(sock))
        sock.close()
    """
    assert run(code) == (0, "interrupted False b''\n", "")


@pytest.mark.parametrize("mode", PROGRAM_MODES)
@pytest.mark.parametrize(
    ("end", "exit_code", "last_line"),
    [
        ("pass", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise LookupError('on purpose')", 1, "LookupError: on purpose"),
        ("os._exit(4)", 4, ""),
    ],
)
def test_a_program_may_end_without_stop(
    mode: str, end: str, exit_code: int, last_line: str
) -> None:
    """With live sessions: it ends at once and makes no noise."""
    code = f"""
        daemon = pymhd.Daemon(both, threads={mode})
        daemon.start()
        socks = [upgraded(daemon) for _ in range(3)]
        busy = upgraded(daemon)
        busy.sendall(b"x" * 100_000)
        idle = connect(daemon)
        import atexit
        @atexit.register
        def close():
            for sock in [*socks, busy, idle]:
                sock.close()
        print("done", flush=True)
        {end}
    """
    begun = time.monotonic()
    status, output, errors = run(code)
    assert (status, output) == (exit_code, "done\n")
    assert errors.strip().splitlines()[-1:] == [last_line][: len(last_line)]
    assert not last_line or errors.count("Traceback") == 1
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize("mode", PROGRAM_MODES)
@pytest.mark.parametrize("where", ["handler", "session"])
def test_a_program_may_end_although_something_never_returns(
    mode: str, where: str
) -> None:
    """Neither a handler nor a session that blocks for ever keeps a process alive."""
    code = f"""
        entered = threading.Event()
        def block(_):
            entered.set()
            threading.Event().wait()
        stuck = pymhd.Response.for_upgrade(block, "stuck")
        handler = block if {where!r} == "handler" else lambda request: stuck
        daemon = pymhd.Daemon(handler, threads={mode})
        daemon.start()
        sock = connect(daemon)
        sock.sendall(
            b"GET / HTTP/1.1\\r\\nHost: t\\r\\nConnection: Upgrade\\r\\n"
            b"Upgrade: stuck\\r\\n\\r\\n"
        )
        assert entered.wait(10)
        daemon.stop(timeout=0.1)
        sock.close()
    """
    status, output, errors = run(code)
    assert (status, output) == (0, "")
    assert "Traceback" not in errors
    assert "Fatal" not in errors


@pytest.mark.parametrize("mode", PROGRAM_MODES)
def test_a_program_may_end_while_requests_pour_in(mode: str) -> None:
    """Handlers and sessions run until the very end."""
    code = f"""
        daemon = pymhd.Daemon(both, threads={mode})
        daemon.start()
        address = "127.0.0.1", daemon.port
        def pour():
            try:
                while True:
                    with socket.create_connection(address, timeout=5) as sock:
                        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n")
                        sock.recv(1000)
                    upgraded(daemon).close()
            except (OSError, AssertionError):
                pass
        for _ in range(4):
            threading.Thread(target=pour, daemon=True).start()
        time.sleep(0.2)
    """
    status, output, errors = run(code)
    assert (status, output) == (0, "")
    # The clients' sockets are warned of.
    assert "Traceback (" not in errors
    assert "Fatal" not in errors


def test_the_process_is_gone_after_a_kill_by_the_default_action() -> None:
    """SIGTERM outside wait() ends the program as it always does."""
    code = """
        daemon = pymhd.Daemon(both)
        daemon.start()
        signal.raise_signal(signal.SIGTERM)
    """
    status, _, _ = run(code)
    assert status == -signal.SIGTERM
