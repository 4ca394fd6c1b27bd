# SPDX-License-Identifier: MIT
"""``threads="external"``: a loop of somebody's own runs the daemon."""

import asyncio
import contextlib
import logging
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    assert_echoes,
    connect,
    echo,
    eventually,
    hello,
    read_exactly,
    read_head,
    read_to_end,
    run_to_its_end,
    seconds_of,
    upgrade_request,
)
from messages import LAST_GET, body_of, status_of
from programs import run_program
from protocols import Recorder
from sessions import switching

import pymhd
from pymhd._external import External

Handler = Callable[[pymhd.Request], Any]


def external(handler: Handler = hello, **options: Any) -> pymhd.Daemon:
    """Make a daemon that nobody runs yet."""
    return pymhd.Daemon(handler, threads="external", **options)


def both(request: pymhd.Request) -> pymhd.Response:
    """Answer, or switch to an echo in a thread of its own."""
    return switching(echo, "thread") if request.wants_upgrade() else hello(request)


def until(daemon: pymhd.Daemon, condition: Callable[[], bool]) -> None:
    """Run a daemon until something has happened."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        assert daemon.run(0.01)


def has_all(sock: socket.socket) -> bool:
    """Tell whether an answer and the end behind it are here."""
    return select.select([sock], [], [], 0)[0] != []


# --- loops ---


def patience(daemon: pymhd.Daemon) -> float:
    """Return how long to wait, so that a stop() elsewhere is noticed."""
    limit = daemon.timeout()
    return 0.1 if limit is None else min(limit, 0.1)


def watch_epoll(daemon: pymhd.Daemon) -> None:
    """Be a loop on selectors, as most of them are."""
    with selectors.DefaultSelector() as selector:
        selector.register(daemon.fileno(), selectors.EVENT_READ)
        while daemon.run():
            selector.select(patience(daemon))


def watch_select(daemon: pymhd.Daemon) -> None:
    """Be a loop on select()."""
    while daemon.run():
        # Another thread may have stopped it meanwhile.
        with contextlib.suppress(pymhd.StateError, OSError):
            select.select(*daemon.fdset(), patience(daemon))


LOOPS = {
    "epoll": (None, watch_epoll),
    "select": ("select", watch_select),
    "auto": ("auto", watch_epoll),
    "run": ("epoll", run_to_its_end),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_ones_own_serves(name: str) -> None:
    """Requests, upgrades and their ends, in the loop's thread alone."""
    polling, loop = LOOPS[name]
    threads: set[int] = set()

    def handler(request: pymhd.Request) -> pymhd.Response:
        threads.add(threading.get_ident())
        return both(request)

    daemon = external(handler, polling=polling)
    with daemon:
        thread = threading.Thread(target=loop, args=(daemon,))
        thread.start()
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(daemon)) for _ in range(20)]
            for sock in socks:
                sock.sendall(upgrade_request() + b"early")
                assert read_head(sock).startswith(b"HTTP/1.1 101 ")
                assert read_exactly(sock, 5) == b"early"
            for sock in socks:
                assert_echoes(sock)
            with connect(daemon) as sock:
                sock.sendall(LAST_GET)
                assert body_of(read_to_end(sock)) == b"hello"
            assert daemon.upgraded == 20
        eventually(lambda: daemon.connections == 0, "the end of the connections")
        assert threads == {thread.ident}
        daemon.stop()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def test_asyncio_runs_it_with_add_reader_and_a_timer() -> None:
    """A stream that lingers is closed in time: that is what the timer is for."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")

    async def serve() -> float:
        loop = asyncio.get_running_loop()
        with external(lambda request: switch) as daemon, connect(daemon) as sock:
            timer: asyncio.TimerHandle | None = None

            def turn() -> None:
                nonlocal timer
                if timer is not None:
                    timer.cancel()
                assert daemon.run()
                seconds = daemon.timeout()
                timer = None if seconds is None else loop.call_later(seconds, turn)

            fd = daemon.fileno()
            loop.add_reader(fd, turn)
            sock.setblocking(False)
            await loop.sock_sendall(sock, upgrade_request())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await loop.sock_recv(sock, 1)
            stream = await asyncio.to_thread(streams.get, True, TIMEOUT)
            stream.close()
            begun = loop.time()
            assert await loop.sock_recv(sock, 1) == b""
            while daemon.upgraded:
                await asyncio.sleep(0.01)
                assert loop.time() < begun + TIMEOUT
            loop.remove_reader(fd)
            if timer is not None:
                timer.cancel()
            return loop.time() - begun

    assert asyncio.run(serve()) >= 0.9


def test_without_anything_to_do_there_is_no_time_limit() -> None:
    """With a connection it is libmicrohttpd's timeout for it."""
    with external(limits=pymhd.Limits(timeout=30)) as daemon:
        until(daemon, lambda: daemon.timeout() is None)
        with connect(daemon):
            until(daemon, lambda: daemon.connections == 1)
            until(daemon, lambda: (daemon.timeout() or 0.0) > 1.0)
            limit = daemon.timeout()
            assert limit is not None
            assert limit <= 30.0


def test_a_turn_that_leaves_something_to_do_says_so() -> None:
    """A loop that only watches the descriptor serves all the same."""
    with external(lambda request: pymhd.Response(bytes(4 << 20))) as daemon:
        fd = daemon.fileno()
        received = bytearray()
        with connect(daemon) as sock, selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ, daemon.run)
            selector.register(
                sock,
                selectors.EVENT_READ,
                lambda: received.extend(sock.recv(1 << 20)),
            )
            sock.sendall(LAST_GET)
            while len(received) < 4 << 20:
                ready = selector.select(TIMEOUT)
                assert ready
                for key, _ in ready:
                    key.data()


def test_a_stream_that_is_closed_elsewhere_wakes_the_loop() -> None:
    """close() on another thread is work for the one that runs it."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    with external(lambda request: switch) as daemon, connect(daemon) as sock:
        sock.sendall(upgrade_request())
        until(daemon, lambda: not streams.empty())
        until(daemon, lambda: daemon.timeout() is None)
        closer = threading.Thread(target=streams.get().close)
        closer.start()
        assert select.select([daemon.fileno()], [], [], TIMEOUT)[0]
        closer.join()
        read_head(sock)
        sock.shutdown(socket.SHUT_WR)
        until(daemon, lambda: daemon.connections == 0)


# --- run() ---


@pytest.mark.parametrize("timeout", ["1", (), object(), True])
def test_a_timeout_is_a_number(timeout: Any) -> None:
    """And nothing has been run."""
    with external() as daemon, pytest.raises(TypeError, match="timeout must be"):
        daemon.run(timeout)


def test_run_waits_as_long_as_it_was_told() -> None:
    """And no longer than somebody stops it."""
    with external() as daemon:
        assert seconds_of(lambda: daemon.run(0.2)) >= 0.2
        stopper = threading.Timer(0.1, daemon.stop)
        stopper.start()
        assert daemon.run(None) is False
        stopper.join()
    assert daemon.run() is False
    assert daemon.timeout() == 0.0


@pytest.mark.parametrize("timeout", [None, 1e18])
def test_another_thread_than_the_main_one_may_wait_for_ever(timeout: Any) -> None:
    """As long as nothing happens."""
    with external() as daemon:
        runner = threading.Thread(target=daemon.run, args=(timeout,), daemon=True)
        runner.start()
        with connect(daemon) as sock:
            sock.sendall(LAST_GET)
            assert status_of(read_to_end(sock)) == 200
        daemon.stop()
        runner.join(TIMEOUT)
        assert not runner.is_alive()


def test_one_thread_at_a_time_runs_it() -> None:
    """The other one hears of it at once."""
    with external() as daemon:
        thread = threading.Thread(target=run_to_its_end, args=(daemon,))
        thread.start()

        def is_refused() -> bool:
            try:
                daemon.run()
            except pymhd.StateError as error:
                return "one thread at a time" in str(error)
            return False

        eventually(is_refused, "the refusal")
        daemon.stop()
        thread.join(TIMEOUT)


def test_a_handler_cannot_run_it() -> None:
    """It would run itself."""
    errors: list[pymhd.StateError] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        with pytest.raises(pymhd.StateError, match="not in a handler") as caught:
            daemon.run()
        errors.append(caught.value)
        assert daemon.timeout() == 0.0
        return hello(request)

    with external(handler) as daemon, connect(daemon) as sock:
        sock.sendall(LAST_GET)
        until(daemon, lambda: bool(errors) and has_all(sock))
        assert body_of(read_to_end(sock)) == b"hello"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_comes_out_of_run(error: type[BaseException]) -> None:
    """The client still has its answer; other exceptions stay where they are."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        raise error

    with external(handler) as daemon, connect(daemon) as sock:
        sock.sendall(LAST_GET)
        with pytest.raises(error):
            until(daemon, lambda: False)
        until(daemon, lambda: has_all(sock))
        assert read_to_end(sock).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    "method", ["connection_made", "data_received", "eof_received", "connection_lost"]
)
def test_what_ends_the_program_comes_out_of_a_protocol(
    method: str, error: type[BaseException]
) -> None:
    """The connection is aborted, as after any other exception."""

    def fail(*_: object) -> None:
        raise error

    protocol = Recorder()
    setattr(protocol, method, fail)
    switch = pymhd.Response.for_upgrade(lambda: protocol, "echo", run="hub")
    with external(lambda request: switch) as daemon, connect(daemon) as sock:
        sock.sendall(upgrade_request() + b"early")
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(error):
            until(daemon, lambda: False)
        until(daemon, lambda: daemon.upgraded == 0)


@pytest.mark.parametrize("name", ["run", "timeout", "fileno", "fdset"])
def test_only_an_external_daemon_that_runs_has_a_loop(name: str) -> None:
    """The message says why not."""
    with (
        pymhd.Daemon(hello) as other,
        pytest.raises(pymhd.StateError, match='only with threads="external"'),
    ):
        getattr(other, name)()
    with pytest.raises(pymhd.StateError, match="has not been started"):
        getattr(external(), name)()


def test_what_to_watch_depends_on_the_polling() -> None:
    """The message says what to use instead."""
    with external() as daemon:
        assert daemon.fileno() > 2
        with pytest.raises(pymhd.StateError, match=r"watch fileno\(\) instead"):
            daemon.fdset()
        with pytest.raises(pymhd.StateError, match=r"run\(\) does it"):
            daemon.wait()
    with external(polling="select") as daemon:
        readers, _, _ = daemon.fdset()
        assert len(readers) >= 2
        with pytest.raises(pymhd.StateError, match=r"fdset\(\) returns"):
            daemon.fileno()
    for call in (daemon.fileno, daemon.fdset):
        with pytest.raises(pymhd.StateError, match="has been stopped"):
            call()


def test_external_with_poll_is_refused() -> None:
    """As libmicrohttpd does; the message names what works."""
    with pytest.raises(ValueError, match='"select", "epoll", "auto" or None'):
        external(polling="poll")


# --- stop() ---


@pytest.mark.parametrize("polling", ["epoll", "select"])
def test_stop_answers_503_to_what_run_has_left(polling: str) -> None:
    """On the loop's own thread, and no handler is called any more."""
    seen: list[pymhd.Request] = []

    def slow(request: pymhd.Request) -> pymhd.Response:
        seen.append(request)
        time.sleep(0.01)  # so that run() leaves some of them
        return hello(request)

    daemon = external(slow, polling=polling)
    daemon.start()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(daemon)) for _ in range(20)]
        until(daemon, lambda: daemon.connections == 20)
        for sock in socks:
            sock.sendall(LAST_GET)
        until(daemon, lambda: len(seen) > 0)
        served = len(seen)
        assert seconds_of(daemon.stop) < 3.0
        answers = [read_to_end(sock) for sock in socks]
        statuses = [status_of(answer) for answer in answers]
    assert len(seen) == served
    assert sorted(statuses) == [200] * served + [503] * (20 - served)
    assert served < 20


def test_stop_in_a_handler_is_put_off_until_run_is_through() -> None:
    """The client has its answer before."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        daemon.stop()
        assert daemon.is_running
        return hello(request)

    daemon = external(handler)
    daemon.start()
    with connect(daemon) as sock:
        sock.sendall(LAST_GET)
        run_to_its_end(daemon)
        assert not daemon.is_running
        assert body_of(read_to_end(sock)) == b"hello"


def test_a_handler_that_blocks_does_not_hold_stop_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The rest of the end is left to the thread that it blocks."""
    entered, go = threading.Event(), threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        assert go.wait(TIMEOUT)
        return hello(request)

    daemon = external(handler)
    daemon.start()
    loop = threading.Thread(target=run_to_its_end, args=(daemon,))
    loop.start()
    with connect(daemon) as sock:
        sock.sendall(LAST_GET)
        assert entered.wait(TIMEOUT)
        with caplog.at_level(logging.WARNING, "pymhd"):
            assert seconds_of(lambda: daemon.stop(0.1)) < 1.1
        assert "1 of 1 threads" in caplog.text
        go.set()
        loop.join(TIMEOUT)
        read_to_end(sock)


def test_stop_ends_a_run_that_has_only_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although what wakes it came before it began to wait."""
    with external() as daemon:
        (driver,) = daemon._drivers
        assert isinstance(driver, External)
        run_once = driver._run_once
        stopper = threading.Thread(target=daemon.stop)

        def late(timeout: float) -> bool:
            stopper.start()
            eventually(lambda: driver._stopping and driver._leave, "stop()")
            return run_once(timeout)

        monkeypatch.setattr(driver, "_run_once", late)
        runner = threading.Thread(target=daemon.run, args=(None,), daemon=True)
        runner.start()
        runner.join(TIMEOUT)
        assert not runner.is_alive()
        stopper.join(TIMEOUT)


def test_a_session_says_goodbye_when_another_thread_stops_the_daemon() -> None:
    """The loop may go on with other things meanwhile."""
    goodbyes: SimpleQueue[bytes] = SimpleQueue()
    begun = threading.Semaphore(0)

    def polite(stream: pymhd.Upgraded) -> None:
        begun.release()
        goodbyes.put(stream.recv(1))
        stream.sendall(b"bye")

    daemon = external(lambda request: switching(polite, "thread"))
    daemon.start()
    loop = threading.Thread(target=run_to_its_end, args=(daemon,))
    loop.start()
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        read_head(sock)
        assert begun.acquire(timeout=TIMEOUT)
        assert seconds_of(daemon.stop) < 3.0
        assert read_to_end(sock) == b"bye"
    assert goodbyes.get_nowait() == b""
    loop.join(TIMEOUT)


@pytest.mark.parametrize("ending", ["daemon.stop()", "raise KeyboardInterrupt"])
def test_a_signal_ends_a_loop_under_load(ending: str) -> None:
    """Wherever it strikes, the program ends soon, and nobody waits in vain."""
    code = f"""
        def ask():
            while not enough.is_set():
                with contextlib.suppress(OSError, AssertionError):
                    with connect(daemon) as sock:
                        sock.sendall(GET)
                        read_head(sock)
        def end(*_):
            {ending}
        enough = threading.Event()
        daemon = pymhd.Daemon(both, threads="external")
        daemon.start()
        signal.signal(signal.SIGTERM, end)
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with contextlib.suppress(KeyboardInterrupt):
            while daemon.run(60):
                pass
        begun = time.monotonic()
        daemon.stop()
        print("soon" if time.monotonic() - begun < 3 else "late")
        enough.set()
        for client in clients:
            client.join()
    """
    assert run_program(code) == (0, "soon\n", "")
