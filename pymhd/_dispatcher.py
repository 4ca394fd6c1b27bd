# SPDX-License-Identifier: MIT
"""From a request to its handler and to an answer; from a 101 to a session.

An exception in a handler ends here: it is logged, and answered with 500.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from typing import cast

from pymhd._native import logs
from pymhd._native.library import lib
from pymhd._switch import Switch
from pymhd._upgrade_threads import Target, UpgradeThreads
from pymhd.handler import Handler
from pymhd.request import Request
from pymhd.response import Response
from pymhd.upgrade import Upgraded

__all__ = ["Dispatcher"]

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


class Dispatcher:
    """The requests and the upgrades of one libmicrohttpd daemon.

    Its methods run on the thread that drives libmicrohttpd for the connection.
    """

    def __init__(
        self,
        handler: Handler,
        threads: UpgradeThreads,
        report: Callable[..., None],
        abandoned: Callable[[Callable[..., None]], None],
        idle_timeout: float = 0,
    ) -> None:
        self.handler = handler
        self._upgrade_threads = threads
        self.report = report
        self._tell_abandoned = abandoned
        self._idle_timeout = idle_timeout
        # Made now: there may be no memory for it when it is needed.
        self._failure = Response("500 Internal Server Error\n", 500)
        self._failure._pointer()
        # What a 101 that is on its way will need: by the request's token, from the
        # answer until the upgrade or its failure. Single operations, no lock.
        self._switching: dict[int, Switch] = {}

    def respond(self, token: int, request: Request) -> Response:
        """Call the handler; return a response that is made ready. Never raises."""
        handler = self.handler
        try:
            response = handler(request)
            if type(response) is not Response:  # it is final: there are no subclasses
                raise TypeError(
                    f"the handler returned {type(response).__name__}; it must return "
                    "a pymhd.Response"
                )
            if response._address is None and response._along:
                # From now on it is frozen. The pump packs it into its answer, so it
                # needs no object in C.
                response._address = 0
            else:
                if not response._address:
                    response._pointer()
                if response._status == _SWITCHING_PROTOCOLS:
                    response = self._switch(token, request, response)
        except BaseException as error:
            self.report(f"the handler failed at {request!r}; it is answered 500", error)
            response = self._failure
        finally:
            request._head = None
        return response

    def _switch(self, token: int, request: Request, response: Response) -> Response:
        protocol = request._chosen(response._protocols)
        if protocol is None:
            return _upgrade_required(response._protocols)
        seconds = response._idle_timeout
        if seconds is None:
            seconds = self._idle_timeout
        self._switching[token] = Switch(
            response._target, response._run, request._copy(), protocol, seconds
        )
        return response._switching_to(protocol)

    @property
    def switching(self) -> int:
        """How many responses 101 are on their way."""
        return len(self._switching)

    def is_switching(self, token: int) -> bool:
        """Tell whether the request's 101 is on its way."""
        return token in self._switching

    def switched(self, token: int) -> Switch:
        """Return what belongs to an upgrade, once."""
        return self._switching.pop(token)

    def upgraded(self, token: int, session: int, fd: int, early: bytes) -> None:
        """Begin the session of a request whose 101 went out."""
        try:
            switch = self.switched(token)
            switch.limit(session)
            stream = Upgraded._make(fd, session, early, switch)
        except BaseException as error:
            self.refuse(session, fd)
            self.report("an upgraded connection was closed at once", error)
            return
        target = cast("Target", switch.target)
        try:
            if switch.run == "inline":
                target(stream)
            else:
                self._begin(target, stream)
        except BaseException as error:
            if stream._has_raised(error):
                text = f"an upgraded connection ended: {logs.describe(error)}"
                logs.report_later(text, None, logging.INFO)
            else:
                self.report(
                    f"{logs.name_of(target)}() did not begin; its connection is closed",
                    error,
                )
            stream.close()

    @staticmethod
    def refuse(session: int, fd: int) -> None:
        """Close an upgraded connection that nobody will serve."""
        with contextlib.suppress(OSError):  # a failed Upgraded may have closed it
            os.close(fd)
        lib.pymhd_session_close(session)

    def _begin(self, target: Target, stream: Upgraded) -> None:
        try:
            self._upgrade_threads.begin(target, stream)
        except RuntimeError as error:  # no thread can be had, or the interpreter ends
            self.report(f"an upgraded connection was closed at once: {error}", None)
            stream.close()

    def abandoned(self, token: int) -> None:
        """Forget a request whose 101 did not go out."""
        if self._switching.pop(token, None):
            self._tell_abandoned(self.report)

    def clear(self) -> None:
        """Forget everything: libmicrohttpd has been stopped."""
        self._switching.clear()
