# SPDX-License-Identifier: MIT
"""The pump: a Python thread that drives libmicrohttpd, one call a batch.

``pymhd_pump()`` sends the answers to the last batch, waits with the GIL released, and
brings the next one. Everything that libmicrohttpd does, it does inside that call.
"""

from time import perf_counter
from typing import TYPE_CHECKING, cast

from pymhd._batch import Waiting, answer, take_in
from pymhd._engine.driver import DRAIN_MS, FOREVER_MS, Driver
from pymhd._native import zero_copy
from pymhd._native.library import lib

if TYPE_CHECKING:
    from pymhd._native._mhd import Batch, Event
    from pymhd.response import Response

__all__ = ["Pump"]

# A batch hands its answers back after so many seconds, so that one slow handler does
# not make all the others wait.
_BATCH_SECONDS = 0.0005
# Whenever libmicrohttpd runs it looks at every request that waits. Where many wait,
# that takes long, so handlers are called for longer between two runs: for so many times
# what the last run took, but no longer than this.
_TIMES_THE_PUMP = 8
_MOST_SECONDS = 0.02


class Pump(Driver):
    """A driver whose thread runs libmicrohttpd and the handlers."""

    name = "pymhd-pump"

    def _drive(self) -> None:
        try:
            self._begin()
            self._go_on()
        except BaseException:
            self._refuse(lib.pymhd_pump_batch(self._ptr))
            raise

    def _begin(self) -> None:
        self._waiting = Waiting()
        self._pump_seconds = 0.0  # of the last call, if requests waited meanwhile
        self._answers: list[bytes] = []
        self._built: list[Response] = []  # which the answers point to
        self._quiesced = False

    def _go_on(self) -> None:
        """Run until stop() is through."""
        while not self._is_over():
            if self._turn(DRAIN_MS if self._stopping else FOREVER_MS) < 0:
                return
        if self._answers:
            batch = self._pump(0)
            if batch:
                self._refuse(batch)

    def _turn(self, timeout_ms: int) -> int:
        """Run libmicrohttpd and the handlers once.

        Returns:
            How much has happened; -1: we are a fork's child.
        """
        if not self._quiesced and (self._wants_quiesce or self._stopping):
            self._quiesced = True
            lib.pymhd_driver_quiesce(self._ptr)
        batch = self._pump(timeout_ms)
        if not batch:
            return -1
        if batch.returned:
            zero_copy.take_back()
        self._handle(batch)
        self.hub.deliver()
        return batch.count

    def _is_over(self) -> bool:
        if not self._stopping:
            return False
        return self._is_late() or (not self._waiting.requests and self._drained())

    def _pump(self, timeout_ms: int) -> "Batch":
        """Hand the answers over and fetch what has happened; NULL: we are a fork."""
        if self._answers:
            answers = b"".join(self._answers)
            lib.pymhd_pump_answer(self._ptr, answers, len(answers))
            # csrc has references of its own, so the responses need not live any longer.
            self._answers.clear()
            self._built.clear()
            del answers
        if not self._waiting.requests:
            self._pump_seconds = 0.0
            return self.hub.pump(timeout_ms)
        begun = perf_counter()
        batch = self.hub.pump(0)
        self._pump_seconds = perf_counter() - begun
        return batch

    def _handle(self, batch: "Batch") -> None:
        """Deal with a batch; once its answers should be handed over, requests wait."""
        if batch.count:
            take_in(batch, self._waiting, self._happened)
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        """Call the handler for those that wait, for as long as a batch may take."""
        respond, seconds = self.dispatcher.respond, self._batch_seconds()
        answer(self._waiting, respond, self._answers, self._built, seconds)

    def _batch_seconds(self) -> float:
        """Return how long handlers may be called until answers are handed back."""
        most = min(_TIMES_THE_PUMP * self._pump_seconds, _MOST_SECONDS)
        return max(_BATCH_SECONDS, most)

    def _happened(
        self, kind: int, token: int, session: int, fd: int, early: bytes
    ) -> None:
        if kind == lib.PYMHD_EVENT_ABANDONED:
            self._forget(token)  # its client has left
            self.dispatcher.abandoned(token)
        elif self._is_late():
            self.dispatcher.refuse(session, fd)  # stop()'s timeout has passed
        else:
            self.dispatcher.upgraded(token, session, fd, early)

    def _forget(self, token: int) -> None:
        self._waiting.requests.pop(token, None)

    def _refuse(self, batch: "Batch") -> None:
        """Close what has been upgraded and was not dealt with: it is too late."""
        for number in range(batch.count if batch else 0):
            event = cast("Event", batch.events[number])
            is_new = self.dispatcher.is_switching(event.request)
            if is_new and event.kind == lib.PYMHD_EVENT_UPGRADED:
                self.dispatcher.refuse(event.session, event.fd)
                self.dispatcher.abandoned(event.request)
