# SPDX-License-Identifier: MIT
"""Half a close over TLS: a close_notify ends one direction, and the other goes on."""

import socket
import ssl
import threading
from queue import SimpleQueue

import pytest
import secure
from live import (
    TIMEOUT,
    Mode,
    Serve,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
)
from marks import each_mode
from protocols import Hub, Recorder, echoing

import pymhd

pytestmark = [
    pytest.mark.usefixtures("transport"),
    pytest.mark.parametrize("transport", ["tls"], indirect=True),
]
THERE = b"there" * 200_000
BACK = b"back" * 300_000
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
each_version = pytest.mark.parametrize("version", VERSIONS)


def tunnel(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> tuple[secure.Client, pymhd.Upgraded]:
    """Return both ends of an upgraded connection."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    response = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    daemon = serve(lambda request: response, threads=mode, tls=secure.server_tls())
    address = ("127.0.0.1", daemon.port)
    sock = secure.Client(
        socket.create_connection(address, TIMEOUT), secure.client_context(version)
    )
    sock.sendall(upgrade_request())
    read_head(sock)  # type: ignore[arg-type]
    return sock, streams.get(timeout=TIMEOUT)


@each_mode
@each_version
def test_the_peer_goes_on_behind_our_end(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """What was written before comes first, and reading goes on up to its end."""
    sock, stream = tunnel(serve, mode, version)
    with sock, stream:
        sender = threading.Thread(target=stream.sendall, args=(THERE,))
        sender.start()
        assert read_exactly(sock, 1000) == THERE[:1000]  # type: ignore[arg-type]
        rest = SimpleQueue[bytes]()
        reader = threading.Thread(target=lambda: rest.put(read_to_end(sock)))  # type: ignore[arg-type]
        reader.start()
        sender.join(TIMEOUT)
        stream.shutdown(socket.SHUT_WR)
        assert rest.get(timeout=TIMEOUT) == THERE[1000:]
        reader.join(TIMEOUT)
        with pytest.raises(BrokenPipeError):
            stream.sendall(b"more")

        def answer() -> None:
            sock.sendall(BACK)
            sock.say_bye()

        sender = threading.Thread(target=answer)
        sender.start()
        received = b""
        while data := stream.recv(65536):
            received += data
        sender.join(TIMEOUT)
        assert received == BACK


@each_mode
@each_version
def test_we_go_on_behind_the_peers_end(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """Of which a close_notify tells, without a FIN."""
    sock, stream = tunnel(serve, mode, version)
    with sock, stream:
        sock.sendall(b"all")
        sock.say_bye()
        assert stream.recv_exactly(3) == b"all"
        assert stream.recv(1) == b""
        sender = threading.Thread(target=stream.sendall, args=(BACK,))
        sender.start()
        assert read_exactly(sock, len(BACK)) == BACK  # type: ignore[arg-type]
        sender.join(TIMEOUT)
        stream.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""  # type: ignore[arg-type]


def write_and_end(protocol: Recorder, data: bytes) -> None:
    """Be through when the peer has only begun."""
    if data == b"go":
        protocol.transport.write(THERE)
        protocol.transport.write_eof()


@each_mode
def test_a_protocol_ends_its_half_and_goes_on_reading(serve: Serve, mode: Mode) -> None:
    """As over TCP."""
    hub = Hub(serve, mode=mode, data=write_and_end)
    with hub.connect() as (protocol, sock):
        sock.sendall(b"go")
        assert read_to_end(sock) == THERE
        assert "lost" not in protocol.calls
        sock.sendall(BACK)
        protocol.wait_for_data(2 + len(BACK))
        sock.say_bye()  # type: ignore[attr-defined]
        assert protocol.end() is None


@each_mode
def test_a_protocol_may_answer_behind_the_peers_end(serve: Serve, mode: Mode) -> None:
    """If eof_received() says so."""
    hub = Hub(serve, mode=mode, data=echoing, eof=lambda protocol: True)
    with hub.connect() as (protocol, sock):
        sock.say_bye()  # type: ignore[attr-defined]
        protocol.wait_for("eof")
        protocol.transport.write(b"still here")
        assert read_exactly(sock, 10) == b"still here"
        protocol.transport.close()
        assert read_to_end(sock) == b""
        eventually(lambda: "lost" in protocol.calls, "its end")
