# SPDX-License-Identifier: MIT
"""The daemon: where it listens, what it grants, and how it starts."""

import contextlib
import errno
import functools
import gc
import logging
import os
import resource
import select
import socket
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live import (
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
)

import pymhd

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=10):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="needs IPv6")
in_every_mode = pytest.mark.parametrize("mode", MODES)


def hello(request: pymhd.Request) -> pymhd.Response:
    """Answer the same to everybody."""
    return pymhd.Response(b"hello")


def ask(daemon: pymhd.Daemon) -> bytes:
    """Return a whole answer."""
    with connect(daemon) as sock:
        sock.sendall(LAST_GET)
        return read_to_end(sock)


def ask_at(family: int, address: Any) -> bytes:
    """Return a whole answer of whoever listens there."""
    with socket.socket(family) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(address)
        sock.sendall(LAST_GET)
        return read_to_end(sock)


def put(body: bytes, *fields: bytes) -> bytes:
    """Return a request with a body."""
    length = b"Content-Length: %d" % len(body)
    return b"PUT" + LAST_GET[3:-2] + b"\r\n".join([*fields, length, b"", body])


def get(sock: socket.socket) -> bytes:
    """Return the body of an answer, and keep the connection."""
    sock.sendall(GET)
    length = read_head(sock).partition(b"Content-Length: ")[2].partition(b"\r")[0]
    return read_exactly(sock, int(length))


def is_silent(sock: socket.socket, seconds: float = 0.1) -> bool:
    """Tell whether nothing comes for a while."""
    return select.select([sock], [], [], seconds)[0] == []


# --- where it listens ---


@in_every_mode
def test_it_listens_on_the_loopback_by_itself(serve: Serve, mode: Mode) -> None:
    """On a port that was free."""
    daemon = serve(hello, threads=mode)
    assert daemon.port > 0
    assert daemon.url == f"http://127.0.0.1:{daemon.port}"
    assert ask(daemon).endswith(b"hello")


def test_it_listens_on_the_port_that_was_asked_for(serve: Serve) -> None:
    """Also if it has just been somebody's."""
    first = serve(hello)
    assert ask(first).endswith(b"hello")
    first.stop()
    second = serve(hello, port=first.port)
    assert second.port == first.port
    assert ask(second).endswith(b"hello")


def test_a_host_may_be_a_name(serve: Serve) -> None:
    """It is resolved."""
    daemon = serve(hello, host="localhost")
    assert daemon.url in (
        f"http://127.0.0.1:{daemon.port}",
        f"http://[::1]:{daemon.port}",
    )


@needs_ipv6
@in_every_mode
def test_it_listens_on_ipv6(serve: Serve, mode: Mode) -> None:
    """With the address in brackets in its URL."""
    daemon = serve(hello, host="::1", threads=mode)
    assert daemon.url == f"http://[::1]:{daemon.port}"
    assert ask_at(socket.AF_INET6, ("::1", daemon.port)).endswith(b"hello")


@in_every_mode
def test_without_a_host_it_listens_everywhere(serve: Serve, mode: Mode) -> None:
    """On IPv4 and, where there is one, on IPv6."""
    daemon = serve(hello, host=None, threads=mode)
    assert ask(daemon).endswith(b"hello")
    if _has_ipv6():
        assert ask_at(socket.AF_INET6, ("::1", daemon.port)).endswith(b"hello")
        assert daemon.url == f"http://[::1]:{daemon.port}"


def test_the_url_of_every_address_can_be_connected_to(serve: Serve) -> None:
    """0.0.0.0 is no address to connect to everywhere."""
    daemon = serve(hello, host="0.0.0.0")
    assert daemon.url == f"http://127.0.0.1:{daemon.port}"


@in_every_mode
def test_it_listens_on_a_unix_socket(serve: Serve, tmp_path: Path, mode: Mode) -> None:
    """Which has a URL and no port."""
    path = tmp_path / "socket"
    daemon = serve(hello, unix=path, threads=mode)
    assert daemon.url == f"unix://{path}"
    with pytest.raises(pymhd.StateError, match="UNIX socket"):
        _ = daemon.port
    assert ask_at(socket.AF_UNIX, str(path)).endswith(b"hello")
    assert str(path) in repr(daemon)


@in_every_mode
def test_the_unix_socket_is_removed_at_the_end(
    serve: Serve, tmp_path: Path, mode: Mode
) -> None:
    """So that nobody tries to connect to it."""
    path = tmp_path / "socket"
    daemon = serve(hello, unix=str(path), threads=mode)
    assert stat.S_ISSOCK(path.stat().st_mode)
    daemon.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """It is what a killed server leaves behind."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(path)
        killed.listen()
    serve(hello, unix=path)
    assert ask_at(socket.AF_UNIX, path).endswith(b"hello")


def test_a_unix_socket_that_is_in_use_is_left_alone(
    serve: Serve, tmp_path: Path
) -> None:
    """The second daemon does not start, the first one goes on."""
    path = str(tmp_path / "socket")
    serve(hello, unix=path)
    second = pymhd.Daemon(hello, unix=path)
    with pytest.raises(pymhd.StartError, match=r"cannot listen on .*socket") as caught:
        second.start()
    assert caught.value.errno == errno.EADDRINUSE
    second.stop()
    assert ask_at(socket.AF_UNIX, path).endswith(b"hello")


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """Whatever it holds."""
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(pymhd.StartError) as caught:
        pymhd.Daemon(hello, unix=path).start()
    assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "precious"


def test_a_unix_socket_of_another_server_is_not_removed(
    serve: Serve, tmp_path: Path
) -> None:
    """Ours was removed before, and somebody else took the place."""
    path = tmp_path / "socket"
    daemon = serve(hello, unix=path)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        daemon.stop()
        assert path.exists()


def test_a_unix_socket_may_be_abstract(serve: Serve) -> None:
    """A NUL in front makes no file."""
    name = f"\0pymhd-test-{os.getpid()}"
    serve(hello, unix=name)
    assert ask_at(socket.AF_UNIX, name).endswith(b"hello")


@contextlib.contextmanager
def listening(as_fd: bool) -> Iterator[tuple[socket.socket, Any]]:
    """Yield a socket that listens, and what to pass as sock=."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock, sock.fileno() if as_fd else sock


@in_every_mode
@pytest.mark.parametrize("as_fd", [False, True])
def test_it_takes_a_socket_that_listens(serve: Serve, mode: Mode, as_fd: bool) -> None:
    """Or the descriptor of one, as socket activation passes it."""
    with listening(as_fd) as (sock, given):
        daemon = serve(hello, sock=given, threads=mode)
        assert daemon.port == sock.getsockname()[1]
        assert ask(daemon).endswith(b"hello")


@in_every_mode
@pytest.mark.parametrize("as_fd", [False, True])
def test_the_socket_stays_the_callers(serve: Serve, mode: Mode, as_fd: bool) -> None:
    """After stop() it still listens, and a second daemon can take it."""
    with listening(as_fd) as (sock, given):
        for _ in range(2):
            daemon = serve(hello, sock=given, threads=mode)
            assert ask(daemon).endswith(b"hello")
            daemon.stop()
        with socket.create_connection(sock.getsockname(), timeout=TIMEOUT) as client:
            sock.settimeout(TIMEOUT)
            connection, address = sock.accept()
            connection.close()
            assert address == client.getsockname()


def test_the_caller_may_close_its_socket_at_once(serve: Serve) -> None:
    """The daemon has a duplicate."""
    with listening(as_fd=False) as (_, sock):
        daemon = serve(hello, sock=sock)
    assert ask(daemon).endswith(b"hello")


def test_the_file_of_a_socket_that_was_given_stays(
    serve: Serve, tmp_path: Path
) -> None:
    """Who made it removes it."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        daemon = serve(hello, sock=sock)
        assert daemon.url == f"unix://{path}"
        assert ask_at(socket.AF_UNIX, str(path)).endswith(b"hello")
        daemon.stop()
    assert path.exists()


# --- what does not start ---


@in_every_mode
def test_a_port_in_use_is_a_start_error(serve: Serve, mode: Mode) -> None:
    """With its errno, a sentence and advice; the other one goes on."""
    first = serve(hello)
    second = pymhd.Daemon(hello, port=first.port, threads=mode)
    with pytest.raises(pymhd.StartError) as caught:
        second.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert caught.value.strerror == (
        f"cannot listen on port {first.port} of 127.0.0.1: Address already in use; "
        "choose another one, or port=0 for any that is free"
    )
    assert not second.is_running
    assert ask(first).endswith(b"hello")


def test_a_daemon_that_did_not_start_may_be_started_again(serve: Serve) -> None:
    """Once the port is free."""
    with listening(as_fd=False) as (sock, _):
        daemon = pymhd.Daemon(hello, port=sock.getsockname()[1])
        with pytest.raises(pymhd.StartError):
            daemon.start()
    with daemon:
        assert ask(daemon).endswith(b"hello")


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"host": "no.such.host.invalid"}, errno.EADDRNOTAVAIL),
        ({"host": "203.0.113.1"}, errno.EADDRNOTAVAIL),
        ({"unix": "/no/such/directory/socket"}, errno.ENOENT),
        ({"unix": "/tmp/" + "x" * 200}, errno.EINVAL),
        ({"sock": 10**6}, errno.EBADF),
        ({"sock": -1}, errno.EBADF),
    ],
)
def test_an_address_that_cannot_be_had_is_a_start_error(
    options: dict[str, Any], number: int
) -> None:
    """With an errno that errno knows."""
    with pytest.raises(pymhd.StartError) as caught:
        pymhd.Daemon(hello, **options).start()
    assert caught.value.errno == number
    assert caught.value.strerror


def test_a_socket_that_does_not_listen_is_a_start_error() -> None:
    """Nor does one for datagrams."""
    with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for given in (sock, datagrams):
            with pytest.raises(pymhd.StartError, match="does not listen") as caught:
                pymhd.Daemon(hello, sock=given).start()
            assert caught.value.errno == errno.EINVAL


def test_a_descriptor_that_is_no_socket_is_a_start_error() -> None:
    """And is left as it was, without a duplicate."""
    with (
        open("/dev/null", "rb") as file,
        pytest.raises(pymhd.StartError, match="is no socket") as caught,
    ):
        pymhd.Daemon(hello, sock=file.fileno()).start()
    assert caught.value.errno == errno.ENOTSOCK


def test_a_socket_that_was_closed_is_a_start_error() -> None:
    """Its descriptor is -1 by then."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.close()
    with pytest.raises(pymhd.StartError) as caught:
        pymhd.Daemon(hello, sock=sock).start()
    assert caught.value.errno == errno.EBADF


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let the process open only so many descriptors more."""
    highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
    gaps: list[int] = []
    while not gaps or gaps[-1] <= highest:
        gaps.append(os.dup(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (gaps[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in gaps:
            os.close(fd)


@in_every_mode
@pytest.mark.parametrize("count", range(4))
def test_a_start_without_descriptors_is_a_start_error(mode: Mode, count: int) -> None:
    """Wherever they run out, nothing is left behind."""
    daemon = pymhd.Daemon(hello, threads=mode)
    with descriptors_left(count), pytest.raises(pymhd.StartError) as caught:
        daemon.start()
    assert caught.value.errno == errno.EMFILE
    assert not daemon.is_running
    with daemon:
        assert ask(daemon).endswith(b"hello")


# --- arguments ---


async def coroutine(request: pymhd.Request) -> pymhd.Response:
    """Would have to be awaited."""
    return pymhd.Response()


class AsyncCallable:
    """Would have to be awaited, too."""

    async def __call__(self, request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response()


@pytest.mark.parametrize(
    "handler",
    [
        None,
        1,
        "hello",
        pymhd.Response(),
        coroutine,
        AsyncCallable(),
        functools.partial(coroutine),
    ],
)
def test_a_handler_must_be_callable_and_no_coroutine(handler: Any) -> None:
    """It is refused where it is given."""
    with pytest.raises(TypeError, match=r"must be callable|coroutine function"):
        pymhd.Daemon(handler)


class Callable_:
    """A handler that is an object."""

    def __call__(self, request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response(b"hello")

    def method(self, request: pymhd.Request) -> pymhd.Response:
        """Do the same."""
        return self(request)


@pytest.mark.parametrize(
    "handler", [Callable_(), Callable_().method, functools.partial(hello)]
)
def test_a_handler_may_be_any_callable(
    serve: Serve, handler: Callable[[pymhd.Request], pymhd.Response]
) -> None:
    """An object, a method, a partial."""
    assert ask(serve(handler)).endswith(b"hello")


@pytest.mark.parametrize(
    "options",
    [
        {"host": 5},
        {"host": b"127.0.0.1"},
        {"port": "80"},
        {"port": 80.0},
        {"port": True},
        {"port": None},
        {"unix": 5},
        {"unix": b"/tmp/socket"},
        {"sock": "socket"},
        {"sock": True},
        {"sock": 1.0},
        {"threads": None},
        {"threads": "many"},
        {"threads": 1.0},
        {"threads": True},
        {"threads": [1]},
        {"limits": {}},
        {"limits": 5},
        {"limits": pymhd.Limits},
        {"no_such_option": 1},
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(options: dict[str, Any]) -> None:
    """By the constructor, before anything is opened."""
    with pytest.raises(TypeError, match=r"must be|expected"):
        pymhd.Daemon(hello, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"host": ""},
        {"port": -1},
        {"port": 65536},
        {"port": 2**64},
        {"unix": ""},
        {"unix": "/tmp/a\0b"},
        {"unix": "\0"},
        {"threads": 0},
        {"threads": -1},
        {"unix": "/tmp/socket", "sock": 0},
    ],
)
def test_an_argument_out_of_range_is_refused(options: dict[str, Any]) -> None:
    """By the constructor, before anything is opened."""
    name = next(iter(options))
    with pytest.raises(ValueError, match=name):
        pymhd.Daemon(hello, **options)


def test_everything_but_the_handler_is_given_by_name() -> None:
    """Nobody remembers an order of seven."""
    daemon: Any = pymhd.Daemon
    with pytest.raises(TypeError, match="positional"):
        daemon(hello, "127.0.0.1", 0)


# --- limits ---

LIMITS = ["connections", "connections_per_ip", "timeout", "memory", "body"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", ["1", 1.0, True, [1]])
def test_a_limit_must_be_an_int(name: str, value: Any) -> None:
    """The message names it."""
    with pytest.raises(TypeError, match=rf"Limits\.{name} must be an int"):
        pymhd.Limits(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in LIMITS for value in (-1, 2**31, 2**64)]
    + [("connections", 0), ("memory", 0), ("memory", 1023)],
)
def test_a_limit_must_be_in_its_range(name: str, value: int) -> None:
    """Which the message tells."""
    with pytest.raises(ValueError, match=rf"Limits\.{name} must be from \d+ to \d+"):
        pymhd.Limits(**{name: value})


def test_limits_are_values() -> None:
    """Equal ones are equal, and none can be changed."""
    limits: Any = pymhd.Limits(body=5)
    assert limits == pymhd.Limits(body=5)
    assert limits != pymhd.Limits()
    with pytest.raises(AttributeError):
        limits.body = 6


@in_every_mode
def test_the_extreme_limits_work(serve: Serve, mode: Mode) -> None:
    """The smallest and the largest that are accepted."""
    large = 2**31 - 1
    small = pymhd.Limits(connections=3, memory=1024, timeout=0, body=0)
    huge = pymhd.Limits(timeout=large, body=large, connections_per_ip=large)
    for limits in (small, huge):
        assert ask(serve(hello, threads=mode, limits=limits)).endswith(b"hello")


@in_every_mode
def test_no_more_connections_are_served_than_the_limit(
    serve: Serve, mode: Mode
) -> None:
    """The next one waits or is closed; when one has gone there is room again."""
    daemon = serve(hello, threads=mode, limits=pymhd.Limits(connections=3))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(3)]
        for client in clients:
            assert get(client) == b"hello"
        with connect(daemon) as fourth:
            with contextlib.suppress(OSError):
                fourth.sendall(GET)
                assert is_silent(fourth) or fourth.recv(1) == b""
            assert daemon.connections == 3
            assert get(clients[0]) == b"hello"
        clients[0].close()

        def is_served() -> bool:
            with contextlib.suppress(OSError), connect(daemon) as sock:
                sock.settimeout(1)
                sock.sendall(LAST_GET)
                return read_to_end(sock).endswith(b"hello")
            return False

        eventually(is_served, "room for another connection")


@pytest.mark.parametrize("mode", [1, "per-connection"])
def test_no_more_connections_are_served_than_one_address_may_have(
    serve: Serve, mode: Mode
) -> None:
    """Another address is another matter."""
    limits = pymhd.Limits(connections_per_ip=2)
    daemon = serve(hello, threads=mode, limits=limits)
    with connect(daemon) as first, connect(daemon) as second:
        assert get(first) == b"hello"
        assert get(second) == b"hello"
        with connect(daemon) as third, contextlib.suppress(ConnectionError):
            third.sendall(GET)
            assert third.recv(1) == b""
        with socket.create_connection(
            ("127.0.0.1", daemon.port), TIMEOUT, ("127.0.0.2", 0)
        ) as other:
            assert get(other) == b"hello"


def test_a_unix_socket_has_no_addresses_to_count(serve: Serve, tmp_path: Path) -> None:
    """The limit of each does not apply."""
    path = str(tmp_path / "socket")
    serve(hello, unix=path, limits=pymhd.Limits(connections_per_ip=1))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(TIMEOUT)
            sock.connect(path)
            assert get(sock) == b"hello"


def test_connections_that_are_idle_are_closed(serve: Serve) -> None:
    """In every mode, wherever they stand still."""
    limits = pymhd.Limits(timeout=1)
    daemons = [serve(hello, threads=mode, limits=limits) for mode in MODES]
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        for daemon in daemons:
            for raw in (
                b"",
                GET[:-2],
                b"POST" + GET[3:-2] + b"Content-Length: 9\r\n\r\n",
            ):
                sock = stack.enter_context(connect(daemon))
                sock.sendall(raw)
            kept = stack.enter_context(connect(daemon))
            assert get(kept) == b"hello"
        eventually(
            lambda: all(daemon.connections == 0 for daemon in daemons),
            "the end of the idle connections",
        )
    assert time.monotonic() - begun > 0.9


def test_a_handler_may_take_longer_than_the_timeout(serve: Serve) -> None:
    """Its client is not idle, it is waiting."""
    go = threading.Event()

    def slow(request: pymhd.Request) -> pymhd.Response:
        go.wait(1.5)
        return pymhd.Response(b"late")

    limits = pymhd.Limits(timeout=1)
    daemons = [serve(slow, threads=mode, limits=limits) for mode in MODES]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for daemon in daemons]
        for client in clients:
            client.sendall(LAST_GET)
        assert [read_to_end(client)[-4:] for client in clients] == [b"late"] * 3


@in_every_mode
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 3000 + GET[5:], 414),
        (GET[:-2] + b"X: " + b"a" * 3000 + b"\r\n\r\n", 431),
        (GET[:-2] + b"X: y\r\n" * 500 + b"\r\n", 431),
    ],
    ids=["target", "field", "fields"],
)
def test_a_header_beyond_the_memory_is_refused(
    serve: Serve, mode: Mode, raw: bytes, status: int
) -> None:
    """With 414 or 431; a smaller one fits."""
    targets: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        targets.append(request.target)
        return pymhd.Response()

    limits = pymhd.Limits(memory=2048)
    daemon = serve(handler, threads=mode, limits=limits)
    with connect(daemon) as sock:
        sock.sendall(raw)
        assert int(read_head(sock).split(b" ")[1]) == status
    assert targets == []
    ask(daemon)
    assert targets == ["/"]


@pytest.mark.parametrize("memory", [1024, 2048, 4096])
def test_a_body_may_be_larger_than_the_memory(serve: Serve, memory: int) -> None:
    """It does not lie there."""
    limits = pymhd.Limits(memory=memory, body=10**5)
    daemon = serve(lambda request: pymhd.Response(request.body), limits=limits)
    body = bytes(range(250)) * 400
    with connect(daemon) as sock:
        sock.sendall(put(body))
        assert read_to_end(sock).endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("size", [1000, 3000, 3500, 5000, 7000])
def test_a_large_header_may_be_followed_by_a_large_body(
    serve: Serve, size: int
) -> None:
    """Unless it is too large, which is told as such."""
    limits = pymhd.Limits(memory=8192)
    daemon = serve(lambda request: pymhd.Response(request.body), limits=limits)
    body = bytes(range(250)) * 400
    with connect(daemon) as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(put(body, b"X: " + b"x" * size))
        answer = read_to_end(sock)
        status = int(answer.split(b" ")[1])
        assert status == 431 or answer.endswith(b"\r\n\r\n" + body)


# --- what it is ---


@in_every_mode
def test_it_tells_its_state(serve: Serve, mode: Mode) -> None:
    """New, running, stopped; the address stays known."""
    daemon = pymhd.Daemon(hello, threads=mode)
    assert not daemon.is_running
    assert repr(daemon) == "<pymhd.Daemon, has not been started>"
    daemon.start()
    url = daemon.url
    assert daemon.is_running
    assert repr(daemon) == f"<pymhd.Daemon {url}, is running>"
    daemon.stop()
    assert not daemon.is_running
    assert repr(daemon) == f"<pymhd.Daemon {url}, has been stopped>"
    assert daemon.url == url


def test_the_repr_never_fails() -> None:
    """Also of one that was stopped before it was started."""
    daemon = pymhd.Daemon(hello)
    daemon.stop()
    assert repr(daemon) == "<pymhd.Daemon, has been stopped>"


def test_before_its_start_it_has_no_address() -> None:
    """port=0 would be a lie."""
    daemon = pymhd.Daemon(hello, port=0)
    with pytest.raises(pymhd.StateError, match=r"start\(\) it before"):
        _ = daemon.port
    with pytest.raises(pymhd.StateError, match=r"start\(\) it before"):
        _ = daemon.url


@in_every_mode
def test_it_counts_its_connections(serve: Serve, mode: Mode) -> None:
    """Those that are open."""
    daemon = pymhd.Daemon(hello, threads=mode)
    assert (daemon.connections, daemon.upgraded) == (0, 0)
    with daemon, contextlib.ExitStack() as stack:
        for number in (1, 2, 3, 4):
            get(stack.enter_context(connect(daemon)))
            assert daemon.connections == number
        assert daemon.upgraded == 0
        stack.close()
        eventually(lambda: daemon.connections == 0, "the end of the connections")


# --- start ---


@in_every_mode
def test_starting_twice_changes_nothing(serve: Serve, mode: Mode) -> None:
    """It goes on as it was."""
    daemon = serve(hello, threads=mode)
    url = daemon.url
    with connect(daemon) as sock:
        assert get(sock) == b"hello"
        daemon.start()
        assert daemon.url == url
        assert get(sock) == b"hello"


def test_it_starts_once_whoever_calls(serve: Serve) -> None:
    """Several threads may start the same daemon."""
    daemon = pymhd.Daemon(hello)
    together = threading.Barrier(8)

    def start() -> None:
        together.wait(TIMEOUT)
        daemon.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    with daemon:
        assert ask(daemon).endswith(b"hello")


@in_every_mode
def test_it_does_not_start_after_its_end(serve: Serve, mode: Mode) -> None:
    """Another one must be made."""
    daemon = serve(hello, threads=mode)
    daemon.stop()
    with pytest.raises(pymhd.StateError, match="make another one"):
        daemon.start()
    with pytest.raises(pymhd.StateError, match="cannot start again"), daemon:
        pass
    never = pymhd.Daemon(hello)
    never.stop()
    with pytest.raises(pymhd.StateError, match="make another one"):
        never.start()


@in_every_mode
def test_with_takes_a_daemon_that_runs(serve: Serve, mode: Mode) -> None:
    """And stops it."""
    daemon = serve(hello, threads=mode)
    with daemon as same:
        assert same is daemon
        assert ask(daemon).endswith(b"hello")
    assert not daemon.is_running


def test_with_stops_the_daemon_after_an_exception() -> None:
    """Which goes on its way."""
    daemon = pymhd.Daemon(hello)
    with pytest.raises(ZeroDivisionError), daemon:
        raise ZeroDivisionError
    assert not daemon.is_running


@in_every_mode
def test_a_daemon_that_runs_keeps_itself_alive(mode: Mode) -> None:
    """As a thread does; afterwards it may go."""
    daemon = pymhd.Daemon(hello, threads=mode)
    daemon.start()
    alive = weakref.ref(daemon)
    url = daemon.url
    del daemon
    gc.collect()
    again = alive()
    assert again is not None
    assert again.url == url
    assert ask(again).endswith(b"hello")
    again.stop()
    del again
    gc.collect()
    assert alive() is None


def test_a_daemon_that_was_never_started_leaves_nothing() -> None:
    """The constructor opens nothing."""
    daemons = [pymhd.Daemon(hello) for _ in range(100)]
    alive = [weakref.ref(daemon) for daemon in daemons]
    del daemons
    gc.collect()
    assert [a for a in alive if a() is not None] == []


def test_several_daemons_run_side_by_side(serve: Serve) -> None:
    """Each with its own handler, and none ends with another."""

    def saying(word: str) -> Callable[[pymhd.Request], pymhd.Response]:
        return lambda request: pymhd.Response(word)

    daemons = [serve(saying(f"{n}"), threads=MODES[n % 3]) for n in range(9)]
    assert len({daemon.port for daemon in daemons}) == 9
    for stopped, daemon in enumerate(daemons):
        for number in range(stopped, 9):
            assert ask(daemons[number]).endswith(b"\r\n\r\n%d" % number)
        daemon.stop()


def test_daemons_start_and_stop_in_several_threads() -> None:
    """What they share is made and ended as often as need be."""
    failed: list[BaseException] = []

    def cycle(mode: Any) -> None:
        try:
            for _ in range(15):
                with pymhd.Daemon(hello, threads=mode) as daemon:
                    assert ask(daemon).endswith(b"hello")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=cycle, args=[mode]) for mode in MODES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert failed == []


# --- threads ---


def meeting(parties: int) -> Callable[[pymhd.Request], pymhd.Response]:
    """Return a handler that answers when so many run at once."""
    barrier = threading.Barrier(parties)

    def handler(request: pymhd.Request) -> pymhd.Response:
        barrier.wait(TIMEOUT)
        return pymhd.Response(b"met")

    return handler


@pytest.mark.parametrize(("mode", "parties"), [(4, 4), ("per-connection", 8)])
def test_handlers_run_side_by_side(serve: Serve, mode: Any, parties: int) -> None:
    """As many as there are threads."""
    entered = threading.Semaphore(0)
    meet = meeting(parties)

    def handler(request: pymhd.Request) -> pymhd.Response:
        entered.release()
        return meet(request)

    daemon = serve(handler, threads=mode)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(parties)]
        clients = []
        for _ in range(parties):
            client = stack.enter_context(connect(daemon))
            client.sendall(LAST_GET)
            # Else one thread might accept two of them.
            assert entered.acquire(timeout=TIMEOUT)
            clients.append(client)
        for client in clients:
            assert read_to_end(client).endswith(b"met")


def test_with_one_thread_handlers_never_run_side_by_side(serve: Serve) -> None:
    """A slow one makes the others wait, and none is lost."""
    first, go = threading.Event(), threading.Event()
    running = 0
    most = 0

    def handler(request: pymhd.Request) -> pymhd.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if request.target == "/first":
            first.set()
            assert go.wait(TIMEOUT)
        running -= 1
        return pymhd.Response(b"hello")

    daemon = serve(handler)
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(connect(daemon))
        slow.sendall(b"GET /first" + LAST_GET[5:])
        assert first.wait(TIMEOUT)
        others = [stack.enter_context(connect(daemon)) for _ in range(100)]
        for other in others:
            other.sendall(LAST_GET)
        assert is_silent(others[0])
        go.set()
        for client in (slow, *others):
            assert read_to_end(client).endswith(b"hello")
    assert most == 1


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_it_has_as_many_threads_as_were_asked_for(serve: Serve, threads: int) -> None:
    """All of them daemon threads: they do not keep the interpreter from its end."""
    serve(hello, threads=threads)
    pumps = [t for t in threading.enumerate() if t.name.startswith("pymhd-pump")]
    assert len(pumps) == threads
    assert all(t.daemon for t in threading.enumerate() if t.name.startswith("pymhd"))


# --- quiesce ---


@in_every_mode
def test_a_quiesced_daemon_goes_on_with_its_connections(
    serve: Serve, mode: Mode
) -> None:
    """And with no new ones."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as old:
        assert get(old) == b"hello"
        daemon.quiesce()
        daemon.quiesce()
        assert get(old) == b"hello"
        assert daemon.is_running

        def is_refused() -> bool:
            with contextlib.suppress(OSError), connect(daemon) as new:
                new.sendall(GET)
                return is_silent(new, 0.05) or new.recv(1) == b""
            return True

        eventually(is_refused, "the end of listening")
        assert get(old) == b"hello"


@in_every_mode
def test_a_quiesced_daemon_leaves_a_socket_that_was_given(
    serve: Serve, mode: Mode
) -> None:
    """Its owner goes on listening, with another daemon."""
    with listening(as_fd=False) as (_, sock):
        old = serve(hello, sock=sock, threads=mode)
        with connect(old) as client:
            assert get(client) == b"hello"
            old.quiesce()
            new = serve(lambda request: pymhd.Response(b"new"), sock=sock)
            eventually(lambda: ask(new).endswith(b"new"), "the change of daemons")
            assert get(client) == b"hello"


def test_only_a_daemon_that_runs_is_quiesced() -> None:
    """The message tells its state."""
    daemon = pymhd.Daemon(hello)
    with pytest.raises(pymhd.StateError, match="has not been started"):
        daemon.quiesce()
    with daemon:
        daemon.quiesce()
    with pytest.raises(pymhd.StateError, match="has been stopped"):
        daemon.quiesce()


# --- wait ---


def test_wait_tells_that_the_time_has_passed(serve: Serve) -> None:
    """False, and the daemon runs on."""
    daemon = serve(hello)
    begun = time.monotonic()
    assert daemon.wait(timeout=0.05) is False
    assert time.monotonic() - begun >= 0.05
    assert daemon.wait(timeout=0) is False
    assert ask(daemon).endswith(b"hello")


@in_every_mode
def test_wait_returns_in_every_thread_after_stop(serve: Serve, mode: Mode) -> None:
    """True, in all of them."""
    daemon = serve(hello, threads=mode)
    returned: list[bool] = []
    threads = [
        threading.Thread(target=lambda: returned.append(daemon.wait()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert returned == []
    daemon.stop()
    for thread in threads:
        thread.join(TIMEOUT)
    assert returned == [True] * 3
    assert daemon.wait() is True


def test_wait_in_the_main_thread_returns_after_stop(serve: Serve) -> None:
    """Which another thread calls."""
    daemon = serve(hello)
    stopper = threading.Timer(0.05, daemon.stop)
    stopper.start()
    assert daemon.wait(TIMEOUT) is True
    stopper.join(TIMEOUT)


def test_wait_needs_a_start() -> None:
    """Else it would wait for ever."""
    with pytest.raises(pymhd.StateError, match="start"):
        pymhd.Daemon(hello).wait()


# --- libmicrohttpd's own log ---


@in_every_mode
def test_what_libmicrohttpd_logs_is_on_the_logger(
    serve: Serve, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    """Below warnings: it is about clients, not about us."""
    caplog.set_level(logging.INFO, logger="pymhd")
    daemon = serve(hello, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: len(caplog.records) > 0, "a line in the log")
    for record in caplog.records:
        assert record.name == "pymhd"
        assert record.levelno == logging.INFO
        assert record.getMessage().startswith("libmicrohttpd: ")
        assert not record.getMessage().endswith("\n")


def test_a_flood_of_log_lines_is_counted_where_it_is_dropped(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """No line holds a client up: what finds no room is told of in one."""
    caplog.set_level(logging.INFO, logger="pymhd")
    logger = logging.getLogger("pymhd")
    blocked, go = threading.Event(), threading.Event()

    def block(record: logging.LogRecord) -> bool:
        blocked.set()
        return go.wait(TIMEOUT)

    daemon = serve(hello)
    logger.addFilter(block)
    try:
        for _ in range(300):
            with connect(daemon) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert read_head(sock).startswith(b"HTTP/1.1 400 ")
        assert blocked.wait(TIMEOUT)
    finally:
        go.set()
        logger.removeFilter(block)
    eventually(lambda: "were dropped" in caplog.text, "the line in the log")
