# SPDX-License-Identifier: MIT
"""What protocols have put out: writes and whatever else they have asked for.

Any thread appends to one list; the hub's carries it out, in that order, in few calls of
C (csrc/hub/outbox.c).
"""

import errno
import math
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pymhd._hub.transport import Transport
from pymhd._native.layouts import COLLECTED
from pymhd._native.library import ffi, lib

if TYPE_CHECKING:
    from pymhd._native._mhd import DriverPtr

__all__ = ["Output"]

# Stands where a connection's number would: something to do, not to send.
_ORDER = -2


class _Order:
    """Something to do, among the writes."""

    __slots__ = ("_queued", "run")  # _queued is set as for a transport, and not used
    _connection = _ORDER

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run


def reason(why: int, output_limit: float) -> OSError:
    """Return what connection_lost() is told of a connection that we have ended."""
    if why == lib.PYMHD_HUB_CUT_OUTPUT:
        return ConnectionAbortedError(
            errno.ECONNABORTED,
            f"aborted: more than {output_limit} bytes waited to be sent to the peer, "
            "and Limits.output allows no more",
        )
    return TimeoutError(
        errno.ETIMEDOUT,
        "aborted: it was closed, and the peer did not take what waited within "
        "Limits.close_timeout",
    )


class Output:
    """The part of a hub that its transports use."""

    def __init__(self, driver: "DriverPtr", output_limit: int) -> None:
        self._driver = driver
        # It lives in the driver, which the line above keeps.
        self.pointer = lib.pymhd_driver_hub(driver)
        self._batch: Any = self.pointer
        # By the number that a connection has in csrc.
        self._transports: list[Transport | None] = []
        # Transports above their high water mark, whose protocols have not been told.
        self._crossed: deque[Transport] = deque()
        self._ended = False
        # Pairs, flat: a transport and the bytes that it sends, or an order and b"".
        # Any thread appends both in one operation; the hub's thread takes them.
        self.out: list[Any] = []
        self.collected = 0  # bytes in it, roughly
        # What has been taken from it is being given to C. A signal handler or a
        # finalizer that writes meanwhile has its bytes sent behind that.
        self.flushing = False
        # Bytes that may wait for one peer. csrc checks the same limit for what it
        # keeps.
        self.output_limit = output_limit or math.inf
        # The pump is in C, and must be woken to look at the list.
        self.asleep = False
        # Who may call C now: the pump's thread; in an application's event loop, whoever
        # is inside run() or stop(), and 0 between two calls, when nobody may.
        self.thread = 0

    def call(self, transport: Transport, method: str, *args: object) -> object:
        """Call a protocol; what it raises ends its connection."""
        raise NotImplementedError

    # --- the hub's thread ---

    def flush(self) -> None:
        """Carry out what has been asked for."""
        while self.out and not self.flushing:
            self.flushing = True
            try:
                self._take_out()
            finally:
                self.flushing = False
            # Protocols are told last, since they may write, which comes behind all
            # this.
            if self._crossed:
                self._tell_crossed()

    def _take_out(self) -> None:
        out = self.out
        count = len(out)
        targets, parts = out[:count:2], out[1:count:2]
        del out[:count]
        self.collected = 0
        if count == 2:
            self._carry_out(targets[0], parts[0])
        else:
            self._carry_all_out(targets, parts)

    def send(self, transport: Transport, data: bytes) -> None:
        """Send at once what is large, where nothing waits in the list before it."""
        self.flushing = True
        try:
            self._send(transport, data)
        finally:
            self.flushing = False
        if self._crossed:
            self._tell_crossed()

    def _send(self, transport: Transport, data: bytes) -> None:
        connection = transport._connection
        self.note(lib.pymhd_hub_send(self.pointer, connection, data, len(data)))

    def _carry_out(self, target: Any, data: bytes) -> None:
        if target._connection == _ORDER:
            target.run()
        else:
            target._queued = 0
            self._send(target, data)

    def _carry_all_out(self, targets: list[Any], parts: list[bytes]) -> None:
        connections = [target._connection for target in targets]
        if _ORDER in connections:
            for target, data in zip(targets, parts, strict=True):
                self._carry_out(target, data)
            return
        for target in targets:
            target._queued = 0
        sizes = [len(part) for part in parts]
        data, count = b"".join(parts), len(connections)
        self.note(lib.pymhd_hub_write(self.pointer, connections, sizes, count, data))

    def note(self, crossed: int) -> None:
        """Remember who is above the high water mark: the first of the batch's list."""
        if crossed:
            connections = ffi.unpack(self._batch.crossed, crossed)
            for connection in cast("list[int]", connections):
                transport = self._transports[connection]
                if transport is not None:
                    self._crossed.append(transport)

    def _tell_crossed(self) -> None:
        """Tell those of whom note() knows."""
        while self._crossed:
            self.call(self._crossed.popleft(), "pause_writing")

    def broadcast(self, transports: list[Transport], data: bytes) -> None:
        """Send the same to many."""
        connections = [transport._connection for transport in transports]
        for transport in transports:
            transport._queued = 0
        pointer, count = self.pointer, len(connections)
        self.note(lib.pymhd_hub_broadcast(pointer, connections, count, data, len(data)))

    # --- any thread ---

    def order(self, run: Callable[[], None], size: int = 0) -> None:
        """Have something done on the hub's thread, behind what was asked before."""
        if not self._ended:
            self.out.extend((_Order(run), b""))
            self.collected += size
            if self.asleep or self.collected >= COLLECTED:
                self.hurry()

    def order_broadcast(self, transports: list[Transport], data: bytes) -> None:
        """Have the same sent to many; whoever has too much waiting is aborted."""
        size = len(data)
        for transport in transports:
            transport._queued += size
        self.order(partial(self.broadcast, transports, data), size)
        if self.collected > self.output_limit:
            for transport in transports:
                self.check(transport)

    def hurry(self, transport: Transport | None = None) -> None:
        """Have what has been put out carried out soon.

        Args:
            transport: Of what has been put out last. As long as that cannot be carried
                out, it may be too much: then the connection is aborted.
        """
        if self.asleep:
            self.asleep = False
            lib.pymhd_pump_wake(self._driver)
        elif threading.get_ident() == self.thread and not self.flushing:
            self.flush()
        elif transport is not None and self.collected > self.output_limit:
            self.check(transport)

    def check(self, transport: Transport) -> None:
        """Abort a connection if more waits for its peer than may."""
        if not transport._mute and self.size_of(transport) > self.output_limit:
            transport._cut = reason(lib.PYMHD_HUB_CUT_OUTPUT, self.output_limit)
            transport.abort()

    def size_of(self, transport: Transport) -> int:
        """Return how many bytes of a transport's wait to be sent."""
        size = transport._queued if self.out else 0
        return size + lib.pymhd_hub_buffered(self.pointer, transport._connection)
