# SPDX-License-Identifier: MIT
"""What answers requests."""

import inspect
from collections.abc import Callable

from pymhd.request import Request
from pymhd.response import Response

__all__ = ["Handler"]

Handler = Callable[[Request], Response]
"""What a :class:`Daemon` calls with each :class:`Request`, for a :class:`Response`."""


def check_handler(handler: object) -> None:
    """Raise TypeError unless it can be called with a request."""
    if not callable(handler):
        raise TypeError(f"handler must be callable with a Request, not {handler!r}")
    call = getattr(handler, "__call__", None)  # noqa: B004 - an instance's method
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call):
        raise TypeError(f"{handler!r} is a coroutine function: nothing would run it")
