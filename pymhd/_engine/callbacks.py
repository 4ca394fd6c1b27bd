# SPDX-License-Identifier: MIT
"""The only ``def_extern``: what libmicrohttpd's own threads call.

Only where libmicrohttpd has threads of its own, on one of them, with no lock held. The
path of an exception: a handler's never comes as far as here (``Dispatcher``); any other
is caught by ``_callback``, logged later on another thread, and csrc gets its safe
answer. Nothing here logs or asks for the current thread's object, which would leave
one behind for every foreign thread.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from pymhd._engine import running
from pymhd._native import logs, zero_copy
from pymhd._native.library import copy_bytes, ffi, lib
from pymhd.request import make_request
from pymhd.response import build

if TYPE_CHECKING:
    from pymhd._dispatcher import Dispatcher
    from pymhd._engine.driver import OwnThreads
    from pymhd._native._mhd import CData, Event

P = ParamSpec("P")
R = TypeVar("R")


def _callback(safe: R) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a function for csrc to call, which gets ``safe`` if it fails."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                logs.report_later(f"{function.__name__}() failed", error)
                return safe

        # types-cffi declares def_extern() as if it returned None.
        def_extern: Any = ffi.def_extern
        def_extern(name=f"pymhd_{function.__name__}", error=safe)(guarded)
        return guarded

    return decorate


@contextlib.contextmanager
def _dispatcher(owner: int) -> "Iterator[Dispatcher]":
    """Give the driver's dispatcher; meanwhile stop() knows that we are inside."""
    # csrc calls back only where libmicrohttpd has threads of its own.
    driver = cast("OwnThreads", running.driver(owner))
    thread = threading.get_ident()
    driver.inside.add(thread)
    try:
        yield driver.dispatcher
    finally:
        driver.inside.discard(thread)


@_callback(safe=ffi.NULL)
def on_request(owner: int, event: "Event", text: "CData") -> "CData":
    """Answer a request; csrc gets a reference of its own. NULL: csrc answers 500."""
    body = b""
    if event.body_size:
        body = copy_bytes(ffi.cast("char *", event.body), event.body_size)
    request = make_request(copy_bytes(text, event.text_end), body)
    with _dispatcher(owner) as dispatcher:
        response = dispatcher.respond(event.request, request)
    zero_copy.take_back()
    pointer = build(response)
    lib.pymhd_response_ref(pointer)
    return pointer


@_callback(safe=None)
def on_upgraded(owner: int, event: "Event", text: "CData") -> None:
    """Begin a session; a connection's own thread then waits in csrc for its end."""
    early = copy_bytes(text, event.text_end) if event.text_end else b""
    with _dispatcher(owner) as dispatcher:
        dispatcher.upgraded(event.request, event.session, event.fd, early)


@_callback(safe=None)
def on_abandoned(owner: int, request: int) -> None:
    """Forget an upgrade that failed."""
    with _dispatcher(owner) as dispatcher:
        dispatcher.abandoned(request)
