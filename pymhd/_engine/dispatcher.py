# SPDX-License-Identifier: MIT
"""From an event of csrc to the handler and back: the same for every driver.

An exception in a handler ends here: it is logged, and answered with 500.
"""

import contextlib
import logging
import math
import os
from collections.abc import Callable
from typing import cast

from pymhd._engine.quota import Quota
from pymhd._engine.sessions import Sessions, Target
from pymhd._native import logs
from pymhd._native.library import lib
from pymhd.handler import Handler
from pymhd.request import Request
from pymhd.response import Response
from pymhd.upgrade import Upgraded

__all__ = ["Exchange"]

_SWITCHING_PROTOCOLS = 101


def _upgrade_required(protocols: list[str]) -> Response:
    """Make the answer to a request that does not ask for what we switch to."""
    names = ", ".join(protocols)
    response = Response(
        f"426 Upgrade Required: ask for it over HTTP/1.1 with the header fields "
        f"Connection: Upgrade and Upgrade: {names}\n",
        426,
        {"Upgrade": names},
    )
    response._pointer()
    return response


class Exchange:
    """The requests and the upgrades of one libmicrohttpd daemon.

    Its methods run on the thread that drives libmicrohttpd for the connection.
    """

    def __init__(
        self,
        handler: Handler,
        sessions: Sessions,
        log: Callable[..., None],
        quota: Quota,
        idle_timeout: float = 0,
    ) -> None:
        self._handler = handler
        self._sessions = sessions
        self._log = log
        self._quota = quota
        self._idle_timeout = idle_timeout
        # Made now: there may be no memory for it when it is needed.
        self._failure = Response("500 Internal Server Error\n", 500)
        self._failure._pointer()
        # What a 101 that is on its way will need: by the request's token, from the
        # answer until the upgrade or its failure. Single operations, no lock.
        self._switching: dict[int, tuple[Response, Request, str]] = {}

    def respond(self, token: int, request: Request) -> Response:
        """Call the handler; return a response that is made ready. Never raises."""
        handler = self._handler
        try:
            response = handler(request)
            if type(response) is not Response:  # which is final
                raise TypeError(
                    f"the handler returned {type(response).__name__}; it must return "
                    "a pymhd.Response"
                )
            if response._address is None and response._along:
                response._address = 0  # frozen; it goes along with its answer
            else:
                if not response._address:
                    response._pointer()
                if response._status == _SWITCHING_PROTOCOLS:
                    response = self._switch(token, request, response)
        except BaseException as error:
            self._log(f"the handler failed at {request!r}; it is answered 500", error)
            response = self._failure
        finally:
            request._text = None
        return response

    def _switch(self, token: int, request: Request, response: Response) -> Response:
        protocol = request._chosen(response._protocols)
        if protocol is None:
            return _upgrade_required(response._protocols)
        self._switching[token] = (response, request._copy(), protocol)
        return response._switching_to(protocol)

    def switched(self, token: int) -> tuple[Response, Request, str]:
        """Return what belongs to an upgrade, once."""
        return self._switching.pop(token)

    def upgraded(self, token: int, session: int, fd: int, early: bytes) -> None:
        """Begin the session of a request whose 101 went out."""
        try:
            response, request, protocol = self.switched(token)
            limited = self.limit(response, session)
            stream = Upgraded._make(fd, session, early, request, protocol, limited)
        except BaseException as error:
            self.refuse(session, fd)
            self._log("an upgraded connection was closed at once", error)
            return
        target = cast("Target", response._target)
        try:
            if response._run == "inline":
                target(stream)
            else:
                self._begin(target, stream)
        except BaseException as error:
            if stream._has_raised(error):
                text = f"an upgraded connection ended: {logs.describe(error)}"
                logs.report_later(text, None, logging.INFO)
            else:
                self._log(
                    f"{logs.name_of(target)}() did not begin; its connection is closed",
                    error,
                )
            stream.close()

    def limit(self, response: Response, session: int) -> bool:
        """Limit how long a session may be idle; tell whether it is limited."""
        seconds = response._idle_timeout
        if seconds is None:
            seconds = self._idle_timeout
        if seconds:
            lib.pymhd_session_limit(session, math.ceil(seconds * 1000))
        return bool(seconds)

    @staticmethod
    def refuse(session: int, fd: int) -> None:
        """Close an upgraded connection that nobody will serve."""
        with contextlib.suppress(OSError):  # a socket object may have closed it
            os.close(fd)
        lib.pymhd_session_close(session)

    def _begin(self, target: Target, stream: Upgraded) -> None:
        try:
            self._sessions.begin(target, stream)
        except RuntimeError as error:  # no more threads, or the interpreter's end
            self._log(f"an upgraded connection was closed at once: {error}", None)
            stream.close()

    def abandoned(self, token: int) -> None:
        """Forget a request whose 101 did not go out."""
        if self._switching.pop(token, None):
            self._quota.report(self._log)

    def clear(self) -> None:
        """Forget everything: libmicrohttpd has been stopped."""
        self._switching.clear()
