# SPDX-License-Identifier: MIT
"""What does not start is a ``StartError``, and nothing is left behind."""

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from live import Mode, Serve, hello, in_mode, listening
from marks import each_mode
from messages import ask

import pymhd
from pymhd._engine import driver


@each_mode
def test_a_port_in_use_is_a_start_error(serve: Serve, mode: Mode) -> None:
    """With its errno, a sentence and advice; the other one goes on."""
    first = serve(hello)
    second = pymhd.Daemon(hello, port=first.port, **in_mode(mode))
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


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("file", "no socket: remove it, or choose another path"),
        ("folder", "no socket: remove it, or choose another path"),
        ("dangling", "no socket: remove it, or choose another path"),
        ("busy", "another server listens there: stop it, or"),
        ("datagrams", "a socket of another kind: choose another path"),
        ("missing/socket", "make the folder "),
        ("file/socket", "is no folder: choose another path"),
        ("x" * 200, "at most 107 bytes"),
    ],
)
def test_a_path_that_cannot_be_had_is_told_what_to_do(
    tmp_path: Path, kind: str, advice: str
) -> None:
    """And not to choose a port."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with (
        socket.socket(socket.AF_UNIX) as busy,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        busy.bind(str(tmp_path / "busy"))
        busy.listen()
        datagrams.bind(str(tmp_path / "datagrams"))
        with pytest.raises(pymhd.StartError) as caught:
            pymhd.Daemon(hello, unix=tmp_path / kind).start()
    text = str(caught.value.strerror)
    assert advice in text
    assert text.startswith(f"cannot listen on unix='{tmp_path}/{kind}': ")
    assert "port" not in text


@pytest.mark.parametrize(
    "host",
    [
        "no.such.host.invalid",
        "203.0.113.1",
        "127.0.0.1:80",
        "[::1]",
        "http://a",
        "a" * 99,
    ],
)
def test_a_host_that_is_none_of_this_machine_is_told_what_it_may_be(host: str) -> None:
    """Also one that no resolver is asked for."""
    with pytest.raises(
        pymhd.StartError, match="without scheme, brackets and port"
    ) as e:
        pymhd.Daemon(hello, host=host).start()
    assert e.value.errno == errno.EADDRNOTAVAIL


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
        pytest.raises(pymhd.StartError, match="is no socket that is open") as caught,
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


@each_mode
@pytest.mark.parametrize("count", range(4))
def test_a_start_without_descriptors_is_a_start_error(mode: Mode, count: int) -> None:
    """Wherever they run out, nothing is left behind."""
    daemon = pymhd.Daemon(hello, **in_mode(mode))
    with descriptors_left(count), pytest.raises(pymhd.StartError) as caught:
        daemon.start()
    assert caught.value.errno == errno.EMFILE
    assert not daemon.is_running
    with daemon:
        assert ask(daemon).endswith(b"hello")


@pytest.mark.parametrize("mode", [1, "per-connection", "external"])
def test_a_start_for_which_memory_is_short_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    """Not the descriptor, either, that libmicrohttpd was to take over."""

    def no_memory(tls: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(driver, "_strings", no_memory)
    with pytest.raises(MemoryError):
        pymhd.Daemon(hello, **in_mode(mode)).start()
