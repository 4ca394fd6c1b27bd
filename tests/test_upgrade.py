# SPDX-License-Identifier: MIT
"""From the request to the session and its end, as a client sees it."""

import contextlib
import gc
import http.client
import logging
import os
import re
import socket
import struct
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

Run = Literal["thread", "inline"]
Target = Callable[[pymhd.Upgraded], object]
RUNS: list[Run] = ["thread", "inline"]
MIB = 1 << 20

each_mode = pytest.mark.parametrize("threads", MODES)
each_way = pytest.mark.parametrize(
    ("threads", "run"), [(mode, run) for mode in MODES for run in RUNS]
)


def in_a_thread(target: Target) -> Target:
    """Make of a target for run="thread" one for run="inline"."""

    def serve_it(stream: pymhd.Upgraded) -> None:
        with stream, contextlib.suppress(ConnectionError, pymhd.StateError):
            target(stream)

    def begin(stream: pymhd.Upgraded) -> None:
        threading.Thread(target=serve_it, args=(stream,), daemon=True).start()

    return begin


def switching(
    target: Target, run: Run, protocol: str | None = "echo"
) -> pymhd.Response:
    """Make a response that upgrades, in one way or the other."""
    if run == "inline":
        target = in_a_thread(target)
    return pymhd.Response.for_upgrade(target, protocol, run=run)


def fields_of(head: bytes) -> list[tuple[str, str]]:
    """Return the fields of a header, their names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    pairs = (line.partition(":") for line in lines)
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def values_of(head: bytes, name: str) -> list[str]:
    """Return the values of one field of a header."""
    return [value for key, value in fields_of(head) if key == name]


def reset(sock: socket.socket) -> None:
    """Close with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def assert_echoes(sock: socket.socket, data: bytes = b"are you there?") -> None:
    """Fail unless the other end sends the data back."""
    sock.sendall(data)
    assert read_exactly(sock, len(data)) == data


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what was logged as an error."""
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


# --- the handshake ---


@each_way
def test_the_answer_is_101_with_every_field_once(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """Connection and Upgrade stand once, also if one is added by hand as well."""
    response = switching(echo, run)
    response.add_header("Connection", "upgrade")
    response.add_header("X-Greeting", "hi")
    response.add_header("X-Greeting", "ho")
    daemon = serve(lambda request: response, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert [v.lower() for v in values_of(head, "connection")] == ["upgrade"]
        assert values_of(head, "upgrade") == ["echo"]
        assert values_of(head, "x-greeting") == ["hi", "ho"]
        assert values_of(head, "content-length") == []
        assert values_of(head, "transfer-encoding") == []
        assert_echoes(sock)


@each_mode
def test_a_request_that_also_says_close_is_upgraded_with_one_connection_field(
    serve: Serve, threads: Mode
) -> None:
    """RFC 9110, 7.6.1: close concerns the end of the connection, which comes."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    with connect(daemon) as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close, Upgrade\r\n"
            b"Upgrade: echo\r\n\r\n"
        )
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert len(values_of(head, "connection")) == 1
        assert_echoes(sock)


@each_mode
def test_head_is_upgraded_too(serve: Serve, threads: Mode) -> None:
    """The method does not matter (RFC 9110, section 7.8)."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request().replace(b"GET", b"HEAD", 1))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@each_way
@pytest.mark.parametrize("size", [0, 1, 65536])
def test_bytes_that_come_early_come_first(
    serve: Serve, threads: Mode, run: Run, size: int
) -> None:
    """What is sent together with the request is the beginning of the stream."""
    early = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    daemon = serve(lambda request: switching(echo, run), threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request() + early)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b"and then this")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == early + b"and then this"


@each_mode
def test_a_second_request_behind_the_first_is_data(serve: Serve, threads: Mode) -> None:
    """What follows the request is the protocol's, even if it looks like HTTP."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    with upgraded(daemon, early=upgrade_request("/second")) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == upgrade_request("/second")


def by_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def in_chunks(body: bytes) -> bytes:
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + 777]), body[at : at + 777])
        for at in range(0, len(body), 777)
    )
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Sum: 1\r\n\r\n"


@each_way
@pytest.mark.parametrize("coding", [by_length, in_chunks])
def test_the_body_of_the_request_is_kept_and_the_rest_is_the_stream(
    serve: Serve, threads: Mode, run: Run, coding: Callable[[bytes], bytes]
) -> None:
    """Not a byte of the body gets into the stream, and none of the stream is lost."""
    body = bytes(range(256)) * 200

    def answer(stream: pymhd.Upgraded) -> None:
        stream.sendall(stream.request.body)
        echo(stream)

    daemon = serve(lambda request: switching(answer, run), threads=threads)
    head = upgrade_request().replace(b"GET", b"POST", 1).removesuffix(b"\r\n")
    with connect(daemon) as sock:
        sock.sendall(head + coding(body) + b"early")
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.sendall(b", late")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == body + b"early, late"


@each_mode
@pytest.mark.parametrize("coding", [by_length, in_chunks])
def test_a_request_may_come_byte_by_byte(
    serve: Serve, threads: Mode, coding: Callable[[bytes], bytes]
) -> None:
    """However the network cuts it, the stream begins at the same byte."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    head = upgrade_request().replace(b"GET", b"POST", 1).removesuffix(b"\r\n")
    with connect(daemon) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + coding(b"body") + b"stream":
            sock.sendall(bytes([byte]))
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"stream"


@each_mode
def test_an_upgrade_may_wait_for_100_continue(serve: Serve, threads: Mode) -> None:
    """The client sends its body after 100, and its stream after 101."""
    seen: SimpleQueue[bytes] = SimpleQueue()

    def note(stream: pymhd.Upgraded) -> None:
        seen.put(stream.request.body)
        echo(stream)

    daemon = serve(lambda request: switching(note, "thread"), threads=threads)
    more = "Content-Length: 4\r\nExpect: 100-continue\r\n"
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(more=more).replace(b"GET", b"POST", 1))
        assert read_head(sock).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"body")
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)
        assert seen.get(timeout=TIMEOUT) == b"body"


@each_mode
@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("1.1", ""),
        ("1.1", "Connection: Upgrade\r\n"),
        ("1.1", "Upgrade: echo\r\n"),
        ("1.1", "Connection: keep-alive\r\nUpgrade: echo\r\n"),
        ("1.1", "Connection: Upgrades\r\nUpgrade: echo\r\n"),
        ("1.1", "Connection: Upgrade\r\nUpgrade: echoes\r\n"),
        ("1.1", "Connection: Upgrade\r\nUpgrade: echo/2\r\n"),
        ("1.0", "Connection: Upgrade\r\nUpgrade: echo\r\n"),
    ],
)
def test_a_client_that_does_not_ask_for_it_is_told_426(
    serve: Serve, threads: Mode, version: str, lines: str
) -> None:
    """The answer names the protocol, and no session begins."""
    begun: list[pymhd.Upgraded] = []
    daemon = serve(lambda request: switching(begun.append, "thread"), threads=threads)
    with connect(daemon) as sock:
        sock.sendall(f"GET / HTTP/{version}\r\nHost: t\r\n{lines}\r\n".encode())
        head = read_head(sock)
        assert re.match(rb"HTTP/1\.[01] 426 ", head), head
        assert values_of(head, "upgrade") == ["echo"]
        size = int(values_of(head, "content-length")[0])
        assert b"426 Upgrade Required" in read_exactly(sock, size)
    assert daemon.upgraded == 0
    assert begun == []


@each_mode
def test_a_connection_goes_on_after_426_and_may_be_upgraded_then(
    serve: Serve, threads: Mode
) -> None:
    """A refusal is an answer as any other: the connection is kept alive."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    with connect(daemon) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 426 ")
        read_exactly(sock, int(values_of(head, "content-length")[0]))
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        ("echo", "ECHO", "echo"),
        ("Echo", "echo", "Echo"),
        ("a, b", "b, a", "a"),
        ("a, b", "c,b", "b"),
        ("tls/1.2, h2c", "h2c , ,TLS/1.2", "tls/1.2"),
    ],
)
def test_the_first_of_our_protocols_that_is_offered_is_chosen(
    serve: Serve, ours: str, theirs: str, chosen: str
) -> None:
    """``stream.protocol`` says which, spelt as in the response."""
    seen: SimpleQueue[str] = SimpleQueue()
    response = pymhd.Response.for_upgrade(
        lambda stream: seen.put(stream.protocol), ours
    )
    daemon = serve(lambda request: response)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol=theirs))
        assert values_of(read_head(sock), "upgrade")[0].startswith(ours.split(",")[0])
        assert seen.get(timeout=TIMEOUT) == chosen


def test_offers_may_stand_in_several_fields(serve: Serve) -> None:
    """Several fields of a name are one list (RFC 9110, section 5.3)."""
    daemon = serve(lambda request: switching(echo, "thread", "b"))
    with connect(daemon) as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: keep-alive\r\n"
            b"connection: UPGRADE\r\nUpgrade: a\r\nupgrade: b\r\n\r\n"
        )
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert_echoes(sock)


@each_mode
def test_the_upgrade_field_may_be_added_by_hand(serve: Serve, threads: Mode) -> None:
    """Without ``protocol``, as the C interface has it."""
    response = pymhd.Response.for_upgrade(echo)
    response.add_header("uPGRADE", "echo, other")
    daemon = serve(lambda request: response, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol="other"))
        assert values_of(read_head(sock), "upgrade") == ["echo, other"]
        assert_echoes(sock)


@each_mode
def test_without_the_upgrade_field_it_is_500_and_logged(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what to do; once that is done, the same response works."""
    response = pymhd.Response.for_upgrade(echo)
    daemon = serve(lambda request: response, threads=threads)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 500 ")
    eventually(lambda: bool(errors(caplog)), "the log line")
    assert 'add_header("Upgrade"' in caplog.text
    response.add_header("Upgrade", "echo")
    with upgraded(daemon) as sock:
        assert_echoes(sock)


# --- the response ---


def test_one_response_serves_hundreds_of_connections_of_two_daemons(
    serve: Serve,
) -> None:
    """One object, several daemons, many sessions at the same time."""
    response = pymhd.Response.for_upgrade(echo, "echo")
    daemons = [serve(lambda request: response, threads=mode) for mode in MODES[1:]]
    with contextlib.ExitStack() as stack:
        for number in range(200):
            sock = stack.enter_context(upgraded(daemons[number % 2]))
            assert_echoes(sock, b"%d" % number)
        eventually(lambda: sum(d.upgraded for d in daemons) == 200, "all sessions")


@each_way
def test_a_response_may_be_dropped_as_soon_as_it_was_returned(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """Who sends it keeps it; afterwards nobody does."""
    ghosts: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = switching(echo, run)
        ghosts.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=threads)
    with upgraded(daemon) as one, upgraded(daemon) as two:
        gc.collect()
        assert_echoes(one)
        assert_echoes(two)
        eventually(lambda: [ghost() for ghost in ghosts] == [None, None])
        assert_echoes(one)


# --- mistakes in a session ---


def fail(stream: pymhd.Upgraded) -> None:
    raise LookupError("on purpose")


@each_way
def test_a_session_that_fails_is_logged_and_closed_and_others_go_on(
    serve: Serve, threads: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """With its traceback."""
    bad = pymhd.Response.for_upgrade(fail, "fail", run=run)
    good = switching(echo, run)
    daemon = serve(
        lambda request: bad if request.wants_upgrade("fail") else good, threads=threads
    )
    with upgraded(daemon) as other:
        with upgraded(daemon, "fail") as sock:
            assert read_to_end(sock) == b""
        eventually(lambda: bool(errors(caplog)), "the log line")
        assert_echoes(other)
        with upgraded(daemon) as later:
            assert_echoes(later)
    record = errors(caplog)[0]
    assert record.name == "pymhd"
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


@each_mode
@pytest.mark.parametrize("error", [ConnectionResetError, BrokenPipeError])
def test_a_session_that_ends_because_its_peer_left_is_no_error(
    serve: Serve,
    threads: Mode,
    error: type[OSError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is worth a line for those who debug."""
    caplog.set_level(logging.INFO, "pymhd")

    def end(stream: pymhd.Upgraded) -> None:
        raise error("the peer has left")

    response = pymhd.Response.for_upgrade(end, "echo")
    daemon = serve(lambda request: response, threads=threads)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: error.__name__ in caplog.text, "the log line")
    assert errors(caplog) == []


@each_way
def test_a_logging_filter_that_fails_does_not_end_the_daemon(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """The mistake of one is not the end of all."""

    class Bad(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            tried.set()
            raise LookupError("a filter that fails")

    tried = threading.Event()
    bad = pymhd.Response.for_upgrade(fail, "fail", run=run)
    good = switching(echo, run)
    daemon = serve(
        lambda request: bad if request.wants_upgrade("fail") else good, threads=threads
    )
    spoiler = Bad()
    logging.getLogger("pymhd").addFilter(spoiler)
    try:
        with upgraded(daemon, "fail") as sock:
            assert read_to_end(sock) == b""
        assert tried.wait(TIMEOUT)
        for _ in range(2 * 3):  # each of the pumps
            with upgraded(daemon) as sock:
                assert_echoes(sock)
    finally:
        logging.getLogger("pymhd").removeFilter(spoiler)


@each_way
def test_a_target_whose_repr_fails_does_not_end_the_daemon(
    serve: Serve, threads: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged under another name."""

    class Nameless:
        def __call__(self, stream: pymhd.Upgraded) -> None:
            raise LookupError("on purpose")

        def __repr__(self) -> str:
            raise LookupError("no name")

    bad = pymhd.Response.for_upgrade(Nameless(), "fail", run=run)
    good = switching(echo, run)
    daemon = serve(
        lambda request: bad if request.wants_upgrade("fail") else good, threads=threads
    )
    with upgraded(daemon, "fail") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: bool(errors(caplog)), "the log line")
    for _ in range(2 * 3):
        with upgraded(daemon) as sock:
            assert_echoes(sock)


@each_mode
def test_a_session_for_which_there_is_no_thread_is_closed_and_logged(
    serve: Serve,
    threads: Mode,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when the system has no more threads to give."""
    start = threading.Thread.start
    short = threading.Event()

    def start_or_fail(self: threading.Thread) -> None:
        if short.is_set() and "session" in self.name:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)
    response = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: response, threads=threads)
    short.set()
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: "can't start new thread" in caplog.text, "the log line")
    short.clear()
    with upgraded(daemon) as sock:
        assert_echoes(sock)


@pytest.mark.parametrize("mode", ["1", "3", "'per-connection'"])
def test_an_upgrade_without_a_descriptor_to_spare_is_closed_and_logged(
    mode: str,
) -> None:
    """The process is out of descriptors: the daemon survives it."""
    code = f"""
        import os, resource, socket, sys, logging
        logging.basicConfig(stream=sys.stdout)
        logging.getLogger("pymhd").setLevel(logging.INFO)
        sys.path.insert(0, "tests")
        import pymhd
        from live import connect, echo, read_head, read_to_end, upgrade_request
        response = pymhd.Response.for_upgrade(echo, "echo")
        with pymhd.Daemon(lambda request: response, threads={mode}) as daemon:
            with connect(daemon) as sock:
                # After this request the connection has its thread and descriptor.
                sock.sendall(b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n")
                head = read_head(sock)
                size = int(head.lower().split(b"content-length:")[1].split()[0])
                assert len(sock.recv(size)) == size
                used = max(int(fd) for fd in os.listdir("/proc/self/fd"))
                files = [os.open("/dev/null", os.O_RDONLY) for _ in range(used + 1)]
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1, hard))
                sock.sendall(upgrade_request())
                assert read_head(sock).startswith(b"HTTP/1.1 101 ")
                assert read_to_end(sock) == b""
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in files:
                os.close(fd)
            with connect(daemon) as sock:
                sock.sendall(upgrade_request() + b"again")
                assert read_head(sock).startswith(b"HTTP/1.1 101 ")
                assert sock.recv(5, socket.MSG_WAITALL) == b"again"
        assert pymhd.lib.pymhd_sessions_live() == 0
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "closed at once: Too many open files" in result.stdout


# --- streams ---


@each_mode
def test_the_server_sends_8_mib_to_a_client_that_does_not_read_at_first(
    serve: Serve, threads: Mode
) -> None:
    """sendall() waits for the client; then everything comes, in order."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    sent = threading.Event()

    def flood(stream: pymhd.Upgraded) -> None:
        stream.sendall(data)
        sent.set()

    daemon = serve(lambda request: switching(flood, "thread"), threads=threads)
    with connect(daemon) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(upgrade_request())
        read_head(sock)
        assert not sent.wait(0.1)
        assert read_to_end(sock) == data


@each_mode
def test_a_client_sends_8_mib_to_a_server_that_does_not_read_at_first(
    serve: Serve, threads: Mode
) -> None:
    """The client waits for the session; then everything comes, in order."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    received: SimpleQueue[bytes] = SimpleQueue()
    may_read = threading.Event()

    def swallow(stream: pymhd.Upgraded) -> None:
        assert may_read.wait(TIMEOUT)
        with stream.makefile("rb") as file:
            received.put(file.read())

    daemon = serve(lambda request: switching(swallow, "thread"), threads=threads)
    with upgraded(daemon) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        sender.join(0.1)
        assert sender.is_alive()
        may_read.set()
        sender.join(TIMEOUT)
        sock.shutdown(socket.SHUT_WR)
        assert received.get(timeout=TIMEOUT) == data


@each_mode
def test_8_mib_go_each_way_at_the_same_time(serve: Serve, threads: Mode) -> None:
    """One thread of the session sends while the other receives."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    received: SimpleQueue[int] = SimpleQueue()

    def both(stream: pymhd.Upgraded) -> None:
        sender = threading.Thread(target=stream.sendall, args=(data,))
        sender.start()
        count = 0
        while count < len(data):
            piece = stream.recv(65536)
            assert piece == data[count : count + len(piece)]
            count += len(piece)
        received.put(count)
        sender.join(TIMEOUT)

    daemon = serve(lambda request: switching(both, "thread"), threads=threads)
    with upgraded(daemon) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert read_exactly(sock, len(data)) == data
        sender.join(TIMEOUT)
        assert received.get(timeout=TIMEOUT) == len(data)


def test_a_silent_session_outlives_the_timeout_of_connections(serve: Serve) -> None:
    """``limits.timeout`` is for requests, in every mode."""
    limits = pymhd.Limits(timeout=1)
    switch = switching(echo, "thread")
    daemons = [serve(lambda _: switch, threads=mode, limits=limits) for mode in MODES]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for daemon in daemons]
        idles = [stack.enter_context(connect(daemon)) for daemon in daemons]
        for idle in idles:
            assert read_to_end(idle) == b""  # the timeout has passed
        socks[0].settimeout(0.6)
        with pytest.raises(TimeoutError):
            socks[0].recv(1)
        for sock in socks:
            assert_echoes(sock)


# --- how a client may leave ---


@each_way
def test_a_client_may_close_its_half_and_still_be_answered(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """The session sees the end, and may go on sending."""

    def collect(stream: pymhd.Upgraded) -> None:
        data = b""
        while piece := stream.recv(65536):
            data += piece
        stream.sendall(b"I have read: " + data)

    daemon = serve(lambda request: switching(collect, run), threads=threads)
    with upgraded(daemon, early=b"some") as sock:
        sock.sendall(b"thing")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"I have read: something"


@each_mode
def test_a_clients_reset_is_an_exception_in_the_session(
    serve: Serve, threads: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """And no error in the log."""
    seen: SimpleQueue[type[BaseException]] = SimpleQueue()

    def note(stream: pymhd.Upgraded) -> None:
        try:
            stream.recv(1)
        except OSError as error:
            seen.put(type(error))
            raise

    daemon = serve(lambda request: switching(note, "thread"), threads=threads)
    sock = upgraded(daemon)
    reset(sock)
    assert seen.get(timeout=TIMEOUT) is ConnectionResetError
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    assert errors(caplog) == []


@each_way
def test_clients_that_leave_before_the_101_do_no_harm(
    serve: Serve, threads: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler still runs when they reset their connections."""
    entered: SimpleQueue[None] = SimpleQueue()
    may_answer = threading.Event()

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path == "/slow":
            entered.put(None)
            assert may_answer.wait(TIMEOUT)
        return switching(echo, run)

    daemon = serve(handler, threads=threads)
    socks = [connect(daemon) for _ in range(6)]
    for sock in socks:
        sock.sendall(upgrade_request("/slow") + b"early")
    entered.get(timeout=TIMEOUT)
    for sock in socks:
        reset(sock)
    may_answer.set()
    eventually(lambda: daemon.connections == 0, "the end of the connections")
    assert daemon.upgraded == 0
    with upgraded(daemon) as sock:
        assert_echoes(sock)
    assert errors(caplog) == []


def test_an_upgrade_whose_client_left_while_it_waited_in_a_batch_is_forgotten(
    serve: Serve,
) -> None:
    """It is answered only after its request has ended, so nobody takes the answer."""
    entered: SimpleQueue[str] = SimpleQueue()
    may_go_on: SimpleQueue[None] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.put(request.path)
        may_go_on.get(timeout=TIMEOUT)
        return switching(echo, "thread")

    daemon = serve(handler, threads=1)
    socks = [connect(daemon) for _ in range(4)]
    for number, sock in enumerate(socks):
        sock.sendall(upgrade_request(f"/{number}"))
    served: set[str] = set()
    while len(served) < 2:  # then those behind are in the same batch
        if served:
            may_go_on.put(None)
        served.add(entered.get(timeout=TIMEOUT))
    waiting = [s for n, s in enumerate(socks) if f"/{n}" not in served]
    for sock in waiting:
        reset(sock)
    for _ in range(4):
        may_go_on.put(None)
    with upgraded(daemon) as sock:  # behind all the others
        assert_echoes(sock)
    (driver,) = _live._drivers.values()
    assert driver.exchange._switching == {}
    for sock in socks:
        sock.close()


# --- how a session ends ---


@each_way
def test_a_stream_may_be_closed_from_many_threads_at_once(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """It is closed once, and the count of sessions stays right."""
    together = threading.Barrier(8)

    def close(stream: pymhd.Upgraded) -> None:
        together.wait(TIMEOUT)
        stream.close()

    def close_often(stream: pymhd.Upgraded) -> None:
        closers = [threading.Thread(target=close, args=(stream,)) for _ in range(8)]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join(TIMEOUT)

    daemon = serve(lambda request: switching(close_often, run), threads=threads)
    for _ in range(5):
        with upgraded(daemon) as sock:
            assert read_to_end(sock) == b""
    eventually(lambda: daemon.upgraded == 0, "the end of the sessions")
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@each_way
def test_the_last_bytes_arrive_although_the_client_had_sent_what_nobody_read(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """A close with unread input would be an RST, and the end would be lost."""
    last = b"x" * 200_000 + b"the end"
    sent = threading.Event()

    def speak(stream: pymhd.Upgraded) -> None:
        assert sent.wait(TIMEOUT)
        stream.sendall(last)

    daemon = serve(lambda request: switching(speak, run), threads=threads)
    with upgraded(daemon) as sock:
        sock.sendall(b"?" * 100_000)
        sent.set()
        assert read_to_end(sock) == last


@each_way
def test_the_last_bytes_arrive_although_the_client_goes_on_sending(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """Input that comes after the close is drained, too."""
    last = b"x" * 200_000 + b"the end"
    closed = threading.Event()

    def speak(stream: pymhd.Upgraded) -> None:
        stream.sendall(last)
        stream.close()
        closed.set()

    daemon = serve(lambda request: switching(speak, run), threads=threads)
    with upgraded(daemon) as sock:
        assert closed.wait(TIMEOUT)
        for _ in range(10):
            sock.sendall(b"?" * 10_000)
        assert read_to_end(sock) == last


@each_way
def test_the_last_bytes_arrive_although_a_thread_was_blocked_in_recv(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """Waking that thread must not make an RST out of the close."""
    last = b"x" * 2_000_000 + b"the end"
    closed = threading.Event()

    def listen(stream: pymhd.Upgraded) -> None:
        with contextlib.suppress(pymhd.StateError):
            while stream.recv(65536):
                pass

    def speak(stream: pymhd.Upgraded) -> None:
        listener = threading.Thread(target=listen, args=(stream,))
        listener.start()
        stream.sendall(last)
        stream.close()
        closed.set()
        listener.join(TIMEOUT)

    daemon = serve(lambda request: switching(speak, run), threads=threads)
    with connect(daemon) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.sendall(upgrade_request())
        read_head(sock)
        beginning = read_exactly(sock, 1_000_000)
        assert closed.wait(TIMEOUT)
        for _ in range(10):
            sock.sendall(b"?" * 10_000)
        assert beginning + read_to_end(sock) == last


def test_a_closed_stream_lingers_for_a_second_if_the_peer_does_not_close(
    serve: Serve,
) -> None:
    """Then the daemon has done with it, in every mode."""
    switch = switching(leave_at_once, "thread")
    daemons = [serve(lambda _: switch, threads=mode) for mode in MODES]
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        for daemon in daemons:
            assert read_to_end(stack.enter_context(upgraded(daemon))) == b""
        assert [daemon.upgraded for daemon in daemons] == [1] * len(MODES)
        for daemon in daemons:
            eventually(lambda d=daemon: d.upgraded == 0, "the end")  # type: ignore[misc]
            assert 0.7 < time.monotonic() - begun < 2.5
            eventually(lambda d=daemon: d.connections == 0, "the end")  # type: ignore[misc]


def leave_at_once(stream: pymhd.Upgraded) -> None:
    """Return at once."""


def flood_for(sock: socket.socket, seconds: float) -> None:
    """Send without end."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        sock.sendall(b"?" * 65536)


@each_mode
def test_a_flood_does_not_keep_a_closed_stream_lingering(
    serve: Serve, threads: Mode
) -> None:
    """After a second or a mebibyte the peer is cut off."""
    daemon = serve(lambda request: switching(leave_at_once, "thread"), threads=threads)
    with upgraded(daemon) as sock, pytest.raises(ConnectionError):
        flood_for(sock, TIMEOUT)
    eventually(lambda: daemon.upgraded == 0, "the end of lingering")


@each_mode
def test_a_closed_stream_is_gone_as_soon_as_the_peer_closes(
    serve: Serve, threads: Mode
) -> None:
    """Lingering ends with the peer's FIN."""
    daemon = serve(lambda request: switching(leave_at_once, "thread"), threads=threads)
    sock = upgraded(daemon)
    assert read_to_end(sock) == b""
    begun = time.monotonic()
    sock.close()
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    assert time.monotonic() - begun < 0.6


@each_mode
def test_lingering_streams_do_not_delay_others(serve: Serve, threads: Mode) -> None:
    """They wait in the background."""
    daemon = serve(
        lambda request: switching(
            echo if request.wants_upgrade("echo") else leave_at_once,
            "thread",
            "echo, close",
        ),
        threads=threads,
    )
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(upgraded(daemon, "close"))
            assert read_to_end(sock) == b""
        begun = time.monotonic()
        for _ in range(20):
            with upgraded(daemon) as sock:
                assert_echoes(sock)
        assert time.monotonic() - begun < 0.7


# --- together with requests ---


@each_way
def test_requests_are_answered_while_sessions_are_open(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """An upgraded connection costs the others nothing, and is counted."""
    switch = switching(echo, run)
    daemon = serve(
        lambda request: switch if request.wants_upgrade() else pymhd.Response("hello"),
        threads=threads,
    )
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(upgraded(daemon)) for _ in range(10)]
        eventually(lambda: daemon.upgraded == 10, "all sessions")
        assert daemon.connections == 10
        client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
        stack.enter_context(contextlib.closing(client))
        for number, sock in enumerate(socks):
            client.request("GET", "/")
            assert client.getresponse().read() == b"hello"
            assert_echoes(sock, b"%d" % number)
        assert daemon.connections == 11


def test_an_answer_goes_out_before_the_next_handler_is_called(serve: Serve) -> None:
    """Who has been answered does not wait for a slow handler of somebody else's."""
    entered: SimpleQueue[str] = SimpleQueue()
    may_go_on: SimpleQueue[None] = SimpleQueue()

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.put(request.path)
        may_go_on.get(timeout=TIMEOUT)
        return pymhd.Response("done\n")

    daemon = serve(handler, threads=1)
    with connect(daemon) as one, connect(daemon) as two:
        one.sendall(b"GET /one HTTP/1.1\r\nHost: t\r\n\r\n")
        assert entered.get(timeout=TIMEOUT) == "/one"
        two.sendall(b"GET /two HTTP/1.1\r\nHost: t\r\n\r\n")
        may_go_on.put(None)
        assert entered.get(timeout=TIMEOUT) == "/two"
        one.settimeout(1)
        try:
            assert read_head(one).startswith(b"HTTP/1.1 200 ")
        finally:
            may_go_on.put(None)


@pytest.fixture(name="default_timeout")
def _default_timeout() -> Iterator[None]:
    """Let new sockets of the process time out soon, as some programs do."""
    socket.setdefaulttimeout(0.05)
    yield
    socket.setdefaulttimeout(None)


@each_mode
@pytest.mark.usefixtures("default_timeout")
def test_the_default_timeout_of_the_process_is_not_the_sessions(
    serve: Serve, threads: Mode
) -> None:
    """A session blocks until somebody calls settimeout()."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=threads)
    with upgraded(daemon) as sock:
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(TIMEOUT)
        assert_echoes(sock)


@each_mode
def test_a_unix_socket_is_upgraded_as_well(
    serve: Serve, threads: Mode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where there is neither TCP_NODELAY nor an address."""
    path = str(tmp_path_factory.mktemp("s") / "s")

    def speak(stream: pymhd.Upgraded) -> None:
        assert stream.client == ""
        with stream.cork():
            stream.sendall(b"hello")
        echo(stream)

    serve(lambda request: switching(speak, "thread"), threads=threads, unix=path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(path)
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert read_exactly(sock, 5) == b"hello"
        assert_echoes(sock)


@each_way
def test_small_writes_are_not_held_back(serve: Serve, threads: Mode, run: Run) -> None:
    """TCP_NODELAY is set on the stream, whichever release of libmicrohttpd it is."""
    seen: SimpleQueue[int] = SimpleQueue()

    def look(stream: pymhd.Upgraded) -> None:
        with socket.socket(fileno=os.dup(stream.fileno())) as sock:
            seen.put(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    daemon = serve(lambda request: switching(look, run), threads=threads)
    with upgraded(daemon):
        assert seen.get(timeout=TIMEOUT) != 0


@each_way
def test_no_thread_object_is_left_behind_by_foreign_threads(
    serve: Serve, threads: Mode, run: Run
) -> None:
    """What runs on libmicrohttpd's threads does not register them."""
    before = set(threading.enumerate())  # handlers of other tests leave some
    daemon = serve(lambda request: switching(echo, run), threads=threads)
    with upgraded(daemon) as sock:
        assert_echoes(sock)
    with connect(daemon) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        read_head(sock)
    new = set(threading.enumerate()) - before
    dummies = [thread.name for thread in new if thread.name.startswith("Dummy")]
    assert dummies == []
