# SPDX-License-Identifier: MIT
"""The raw layer alone: an upgrade server as one would write it in C."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import pytest
from live import TIMEOUT, eventually, read_exactly, read_head, read_to_end

from pymhd import ffi, lib

if TYPE_CHECKING:
    from pymhd._mhd import CData, DaemonPtr, ResponsePtr

REQUEST = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"

INTERNAL = lib.MHD_USE_INTERNAL_POLLING_THREAD
FLAGS = {
    "one thread, select": INTERNAL,
    "one thread, epoll": INTERNAL | lib.MHD_USE_EPOLL,
    "one thread, automatic": INTERNAL | lib.MHD_USE_AUTO,
    "a thread for each connection": INTERNAL | lib.MHD_USE_THREAD_PER_CONNECTION,
}


def callback(kind: str, function: Callable[..., object]) -> "CData":
    """Make a C function of a Python one; types-cffi does not know what that is."""
    return cast("CData", ffi.callback(kind, function))


class RawServer:
    """Echoes on upgraded descriptors until the client's end, then says CLOSE."""

    def __init__(self, flags: int, *, upgrade_header: bool = True) -> None:
        self.calls: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self.closed: SimpleQueue[int] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        # What C keeps a pointer to must be kept here.
        self._access = callback("MHD_AccessHandlerCallback", self._on_request)
        self._upgrade = callback("MHD_UpgradeHandler", self._on_upgrade)
        self._cls = ffi.new("int *", 42)
        self.response: ResponsePtr = lib.MHD_response_for_upgrade(
            self._upgrade, self._cls
        )
        assert self.response != ffi.NULL
        if upgrade_header:
            added = lib.MHD_add_response_header(self.response, b"Upgrade", b"raw")
            assert added == lib.MHD_YES
        self._daemon: DaemonPtr = lib.MHD_start_daemon(
            flags | lib.MHD_ALLOW_UPGRADE | lib.MHD_USE_ERROR_LOG,
            0,
            ffi.NULL,
            ffi.NULL,
            self._access,
            ffi.NULL,
            ffi.cast("enum MHD_OPTION", lib.MHD_OPTION_END),
        )
        assert self._daemon != ffi.NULL
        info = lib.MHD_get_daemon_info(self._daemon, lib.MHD_DAEMON_INFO_BIND_PORT)
        self.port = cast("int", cast("Any", info).port)

    def _on_request(self, *args: Any) -> int:
        _, connection, _, _, _, _, size, req_cls = args
        if req_cls[0] == ffi.NULL:
            req_cls[0] = self._cls
            return lib.MHD_YES
        assert size[0] == 0
        return lib.pymhd_queue_upgrade(connection, self.response)

    def _on_upgrade(self, *args: Any) -> None:
        cls, _, req_cls, early, early_size, sock, urh = args
        assert req_cls == self._cls
        begin = _bytes(early, early_size)
        own = socket.socket(fileno=os.dup(sock))
        thread = threading.Thread(target=self._serve, args=(own, begin, urh))
        thread.start()
        self.threads.append(thread)
        number = cast("Any", ffi.cast("int *", cls))[0]
        self.calls.put((number, begin))

    def _serve(self, sock: socket.socket, data: bytes, urh: Any) -> None:
        with sock:
            sock.settimeout(TIMEOUT)
            while data := data or sock.recv(65536):
                sock.sendall(data)
                data = b""
        self.closed.put(lib.MHD_upgrade_action(urh, lib.MHD_UPGRADE_ACTION_CLOSE))

    def stop(self) -> None:
        """Wait for the sessions, then stop."""
        for thread in self.threads:
            thread.join(TIMEOUT)
        lib.MHD_stop_daemon(self._daemon)
        lib.MHD_destroy_response(self.response)


def _bytes(pointer: "CData", size: int) -> bytes:
    return bytes(ffi.buffer(pointer, size)) if size else b""


@pytest.fixture(params=FLAGS)
def raw(request: pytest.FixtureRequest) -> Iterator[RawServer]:
    """Run a raw server in every mode that has threads of its own."""
    server = RawServer(FLAGS[request.param])
    yield server
    server.stop()


def connect(server: RawServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)


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
    """The same response, again and again and at the same time."""
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
