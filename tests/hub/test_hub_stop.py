# SPDX-License-Identifier: MIT
"""``stop()``, and a fork, while the hub has connections."""

import contextlib
import os
import socket
import threading
from queue import SimpleQueue

import pytest
from live import (
    MIB,
    TIMEOUT,
    Serve,
    assert_echoes,
    connect,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    seconds_of,
    upgrade_request,
)
from protocols import Hub, Recorder, echoing

import pymhd


def test_connections_hear_of_the_end_in_order(serve: Serve) -> None:
    """End of input first; what they say then is still sent."""

    def goodbye(protocol: Recorder) -> None:
        protocol.transport.write(b"goodbye")

    hub = Hub(serve, eof=goodbye)
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(hub.connect()) for _ in range(20)]
        assert seconds_of(hub.daemon.stop) < 1.5
        for protocol, sock in pairs:
            assert read_to_end(sock) == b"goodbye"
            assert protocol.calls == ["made", "eof", "lost"]
    assert hub.daemon.upgraded == 0


def test_what_waits_is_sent_within_the_timeout(serve: Serve) -> None:
    """The peer begins to read when stop() has begun, and takes more than a second."""
    big = bytes(range(256)) * (8 * MIB // 256)
    hub = Hub(serve, made=lambda protocol: protocol.transport.write(big))
    with hub.connect() as (protocol, sock):
        stopper = threading.Thread(target=hub.daemon.stop, args=(TIMEOUT,))
        stopper.start()
        protocol.wait_for("eof")
        data = bytearray()
        pace = threading.Event()
        while piece := sock.recv(MIB):
            data += piece
            pace.wait(0.05)
        assert bytes(data) == big
        stopper.join(TIMEOUT)
        assert protocol.end() is None


def test_a_connection_that_stays_half_open_is_closed_after_a_while(
    serve: Serve,
) -> None:
    """As a session that is blocked in sendall() is cut."""
    hub = Hub(serve, eof=lambda protocol: True)
    with hub.connect() as (protocol, sock):
        assert seconds_of(hub.daemon.stop) < 2.5
        assert read_to_end(sock) == b""
        assert protocol.calls == ["made", "eof", "lost"]


def test_a_connection_that_is_paused_is_closed_after_a_while(serve: Serve) -> None:
    """It has not asked for the end of input."""
    hub = Hub(serve, made=lambda protocol: protocol.transport.pause_reading())
    with hub.connect() as (protocol, sock):
        assert seconds_of(hub.daemon.stop) < 2.5
        assert read_to_end(sock) == b""
        assert protocol.calls == ["made", "lost"]


def test_a_peer_that_does_not_read_is_cut_at_the_timeout(serve: Serve) -> None:
    """connection_lost() says so."""
    hub = Hub(serve, made=lambda protocol: protocol.transport.write(bytes(8 * MIB)))
    with hub.connect() as (protocol, _):
        assert seconds_of(lambda: hub.daemon.stop(timeout=1.5)) < 3
        assert isinstance(protocol.end(), ConnectionAbortedError)
        assert hub.daemon.upgraded == 0
        protocol.transport.write(b"x")
        assert protocol.transport.is_closing()


def test_stop_within_a_protocol_is_an_error(serve: Serve) -> None:
    """It would wait for itself."""
    errors: SimpleQueue[BaseException] = SimpleQueue()

    def stop(protocol: Recorder, data: bytes) -> None:
        try:
            hub.daemon.stop()
        except pymhd.StateError as error:
            errors.put(error)
        protocol.transport.write(data)

    hub = Hub(serve, data=stop)
    with hub.connect() as (_, sock):
        assert_echoes(sock)
    assert "handler" in str(errors.get(timeout=TIMEOUT))


def test_an_upgrade_that_is_answered_while_it_stops(serve: Serve) -> None:
    """It is refused, or made and lost; stop() returns soon."""
    entered, release = threading.Event(), threading.Event()
    hub = Hub(serve)
    handler = hub.daemon._drivers[0].dispatcher.handler

    def slow(request: pymhd.Request) -> pymhd.Response:
        entered.set()
        release.wait(TIMEOUT)
        return handler(request)

    hub.daemon._drivers[0].dispatcher.handler = slow
    with connect(hub.daemon) as sock:
        sock.sendall(upgrade_request())
        assert entered.wait(TIMEOUT)
        stopper = threading.Thread(target=hub.daemon.stop)
        stopper.start()
        eventually(
            lambda: hub.daemon._drivers[0].is_stopping, "the beginning of stop()"
        )
        release.set()
        stopper.join(TIMEOUT)
        assert not stopper.is_alive()
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


def test_a_child_cannot_touch_the_parents_connections(serve: Serve) -> None:
    """Its transports are dead, and say so as ended ones do."""
    hub = Hub(serve, data=echoing)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        transport.fileno()
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                transport.write(b"from the child")
                transport.close()
                pymhd.broadcast([transport], b"from the child")
                assert transport.get_write_buffer_size() == 0
                assert transport.get_extra_info("sockname") is None
                code = 0
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert_echoes(sock)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""


@pytest.mark.parametrize("threads", [1, 3])
def test_requests_and_protocols_are_served_side_by_side(
    serve: Serve, threads: int
) -> None:
    """Protocols of one daemon may also be talked to by its handlers."""
    hub = Hub(serve, data=echoing, mode=threads)
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(hub.connect()) for _ in range(10)]
        for _ in range(10):
            for _, sock in pairs:
                assert_echoes(sock)
            with connect(hub.daemon) as other:
                other.sendall(upgrade_request(protocol="none"))
                assert read_head(other).startswith(b"HTTP/1.1 426 ")
        for protocol, sock in pairs:
            protocol.transport.write(b"from outside")
            assert read_exactly(sock, 12) == b"from outside"
