# SPDX-License-Identifier: MIT
"""The raw layer alone: an upgrade server as one would write it in C."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import pytest
from live import TIMEOUT, eventually, read_exactly, read_head, read_to_end
from raw_server import FLAGS, REQUEST, RawServer, callback, connect

from pymhd import ffi, lib

if TYPE_CHECKING:
    pass


@pytest.fixture(params=FLAGS)
def raw(request: pytest.FixtureRequest) -> Iterator[RawServer]:
    """Run a raw server in every mode that has threads of its own."""
    server = RawServer(FLAGS[request.param])
    yield server
    server.stop()


def test_a_raw_server_upgrades_and_echoes(raw: RawServer) -> None:
    """With ``cls``, the early bytes, the descriptor and CLOSE, as documented."""
    with connect(raw) as sock:
        sock.sendall(REQUEST + b"early")
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert head.lower().count(b"\r\nconnection: upgrade\r\n") == 1
        assert head.lower().count(b"\r\nupgrade: raw\r\n") == 1
        assert read_exactly(sock, 5) == b"early"
        sock.sendall(b"late")
        assert read_exactly(sock, 4) == b"late"
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    cls, early = raw.calls.get(timeout=TIMEOUT)
    assert cls == 42
    assert b"early".startswith(early)
    assert raw.closed.get(timeout=TIMEOUT) == lib.MHD_YES


def test_the_handler_is_called_once_for_each_connection(raw: RawServer) -> None:
    """One response serves many connections, also at the same moment."""
    with contextlib.ExitStack() as stack:
        for number in range(30):
            sock = stack.enter_context(connect(raw))
            sock.sendall(REQUEST)
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            sock.sendall(b"%02d" % number)
            assert read_exactly(sock, 2) == b"%02d" % number
        eventually(lambda: raw.calls.qsize() == 30, "all calls")
    for _ in range(30):
        assert raw.closed.get(timeout=TIMEOUT) == lib.MHD_YES
    assert raw.calls.qsize() == 30


def test_the_handler_is_called_only_after_the_header_went_out() -> None:
    """The client has it in full while the handler has yet to return."""
    in_handler, release = threading.Event(), threading.Event()

    class Late(RawServer):
        def _on_upgrade(self, *args: Any) -> None:
            in_handler.set()
            release.wait(TIMEOUT)
            super()._on_upgrade(*args)

    server = Late(FLAGS["one thread, epoll"])
    try:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert in_handler.wait(TIMEOUT)
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            release.set()
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            server.calls.get(timeout=TIMEOUT)
    finally:
        release.set()
        server.stop()


def test_a_client_that_breaks_off_is_not_handed_over(raw: RawServer) -> None:
    """Without the end of its header there is no request, so no upgrade."""
    with connect(raw) as sock:
        sock.sendall(REQUEST[:-2])
    with connect(raw) as sock:
        sock.sendall(REQUEST)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        eventually(lambda: raw.calls.qsize() > 0, "the call")
    assert raw.closed.get(timeout=TIMEOUT) == lib.MHD_YES
    assert raw.calls.qsize() == 1


def test_without_a_handler_there_is_no_response() -> None:
    """NULL for NULL, as the specification says."""
    assert lib.MHD_response_for_upgrade(ffi.NULL, ffi.NULL) == ffi.NULL


def test_connection_upgrade_is_there_and_the_upgrade_field_is_not() -> None:
    """The latter is for the caller to add, since only he knows the protocol."""
    upgrade = callback("MHD_UpgradeHandler", lambda *args: None)
    response = lib.MHD_response_for_upgrade(upgrade, ffi.NULL)
    try:
        value = lib.MHD_get_response_header(response, b"Connection")
        assert cast("bytes", ffi.string(value)).lower() == b"upgrade"
        assert lib.MHD_get_response_header(response, b"Upgrade") == ffi.NULL
    finally:
        lib.MHD_destroy_response(response)


def test_any_other_status_than_101_is_refused() -> None:
    """pymhd_queue_upgrade() sets the one that there is."""
    results: SimpleQueue[int] = SimpleQueue()

    class Wrong(RawServer):
        def _on_request(self, *args: Any) -> int:
            connection, size, req_cls = args[1], args[6], args[7]
            if req_cls[0] != ffi.NULL and not size[0]:
                results.put(lib.MHD_queue_response(connection, 200, self.response))
            return super()._on_request(*args)

    server = Wrong(FLAGS["one thread, epoll"])
    try:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            assert results.get(timeout=TIMEOUT) == lib.MHD_NO
            server.calls.get(timeout=TIMEOUT)
    finally:
        server.stop()


def test_close_may_be_said_inside_the_handler() -> None:
    """Then the connection ends as soon as the handler has returned."""
    answers: SimpleQueue[int] = SimpleQueue()

    class Brief(RawServer):
        def _on_upgrade(self, *args: Any) -> None:
            for _ in range(2):
                answers.put(
                    lib.MHD_upgrade_action(args[6], lib.MHD_UPGRADE_ACTION_CLOSE)
                )

    server = Brief(FLAGS["one thread, epoll"])
    try:
        with connect(server) as sock:
            sock.sendall(REQUEST)
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            assert read_to_end(sock) == b""
        assert answers.get(timeout=TIMEOUT) == lib.MHD_YES
        assert answers.get(timeout=TIMEOUT) == lib.MHD_NO
    finally:
        server.stop()


def test_a_fresh_response_may_be_destroyed_unused() -> None:
    """Without a daemon, without a leak."""
    upgrade = callback("MHD_UpgradeHandler", lambda *args: None)
    for _ in range(100):
        response = lib.MHD_response_for_upgrade(upgrade, ffi.NULL)
        assert response != ffi.NULL
        lib.MHD_destroy_response(response)
