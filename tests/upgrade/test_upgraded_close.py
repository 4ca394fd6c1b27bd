# SPDX-License-Identifier: MIT
"""``Upgraded.close()`` against calls in other threads and descriptors of others."""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import cast

from live import TIMEOUT, Serve, echo, eventually, read_exactly, read_to_end, upgraded
from marks import each_pair, over_tls_too
from sessions import Pair, until_blocked

import pymhd


@over_tls_too(each_pair)
def test_close_wakes_every_thread_that_is_blocked_in_a_call(pair: Pair) -> None:
    """They raise StateError, not EOF nor some error about a descriptor."""
    stream, peer = pair()
    raised: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            raised.put(error)
        else:
            raised.put(None)

    calls: list[Callable[[], object]] = [
        lambda: stream.recv(1),
        lambda: stream.recv_into(bytearray(1)),
        lambda: stream.sendall(b"x" * (64 << 20)),
    ]
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    until_blocked(threads, stream)
    stream.close()
    for _ in threads:
        error = raised.get(timeout=TIMEOUT)
        assert isinstance(error, pymhd.StateError), error
    for thread in threads:
        thread.join(TIMEOUT)
    peer.close()  # over TLS it is waited for: it might still take what was sent
    eventually(lambda: pair.daemon.upgraded == 0, "the end of the session")


def test_close_wakes_a_thread_that_waits_with_a_timeout(pair: Pair) -> None:
    """It does not wait until the timeout has passed."""
    stream, _ = pair()
    stream.settimeout(TIMEOUT)
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def receive() -> None:
        try:
            stream.recv(1)
        except Exception as error:
            raised.put(error)

    thread = threading.Thread(target=receive)
    until_blocked([thread], stream)
    begun = time.monotonic()
    stream.close()
    assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    assert time.monotonic() - begun < TIMEOUT / 2
    thread.join(TIMEOUT)


def test_close_wakes_a_blocked_file(pair: Pair) -> None:
    """readline() in another thread raises StateError."""
    stream, sock = pair()
    file = cast("io.BufferedReader", stream.makefile("rb"))
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def read() -> None:
        try:
            file.readline()
        except Exception as error:
            raised.put(error)

    sock.sendall(b"no end of line")
    thread = threading.Thread(target=read)
    until_blocked([thread], stream)
    stream.close()
    assert isinstance(raised.get(timeout=TIMEOUT), pymhd.StateError)
    thread.join(TIMEOUT)
    file.close()


def assert_untouched(*ends: socket.socket) -> None:
    """Fail if anybody has sent to, shut down or closed one of a pair; close it."""
    for end in ends:
        end.setblocking(False)
    for end in ends:
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"received {end.recv(100)!r}")
    for end in ends:
        end.close()


class Strangers:
    """Opens pairs of sockets all the time, and looks whether they stay untouched."""

    def __init__(self) -> None:
        self.trouble: list[BaseException] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.0001):
            self._pairs.append(socket.socketpair())
            if len(self._pairs) > 20:
                self._look()

    def _look(self) -> None:
        try:
            assert_untouched(*self._pairs.pop(0))
        except (AssertionError, OSError) as error:
            self.trouble.append(error)

    def __enter__(self) -> "Strangers":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(TIMEOUT)
        while self._pairs:
            self._look()


def use_and_close(stream: pymhd.Upgraded, sock: socket.socket) -> None:
    """Close the stream while three threads use it."""

    def use(call: Callable[[], object]) -> None:
        with contextlib.suppress(pymhd.StateError, ConnectionError):
            while True:
                call()

    calls: list[Callable[[], object]] = [
        lambda: stream.sendall(b"stream"),
        lambda: stream.recv(1),
        lambda: stream.fileno(),
    ]
    threads = [threading.Thread(target=use, args=(call,)) for call in calls]
    threads += [threading.Thread(target=stream.close) for _ in range(2)]
    for thread in threads[:3]:
        thread.start()
    read_exactly(sock, 6)
    sock.sendall(b"client")
    for thread in threads[3:]:
        thread.start()
    sock.close()  # else its end is waited for
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@over_tls_too(each_pair)
def test_no_call_meets_a_descriptor_that_has_become_somebody_elses(pair: Pair) -> None:
    """close() against send() and recv() of many threads, while numbers are reused."""
    with Strangers() as strangers:
        for _ in range(6):
            stream, sock = pair()
            use_and_close(stream, sock)
    assert strangers.trouble == []


@over_tls_too(each_pair)
def test_a_stream_may_be_closed_by_its_own_signal_of_the_end_and_again(
    pair: Pair,
) -> None:
    """stop() ends the connection; close() afterwards does no harm to a new one."""
    stream, sock = pair()
    pair.daemon.stop(timeout=0.1)
    assert read_to_end(sock) == b""
    assert stream.recv(1) == b""
    assert not stream.closed
    stream.close()
    assert stream.closed


@over_tls_too(each_pair)
def test_closing_a_stream_of_the_past_does_not_close_one_of_today(
    serve: Serve, pair: Pair
) -> None:
    """A token is used once, although its slot is used again."""
    old, _ = pair()
    pair.daemon.stop(timeout=0.1)
    today = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: today)
    with upgraded(daemon) as sock:
        old.close()
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        assert daemon.upgraded == 1
