# SPDX-License-Identifier: MIT
"""Random calls from several threads, in any order, against a live daemon.

Hypothesis chooses what each thread calls next; nobody waits for a call to return before
the next one begins in another thread, so everything meets everything. What is raised
must be one of ours or an OSError; the daemon must serve as long as it runs; at the end
nothing may be left.
"""

import contextlib
import functools
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Literal

import pytest
from fuzzing import FUZZED_MODES, examples
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from live import (
    TIMEOUT,
    Mode,
    connect,
    echo,
    eventually,
    hello,
    in_mode,
    reset,
    upgrade_request,
)
from messages import get

import pymhd
from pymhd._engine import running

THREADS = 3
Way = Literal["thread", "inline", "hub"]
PATHS = ["/", "/new", "/raise", "/none", "/stop", "/late", "/keep"]
which = st.integers(0, 1 << 30)
threads = st.integers(0, THREADS - 1)


class Worker(threading.Thread):
    """A thread that makes one call after the other."""

    def __init__(self, wrong: SimpleQueue[BaseException]) -> None:
        super().__init__(daemon=True)
        self.calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.wrong = wrong
        self.start()

    def run(self) -> None:
        while call := self.calls.get():
            try:
                call()
            except (pymhd.MHDError, OSError):
                pass
            except BaseException as error:
                self.wrong.put(error)


class Echo(pymhd.Protocol):
    """Of the hub's connections: its transport is for all threads."""

    def __init__(self, transports: list[pymhd.Transport]) -> None:
        self.transports = transports

    def connection_made(self, transport: pymhd.Transport) -> None:
        self.transport = transport
        self.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        with contextlib.suppress(RuntimeError):  # after write_eof()
            self.transport.write(data)

    def eof_received(self) -> bool:
        return len(self.transports) % 2 == 0  # some go on after the peer's end


def run_it(daemon: pymhd.Daemon) -> None:
    """Be one of several threads that are the loop of a daemon, in turn."""
    goes_on = True
    while goes_on:
        try:
            goes_on = daemon.run(0.002)
        except pymhd.StateError:  # it is another one's turn
            time.sleep(0.001)


class Calls(RuleBasedStateMachine):
    """One daemon after the other, clients, streams, and threads that use them."""

    mode: Mode = 1

    def __init__(self) -> None:
        super().__init__()
        self.before = in_use()
        self.wrong: SimpleQueue[BaseException] = SimpleQueue()
        self.workers = [Worker(self.wrong) for _ in range(THREADS)]
        self.clients: list[socket.socket] = []
        self.streams: list[pymhd.Upgraded] = []
        self.requests: list[pymhd.Request] = []
        self.transports: list[pymhd.Transport] = []
        self.loops: list[threading.Thread] = []
        self.responses = [pymhd.Response(b"shared"), self.switch("thread")]
        self.daemon = self.begun()

    def begun(self) -> pymhd.Daemon:
        """Return a daemon that runs; if it needs a loop, two threads are that."""
        daemon = pymhd.Daemon(self.handler, **in_mode(self.mode))
        daemon.start()
        if self.is_external:
            loops = [threading.Thread(target=run_it, args=(daemon,)) for _ in range(2)]
            self.loops += loops
            for loop in loops:
                loop.start()
        return daemon

    @property
    def is_external(self) -> bool:
        return str(self.mode).startswith("external")

    # --- what the daemon calls ---

    def switch(self, run: Way) -> pymhd.Response:
        if run == "hub":
            make = functools.partial(Echo, self.transports)
            return pymhd.Response.for_upgrade(make, "echo", run="hub")
        target = self.streams.append if run == "inline" else self.session
        return pymhd.Response.for_upgrade(target, "echo", run=run)

    def session(self, stream: pymhd.Upgraded) -> None:
        self.streams.append(stream)
        echo(stream)

    def handler(self, request: pymhd.Request) -> Any:
        if request.wants_upgrade():
            return self.responses[1]
        if request.path == "/new":
            return pymhd.Response(request.target, headers={"X-New": request.path})
        if request.path == "/raise":
            raise LookupError("on purpose")
        if request.path == "/none":
            return None
        if request.path == "/stop":
            self.stop_inside()
        if request.path == "/late":
            time.sleep(0.003)
        if request.path == "/keep":
            self.requests.append(request)
        return self.responses[0] if request.path == "/keep" else hello(request)

    def stop_inside(self) -> None:
        """Call stop() where it cannot be carried out now."""
        if self.is_external:
            self.daemon.stop(0)  # put off until run() is through
        else:
            with pytest.raises(pymhd.StateError):
                self.daemon.stop()

    # --- how the threads are told ---

    def run_in(self, thread: int, call: Callable[[], object]) -> None:
        self.workers[thread].calls.put(call)

    def stream(self, number: int) -> Any:
        """Return a stream, if there is one: newer ones more often."""
        streams = self.streams[-4:]
        return streams[number % len(streams)] if streams else None

    def client(self, number: int) -> socket.socket | None:
        return self.clients[number % len(self.clients)] if self.clients else None

    # --- the daemon ---

    @initialize(runs=st.tuples(*[st.sampled_from(["thread", "inline", "hub"])] * 5))
    def begin(self, runs: tuple[Way, ...]) -> None:
        """Have something to play with."""
        for run in runs:
            self.responses[1] = self.switch(run)
            self.upgrade("/", b"early", 1)
            self.it_serves()

    @rule()
    def renew(self) -> None:
        """Have a daemon that runs, in place of one that does not."""
        if not self.daemon.is_running:
            self.daemon.stop()
            self.daemon = self.begun()

    @rule(thread=threads, timeout=st.sampled_from([None, None, 0, 0.01, 1]))
    def stop(self, thread: int, timeout: float | None) -> None:
        if timeout is None:  # more seldom than the others
            return
        daemon = self.daemon

        def stop() -> None:
            begun = time.monotonic()
            daemon.stop(timeout)
            assert time.monotonic() - begun < timeout + 1 + TIMEOUT  # a busy machine

        self.run_in(thread, stop)

    @rule(
        thread=threads,
        name=st.sampled_from(["start", "quiesce", "__repr__"]),
    )
    def tell_the_daemon(self, thread: int, name: str) -> None:
        self.run_in(thread, getattr(self.daemon, name))

    @rule(thread=threads)
    def ask_the_daemon(self, thread: int) -> None:
        daemon = self.daemon
        self.run_in(
            thread,
            lambda: (daemon.connections, daemon.upgraded, daemon.wait(0), daemon.url),
        )

    # --- clients ---

    def talk(self, data: bytes, count: int) -> None:
        with contextlib.suppress(OSError):
            for _ in range(count):
                sock = connect(self.daemon)
                self.clients.append(sock)
                sock.sendall(data)
                sock.setblocking(False)

    @rule(
        path=st.sampled_from(PATHS),
        more=st.binary(max_size=8),
        count=st.sampled_from([1, 1, 5]),
    )
    def upgrade(self, path: str, more: bytes, count: int) -> None:
        self.talk(upgrade_request(path) + more, count)

    @rule(path=st.sampled_from(PATHS), times=st.integers(1, 3))
    def request(self, path: str, times: int) -> None:
        self.talk(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() * times, 1)

    @rule(number=which, size=st.sampled_from([1, 100, 30_000]))
    def client_sends(self, number: int, size: int) -> None:
        if sock := self.client(number):
            with contextlib.suppress(OSError):
                sock.send(b"x" * size)

    @rule(number=which)
    def client_reads(self, number: int) -> None:
        if sock := self.client(number):
            with contextlib.suppress(OSError):
                sock.recv(65536)

    @rule(number=which, how=st.sampled_from(["close", "reset", "half"]))
    def client_ends(self, number: int, how: str) -> None:
        if sock := self.client(number):
            if how == "half":
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
                return
            self.clients.remove(sock)
            if how == "reset":
                reset(sock)
            sock.close()

    # --- streams ---

    @rule(
        thread=threads,
        number=which,
        call=st.sampled_from(
            [
                ("recv", 100),
                ("recv_into", bytearray(100)),
                ("send", b"x" * 100),
                ("sendall", b"x" * 5_000),
                ("shutdown", socket.SHUT_RD),
                ("shutdown", socket.SHUT_WR),
                ("shutdown", socket.SHUT_RDWR),
                ("settimeout", 0.001),
                ("settimeout", 0),
                ("settimeout", None),
                ("pending",),
                ("fileno",),
                ("makefile", "rwb"),
                ("close",),
                ("close",),
                ("__enter__",),
                ("__repr__",),
            ]
        ),
    )
    def use_a_stream(self, thread: int, number: int, call: tuple[Any, ...]) -> None:
        name, *arguments = call
        if stream := self.stream(number):
            self.run_in(thread, lambda: getattr(stream, name)(*arguments))

    @rule(thread=threads, number=which)
    def cork_a_stream(self, thread: int, number: int) -> None:
        stream = self.stream(number)

        def write() -> None:
            with stream.cork():
                stream.send(b"a")
                stream.send(b"b")

        if stream:
            self.run_in(thread, write)

    @rule(thread=threads)
    def drop_streams(self, thread: int) -> None:
        """Forget them open, as careless programs do."""
        self.streams.clear()
        self.run_in(thread, gc.collect)

    # --- transports ---

    @rule(
        thread=threads,
        number=which,
        call=st.sampled_from(
            [
                ("write", b"x" * 100),
                ("write", b"x" * 20_000),
                ("write", bytes(200_000)),
                ("writelines", [b"a", b"b" * 20_000]),
                ("pause_reading",),
                ("resume_reading",),
                ("set_write_buffer_limits", 0),
                ("set_write_buffer_limits", 100_000),
                ("get_write_buffer_size",),
                ("get_extra_info", "socket"),
                ("fileno",),
                ("write_eof",),
                ("close",),
                ("abort",),
                ("__repr__",),
            ]
        ),
    )
    def use_a_transport(self, thread: int, number: int, call: tuple[Any, ...]) -> None:
        name, *arguments = call
        transports = self.transports[-4:]
        if transports:
            transport = transports[number % len(transports)]

            def use() -> None:
                with contextlib.suppress(RuntimeError):  # after write_eof()
                    getattr(transport, name)(*arguments)

            self.run_in(thread, use)

    @rule(thread=threads, size=st.sampled_from([10, 50_000]))
    def broadcast(self, thread: int, size: int) -> None:
        transports = list(self.transports)
        self.run_in(thread, lambda: pymhd.broadcast(transports, bytes(size)))

    @rule(thread=threads)
    def another_protocol(self, thread: int) -> None:
        for transport in self.transports[-2:]:
            other = Echo([])
            other.transport = transport
            self.run_in(thread, functools.partial(transport.set_protocol, other))

    # --- responses and requests ---

    @rule(thread=threads, run=st.sampled_from(["thread", "inline", "hub", "hub"]))
    def change_responses(self, thread: int, run: Way) -> None:
        """Let others take the place of those that may be on their way."""

        def change() -> None:
            self.responses[:] = [pymhd.Response(b"shared"), self.switch(run)]

        self.run_in(thread, change)

    @rule(thread=threads, number=st.integers(0, 1))
    def change_a_header(self, thread: int, number: int) -> None:
        response = self.responses[number]
        self.run_in(thread, lambda: response.add_header("X-Late", "1"))
        self.run_in(thread, lambda: response.remove_header("X-Late"))

    @rule(thread=threads)
    def use_old_requests(self, thread: int) -> None:
        for request in self.requests:
            self.run_in(thread, lambda request=request: request.headers)  # type: ignore[misc]
        self.requests.clear()

    # --- what must hold ---

    @invariant()
    def nothing_else_was_raised(self) -> None:
        if not self.wrong.empty():
            raise self.wrong.get()

    @rule()
    def it_serves(self) -> None:
        """As long as it runs and listens."""
        try:
            with connect(self.daemon) as sock:
                assert get(sock) == b"hello"
        except (pymhd.StateError, OSError, AssertionError, ValueError):
            # It was told to stop, or to listen no more, before or meanwhile.
            eventually(self.refuses, "a refusal, or the end of the daemon")

    def refuses(self) -> bool:
        """Tell whether nobody can connect any more."""
        try:
            connect(self.daemon).close()
        except (pymhd.StateError, OSError):
            return True
        return False

    def teardown(self) -> None:
        self.daemon.stop(0.01)  # of inline streams nobody sees the end
        for worker in self.workers:
            worker.calls.put(None)
        for worker in self.workers:
            worker.join(TIMEOUT)
            assert not worker.is_alive(), "a call did not return after stop()"
        for loop in self.loops:
            loop.join(TIMEOUT)
            assert not loop.is_alive(), "run() did not return after stop()"
        for sock in self.clients:
            sock.close()
        self.streams.clear()
        self.transports.clear()
        self.nothing_else_was_raised()
        gc.collect()
        eventually(lambda: in_use() == self.before, "the end of everything")


def in_use() -> tuple[int, ...]:
    """Count what must be as many before as after."""
    tables = (
        len(running.drivers()),
        len(running.daemons()),
        pymhd.lib.pymhd_sessions_live(),
    )
    kernel = (len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task"))
    return *kernel, *tables


@pytest.mark.filterwarnings("ignore:an upgraded connection:ResourceWarning")
@pytest.mark.parametrize("mode", FUZZED_MODES)
def test_any_calls_in_any_order_do_no_harm(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """No crash, no hang, no leak, no surprise."""
    caplog.set_level(logging.CRITICAL, "pymhd")
    machine = type("Calls", (Calls,), {"mode": mode})
    run_state_machine_as_test(machine, settings=examples(20, stateful_step_count=50))
