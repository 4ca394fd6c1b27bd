# SPDX-License-Identifier: MIT
"""Who runs libmicrohttpd: a Python thread for each of its daemons.

A driver starts the daemon in C, owns its pointer, and is the only one to stop it, on
its own thread: :class:`pymhd._engine.pump.Pump` drives the daemon, :class:`OwnThreads`
leaves that to libmicrohttpd's threads and looks after what is upgraded.
"""

import errno
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, NamedTuple

from pymhd._dispatcher import Dispatcher
from pymhd._engine import running
from pymhd._engine.latch import Claim, Latch
from pymhd._hub.hub import Hub
from pymhd._native import zero_copy
from pymhd._native.library import ffi, lib, made, to_str
from pymhd._native.process import end_in_child
from pymhd.errors import StartError
from pymhd.tls import TLS, parts_of

if TYPE_CHECKING:
    from pymhd._native._mhd import CData, UpgradeQuota

__all__ = ["DRAIN_MS", "FOREVER_MS", "Driver", "OwnThreads", "Settings"]

# How long one call of pymhd_pump() may wait. After stop() it waits briefly each time,
# since Python has to look whether requests and sessions have ended.
FOREVER_MS = -1
DRAIN_MS = 10
# How long an upgraded connection may still send after stop() has ended its input.
_GOODBYE_SECONDS = 1.0
# How long a start that is given up waits for a handler that has begun already.
_ABORT_SECONDS = 1.0


class Settings(NamedTuple):
    """What csrc is told, in its units; listening descriptors that it duplicates."""

    listen_fds: list[int]
    flags: int
    pool: int
    connections: int
    connections_per_ip: int
    timeout_seconds: int
    header_ms: int
    body_ms: int
    body_rate: int
    memory: int
    stack: int
    body: int
    output: int
    close_ms: int
    quota: "UpgradeQuota"  # struct pymhd_quota, of all drivers of a daemon
    tls: TLS | None


def _strings(tls: TLS | None) -> "dict[str, CData]":
    """Return the parts of it that there are, as members of struct pymhd_settings."""
    parts = {} if tls is None else parts_of(tls)
    return {name: ffi.new("char[]", part) for name, part in parts.items() if part}


class Driver:
    """One daemon of libmicrohttpd's and the thread that it belongs to.

    Whatever it acquires, :meth:`abort` releases, however far it has come.

    Args:
        failed: Called with what has ended the thread before stop() was called.
    """

    name = "pymhd"

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: Settings,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.dispatcher = dispatcher
        self._settings = settings
        # A traceback that somebody keeps holds the frame of _run(), which must not hold
        # the daemon.
        self._failed = weakref.WeakMethod(failed)
        self._process = os.getpid()
        # The structure lives as long as this object, so a call with it is always safe.
        try:
            self._ptr = made(lib.pymhd_driver_new, id(self), free=lib.pymhd_driver_free)
        except MemoryError as error:
            raise StartError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
        self._stopping = False
        self._deadline = 0.0
        self._cut_at = math.inf
        self._wants_quiesce = False
        # Either our thread stops libmicrohttpd, or whoever gives up its start does.
        self._end = Claim()
        self._ended = Latch()
        self.hub = Hub(self._ptr, dispatcher, settings.output)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def open(self) -> None:
        """Start libmicrohttpd.

        Raises:
            StartError: It does not start.
        """
        running.register(self)
        fields = self._settings._asdict()
        # libmicrohttpd may look at these as long as it runs, so they are kept.
        self._strings = _strings(fields.pop("tls"))
        fds = ffi.new("int[]", fields.pop("listen_fds"))
        listen = {"listen_fds": fds, "listen_count": len(fds)}
        c_settings = ffi.new("struct pymhd_settings *", fields | listen | self._strings)
        if error := lib.pymhd_driver_start(self._ptr, c_settings):
            reason = to_str(lib.pymhd_driver_reason(self._ptr))
            raise StartError(error, f"libmicrohttpd: {reason or os.strerror(error)}")

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def abort(self) -> None:
        """Stop at once; also before the thread has been started."""
        if self._end.take():
            self._stop()
        else:
            self.begin_stop(time.monotonic())
            self._ended.wait(_ABORT_SECONDS)

    def forked(self) -> None:
        """In a fork's child, the connections are the parent's."""
        self.hub.forked()

    def _run(self) -> None:
        try:
            if not self._end.take():
                return  # the daemon's start has been given up
            self.hub.enter()
            self._drive()
        except BaseException as error:
            self._fail(error)
        try:
            if self._end.take():  # once more, if that is what has failed
                self._stop()
        except BaseException as error:
            self._fail(error)
        end_in_child(self._process)

    def _fail(self, error: BaseException) -> None:
        """Tell the daemon, which keeps itself alive while it runs."""
        failed = self._failed()
        if failed is not None:
            failed(error)

    def _stop(self) -> None:
        """Release everything, whatever fails; once more does no harm."""
        try:
            self.hub.end()  # it calls protocols, and a signal handler may raise there
        finally:
            try:
                self.hub.leave()
                lib.pymhd_driver_stop(self._ptr)
            finally:
                try:
                    zero_copy.take_back()
                    self.dispatcher.clear()
                finally:
                    running.unregister(self)
                    self._ended.open()

    def _drive(self) -> None:
        raise NotImplementedError

    def _wake(self) -> None:
        lib.pymhd_pump_wake(self._ptr)

    # --- any thread ---

    def quiesce(self) -> None:
        """Stop listening; go on with the connections that there are."""
        self._wants_quiesce = True
        self._wake()

    def begin_stop(self, deadline: float) -> None:
        """Refuse what is new and end what is upgraded; stop once all is answered.

        Args:
            deadline: Of ``time.monotonic()``; then it stops in any case.
        """
        self._deadline = deadline
        self._stopping = True
        lib.pymhd_driver_refuse(self._ptr)
        # An end of input, so that callables may still say goodbye.
        lib.pymhd_driver_shutdown(self._ptr, socket.SHUT_RD)
        self._cut_at = time.monotonic() + _GOODBYE_SECONDS
        self._wake()

    def join(self, deadline: float) -> bool:
        """Wait for the thread's end; tell whether it has ended."""
        if not self._ended.wait(max(0.0, deadline - time.monotonic())):
            return False
        self._thread.join()  # it has only to return
        return True

    @property
    def is_stopping(self) -> bool:
        """True from stop() on."""
        return self._stopping

    def runs_here(self) -> bool:
        """Tell whether a handler of this driver's runs on the calling thread."""
        # The system gives the number of a thread that has ended to a new thread.
        own = self._thread.ident == get_ident()
        return own and not self._ended.is_open

    @property
    def connections(self) -> int:
        """How many connections are open, upgraded ones included."""
        return lib.pymhd_driver_connections(self._ptr)

    @property
    def upgraded(self) -> int:
        """How many upgraded connections are open."""
        return lib.pymhd_driver_upgraded(self._ptr)

    def _drained(self) -> bool:
        """Tell, after stop(), whether nothing is left to wait for."""
        if self.upgraded and time.monotonic() >= self._cut_at:
            # What still blocks is a send to a peer that does not read.
            self._cut_at = math.inf
            lib.pymhd_driver_shutdown(self._ptr, socket.SHUT_RDWR)
            self.hub.close_all()
        busy = lib.pymhd_driver_requests(self._ptr) or self.upgraded
        return not busy or self._is_late()

    def _is_late(self) -> bool:
        """Tell whether stop() has waited enough."""
        return self._stopping and time.monotonic() >= self._deadline


class OwnThreads(Driver):
    """libmicrohttpd's own threads call the handlers; ours ends upgraded connections."""

    name = "pymhd-beside"

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: Settings,
        failed: Callable[[BaseException], None],
    ) -> None:
        # The threads of libmicrohttpd's that a callback of ours runs on.
        self.inside: set[int] = set()
        super().__init__(dispatcher, settings, failed)

    def runs_here(self) -> bool:
        return get_ident() in self.inside or super().runs_here()

    def _drive(self) -> None:
        quiesced = False
        while not (self._stopping and self._drained()):
            if not quiesced and (self._wants_quiesce or self._stopping):
                quiesced = True
                lib.pymhd_driver_quiesce(self._ptr)
            timeout_ms = DRAIN_MS if self._stopping else FOREVER_MS
            batch = self.hub.pump(timeout_ms)
            if not batch:  # this is a fork's child: the daemon is its parent's
                return
            if batch.returned:
                zero_copy.take_back()
            self.hub.deliver()
