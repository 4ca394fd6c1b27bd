# SPDX-License-Identifier: MIT
"""The pump: a Python thread that drives libmicrohttpd, one call a batch.

``pymhd_pump()`` sends the answers to the last batch, waits with the GIL released, and
brings the next one. Everything that libmicrohttpd does, it does inside that call.
"""

import time
from collections import deque
from typing import TYPE_CHECKING, cast

from pymhd._driver import DRAIN_MS, FOREVER_MS, Driver
from pymhd._library import copy_bytes, ffi, lib
from pymhd.request import Request
from pymhd.response import Response

if TYPE_CHECKING:
    from pymhd._mhd import CData

__all__ = ["Pump"]

# The fields of struct pymhd_event, which come as one list of integers.
_EVENT_INTS = 8
# A batch hands its answers back after so many, or so many seconds, so that one slow
# handler does not make all the others wait.
_ANSWERS = 256
_BATCH_SECONDS = 0.0005


class Pump(Driver):
    """A driver whose thread runs libmicrohttpd and the handlers."""

    name = "pymhd-pump"

    def _drive(self) -> None:
        # Events that have been read and not yet dealt with.
        self._events: deque[tuple[int, int, Request | tuple[int, int, bytes]]] = deque()
        self._answers: CData = ffi.new("struct pymhd_answer[]", _ANSWERS)
        self._answered: list[Response] = []
        quiesced = False
        while not self._is_over():
            if not quiesced and (self._wants_quiesce or self._stopping):
                quiesced = True
                lib.pymhd_daemon_quiesce(self._ptr)
            if not self._pump():
                return
            self._handle_batch()
        if self._answered:
            self._pump()
        self._drop_events()

    def _is_over(self) -> bool:
        if not self._stopping:
            return False
        return self._is_late() or (not self._events and self._drained())

    def _drop_events(self) -> None:
        """Forget what came too late to be dealt with: stop() has waited enough."""
        for kind, _, what in self._events:
            if kind == lib.PYMHD_EVENT_UPGRADED and not isinstance(what, Request):
                session, fd, _ = what
                self.exchange.refuse(session, fd)
        self._events.clear()

    def _pump(self) -> bool:
        """Hand the answers over and fetch what has happened; False: we are a fork."""
        if self._answered:
            lib.pymhd_pump_answer(self._ptr, self._answers, len(self._answered))
            self._answered.clear()  # csrc has references of its own
        timeout_ms = FOREVER_MS
        if self._events:
            timeout_ms = 0
        elif self._stopping:
            timeout_ms = DRAIN_MS
        count = lib.pymhd_pump(self._ptr, timeout_ms)
        if count > 0:
            self._read(count)
        return count >= 0

    def _read(self, count: int) -> None:
        """Copy a batch out of C, where the next call overwrites it."""
        events = lib.pymhd_pump_events(self._ptr)
        ints = cast("list[int]", ffi.unpack(events, count * _EVENT_INTS))
        size = lib.pymhd_pump_text_size(self._ptr)
        text = copy_bytes(lib.pymhd_pump_text(self._ptr), size)
        for at in range(0, count * _EVENT_INTS, _EVENT_INTS):
            kind, token, start, length, body, body_size, session, fd = ints[
                at : at + _EVENT_INTS
            ]
            piece = text[start : start + length]
            if kind == lib.PYMHD_EVENT_REQUEST:
                content = b""
                if body_size:
                    content = copy_bytes(ffi.cast("char *", body), body_size)
                self._events.append((kind, token, Request._make(piece, content)))
            else:
                self._events.append((kind, token, (session, fd, piece)))

    def _handle_batch(self) -> None:
        """Deal with events until they end or the answers should be handed over."""
        until = time.perf_counter() + _BATCH_SECONDS
        while self._events and not self._is_late():
            kind, token, what = self._events.popleft()
            if isinstance(what, Request):
                self._answer(token, what)
                if len(self._answered) == _ANSWERS or time.perf_counter() > until:
                    return
            elif kind == lib.PYMHD_EVENT_UPGRADED:
                self.exchange.upgraded(token, *what)
            else:
                self.exchange.abandoned(token)

    def _answer(self, token: int, request: Request) -> None:
        response = self.exchange.respond(token, request)
        self._answers[len(self._answered)] = (token, response._pointer())
        self._answered.append(response)
