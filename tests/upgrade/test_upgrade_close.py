# SPDX-License-Identifier: MIT
"""How a session ends: its last bytes arrive, and it lingers no longer than it must."""

import contextlib
import socket
import threading
import time
from functools import partial

import pytest
from live import (
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    at_once,
    connect,
    echo,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import every_mode, every_way, over_tls_too
from sessions import Run, switching

import pymhd


@over_tls_too(every_way)
def test_a_stream_may_be_closed_from_many_threads_at_once(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """It is closed once, and the count of sessions stays right."""
    together = threading.Barrier(8)

    def close(stream: pymhd.Upgraded) -> None:
        together.wait(TIMEOUT)
        stream.close()

    def close_often(stream: pymhd.Upgraded) -> None:
        at_once(*[partial(close, stream)] * 8)

    daemon = serve(lambda request: switching(close_often, run), threads=mode)
    for _ in range(5):
        with upgraded(daemon) as sock:
            assert read_to_end(sock) == b""
    eventually(lambda: daemon.upgraded == 0, "the end of the sessions")
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@over_tls_too(every_way)
def test_the_last_bytes_arrive_although_the_client_had_sent_what_nobody_read(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """A close with unread input would be an RST, and the end would be lost."""
    last = b"x" * 200_000 + b"the end"
    sent = threading.Event()

    def speak(stream: pymhd.Upgraded) -> None:
        assert sent.wait(TIMEOUT)
        stream.sendall(last)

    daemon = serve(lambda request: switching(speak, run), threads=mode)
    with upgraded(daemon) as sock:
        sock.sendall(b"?" * 100_000)
        sent.set()
        assert read_to_end(sock) == last


@over_tls_too(every_way)
def test_the_last_bytes_arrive_although_the_client_goes_on_sending(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """Input that comes after the close is drained, too."""
    last = b"x" * 200_000 + b"the end"
    closed = threading.Event()

    def speak(stream: pymhd.Upgraded) -> None:
        stream.sendall(last)
        stream.close()
        closed.set()

    daemon = serve(lambda request: switching(speak, run), threads=mode)
    with upgraded(daemon) as sock:
        assert closed.wait(TIMEOUT)
        for _ in range(10):
            sock.sendall(b"?" * 10_000)
        assert read_to_end(sock) == last


@over_tls_too(every_way)
def test_the_last_bytes_arrive_although_a_thread_was_blocked_in_recv(
    serve: Serve, mode: Mode, run: Run
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

    daemon = serve(lambda request: switching(speak, run), threads=mode)
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


@over_tls_too(every_mode)
def test_a_flood_does_not_keep_a_closed_stream_lingering(
    serve: Serve, mode: Mode
) -> None:
    """After a second or a mebibyte the peer is cut off."""
    daemon = serve(lambda request: switching(leave_at_once, "thread"), threads=mode)
    with upgraded(daemon) as sock, pytest.raises(ConnectionError):
        flood_for(sock, TIMEOUT)
    eventually(lambda: daemon.upgraded == 0, "the end of lingering")


@over_tls_too(every_mode)
def test_a_closed_stream_is_gone_as_soon_as_the_peer_closes(
    serve: Serve, mode: Mode
) -> None:
    """Lingering ends with the peer's FIN."""
    daemon = serve(lambda request: switching(leave_at_once, "thread"), threads=mode)
    sock = upgraded(daemon)
    assert read_to_end(sock) == b""
    begun = time.monotonic()
    sock.close()
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    assert time.monotonic() - begun < 0.6


@every_mode
def test_lingering_streams_do_not_delay_others(serve: Serve, mode: Mode) -> None:
    """They wait in the background, for a second each."""
    daemon = serve(
        lambda request: switching(
            echo if request.wants_upgrade("echo") else leave_at_once,
            "thread",
            "echo, close",
        ),
        threads=mode,
    )
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(upgraded(daemon, "close"))
            assert read_to_end(sock) == b""
        begun = time.monotonic()
        for _ in range(20):
            with upgraded(daemon) as sock:
                assert_echoes(sock)
        assert time.monotonic() - begun < 5
