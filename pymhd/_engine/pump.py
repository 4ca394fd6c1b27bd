# SPDX-License-Identifier: MIT
"""The pump: a Python thread that drives libmicrohttpd, one call a batch.

``pymhd_pump()`` sends the answers to the last batch, waits with the GIL released, and
brings the next one. Everything that libmicrohttpd does, it does inside that call.
"""

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, cast

from pymhd._engine.driver import DRAIN_MS, FOREVER_MS, Driver
from pymhd._native import zero_copy
from pymhd._native.layouts import EVENT, pack_answer
from pymhd._native.library import copy_bytes, ffi, lib
from pymhd.request import Request

if TYPE_CHECKING:
    from pymhd._native._mhd import Batch, Event
    from pymhd.response import Response

__all__ = ["Pump"]

_REQUEST = lib.PYMHD_EVENT_REQUEST
# A batch hands its answers back after so many seconds, so that one slow handler does
# not make all the others wait.
_BATCH_SECONDS = 0.0005
# libmicrohttpd looks at every request that waits whenever it runs. So where many wait
# a batch takes longer: as many times as long as that took, but no longer than this.
_TIMES_THE_PUMP = 8
_MOST_SECONDS = 0.02


def _copy_body(address: int, size: int) -> bytes:
    return copy_bytes(ffi.cast("char *", address), size)


class Pump(Driver):
    """A driver whose thread runs libmicrohttpd and the handlers."""

    name = "pymhd-pump"

    def _drive(self) -> None:
        self._begin()
        self._go_on()

    def _begin(self) -> None:
        # Requests whose handlers have not been called, by their tokens; and these in
        # the order in which they came, with some that have been forgotten.
        self._waiting: dict[int, Request] = {}
        self._order: deque[int] = deque()
        self._pump_seconds = 0.0  # of the last call, if requests waited meanwhile
        self._answers: list[bytes] = []
        self._shared: list[Response] = []  # which the answers point to
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
        return self._is_late() or (not self._waiting and self._drained())

    def _pump(self, timeout_ms: int) -> "Batch":
        """Hand the answers over and fetch what has happened; NULL: we are a fork."""
        if self._answers:
            answers = b"".join(self._answers)
            lib.pymhd_pump_answer(self._ptr, answers, len(answers))
            # While it waits, nothing holds the responses: csrc has what it needs.
            self._answers.clear()
            self._shared.clear()
            del answers
        if not self._waiting:
            self._pump_seconds = 0.0
            return self.hub.pump(timeout_ms)
        begun = perf_counter()
        batch = self.hub.pump(0)
        self._pump_seconds = perf_counter() - begun
        return batch

    def _handle(self, batch: "Batch") -> None:
        """Deal with a batch; once its answers should be handed over, requests wait."""
        if batch.count:
            self._take_in(batch)
        self._answer_waiting()

    def _take_in(self, batch: "Batch") -> None:
        """Have requests wait behind those that came before; deal with what else is."""
        new = object.__new__
        texts = copy_bytes(batch.text, batch.text_size)
        events = ffi.buffer(batch.events, batch.count * EVENT.size)
        waiting, came = self._waiting, self._order.append
        at = 0
        for kind, token, end, body, body_size in EVENT.iter_unpack(events):
            if kind == _REQUEST:
                # As Request._make() does it; a call for each would be dear here.
                request = new(Request)
                request._text = text = texts[at:end]
                request._body = b""
                if body:  # a long one, which stays where csrc has gathered it
                    request._body = _copy_body(body, body_size)
                elif body_size:
                    request._text = text[:-body_size]
                    request._body = text[-body_size:]
                came(token)
                waiting[token] = request
            else:
                self._happened(kind, token, body, body_size, texts[at:end])
            at = end

    def _answer_waiting(self) -> None:
        """Call the handler for those that wait, for as long as a batch may take."""
        now, respond, answers = perf_counter, self.exchange.respond, self._answers
        waiting, order = self._waiting, self._order
        take, come_up = waiting.pop, order.popleft
        until = now() + self._batch_seconds()
        while waiting:
            # In this order, since a signal handler may raise anywhere.
            token = order[0]
            request = take(token, None)
            come_up()
            if request is None:
                continue
            response = respond(token, request)
            address = response._address
            if address:
                self._shared.append(response)
                answers.append(pack_answer(token, address, 0, 0, 0))
            else:
                body, fields = response._body, response._head[1]
                if fields is None:  # another thread tries to change them, too late
                    fields = response._fields_for_csrc()
                status, size = response._status, len(body)
                head = pack_answer(token, 0, status, size, len(fields))
                answers += head, body, fields
            if now() > until:
                return
        order.clear()

    def _batch_seconds(self) -> float:
        """Return how long handlers may be called until answers are handed back."""
        most = min(_TIMES_THE_PUMP * self._pump_seconds, _MOST_SECONDS)
        return max(_BATCH_SECONDS, most)

    def _happened(
        self, kind: int, token: int, session: int, fd: int, early: bytes
    ) -> None:
        if kind == lib.PYMHD_EVENT_ABANDONED:
            self._forget(token)  # nobody would hear the answer
            self.exchange.abandoned(token)
        elif self._is_late():
            self.exchange.refuse(session, fd)  # stop() has waited enough
        else:
            self.exchange.upgraded(token, session, fd, early)

    def _forget(self, token: int) -> None:
        self._waiting.pop(token, None)

    def _refuse(self, batch: "Batch") -> None:
        """Forget what came too late to be dealt with."""
        for number in range(batch.count):
            event = cast("Event", batch.events[number])
            if event.kind == lib.PYMHD_EVENT_UPGRADED:
                self.exchange.refuse(event.session, event.fd)
