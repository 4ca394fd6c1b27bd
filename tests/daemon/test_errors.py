# SPDX-License-Identifier: MIT
"""The errors, and what becomes of a handler's."""

import io
import logging
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from live import Mode, Serve, connect, eventually, logged_errors, read_to_end
from marks import each_mode
from messages import LAST_GET, ask, head

import pymhd
from pymhd import errors
from pymhd._native.library import check_ptr

# --- the tree ---


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (pymhd.MHDError, Exception),
        (pymhd.StartError, OSError),
        (pymhd.NotSupportedError, NotImplementedError),
        (pymhd.StateError, RuntimeError),
        (pymhd.CallError, Exception),
    ],
)
def test_each_error_is_also_the_builtin_that_one_would_guess(
    error: type[Exception], builtin: type[Exception]
) -> None:
    """And all of them are MHDError."""
    assert issubclass(error, builtin)
    assert issubclass(error, pymhd.MHDError)


def test_the_tree_stands_in_the_docstring() -> None:
    """Every class with its bases, once."""
    assert errors.__doc__ is not None
    for name in errors.__all__:
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        assert errors.__doc__.count(f"{name}({', '.join(bases)})") == 1


def test_a_start_error_has_errno_and_strerror() -> None:
    """As any OSError."""
    error = pymhd.StartError(98, "in use")
    assert (error.errno, error.strerror, str(error)) == (
        98,
        "in use",
        "[Errno 98] in use",
    )


# --- check_ptr() ---


def test_check_ptr_names_the_function_that_gave_null() -> None:
    """Another pointer is returned as it is."""
    pointer: Any = pymhd.ffi.new("char *")
    assert check_ptr(pointer, "MHD_something") is pointer
    with pytest.raises(pymhd.CallError, match=r"MHD_something\(\) returned NULL"):
        check_ptr(pymhd.ffi.NULL, "MHD_something")


# --- a handler that fails ---


class Unprintable(Exception):
    """Neither str() nor repr() of it works."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


class Liar:
    """Pretends to be anything, and cannot be printed."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")


def raising(error: BaseException) -> Callable[[pymhd.Request], NoReturn]:
    """Return a handler that raises."""

    def handler(request: pymhd.Request) -> NoReturn:
        raise error

    return handler


def returning(value: object) -> Callable[[pymhd.Request], object]:
    """Return a handler that returns something."""
    return lambda request: value


def recursing(request: pymhd.Request) -> object:
    """Never come back."""
    return recursing(request)


FAILURES = [
    pytest.param(raising(ValueError("a handler's mistake")), "mistake", id="exception"),
    pytest.param(raising(SystemExit(3)), "SystemExit: 3", id="SystemExit"),
    pytest.param(raising(KeyboardInterrupt()), "KeyboardInterrupt", id="interrupt"),
    pytest.param(raising(GeneratorExit()), "GeneratorExit", id="GeneratorExit"),
    pytest.param(raising(StopIteration()), "StopIteration", id="StopIteration"),
    pytest.param(raising(Unprintable()), "Unprintable", id="unprintable"),
    pytest.param(recursing, "RecursionError", id="recursion"),
    pytest.param(returning(None), "returned None", id="None"),
    pytest.param(returning("text"), "returned str", id="str"),
    pytest.param(returning((200, "text")), "must return a pymhd.Resp", id="tuple"),
    pytest.param(returning(pymhd.Response), "must return a pymhd.Resp", id="class"),
    pytest.param(returning(Liar()), "must return a pymhd.Resp", id="no repr"),
    pytest.param(lambda: None, "positional argument", id="no parameter"),
]


@each_mode
@pytest.mark.parametrize(("failing", "words"), FAILURES)
def test_a_failing_handler_is_answered_500(
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    mode: Mode,
    failing: Callable[..., object],
    words: str,
) -> None:
    """It is logged with its traceback, and everybody else goes on."""

    def handler(request: pymhd.Request) -> object:
        if request.path == "/fail":
            return failing(request)
        return pymhd.Response("fine")

    daemon = serve(handler, threads=mode)
    with connect(daemon) as other:
        other.sendall(b"GET /1 HTTP/1.1\r\nHost: test\r\n")
        answer = ask(daemon, head(b"GET /fail HTTP/1.1"))
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert words.encode() not in answer
        other.sendall(b"Connection: close\r\n\r\n")
        assert read_to_end(other).endswith(b"fine")
    assert ask(daemon, head(b"GET /2 HTTP/1.1")).endswith(b"fine")
    eventually(lambda: len(logged_errors(caplog)) == 1, "the line in the log")
    (record,) = logged_errors(caplog)
    assert "GET" in record.getMessage()
    assert "/fail" in record.getMessage()
    assert words in caplog.text
    assert "Traceback (most recent call last)" in caplog.text


@each_mode
def test_a_failure_keeps_the_connection(serve: Serve, mode: Mode) -> None:
    """500 is an answer like any other."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path == "/fail":
            raise ValueError(request.path)
        return pymhd.Response("fine")

    with connect(serve(handler, threads=mode)) as sock:
        sock.sendall(b"GET /fail HTTP/1.1\r\nHost: test\r\n\r\n")
        sock.sendall(LAST_GET)
        answers = read_to_end(sock)
    assert answers.startswith(b"HTTP/1.1 500 ")
    assert answers.endswith(b"fine")


@each_mode
def test_every_failure_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """One line each, on the logger ``pymhd``."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        raise ValueError(request.path)

    daemon = serve(handler, threads=mode)
    for number in range(20):
        assert ask(daemon, head(b"GET /%d HTTP/1.1" % number)).startswith(
            b"HTTP/1.1 500 "
        )
    eventually(lambda: len(logged_errors(caplog)) == 20, "twenty lines in the log")
    assert {record.name for record in logged_errors(caplog)} == {"pymhd"}
    for number in range(20):
        assert f"ValueError: /{number}\n" in caplog.text + "\n"


@each_mode
def test_the_last_failures_are_logged_before_stop_returns(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """Nothing is lost at the end."""
    daemon = serve(raising(ValueError("the last one")), threads=mode)
    ask(daemon)
    daemon.stop()
    assert "ValueError: the last one" in caplog.text


@each_mode
def test_a_client_cannot_write_lines_of_its_own_into_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """Control characters of the target stay as they were encoded."""
    daemon = serve(raising(ValueError("no")), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(
            b"GET /%C2%9B31m%0Aforged HTTP/1.1\r\nHost: test\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert read_to_end(sock).startswith(b"HTTP/1.1 500 ")
    eventually(lambda: len(logged_errors(caplog)) == 1, "the line in the log")
    assert logged_errors(caplog)[0].getMessage().isprintable()


class Raising(logging.Filter):
    """A filter with a mistake in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the filter's mistake")


@each_mode
def test_a_logging_filter_that_raises_ends_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    """Requests are answered, and what comes later is logged again."""
    logger = logging.getLogger("pymhd")
    broken = Raising()
    daemon = serve(raising(ValueError("a handler's mistake")), threads=mode)
    # Not capfd: what is written while it reads would be lost.
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())

    def both_are_said() -> bool:
        said = stderr.getvalue()
        return "filter's mistake" in said and "handler's mistake" in said

    logger.addFilter(broken)
    try:
        assert ask(daemon).startswith(b"HTTP/1.1 500 ")
        eventually(both_are_said, "the tracebacks on standard error")
    finally:
        logger.removeFilter(broken)
    assert ask(daemon).startswith(b"HTTP/1.1 500 ")
    assert daemon.is_running


def test_a_request_to_a_daemon_without_logging_is_answered(serve: Serve) -> None:
    """A level above everything makes no difference."""
    logger = logging.getLogger("pymhd")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        daemon = serve(raising(ValueError("unheard")))
        assert ask(daemon).startswith(b"HTTP/1.1 500 ")
    finally:
        logger.setLevel(level)


@each_mode
def test_a_failure_under_load_leaves_the_others_their_answers(
    serve: Serve, mode: Mode
) -> None:
    """Every third of a hundred pipelined requests fails."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        if int(request.path[1:]) % 3 == 0:
            raise ValueError
        return pymhd.Response(status=201)

    with connect(serve(handler, threads=mode)) as sock:
        for number in range(100):
            sock.sendall(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % number)
        sock.sendall(b"GET /1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        answers = read_to_end(sock)
    statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [201 if n % 3 else 500 for n in range(100)] + [201]
