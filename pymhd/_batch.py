# SPDX-License-Identifier: MIT
"""Batches: requests out of what csrc tells, and answers into what it is told.

The loops are here, beside the objects whose insides they know: a call for each request
would be dear.
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from pymhd._native.layouts import EVENT, pack_answer
from pymhd._native.library import copy_bytes, ffi, lib
from pymhd.request import Request
from pymhd.response import Response

if TYPE_CHECKING:
    from pymhd._native._mhd import Batch

__all__ = ["Waiting", "answer", "pack_built", "take_in"]

_REQUEST = lib.PYMHD_EVENT_REQUEST


class Waiting:
    """Requests whose handlers have not been called."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}
        """By their tokens."""
        self.order: deque[int] = deque()
        """Tokens in the order in which they came, with some that are forgotten."""


def take_in(
    batch: "Batch",
    waiting: Waiting,
    happened: Callable[[int, int, int, int, bytes], None],
) -> None:
    """Have requests wait behind those that came before; tell what else has happened.

    Args:
        batch: Of csrc's.
        waiting: Where the requests go.
        happened: Called with everything else: the members of struct pymhd_event, with
            the text that belongs to it.
    """
    new = object.__new__
    texts = copy_bytes(batch.text, batch.text_size)
    events = ffi.buffer(batch.events, batch.count * EVENT.size)
    requests, came = waiting.requests, waiting.order.append
    at = 0
    for kind, token, end, body, body_size in EVENT.iter_unpack(events):
        if kind == _REQUEST:
            # This is make_request(), written out.
            request = new(Request)
            request._head = text = texts[at:end]
            request._body = b""
            if body:  # the address of a long body, which is not in the batch's text
                request._body = copy_bytes(ffi.cast("char *", body), body_size)
            elif body_size:
                request._head = text[:-body_size]
                request._body = text[-body_size:]
            came(token)
            requests[token] = request
        else:
            happened(kind, token, body, body_size, texts[at:end])
        at = end


def answer(
    waiting: Waiting,
    respond: Callable[[int, Request], Response],
    answers: list[bytes],
    built: list[Response],
    seconds: float,
) -> None:
    """Answer the requests that wait, for as long as a batch may take.

    Args:
        waiting: They are taken out of it.
        respond: Called with a request and its token, for a response that is frozen.
        answers: Get the answers as csrc takes them.
        built: Gets the responses that the answers point to.
        seconds: After so many the rest goes on waiting.
    """
    now, order = perf_counter, waiting.order
    requests, take, come_up = waiting.requests, waiting.requests.pop, order.popleft
    until = now() + seconds
    while requests:
        # A signal handler may raise between any two lines. In this order a request is
        # lost at worst, and never handled twice.
        token = order[0]
        request = take(token, None)
        come_up()
        if request is None:
            continue
        response = respond(token, request)
        address = response._address
        if address:
            built.append(response)
            answers.append(pack_answer(token, address, 0, 0, 0))
        else:
            body, fields = response._body, response._head[1]
            if fields is None:  # another thread is about to fail to change them
                fields = response._fields_for_csrc()
            status, size = response._status, len(body)
            head = pack_answer(token, 0, status, size, len(fields))
            answers += head, body, fields
        if now() > until:
            return
    order.clear()


def pack_built(token: int, response: Response) -> bytes:
    """Return an answer by a response that has been built in C."""
    return pack_answer(token, response._address, 0, 0, 0)
