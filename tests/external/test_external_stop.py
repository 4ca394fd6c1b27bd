# SPDX-License-Identifier: MIT
"""The end of a daemon that the application's event loop runs."""

import contextlib
import logging
import threading
import time
from queue import SimpleQueue

import pytest
from live import (
    TIMEOUT,
    connect,
    eventually,
    hello,
    read_head,
    read_to_end,
    run_to_its_end,
    seconds_of,
    upgrade_request,
)
from loops import external, until
from messages import LAST_GET, body_of, status_of
from programs import run_program
from sessions import switching

import pymhd
from pymhd._engine.external import External


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
            eventually(lambda: driver.is_stopping and driver._leave, "stop()")
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
