# SPDX-License-Identifier: MIT
"""``threads="external"``: the application's event loop runs the daemon."""

import asyncio
import contextlib
import select
import selectors
import socket
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    assert_echoes,
    connect,
    eventually,
    hello,
    read_exactly,
    read_head,
    read_to_end,
    run_to_its_end,
    seconds_of,
    upgrade_request,
)
from loops import both, external, is_readable, until
from messages import LAST_GET, body_of, status_of
from protocols import Recorder, echoing

import pymhd

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
    """A loop that only watches the descriptor serves as well."""
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

    def run_on() -> None:
        while daemon.is_running:
            with contextlib.suppress(pymhd.StateError):  # it may be the other one, too
                run_to_its_end(daemon)

    with external() as daemon:
        thread = threading.Thread(target=run_on)
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
        until(daemon, lambda: bool(errors) and is_readable(sock))
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
        until(daemon, lambda: is_readable(sock))
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


@pytest.mark.parametrize(
    "where", ["_handle", "_make", "_lose", "_carry_out", "receive"]
)
def test_a_signal_in_the_hub_leaves_no_connection_behind(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has kept from being done: they are aborted."""
    switch = pymhd.Response.for_upgrade(
        lambda: Recorder(data=echoing), "echo", run="hub"
    )
    with external(lambda request: switch) as daemon:
        hub = daemon._drivers[0].hub
        method = getattr(hub, where)

        def strike(*_: object) -> None:
            monkeypatch.setattr(hub, where, method)
            raise KeyboardInterrupt

        with connect(daemon) as other:
            other.sendall(upgrade_request() + b"early")
            until(daemon, lambda: is_readable(other))
            with connect(daemon) as sock:
                monkeypatch.setattr(hub, where, strike)
                sock.sendall(upgrade_request() + b"early")
                sock.shutdown(socket.SHUT_WR)
                with pytest.raises(KeyboardInterrupt):
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
