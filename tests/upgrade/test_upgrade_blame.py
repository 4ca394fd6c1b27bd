# SPDX-License-Identifier: MIT
"""What a session raises: quiet where its own connection has ended, else an error."""

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from live import (
    Mode,
    Serve,
    assert_echoes,
    echo,
    eventually,
    logged_errors,
    read_to_end,
    reset,
    upgraded,
)
from marks import each_mode, every_mode, over_tls_too

import pymhd

Target = Callable[[pymhd.Upgraded], object]


class ProtocolError(Exception):
    """As a library has one for whatever ends its conversations."""


def until_reset(stream: pymhd.Upgraded) -> None:
    """Raise what the stream raises once its peer has reset it."""
    while stream.recv(100):
        pass


def until_broken(stream: pymhd.Upgraded) -> None:
    with contextlib.suppress(ConnectionError):
        until_reset(stream)
    while True:
        stream.sendall(b"x" * 1000)


def into_a_buffer(stream: pymhd.Upgraded) -> None:
    while stream.recv_into(bytearray(100)):
        pass


def as_a_file(stream: pymhd.Upgraded) -> None:
    file = stream.makefile("rw", encoding="utf-8")
    assert isinstance(file, io.TextIOWrapper)
    file.readline()


def exactly(stream: pymhd.Upgraded) -> None:
    stream.recv_exactly(100)


def shut(stream: pymhd.Upgraded) -> None:
    with contextlib.suppress(ConnectionError):
        until_reset(stream)
    stream.shutdown(socket.SHUT_RD)


def wrapped(stream: pymhd.Upgraded) -> None:
    try:
        until_reset(stream)
    except OSError as error:
        raise ProtocolError("the conversation is over") from error


def in_a_group(stream: pymhd.Upgraded) -> None:
    errors: list[Exception] = []
    for call in (until_reset, wrapped, lambda stream: stream.sendall(b"x")):
        try:
            call(stream)
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("both directions", [ExceptionGroup("inner", errors)])


def closed_meanwhile(stream: pymhd.Upgraded) -> None:
    stream.close()
    stream.recv(1)


def too_slow(stream: pymhd.Upgraded) -> None:
    stream.settimeout(0.01)
    stream.recv(1)


OWN: list[Target] = [
    until_reset,
    until_broken,
    into_a_buffer,
    as_a_file,
    exactly,
    wrapped,
    in_a_group,
    closed_meanwhile,
    too_slow,
]


def serve_failing(serve: Serve, target: Target, mode: Mode = 1) -> pymhd.Daemon:
    """Serve a target that fails, and an echo beside it."""
    bad = pymhd.Response.for_upgrade(target, "bad")
    good = pymhd.Response.for_upgrade(echo, "echo")
    return serve(
        lambda request: bad if request.wants_upgrade("bad") else good, threads=mode
    )


@over_tls_too(each_mode)
@pytest.mark.parametrize("target", OWN)
def test_what_the_connection_itself_has_raised_is_worth_a_line_of_information(
    serve: Serve, mode: Mode, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    """Its peer has left; whichever way the exception came out of the stream."""
    caplog.set_level(logging.INFO, "pymhd")
    daemon = serve_failing(serve, target, mode)
    reset(upgraded(daemon, "bad"))
    eventually(lambda: "an upgraded connection ended: " in caplog.text, "the line")
    assert logged_errors(caplog) == []


def test_a_shutdown_after_the_peers_reset_is_worth_no_more(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel says ENOTCONN, which Python has no class for."""
    caplog.set_level(logging.INFO, "pymhd")
    reset(upgraded(serve_failing(serve, shut), "bad"))
    eventually(lambda: "an upgraded connection ended: " in caplog.text, "the line")
    assert logged_errors(caplog) == []


@contextlib.contextmanager
def nobody_there() -> Iterator[tuple[str, int]]:
    """Yield an address at which connections are refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


def refused(stream: pymhd.Upgraded) -> None:
    """Relay to a backend that is down."""
    with nobody_there() as address, socket.create_connection(address):
        pass


def backend_resets(stream: pymhd.Upgraded) -> None:
    raise ConnectionResetError("the backend's")


def backend_is_slow(stream: pymhd.Upgraded) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        ours.recv(1)


def handling(stream: pymhd.Upgraded) -> None:
    """Make a mistake where the end is dealt with."""
    stream.close()
    try:
        stream.recv(1)
    except pymhd.StreamClosedError:
        raise ConnectionRefusedError("the backend's, while the end was handled")  # noqa: B904


def group_with_a_mistake(stream: pymhd.Upgraded) -> None:
    stream.close()
    try:
        stream.recv(1)
    except OSError as error:
        raise ExceptionGroup("two", [error, LookupError("a mistake")]) from None


def another_state(stream: pymhd.Upgraded) -> None:
    raise pymhd.StateError("of a request that has ended")


def of_another_stream(stream: pymhd.Upgraded) -> None:
    """Raise what another stream has raised: its backend is one, too."""
    with kept_lock:
        other = kept.pop()
    other.close()
    other.recv(1)


kept: list[pymhd.Upgraded] = []
kept_lock = threading.Lock()

FOREIGN: list[tuple[Target, type[BaseException]]] = [
    (refused, ConnectionRefusedError),
    (backend_resets, ConnectionResetError),
    (backend_is_slow, TimeoutError),
    (handling, ConnectionRefusedError),
    (group_with_a_mistake, ExceptionGroup),
    (another_state, pymhd.StateError),
]


@over_tls_too(each_mode)
@pytest.mark.parametrize(("target", "kind"), FOREIGN)
def test_what_anything_else_has_raised_is_an_error_with_its_traceback(
    serve: Serve,
    mode: Mode,
    target: Target,
    kind: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Such as a backend that is down: somebody must see that."""
    daemon = serve_failing(serve, target, mode)
    with upgraded(daemon, "bad") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: bool(logged_errors(caplog)), "the error in the log")
    (record,) = logged_errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is kind
    with upgraded(daemon) as sock:
        assert_echoes(sock)


def test_what_another_stream_has_raised_is_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Each has its own peer."""
    keep = pymhd.Response.for_upgrade(kept.append, "keep", run="inline")
    bad = pymhd.Response.for_upgrade(of_another_stream, "bad")
    daemon = serve(lambda request: keep if request.wants_upgrade("keep") else bad)
    with upgraded(daemon, "keep"), upgraded(daemon, "bad") as sock:
        assert read_to_end(sock) == b""
        eventually(lambda: bool(logged_errors(caplog)), "the error in the log")
    (record,) = logged_errors(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is pymhd.StreamClosedError


@over_tls_too(every_mode)
def test_an_inline_target_whose_peer_has_left_is_worth_a_line_of_information(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """And one whose backend is down an error."""
    caplog.set_level(logging.INFO, "pymhd")
    gone = pymhd.Response.for_upgrade(closed_meanwhile, "gone", run="inline")
    down = pymhd.Response.for_upgrade(refused, "down", run="inline")
    daemon = serve(
        lambda request: gone if request.wants_upgrade("gone") else down, threads=mode
    )
    with upgraded(daemon, "gone") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: "an upgraded connection ended: " in caplog.text, "the line")
    assert logged_errors(caplog) == []
    with upgraded(daemon, "down") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: len(logged_errors(caplog)) == 1, "the error in the log")
    assert "ConnectionRefusedError" in caplog.text


@every_mode
def test_a_protocol_whose_backend_is_down_is_an_error(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """On the hub as well."""

    class Relay(pymhd.Protocol):
        def data_received(self, data: bytes) -> None:
            with nobody_there() as address, socket.create_connection(address):
                pass

    response = pymhd.Response.for_upgrade(Relay, "echo")
    daemon = serve(lambda request: response, threads=mode)
    with upgraded(daemon) as sock:
        sock.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert read_to_end(sock) == b""
    eventually(lambda: bool(logged_errors(caplog)), "the error in the log")
    assert "ConnectionRefusedError" in caplog.text


def test_a_cause_that_is_its_own_cause_ends_the_search(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a program does with its exceptions."""

    def circle(stream: pymhd.Upgraded) -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    with upgraded(serve_failing(serve, circle), "bad") as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: bool(logged_errors(caplog)), "the error in the log")
