# SPDX-License-Identifier: MIT
"""The stream of an upgrade: megabytes each way, silence, and its socket's options."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from live import (
    MIB,
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    connect_to,
    echo,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import each_mode, each_way, over_tls_too
from sessions import Run, switching

import pymhd


@over_tls_too(each_mode)
def test_the_server_sends_8_mib_to_a_client_that_does_not_read_at_first(
    serve: Serve, mode: Mode
) -> None:
    """sendall() waits for the client; then everything comes, in order."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    sent = threading.Event()

    def flood(stream: pymhd.Upgraded) -> None:
        stream.sendall(data)
        sent.set()

    daemon = serve(lambda request: switching(flood, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(upgrade_request())
        read_head(sock)
        assert not sent.wait(0.1)
        assert read_to_end(sock) == data


@over_tls_too(each_mode)
def test_a_client_sends_8_mib_to_a_server_that_does_not_read_at_first(
    serve: Serve, mode: Mode
) -> None:
    """The client waits for the session; then everything comes, in order."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    received: SimpleQueue[bytes] = SimpleQueue()
    may_read = threading.Event()

    def swallow(stream: pymhd.Upgraded) -> None:
        assert may_read.wait(TIMEOUT)
        with stream.makefile("rb") as file:
            received.put(file.read())

    daemon = serve(lambda request: switching(swallow, "thread"), threads=mode)
    with upgraded(daemon) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        sender.join(0.1)
        assert sender.is_alive()
        may_read.set()
        sender.join(TIMEOUT)
        sock.shutdown(socket.SHUT_WR)
        assert received.get(timeout=TIMEOUT) == data


@over_tls_too(each_mode)
def test_8_mib_go_each_way_at_the_same_time(serve: Serve, mode: Mode) -> None:
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

    daemon = serve(lambda request: switching(both, "thread"), threads=mode)
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


@pytest.fixture(name="default_timeout")
def _default_timeout() -> Iterator[None]:
    """Let new sockets of the process time out soon, as some programs do."""
    socket.setdefaulttimeout(0.05)
    yield
    socket.setdefaulttimeout(None)


@over_tls_too(each_mode)
@pytest.mark.usefixtures("default_timeout")
def test_the_default_timeout_of_the_process_is_not_the_sessions(
    serve: Serve, mode: Mode
) -> None:
    """A session blocks until somebody calls settimeout()."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with upgraded(daemon) as sock:
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(TIMEOUT)
        assert_echoes(sock)


@each_mode
def test_a_unix_socket_is_upgraded_as_well(
    serve: Serve, mode: Mode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where there is neither TCP_NODELAY nor an address."""
    path = str(tmp_path_factory.mktemp("s") / "s")

    def speak(stream: pymhd.Upgraded) -> None:
        assert stream.client == ""
        with stream.cork():
            stream.sendall(b"hello")
        echo(stream)

    serve(lambda request: switching(speak, "thread"), threads=mode, unix=path)
    with connect_to(path) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert read_exactly(sock, 5) == b"hello"
        assert_echoes(sock)


@each_way
def test_small_writes_are_not_held_back(serve: Serve, mode: Mode, run: Run) -> None:
    """TCP_NODELAY is set on the stream, whichever release of libmicrohttpd it is."""
    seen: SimpleQueue[int] = SimpleQueue()

    def look(stream: pymhd.Upgraded) -> None:
        with socket.socket(fileno=os.dup(stream.fileno())) as sock:
            seen.put(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    daemon = serve(lambda request: switching(look, run), threads=mode)
    with upgraded(daemon):
        assert seen.get(timeout=TIMEOUT) != 0
