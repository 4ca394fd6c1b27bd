# SPDX-License-Identifier: MIT
"""``Upgraded``: a socket, a context manager and a file, until it is closed."""

import contextlib
import gc
import io
import os
import selectors
import socket
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Protocol, cast

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

each_mode = pytest.mark.parametrize("pair", MODES, indirect=True)


class Pair(Protocol):
    """Make an upgraded connection: its stream, and the client's socket."""

    daemon: pymhd.Daemon

    def __call__(self, early: bytes = b"") -> tuple[pymhd.Upgraded, socket.socket]: ...


class _Pairs:
    def __init__(self, serve: Serve, threads: Mode) -> None:
        self._streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
        self._stack = contextlib.ExitStack()
        switch = pymhd.Response.for_upgrade(self._streams.put, "echo", run="inline")
        self.daemon = serve(lambda request: switch, threads=threads)

    def __call__(self, early: bytes = b"") -> tuple[pymhd.Upgraded, socket.socket]:
        sock = self._stack.enter_context(connect(self.daemon))
        sock.sendall(upgrade_request("/path?a=b") + early)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        stream = self._streams.get(timeout=TIMEOUT)
        self._stack.callback(stream.close)
        return stream, sock

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def pair(serve: Serve, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give a function that makes connections, which are closed after the test.

    With threads=1, but for tests that are marked with ``each_mode``.
    """
    pairs = _Pairs(serve, getattr(request, "param", 1))
    yield pairs
    pairs.close()


def reset(sock: socket.socket) -> None:
    """Close with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def until_blocked(threads: list[threading.Thread], stream: pymhd.Upgraded) -> None:
    """Wait until so many threads are inside a call of the stream's."""
    for thread in threads:
        thread.start()
    eventually(lambda: stream._users == len(threads), "blocking")


# --- what it is ---


@each_mode
def test_it_knows_its_request_its_protocol_and_its_client(pair: Pair) -> None:
    """The request is a copy, which does not end with the handler."""
    stream, sock = pair()
    assert stream.request.method == "GET"
    assert stream.request.target == "/path?a=b"
    assert dict(stream.request.query) == {"a": "b"}
    assert stream.request.headers["upgrade"] == "echo"
    assert stream.protocol == "echo"
    assert stream.client == sock.getsockname()
    assert repr(stream) == "<pymhd.Upgraded echo open>"


def test_what_it_is_can_be_asked_after_the_close(pair: Pair) -> None:
    """For a log line at the end."""
    stream, sock = pair()
    assert not stream.closed
    stream.close()
    assert stream.closed
    assert stream.request.path == "/path"
    assert stream.protocol == "echo"
    assert stream.client == sock.getsockname()
    assert repr(stream) == "<pymhd.Upgraded echo closed>"


def test_it_cannot_be_constructed() -> None:
    """The message says who makes them."""
    with pytest.raises(TypeError, match="for_upgrade"):
        pymhd.Upgraded()


def test_it_takes_no_other_attributes(pair: Pair) -> None:
    """A misspelt name is a mistake, not an attribute."""
    stream, _ = pair()
    with pytest.raises(AttributeError):
        stream.timeout = 3  # type: ignore[attr-defined]


# --- receiving ---


@each_mode
def test_recv_returns_what_has_come_and_at_the_end_nothing(pair: Pair) -> None:
    """As of a socket."""
    stream, sock = pair()
    sock.sendall(b"hello")
    assert stream.recv(2) == b"he"
    assert stream.recv(100) == b"llo"
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv(100) == b""
    assert stream.recv(100) == b""


@each_mode
def test_early_bytes_are_pending_and_come_in_the_pieces_asked_for(pair: Pair) -> None:
    """They are not mixed with later ones, nor lost between recv() and recv_into()."""
    stream, sock = pair(b"early")
    assert stream.pending() == 5
    assert stream.recv(0) == b""
    assert stream.recv(1) == b"e"
    assert stream.pending() == 4
    buffer = bytearray(b"......")
    assert stream.recv_into(buffer, 2) == 2
    assert buffer == b"ar...."
    assert stream.recv_into(memoryview(buffer)[3:]) == 2
    assert buffer == b"ar.ly."
    assert stream.pending() == 0
    sock.sendall(b"late")
    assert stream.recv(100) == b"late"


def test_recv_into_fills_any_writable_buffer(pair: Pair) -> None:
    """With or without a size, and 0 at the end."""
    stream, sock = pair()
    sock.sendall(b"abcdef")
    buffer = memoryview(bytearray(8)).cast("I")
    assert stream.recv_into(buffer, 2) == 2
    assert buffer.tobytes() == b"ab\0\0\0\0\0\0"
    assert stream.recv_into(buffer) == 4
    assert buffer.tobytes() == b"cdef\0\0\0\0"
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv_into(buffer) == 0


@pytest.mark.parametrize("early", [b"", b"early"])
@pytest.mark.parametrize(
    ("buffer", "size", "error"),
    [
        (b"read-only", 0, (TypeError, BufferError)),
        (bytearray(3), -1, ValueError),
        (bytearray(3), 4, ValueError),
        ("text", 0, TypeError),
    ],
)
def test_a_call_that_fails_takes_no_bytes(
    pair: Pair,
    early: bytes,
    buffer: Any,
    size: int,
    error: type[Exception] | tuple[type[Exception], ...],
) -> None:
    """Whether they came early or not."""
    stream, sock = pair(early)
    with pytest.raises(error):
        stream.recv_into(buffer, size)
    sock.sendall(b"late")
    sock.shutdown(socket.SHUT_WR)
    with stream.makefile("rb") as file:
        assert cast("io.BufferedReader", file).read() == early + b"late"


@pytest.mark.parametrize("early", [b"", b"early"])
def test_a_negative_size_is_refused(pair: Pair, early: bytes) -> None:
    """As a socket refuses it, and no bytes are lost."""
    stream, sock = pair(early)
    with pytest.raises(ValueError, match="negative"):
        stream.recv(-1)
    sock.sendall(b"late")
    assert stream.recv(5) == early or b"late"


def test_two_threads_may_race_for_early_bytes(pair: Pair) -> None:
    """Neither of them takes the other's success for the end of the stream."""
    for _ in range(20):
        stream, sock = pair(b"x")
        got: SimpleQueue[bytes] = SimpleQueue()
        together = threading.Barrier(4)

        def receive(
            stream: pymhd.Upgraded = stream,
            together: threading.Barrier = together,
            got: SimpleQueue[bytes] = got,
        ) -> None:
            together.wait(TIMEOUT)
            got.put(stream.recv(1))

        receivers = [threading.Thread(target=receive) for _ in range(4)]
        for receiver in receivers:
            receiver.start()
        sock.sendall(b"yyy")
        for receiver in receivers:
            receiver.join(TIMEOUT)
        assert sorted(got.get() for _ in receivers) == [b"x", b"y", b"y", b"y"]
        stream.close()
        sock.close()


# --- sending ---


def send_without_end(stream: pymhd.Upgraded) -> None:
    """Send until it fails."""
    for _ in range(1000):
        stream.send(b"x" * (1 << 20))


def test_send_says_how_much_the_kernel_took(pair: Pair) -> None:
    """Less than everything, if the peer does not read."""
    stream, sock = pair()
    assert stream.send(b"hello") == 5
    assert read_exactly(sock, 5) == b"hello"
    stream.settimeout(0)
    big = b"x" * (64 << 20)
    taken = stream.send(big)
    assert 0 < taken < len(big)
    with pytest.raises(BlockingIOError):
        send_without_end(stream)


@pytest.mark.parametrize(
    "data", [b"abcd", bytearray(b"abcd"), memoryview(b"-abcd-")[1:5], b""]
)
def test_sendall_takes_whatever_has_bytes(pair: Pair, data: Any) -> None:
    """And nothing of it is nothing."""
    stream, sock = pair()
    stream.sendall(data)
    stream.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == bytes(data)


def test_text_is_no_bytes(pair: Pair) -> None:
    """It says so, and the stream goes on."""
    stream, sock = pair()
    for call in (stream.send, stream.sendall):
        with pytest.raises(TypeError):
            call("text")  # type: ignore[arg-type]
    stream.sendall(b"bytes")
    assert read_exactly(sock, 5) == b"bytes"


@each_mode
def test_shutdown_closes_one_half_and_leaves_the_other(pair: Pair) -> None:
    """The session says that it is through, and still listens."""
    stream, sock = pair()
    stream.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == b""
    with pytest.raises(BrokenPipeError):
        stream.sendall(b"more")
    sock.sendall(b"an answer")
    assert stream.recv(100) == b"an answer"


@each_mode
def test_a_peers_reset_is_a_connection_reset_error(pair: Pair) -> None:
    """And sending after it a broken pipe."""
    stream, sock = pair()
    reset(sock)
    with pytest.raises(ConnectionResetError):
        stream.recv(1)
    with pytest.raises(BrokenPipeError):
        stream.sendall(b"more")


@each_mode
def test_cork_holds_small_writes_back_until_the_block_ends(pair: Pair) -> None:
    """Also if it ends with an exception."""
    stream, sock = pair()
    sock.settimeout(0.05)
    with contextlib.suppress(LookupError), stream.cork():
        stream.sendall(b"one, ")
        stream.sendall(b"two")
        with pytest.raises(TimeoutError):
            sock.recv(100)
        raise LookupError
    sock.settimeout(TIMEOUT)
    assert sock.recv(100) == b"one, two"


def test_a_stream_may_be_closed_while_it_is_corked(pair: Pair) -> None:
    """What was held back is sent."""
    stream, sock = pair()
    with stream.cork():
        stream.sendall(b"the end")
        stream.close()
    assert read_to_end(sock) == b"the end"


# --- as a socket ---


@each_mode
def test_a_timeout_is_a_timeout_error_and_ends_nothing(pair: Pair) -> None:
    """For receiving and for sending; None waits again."""
    stream, sock = pair()
    stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        stream.recv(1)
    with pytest.raises(TimeoutError):
        stream.recv_into(bytearray(1))
    sock.sendall(b"x")
    assert stream.recv(1) == b"x"
    with pytest.raises(TimeoutError):
        stream.sendall(b"x" * (64 << 20))
    stream.settimeout(None)
    got: SimpleQueue[bytes] = SimpleQueue()
    receiver = threading.Thread(target=lambda: got.put(stream.recv(1)))
    until_blocked([receiver], stream)
    sock.sendall(b"y")
    assert got.get(timeout=TIMEOUT) == b"y"
    receiver.join(TIMEOUT)


@pytest.mark.parametrize("seconds", [-1, "soon", float("nan")])
def test_a_timeout_that_is_none_is_refused(pair: Pair, seconds: Any) -> None:
    """As a socket refuses it."""
    stream, _ = pair()
    with pytest.raises((TypeError, ValueError)):
        stream.settimeout(seconds)


@each_mode
def test_a_selector_may_wait_for_it(pair: Pair) -> None:
    """By its descriptor, which is not one of libmicrohttpd's."""
    stream, sock = pair()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        assert selector.select(0) == []
        sock.sendall(b"x")
        ((key, _),) = selector.select(TIMEOUT)
        assert key.fileobj is stream
        assert stream.recv(1) == b"x"
        assert selector.select(0) == []
    assert os.get_inheritable(stream.fileno()) is False


def test_closing_the_descriptor_behind_its_back_does_not_abort(
    serve: Serve,
) -> None:
    """It is a mistake, and an exception; the daemon and its others go on."""
    seen: SimpleQueue[BaseException] = SimpleQueue()

    def misuse(stream: pymhd.Upgraded) -> None:
        copy = os.dup(stream.fileno())
        os.close(stream.fileno())
        try:
            stream.sendall(b"x")
        except OSError as error:
            seen.put(error)
        finally:
            os.dup2(copy, stream.fileno())  # nobody else may get the number
            os.close(copy)

    bad = pymhd.Response.for_upgrade(misuse, "bad")
    good = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: bad if request.wants_upgrade("bad") else good)
    with upgraded(daemon, "bad") as sock:
        assert isinstance(seen.get(timeout=TIMEOUT), OSError)
        assert read_to_end(sock) == b""
    with upgraded(daemon) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"


# --- as a file ---


@pytest.mark.parametrize("buffering", [-1, 0, 1, 2, 4096])
def test_a_binary_file_reads_early_bytes_first(pair: Pair, buffering: int) -> None:
    """Line by line, across the border between early and late."""
    stream, sock = pair(b"one\ntw")
    sock.sendall(b"o\nthree")
    sock.shutdown(socket.SHUT_WR)
    file = cast("io.BufferedReader", stream.makefile("rb", buffering))
    assert file.readable()
    assert not file.writable()
    assert file.fileno() == stream.fileno()
    assert list(file) == [b"one\n", b"two\n", b"three"]
    file.close()
    stream.sendall(b"still open")
    assert read_exactly(sock, 10) == b"still open"


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_binary_file_writes(pair: Pair, buffering: int) -> None:
    """At the latest when it is closed, which leaves the connection open."""
    stream, sock = pair()
    with cast("io.BufferedWriter", stream.makefile("wb", buffering)) as file:
        assert file.writable()
        assert not file.readable()
        file.write(b"hello")
    assert read_exactly(sock, 5) == b"hello"
    assert not stream.closed


def test_a_big_write_to_a_file_arrives_in_full(pair: Pair) -> None:
    """Although the kernel takes it in pieces."""
    stream, sock = pair()
    data = bytes(range(256)) * 20_000
    got: SimpleQueue[bytes] = SimpleQueue()
    reader = threading.Thread(target=lambda: got.put(read_exactly(sock, len(data))))
    reader.start()
    with cast("io.BufferedWriter", stream.makefile("wb")) as file:
        file.write(data)
    assert got.get(timeout=TIMEOUT) == data
    reader.join(TIMEOUT)


@pytest.mark.parametrize("mode", ["rw", "wr", "rwb", "brw"])
def test_a_file_for_both_directions_talks(pair: Pair, mode: str) -> None:
    """Text or bytes, by the letter b."""
    stream, sock = pair(b"h\xc3\xa9 ")
    sock.sendall(b"llo\r\n")
    with cast("Any", stream.makefile(mode)) as file:
        line = file.readline()
        answer = "w\u00f6rld\n"
        if "b" in mode:
            assert isinstance(file, io.BufferedRWPair)
            assert line == b"h\xc3\xa9 llo\r\n"
            file.write(answer.encode())
        else:
            assert isinstance(file, io.TextIOWrapper)
            assert line == "h\u00e9 llo\n"
            file.write(answer)
        file.flush()
        assert read_exactly(sock, 7) == answer.encode()
        sock.sendall(b"next\n")
        assert file.readline() in ("next\n", b"next\n")


@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_text_file_has_an_encoding_and_newlines(pair: Pair, mode: str) -> None:
    """As open() has them."""
    stream, sock = pair()
    file = stream.makefile(mode, encoding="latin-1", errors="replace", newline="\r\n")
    text = cast("io.TextIOWrapper", file)
    if mode == "r":
        sock.sendall(b"\xe4\nb\r\nc")
        sock.shutdown(socket.SHUT_WR)
        assert list(text) == ["\u00e4\nb\r\n", "c"]
    else:
        text.write("\u00e4\u20ac\n")
    text.close()
    if mode == "w":
        assert read_exactly(sock, 4) == b"\xe4?\r\n"


@pytest.mark.parametrize("mode", ["", "b", "a", "r+", "x", "rt"])
def test_other_modes_are_refused(pair: Pair, mode: str) -> None:
    """The message names those that there are."""
    stream, _ = pair()
    with pytest.raises(ValueError, match="mode must be of"):
        stream.makefile(mode)


def test_text_without_a_buffer_is_refused(pair: Pair) -> None:
    """As open() refuses it."""
    stream, _ = pair()
    with pytest.raises(ValueError, match="buffer"):
        stream.makefile("r", 0)


def test_a_file_whose_stream_was_closed_raises_state_error(pair: Pair) -> None:
    """Not some error about a descriptor."""
    stream, _ = pair()
    file = cast("io.BufferedReader", stream.makefile("rb"))
    stream.close()
    with pytest.raises(pymhd.StateError):
        file.read(1)
    file.close()


# --- the end ---


@pytest.mark.parametrize(
    "call",
    [
        lambda stream: stream.recv(1),
        lambda stream: stream.recv(0),
        lambda stream: stream.recv_into(bytearray(1)),
        lambda stream: stream.recv_into(bytearray(0)),
        lambda stream: stream.send(b"x"),
        lambda stream: stream.sendall(b"x"),
        lambda stream: stream.sendall(b""),
        lambda stream: stream.shutdown(socket.SHUT_WR),
        lambda stream: stream.settimeout(1),
        lambda stream: stream.fileno(),
        lambda stream: stream.pending(),
        lambda stream: stream.makefile(),
        lambda stream: stream.cork().__enter__(),
        lambda stream: stream.__enter__(),
    ],
)
@pytest.mark.parametrize("early", [b"", b"early"])
def test_after_close_every_call_raises_state_error(
    pair: Pair, call: Callable[[pymhd.Upgraded], object], early: bytes
) -> None:
    """Early bytes or not; only close() may be called again."""
    stream, _ = pair(early)
    stream.close()
    stream.close()
    with pytest.raises(pymhd.StateError, match="closed"):
        call(stream)


def test_leaving_the_with_statement_closes(pair: Pair) -> None:
    """Also with an exception, which goes on."""
    stream, sock = pair()
    with contextlib.suppress(LookupError), stream as same:
        assert same is stream
        raise LookupError
    assert stream.closed
    assert read_to_end(sock) == b""


@each_mode
def test_close_wakes_every_thread_that_is_blocked_in_a_call(pair: Pair) -> None:
    """They raise StateError, not EOF nor some error about a descriptor."""
    stream, _ = pair()
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


@each_mode
def test_one_thread_sends_while_another_receives(pair: Pair) -> None:
    """Neither waits for the other."""
    stream, sock = pair()
    got: SimpleQueue[bytes] = SimpleQueue()
    receiver = threading.Thread(target=lambda: got.put(stream.recv(100)))
    until_blocked([receiver], stream)
    stream.sendall(b"sent")
    assert read_exactly(sock, 4) == b"sent"
    assert got.empty()
    sock.sendall(b"received")
    assert got.get(timeout=TIMEOUT) == b"received"
    receiver.join(TIMEOUT)


@each_mode
def test_a_dropped_stream_is_closed_with_a_resource_warning(pair: Pair) -> None:
    """The client is not left waiting because somebody forgot."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pairs = cast("_Pairs", pair)
        with connect(pairs.daemon) as sock:
            sock.sendall(upgrade_request())
            read_head(sock)
            pairs._streams.get(timeout=TIMEOUT)
            gc.collect()
            assert read_to_end(sock) == b""
        eventually(lambda: pairs.daemon.upgraded == 0, "the end of the session")
        eventually(lambda: bool(caught), "the warning")
    (warning,) = caught
    assert warning.category is ResourceWarning
    assert "was not closed" in str(warning.message)


@each_mode
def test_a_dropped_stream_in_a_cycle_is_closed_by_the_collector(pair: Pair) -> None:
    """Whatever thread the collector runs on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pairs = cast("_Pairs", pair)
        with connect(pairs.daemon) as sock:
            sock.sendall(upgrade_request())
            read_head(sock)
            cycle: list[object] = [pairs._streams.get(timeout=TIMEOUT)]
            cycle.append(cycle)
            del cycle
            eventually(lambda: gc.collect() >= 0 and bool(caught), "the warning")
            assert read_to_end(sock) == b""
    assert [warning.category for warning in caught] == [ResourceWarning]


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


@each_mode
def test_no_call_meets_a_descriptor_that_has_become_somebody_elses(pair: Pair) -> None:
    """close() against send() and recv() of many threads, while numbers are reused."""
    with Strangers() as strangers:
        for _ in range(6):
            stream, sock = pair()
            use_and_close(stream, sock)
    assert strangers.trouble == []


@each_mode
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


@each_mode
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


class SelectorThread:
    """Serves any number of streams on one thread: what a C program would do."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._arrived: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._going = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def begin(self, stream: pymhd.Upgraded) -> None:
        """Take a stream over: the target of the response."""
        self._arrived.put(stream)
        self._wake_out.send(b"s")

    def stop(self) -> None:
        """End the thread."""
        self._wake_out.send(b"q")
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _run(self) -> None:
        while self._going:
            for key, _ in self._selector.select(TIMEOUT):
                if key.fileobj is self._wake_in:
                    self._woken()
                else:
                    self._read(cast("pymhd.Upgraded", key.fileobj))

    def _woken(self) -> None:
        signs = self._wake_in.recv(100)
        self._going = b"q" not in signs
        for _ in range(signs.count(b"s")):
            stream = self._arrived.get()
            self._selector.register(stream, selectors.EVENT_READ)
            if stream.pending():
                self._read(stream)

    def _read(self, stream: pymhd.Upgraded) -> None:
        if data := stream.recv(65536):
            stream.sendall(data)
            return
        self._selector.unregister(stream)
        stream.close()


def test_one_selector_thread_serves_two_hundred_inline_connections(
    serve: Serve,
) -> None:
    """The C contract: a callable that receives the upgraded descriptor."""
    server = SelectorThread()
    switch = pymhd.Response.for_upgrade(server.begin, "echo", run="inline")
    daemon = serve(lambda request: switch)
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(upgraded(daemon, early=b"%03d" % number))
            for number in range(200)
        ]
        eventually(lambda: daemon.upgraded == 200, "all sessions")
        for sock in socks:
            sock.sendall(b" and more")
        for number, sock in enumerate(socks):
            assert read_exactly(sock, 12) == b"%03d and more" % number
    eventually(lambda: daemon.upgraded == 0, "the end of the sessions")
    server.stop()
