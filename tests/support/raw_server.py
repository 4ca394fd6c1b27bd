# SPDX-License-Identifier: MIT
"""An upgrade server on the raw layer alone, as one would write it in C."""

import os
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from live import TIMEOUT

from pymhd import ffi, lib

if TYPE_CHECKING:
    from pymhd._native._mhd import CData, DaemonPtr, ResponsePtr

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


def connect(server: RawServer) -> socket.socket:
    """Return a client's connection."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
