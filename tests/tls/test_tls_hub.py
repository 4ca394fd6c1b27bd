# SPDX-License-Identifier: MIT
"""Protocols over TLS: what comes and goes in records, and every end of the peer."""

import socket
import threading
from collections.abc import Callable

import pytest
from live import (
    MIB,
    TIMEOUT,
    Mode,
    Serve,
    eventually,
    read_exactly,
    read_to_end,
    reset,
)
from marks import each_mode
from protocols import Hub, echoing

import pymhd

pytestmark = [
    pytest.mark.usefixtures("transport"),
    pytest.mark.parametrize("transport", ["tls"], indirect=True),
]
BIG = b"".join(b"%07d\n" % number for number in range(MIB // 2))


@each_mode
def test_megabytes_are_echoed(serve: Serve, mode: Mode) -> None:
    """A record is less than the hub reads at once, and epoll tells only once."""
    hub = Hub(serve, mode=mode, data=echoing)
    with hub.connect(early=b"early ") as (protocol, sock):
        assert read_exactly(sock, 6) == b"early "
        sender = threading.Thread(target=sock.sendall, args=(BIG,))
        sender.start()
        assert read_exactly(sock, len(BIG)) == BIG
        sender.join(TIMEOUT)
        assert protocol.transport.get_write_buffer_size() == 0


@each_mode
def test_close_sends_what_waits_and_says_goodbye(serve: Serve, mode: Mode) -> None:
    """Also what waits encrypted, of which the outbox knows nothing."""
    hub = Hub(serve, mode=mode, data=lambda protocol, _: answer_and_close(protocol))
    with hub.connect() as (protocol, sock):
        sock.sendall(b"go")
        assert read_to_end(sock) == BIG
        assert protocol.end() is None


def answer_and_close(protocol: object) -> None:
    """Write more than the kernel takes, and close."""
    transport = protocol.transport  # type: ignore[attr-defined]
    transport.write(BIG)
    transport.close()


def say_bye(sock: socket.socket) -> None:
    sock.say_bye()  # type: ignore[attr-defined]


def send_fin(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


@each_mode
@pytest.mark.parametrize("end", [say_bye, send_fin])
@pytest.mark.parametrize("last", [b"", b"last words"])
def test_every_end_of_the_peer_is_one(
    serve: Serve, mode: Mode, end: Callable[[socket.socket], None], last: bytes
) -> None:
    """Behind what it sent, be it in the same breath."""
    hub = Hub(serve, mode=mode, eof=lambda protocol: None)
    with hub.connect() as (protocol, sock):
        if last:
            sock.sendall(last)
        end(sock)
        assert protocol.end() is None
        assert protocol.data == last
        assert protocol.calls == ["made", *(["data"] if last else []), "eof", "lost"]


def test_a_reset_is_the_protocols_error(serve: Serve) -> None:
    """As over TCP."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        reset(sock)
        assert isinstance(protocol.end(), ConnectionResetError)


def test_a_broadcast_reaches_everybody(serve: Serve) -> None:
    """Each gets it encrypted for itself."""
    hub = Hub(serve)
    with (
        hub.connect() as (first, one),
        hub.connect() as (second, other),
    ):
        pymhd.broadcast([first.transport, second.transport], BIG)
        assert read_exactly(one, len(BIG)) == BIG
        assert read_exactly(other, len(BIG)) == BIG


def test_a_paused_protocol_gets_the_rest_when_it_resumes(serve: Serve) -> None:
    """Nothing is forgotten between GnuTLS, epoll and the hub."""
    hub = Hub(serve, made=lambda protocol: protocol.transport.pause_reading())
    with hub.connect() as (protocol, sock):
        sender = threading.Thread(target=sock.sendall, args=(BIG,))
        sender.start()
        protocol.transport.resume_reading()
        protocol.wait_for_data(len(BIG))
        sender.join(TIMEOUT)
        assert protocol.data == BIG


def test_no_part_of_a_record_is_left_to_others(serve: Serve) -> None:
    """What GnuTLS has decrypted, and nobody took, libmicrohttpd would read."""
    hub = Hub(serve, data=lambda protocol, _: protocol.transport.pause_reading())
    size = 10_000  # no part of what the hub reads at once
    with hub.connect() as (protocol, sock):
        sender = threading.Thread(target=send_in_pieces, args=(sock, BIG, size))
        sender.start()
        while len(protocol.data) < len(BIG):
            eventually(lambda: not protocol.transport.is_reading(), "data")
            protocol.transport.resume_reading()
        sender.join(TIMEOUT)
        assert protocol.data == BIG


def send_in_pieces(sock: socket.socket, data: bytes, size: int) -> None:
    """Send a record a piece."""
    for begin in range(0, len(data), size):
        sock.sendall(data[begin : begin + size])
