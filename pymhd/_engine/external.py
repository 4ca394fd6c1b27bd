# SPDX-License-Identifier: MIT
"""A pump without a thread: the application's event loop runs it, call by call.

Handlers run inside ``run()`` only, so they belong to the loop's thread; ``stop()``, on
whichever thread, does the rest by itself and answers 503 to what ``run()`` has left.
A lock goes to whoever runs libmicrohttpd: one call of ``run()`` at a time, then
``stop()``. If a handler never returns it to ``stop()``, the end is left to ``run()``.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pymhd._batch import pack_built
from pymhd._dispatcher import Dispatcher
from pymhd._engine.driver import Settings
from pymhd._engine.latch import SIGNAL_SECONDS, Latch, Turns
from pymhd._engine.pump import Pump
from pymhd._engine.signals import is_of_a_signal
from pymhd._native import logs
from pymhd._native.library import ffi, lib
from pymhd.errors import StateError
from pymhd.response import Response, build

if TYPE_CHECKING:
    from pymhd._native._mhd import Batch, Event

__all__ = ["External"]

# How long one call goes on if there is always more to do.
_TURNS_SECONDS = 0.005
# How long it waits at most, before it waits again: csrc counts milliseconds in an int.
_WAIT_SECONDS = 3600.0
_FDSET_SIZE = 1024


class External(Pump):
    """A driver whose owner calls it."""

    name = "pymhd-external"

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: Settings,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._turns = Turns()
        self._runner = 0  # the thread whose turn it is
        self._leave = False  # run() is to return
        self._late = False  # stop() waits no longer
        self._interrupt: BaseException | None = None
        self._selects = not settings.flags & lib.MHD_USE_EPOLL
        self._unavailable = Response("503 Service Unavailable\n", 503)
        build(self._unavailable)
        dispatcher.report = self._log_or_keep
        super().__init__(dispatcher, settings, failed)
        self.hub.report = self._log_or_keep
        self._begin()

    def begin(self) -> None:
        """Do nothing: there is no thread to start."""

    def _drive(self) -> None:
        self._go_on()

    def _wake(self) -> None:
        self._leave = True
        super()._wake()

    def _log_or_keep(
        self,
        message: str,
        error: BaseException | None = None,
        level: int = logging.ERROR,
    ) -> None:
        """Keep Ctrl-C, which has hit a handler or protocol but is for the program."""
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._interrupt = error
        else:
            logs.report(message, error, level)

    # --- the loop ---

    def run(self, timeout: float) -> bool:
        """Deal with what is ready, or is within so many seconds; False after stop()."""
        turn = Latch()
        try:
            if not self._turns.take(turn):
                if self._stopping:
                    return False
                raise StateError(
                    "run() was called while another call of it runs: one thread at a "
                    "time, and not in a handler"
                )
            self._runner = threading.get_ident()
            self.hub.enter()
            going = not self._stopping and self._run_once(timeout)
            self._end_turn(turn)
        except BaseException as error:
            try:
                if self._turns.has(turn):
                    self._recover(error)
            finally:
                self._end_turn(turn)
            raise
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        return going and not self._stopping

    def _recover(self, error: BaseException) -> None:
        """Do without what was under way when an exception has struck in here."""
        if isinstance(error, Exception) and not is_of_a_signal(error):
            self._fail(error)
            try:
                self._refuse(lib.pymhd_pump_batch(self._ptr))
            finally:
                self._stop()
        else:  # raised by a signal handler, which may run between any two instructions
            self._refuse(lib.pymhd_pump_batch(self._ptr))
            self.hub.abort_all()

    def _end_turn(self, turn: Latch) -> None:
        if self._turns.has(turn):
            self.hub.leave()
            self._runner = 0
        self._turns.give(turn)
        if self._late and self._turns.take(last := Latch()):
            self._finish(last)

    def _run_once(self, timeout: float) -> bool:
        self._leave = False
        deadline = time.monotonic() + timeout
        while not (count := self._turn(_timeout_ms(deadline))):
            # stop() may have come before _leave was cleared.
            if self._is_behind() or self._leave or self._stopping:
                break
            if time.monotonic() >= deadline:
                break
        until = time.monotonic() + _TURNS_SECONDS
        while count >= 0 and self._is_behind():
            count = self._turn(0)
            if time.monotonic() > until:
                break
        self.hub.sleep()  # from now on a write of another thread's wakes us
        if self._is_behind() or lib.pymhd_pump_timeout(self._ptr) == 0:
            lib.pymhd_pump_wake(self._ptr)  # makes our descriptor readable for the loop
        return count >= 0

    def _is_behind(self) -> bool:
        return bool(self._answers or self._waiting.requests or self.hub.is_behind)

    def timeout(self) -> float | None:
        """Return when run() is to be called at the latest, in seconds; None: never."""
        turn = Latch()
        try:
            if not self._turns.take(turn):
                return 0.0  # it is being run, after which this may be different
            ms = 0 if self._is_behind() else lib.pymhd_pump_timeout(self._ptr)
        finally:
            self._turns.give(turn)
        return None if ms < 0 else ms / 1000

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to do."""
        if self._selects:
            raise StateError(
                'with polling="select" there is no such descriptor: fdset() returns '
                "those to watch"
            )
        return lib.pymhd_pump_fileno(self._ptr)

    def fdset(self) -> tuple[list[int], list[int], list[int]]:
        """Return what select() should watch."""
        if not self._selects:
            raise StateError('fdset() is for polling="select": watch fileno() instead')
        turn = Latch()
        try:
            if not self._turns.take(turn):
                raise StateError("fdset() was called while run() or stop() runs")
            marks = ffi.new("unsigned char[]", _FDSET_SIZE)
            lib.pymhd_pump_fdset(self._ptr, marks, _FDSET_SIZE)
        finally:
            self._turns.give(turn)
        watched = [(fd, mark) for fd, mark in enumerate(ffi.buffer(marks)[:]) if mark]
        return (
            [fd for fd, mark in watched if mark & lib.PYMHD_FDSET_READ],
            [fd for fd, mark in watched if mark & lib.PYMHD_FDSET_WRITE],
            [fd for fd, mark in watched if mark & lib.PYMHD_FDSET_EXCEPT],
        )

    # --- the end ---

    def runs_here(self) -> bool:
        return self._runner == threading.get_ident()

    def leave(self) -> None:
        """Let run() return; called inside it."""
        self._leave = True

    def join(self, deadline: float) -> bool:
        """Do what is left to do, as far as run() lets us; tell whether it did."""
        turn = Latch()
        try:
            if not self._turns.take(turn, max(0.0, deadline - time.monotonic())):
                self._late = True
                if not self._turns.take(turn):
                    return False
            self._finish(turn)
        except BaseException:
            self._release(turn)
            raise
        return True

    def abort(self) -> None:
        self._stop()

    def _finish(self, turn: Latch) -> None:
        """Run until stop() is through, and stop: the last turn, which ends."""
        try:
            self._runner = threading.get_ident()
            self.hub.enter()
            # No run() would raise what protocols raise now.
            self.hub.report = logs.report
            if not self._ended.is_open:
                self._go_on()
            self._stop()
            self._release(turn)
        except BaseException:
            self._stop()
            self._release(turn)
            raise

    def _release(self, turn: Latch) -> None:
        if self._turns.has(turn):
            self._runner = 0
        self._turns.give(turn)

    def _handle(self, batch: "Batch") -> None:
        if not self._stopping:
            super()._handle(batch)
            return
        while self._waiting.requests:
            self._say_unavailable(self._waiting.requests.popitem()[0])
        self._refuse(batch)

    def _refuse(self, batch: "Batch") -> None:
        """Answer 503 without a handler; what has been dealt with stays as it is."""
        for number in range(batch.count if batch else 0):
            event = cast("Event", batch.events[number])
            if event.kind == lib.PYMHD_EVENT_REQUEST:
                if event.request not in self._waiting.requests:
                    self._say_unavailable(event.request)  # a first answer counts
            elif self.dispatcher.is_switching(event.request):
                if event.kind == lib.PYMHD_EVENT_UPGRADED:
                    self.dispatcher.refuse(event.session, event.fd)
                self.dispatcher.abandoned(event.request)

    def _say_unavailable(self, token: int) -> None:
        self._built.append(self._unavailable)
        self._answers.append(pack_built(token, self._unavailable))


def _timeout_ms(deadline: float) -> int:
    left = min(max(0.0, deadline - time.monotonic()), _WAIT_SECONDS)
    if threading.current_thread() is threading.main_thread():
        left = min(left, SIGNAL_SECONDS)  # a signal may have come just before
    return math.ceil(left * 1000)
