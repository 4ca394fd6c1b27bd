# SPDX-License-Identifier: MIT
"""Mistakes in a session, and what runs out: logged, and others go on."""

import logging
import threading

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    echo,
    eventually,
    logged_errors,
    read_to_end,
    upgraded,
)
from marks import each_mode, each_way, over_tls_too
from programs import run_program
from sessions import Run, switching

import pymhd


def fail(stream: pymhd.Upgraded) -> None:
    raise LookupError("on purpose")


@over_tls_too(each_way)
def test_a_session_that_fails_is_logged_and_closed_and_others_go_on(
    serve: Serve, mode: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """With its traceback."""
    bad = pymhd.Response.for_upgrade(fail, "fail", run=run)
    good = switching(echo, run)
    daemon = serve(
        lambda request: bad if request.wants_upgrade("fail") else good, threads=mode
    )
    with upgraded(daemon) as other:
        with upgraded(daemon, "fail") as sock:
            assert read_to_end(sock) == b""
        eventually(lambda: bool(logged_errors(caplog)), "the log line")
        assert_echoes(other)
        with upgraded(daemon) as later:
            assert_echoes(later)
    record = logged_errors(caplog)[0]
    assert record.name == "pymhd"
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


@each_way
def test_a_logging_filter_that_fails_does_not_end_the_daemon(
    serve: Serve, mode: Mode, run: Run
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
        lambda request: bad if request.wants_upgrade("fail") else good, threads=mode
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
    serve: Serve, mode: Mode, run: Run, caplog: pytest.LogCaptureFixture
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
        lambda request: bad if request.wants_upgrade("fail") else good, threads=mode
    )
    with upgraded(daemon, "fail") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: bool(logged_errors(caplog)), "the log line")
    for _ in range(2 * 3):
        with upgraded(daemon) as sock:
            assert_echoes(sock)


@each_mode
def test_a_session_for_which_there_is_no_thread_is_closed_and_logged(
    serve: Serve,
    mode: Mode,
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
    daemon = serve(lambda request: response, threads=mode)
    short.set()
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: "can't start new thread" in caplog.text, "the log line")
    short.clear()
    with upgraded(daemon) as sock:
        assert_echoes(sock)


@each_mode
def test_an_upgrade_without_a_descriptor_to_spare_is_closed_and_logged(
    mode: Mode,
) -> None:
    """The process is out of descriptors: the daemon survives it."""
    code = f"""
        logging.basicConfig(stream=sys.stdout)
        logging.getLogger("pymhd").setLevel(logging.INFO)
        with pymhd.Daemon(lambda request: switch, **in_mode({mode!r})) as daemon:
            with connect(daemon) as sock:
                # After this request the connection has its thread and descriptor.
                sock.sendall(GET)
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
    status, output, errors = run_program(code)
    assert (status, errors) == (0, "")
    assert "closed at once: Too many open files" in output
