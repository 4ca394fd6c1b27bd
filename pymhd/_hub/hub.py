# SPDX-License-Identifier: MIT
"""The hub: protocols of upgraded connections, driven by the pump's thread.

csrc reads and gives a batch of events; the protocols are called; what they write is
collected and goes back in one call, before the pump waits again (csrc/hub/).

Only the pump's thread calls the protocols, and C, but for a count. Other threads put
what they want at the end of ``out``, and wake the pump if it is in C. So everything
that a program asks for happens in the order in which it was asked, whatever the
threads.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from operator import length_hint
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from pymhd._hub.output import Output, reason
from pymhd._hub.receivers import ignore, receiver
from pymhd._hub.transport import Transport
from pymhd._native import logs
from pymhd._native.layouts import HUB_EVENT
from pymhd._native.library import ffi, lib
from pymhd._switch import Switching

if TYPE_CHECKING:
    from pymhd._native._mhd import Batch, DriverPtr

__all__ = ["Hub"]

Event = tuple[int, int, int, int]
# How long protocols are called before requests have their turn.
_BATCH_SECONDS = 0.0005
# How many events are dealt with between two looks at the clock.
_BETWEEN_LOOKS = 8


_strerror = cache(os.strerror)


class Hub(Output):
    """The upgraded connections of one pump that have protocols."""

    def __init__(
        self, driver: "DriverPtr", switching: Switching, output_limit: int = 0
    ) -> None:
        super().__init__(driver, output_limit)
        self._switching = switching
        self.report = logs.report
        self._arena: Any = None
        # Who takes the bytes that come, by the number of a connection.
        self._receivers: list[Callable[[bytes], object]] = []
        # Events of the batch, and how many have not been dealt with.
        self._events: Iterator[Event] = iter(())
        self._left = 0
        self._copy = b""  # the batch, as csrc gave it
        self._released: list[int] = []
        # Transports that read again, for which data has been held back meanwhile.
        self._resumed: deque[Transport] = deque()

    # --- the pump's thread ---

    def enter(self) -> None:
        """Have the calling thread be the pump's, until it leaves."""
        self.thread = threading.get_ident()

    def leave(self) -> None:
        """Have what is asked for from now on wait for the next who enters."""
        self.thread = 0

    def pump(self, timeout_ms: int) -> "Batch":
        """Send everything and run csrc's pump, as ``lib.pymhd_pump()`` does."""
        self.sleep()
        batch = lib.pymhd_pump(self._driver, 0 if self.is_behind else timeout_ms)
        self.asleep = False
        return batch

    @property
    def is_behind(self) -> bool:
        """Tell whether events are left that have not been dealt with."""
        return self._left > 0

    def sleep(self) -> None:
        """Send everything; whoever writes from now on wakes the pump."""
        while True:
            self.flush()
            while self._resumed:
                self._resumed.popleft()._take_held()
            if self._released:
                count = len(self._released)
                lib.pymhd_hub_release(self.pointer, self._released, count)
                self._released.clear()
            self.asleep = True
            if not self.out:
                return
            self.asleep = False

    def deliver(self) -> None:
        """Call the protocols for what has happened, and for more if there is more.

        When they take too long, the rest is left for the next call.
        """
        if self.out:
            self.flush()  # another thread may have paused a protocol, or closed it
        if self._left <= 0:
            if not self._batch.count:
                return
            self._fetch()
        until = perf_counter() + _BATCH_SECONDS
        while self._deal_until(until) and self._batch.is_full:
            if self.out:
                self.flush()  # before csrc reads on: a protocol may have paused
            lib.pymhd_hub_collect(self.pointer)
            self._fetch()

    def _deal_until(self, until: float) -> bool:
        """Deal with the batch; tell whether there is time for another one."""
        left = length_hint(self._events)
        try:
            while self._left > 0:
                self._deal_with(islice(self._events, _BETWEEN_LOOKS))
                self._left -= _BETWEEN_LOOKS
                if perf_counter() > until:
                    break
            if self._left <= 0:
                self._batch.count = 0  # tells csrc that it may read on
        except (
            BaseException
        ):  # a signal handler's, since what protocols raise is caught
            self._settle(left)
            raise
        # An empty batch is followed by another one, too: it is empty where memory was
        # short.
        return self._left <= 0 and perf_counter() <= until

    def _deal_with(self, events: Iterator[Event]) -> None:
        receivers, arena = self._receivers, self._arena
        for kind, connection, first, second in events:
            if kind:  # not PYMHD_HUB_DATA, which is 0 and by far the most frequent
                self._handle(kind, connection, first, second)
                continue
            try:
                receivers[connection](arena[first:second])
            except BaseException as error:
                self._fail(self._transports[connection], "data_received", error)

    def _fetch(self) -> None:
        batch = self._batch
        if self._arena is None:
            self._arena = ffi.buffer(batch.arena, batch.arena_size)
        count = batch.count
        events = ffi.buffer(batch.events, count * HUB_EVENT.size)
        self._copy = events[:]  # csrc may move the original when it collects more
        self._events = cast("Iterator[Event]", HUB_EVENT.iter_unpack(self._copy))
        self._left = count

    def _handle(self, kind: int, connection: int, first: int, second: int) -> None:
        if kind == lib.PYMHD_HUB_MADE:
            self._make(connection, first, second)
            return
        transport = self._transports[connection]
        if kind == lib.PYMHD_HUB_LOST:
            if second and transport is not None:
                transport._cut = reason(second, self.output_limit)
            error = OSError(first, _strerror(first)) if first else None
            self._lose(transport, connection, error)
        elif transport is None:
            return
        elif kind == lib.PYMHD_HUB_DRAINED:
            self.call(transport, "resume_writing")
        elif transport._paused:
            transport._hold(b"")
        elif not transport._closing:
            self.receive(transport, b"")

    def _make(self, connection: int, token: int, session: int) -> None:
        self._reserve(connection)
        try:
            switch = self._switching.switched(token)
            switch.limit(session)
            transport = Transport._make(
                self, connection, session, switch.request, switch.protocol
            )
        except BaseException as error:
            self.report("an upgraded connection was closed at once", error)
            lib.pymhd_hub_close(self.pointer, connection, 1)
            return
        self._transports[connection] = transport
        try:
            factory = cast("Callable[[], object]", switch.target)
            protocol = factory()
            self._receivers[connection] = receiver(transport, protocol)
        except BaseException as error:
            self._fail(transport, logs.name_of(switch.target), error)
            return
        transport._protocol = protocol
        self.call(transport, "connection_made", transport)
        transport._give_up_body()

    def _reserve(self, connection: int) -> None:
        while len(self._transports) <= connection:
            self._transports.append(None)
        while len(self._receivers) <= connection:
            self._receivers.append(ignore)

    def call(self, transport: Transport, method: str, *args: object) -> object:
        """Call a protocol; what it raises ends its connection."""
        try:
            return getattr(transport._protocol, method)(*args)
        except BaseException as error:
            self._fail(transport, method, error)
            return None

    def _fail(
        self, transport: Transport | None, method: str, error: BaseException
    ) -> None:
        assert transport is not None  # lost connections get no calls
        self.report(f"{method}() of {transport!r} failed; it is aborted", error)
        transport._error = error
        transport.abort()

    def receive(self, transport: Transport, data: bytes) -> None:
        """Give a protocol its data, or, if there is none, the end of input."""
        if data:
            try:
                receiver(transport, transport._protocol)(data)
            except BaseException as error:
                self._fail(transport, "data_received", error)
        elif not self.call(transport, "eof_received"):
            transport.close()

    def _lose(
        self, transport: Transport | None, connection: int, error: BaseException | None
    ) -> None:
        self._transports[connection] = None
        self._receivers[connection] = ignore
        self._released.append(connection)
        if transport is not None:
            transport._end()
            if transport._cut is not None:
                error = transport._cut
                message = f"the connection of {_peer_of(transport)} is {error.strerror}"
                logs.log(logging.WARNING, message)
            self.call(transport, "connection_lost", transport._error or error)
            transport._protocol = None  # breaks a cycle of references

    # --- what transports ask for ---

    def resume(self, transport: Transport) -> None:
        """Give a transport what came while it was paused, when there is time."""
        self._resumed.append(transport)

    def turn(self, transport: Transport) -> None:
        """Have what comes go where it belongs now; on another thread nothing happens.

        That one gives an order, too.
        """
        if threading.get_ident() == self.thread and transport._connection >= 0:
            try:
                takes = receiver(transport, transport._protocol)
            except BaseException as error:
                self._fail(transport, "data_received", error)
            else:
                self._receivers[transport._connection] = takes

    # --- ends ---

    def _settle(self, before: int) -> None:
        """Deal with the event in which a signal handler has raised, if it was in one.

        Args:
            before: How many events there were.
        """
        self._left = left = length_hint(self._events)
        if not left:
            self._batch.count = 0
        if left == before:
            return
        at = len(self._copy) - (left + 1) * HUB_EVENT.size
        kind, connection, token, _ = HUB_EVENT.unpack_from(self._copy, at)
        if kind == lib.PYMHD_HUB_LOST:
            if connection not in self._released:
                self._lose(self._transports[connection], connection, None)
        elif kind == lib.PYMHD_HUB_MADE:
            self._reserve(connection)
            self._switching.abandoned(token)
            lib.pymhd_hub_close(self.pointer, connection, 1)

    def abort_all(self) -> None:
        """Abort all connections, unless nothing was under way.

        A signal handler has raised in here, between any two instructions, and what it
        has kept from being sent, or received, is not known.
        """
        if self.asleep:
            return
        self.out.clear()
        self._crossed.clear()
        self._resumed.clear()
        for connection, transport in enumerate(self._transports):
            if transport is not None:
                transport._closing = transport._mute = True
                self._receivers[connection] = ignore
                lib.pymhd_hub_close(self.pointer, connection, 1)

    def close_all(self) -> None:
        """Close those that have had their time to say goodbye."""
        for transport in self._transports:
            if transport is not None:
                transport.close()

    def end(self) -> None:
        """Tell those that are left that it is over: libmicrohttpd is stopped next."""
        self._ended = True
        self.out.clear()
        self._events = iter(())
        for connection, transport in enumerate(self._transports):
            if transport is not None:
                error = ConnectionAbortedError("the daemon has been stopped")
                self._lose(transport, connection, error)
        self.out.clear()

    def forked(self) -> None:
        """In a fork's child, the connections are the parent's."""
        self._ended = True
        for transport in self._transports:
            if transport is not None:
                transport._end()


def _peer_of(transport: Transport) -> str:
    """Return a peer's address for the log."""
    client = transport._request.client
    return "a local peer" if client is None else f"{client[0]} port {client[1]}"
