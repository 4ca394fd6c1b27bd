# SPDX-License-Identifier: MIT
"""Where a daemon listens: addresses, UNIX sockets, sockets that were given."""

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from live import TIMEOUT, Mode, Serve, connect_to, hello, listening, read_to_end
from marks import each_mode, has_ipv6, needs_ipv6
from messages import LAST_GET, ask

import pymhd
from pymhd._engine.endpoint import Endpoint


def ask_at(family: int, address: Any) -> bytes:
    """Return a whole answer of whoever listens there."""
    with connect_to(address, family) as sock:
        sock.sendall(LAST_GET)
        return read_to_end(sock)


@each_mode
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
@each_mode
def test_it_listens_on_ipv6(serve: Serve, mode: Mode) -> None:
    """With the address in brackets in its URL."""
    daemon = serve(hello, host="::1", threads=mode)
    assert daemon.url == f"http://[::1]:{daemon.port}"
    assert ask_at(socket.AF_INET6, ("::1", daemon.port)).endswith(b"hello")


@each_mode
def test_without_a_host_it_listens_everywhere(serve: Serve, mode: Mode) -> None:
    """On IPv4 and, where there is one, on IPv6."""
    daemon = serve(hello, host=None, threads=mode)
    assert ask(daemon).endswith(b"hello")
    if has_ipv6():
        assert ask_at(socket.AF_INET6, ("::1", daemon.port)).endswith(b"hello")
        assert daemon.url == f"http://[::1]:{daemon.port}"


def test_the_url_of_every_address_can_be_connected_to(serve: Serve) -> None:
    """0.0.0.0 is no address to connect to everywhere."""
    daemon = serve(hello, host="0.0.0.0")
    assert daemon.url == f"http://127.0.0.1:{daemon.port}"


@each_mode
def test_it_listens_on_a_unix_socket(serve: Serve, tmp_path: Path, mode: Mode) -> None:
    """Which has a URL and no port."""
    path = tmp_path / "socket"
    daemon = serve(hello, unix=path, threads=mode)
    assert daemon.url == f"unix://{path}"
    with pytest.raises(pymhd.StateError, match="UNIX socket"):
        _ = daemon.port
    assert ask_at(socket.AF_UNIX, str(path)).endswith(b"hello")
    assert str(path) in repr(daemon)


@each_mode
def test_the_unix_socket_is_removed_at_the_end(
    serve: Serve, tmp_path: Path, mode: Mode
) -> None:
    """So that nobody tries to connect to it."""
    path = tmp_path / "socket"
    daemon = serve(hello, unix=str(path), threads=mode)
    assert stat.S_ISSOCK(path.stat().st_mode)
    daemon.stop()
    assert not path.exists()


def test_a_relative_path_is_that_of_the_folder_at_the_start(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the program goes elsewhere: its URL, and its file's end."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    daemon = serve(hello, unix="socket")
    monkeypatch.chdir(tmp_path / "other")
    assert daemon.url == f"unix://{tmp_path}/socket"
    assert ask_at(socket.AF_UNIX, str(tmp_path / "socket")).endswith(b"hello")
    daemon.stop()
    assert not (tmp_path / "socket").exists()


def link_locals() -> list[str]:
    """Return the addresses of this machine that mean something on a link only."""
    rows = [row.split() for row in Path("/proc/net/if_inet6").read_text().splitlines()]
    return [
        f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0]))}%{row[5]}"
        for row in rows
        if row[3] == "20"
    ]


@needs_ipv6
def test_the_url_of_a_link_local_address_names_the_link(serve: Serve) -> None:
    """As RFC 6874 says."""
    if not (addresses := link_locals()):
        pytest.skip("needs a link-local address")
    daemon = serve(hello, host=addresses[0])
    zoned = addresses[0].replace("%", "%25")
    assert daemon.url == f"http://[{zoned}]:{daemon.port}"


def test_a_zone_is_encoded_in_the_url() -> None:
    """Whether or not this machine has such an address."""
    endpoint = Endpoint("fe80::1%eth0", 80, None, None)
    endpoint._address = ("fe80::1%eth0", 80)
    assert endpoint.url == "http://[fe80::1%25eth0]:80"


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


@each_mode
@pytest.mark.parametrize("as_fd", [False, True])
def test_it_takes_a_socket_that_listens(serve: Serve, mode: Mode, as_fd: bool) -> None:
    """Or the descriptor of one, as socket activation passes it."""
    with listening(as_fd) as (sock, given):
        daemon = serve(hello, sock=given, threads=mode)
        assert daemon.port == sock.getsockname()[1]
        assert ask(daemon).endswith(b"hello")


@each_mode
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
