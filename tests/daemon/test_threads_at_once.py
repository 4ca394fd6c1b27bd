# SPDX-License-Identifier: MIT
"""What several threads do at the same moment, as they can without a GIL.

With one, threads that are switched as often as possible come close to that.
"""

import contextlib
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from live import TIMEOUT, Serve, at_once, hello, logged_errors, upgrade_request
from messages import LAST_GET, ask, body_of, fields_of, status_of

import pymhd
from pymhd import _stream
from pymhd._dispatcher import Dispatcher
from pymhd._engine.endpoint import Endpoint
from pymhd._switch import Switch
from pymhd.request import make_request

ROUNDS = 20


@pytest.fixture(autouse=True)
def switching_threads() -> Iterator[None]:
    """Switch threads all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_gil_stays_as_the_interpreter_was_built() -> None:
    """A module that does not say that it can do without would bring it back."""
    code = "import sys, pymhd; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
    )
    without = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert (done.stdout, done.stderr) == (f"{not without}\n", "")


def test_only_one_thread_closes_what_listens() -> None:
    """A second one might hit a descriptor that is somebody else's by then."""

    class Slow(socket.socket):
        def shutdown(self, how: int) -> None:
            super().shutdown(how)
            entered.release()
            assert go.wait(TIMEOUT)

    entered, go = threading.Semaphore(0), threading.Event()
    endpoint = Endpoint("127.0.0.1", 0, None, None)
    fd = endpoint.listen()[0].detach()
    slow = Slow(fileno=fd)
    endpoint._listening[:] = [slow]
    first = threading.Thread(target=endpoint.end)
    first.start()
    assert entered.acquire(timeout=TIMEOUT)
    endpoint.close()
    assert slow.fileno() == fd
    go.set()
    first.join(TIMEOUT)
    assert slow.fileno() == -1


def test_threads_of_a_fork_take_a_stream_over_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else each of them would use a lock of its own."""
    ours, theirs = socket.socketpair()
    request = make_request(b"GET\n/\nHTTP/1.1\n\n", b"")
    switch = Switch(lambda: None, "thread", request, "echo", 0)
    stream = pymhd.Upgraded._make(ours.detach(), 0, b"", switch)
    real, both = threading.RLock, threading.Barrier(2)

    def slow_lock() -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        return real()

    locks = []
    with theirs, stream:
        monkeypatch.setattr(_stream, "_forks", _stream._forks + 1)
        monkeypatch.setattr(threading, "RLock", slow_lock)
        calls = [lambda: locks.append(stream._locking())] * 2
        at_once(*calls)
        monkeypatch.undo()
        assert locks == [stream._lock] * 2
        monkeypatch.setattr(_stream, "_forks", _stream._forks + 1)


def test_a_response_on_its_way_is_changed_in_vain(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tries hears StateError, and it is sent as it was returned."""
    respond = Dispatcher.respond

    def slowly(self: Dispatcher, token: int, request: pymhd.Request) -> pymhd.Response:
        response = respond(self, token, request)
        # As if another thread did it, before the pump goes on.
        with pytest.raises(pymhd.StateError, match="has been used"):
            response.remove_header("A")
        return response

    monkeypatch.setattr(Dispatcher, "respond", slowly)
    daemon = serve(lambda request: pymhd.Response(b"hello", headers={"A": "b"}))
    answer = ask(daemon)
    assert body_of(answer) == b"hello"
    assert fields_of(answer) == ["A: b"]


def test_two_threads_give_a_response_one_upgrade_field() -> None:
    """Twice would be wrong; what is sent is what is switched to."""
    both = threading.Barrier(2)

    def adding(protocol: str) -> None:
        both.wait(TIMEOUT)
        with contextlib.suppress(ValueError):
            response.add_header("Upgrade", protocol)

    for _ in range(300):
        response = pymhd.Response.for_upgrade(lambda stream: None)
        at_once(lambda: adding("one"), lambda: adding("two"))
        assert len(response.headers.get_all("Upgrade")) == 1


def repeat(stream: pymhd.Upgraded) -> None:
    """Send one message back."""
    stream.sendall(stream.recv(65536))


@pytest.mark.parametrize("mode", [4, "per-connection"])
def test_daemons_end_while_everybody_uses_them(
    mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests, upgrades, quiesce() and stop(), from several threads each."""
    switch = pymhd.Response.for_upgrade(repeat, "echo")
    answers: list[bytes] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        return switch if request.wants_upgrade() else hello(request)

    def asking(raw: bytes) -> None:
        with contextlib.suppress(OSError):
            while True:
                answers.append(ask(daemon, raw))

    def quiescing() -> None:
        begin.wait(TIMEOUT)
        with contextlib.suppress(pymhd.StateError):
            daemon.quiesce()

    def stopping() -> None:
        begin.wait(TIMEOUT)
        daemon.stop()
        assert not daemon.is_running

    clients = [lambda: asking(LAST_GET), lambda: asking(upgrade_request() + b"ping")]
    for _ in range(ROUNDS):
        begin = threading.Barrier(4)
        with pymhd.Daemon(handler, threads=mode) as daemon:
            at_once(*clients * 3, *[quiescing, stopping] * 2)
    whole = {(status_of(answer), body_of(answer)) for answer in answers}
    assert {(200, b"hello"), (101, b"ping")} <= whole
    assert {status for status, _ in whole} <= {200, 101, 503, 0}
    assert logged_errors(caplog) == []
