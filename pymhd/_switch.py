# SPDX-License-Identifier: MIT
"""What belongs to a 101 that is on its way, from the answer until the upgrade."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pymhd._native.library import lib
from pymhd.request import Request

__all__ = ["Switch", "Switching"]


class Switch(NamedTuple):
    """An upgrade that a handler has agreed to."""

    target: Callable[..., object]
    """Who gets the connection, as Response.for_upgrade() was given it."""

    run: str
    """On which thread."""

    request: Request
    """A copy, which does not end."""

    protocol: str
    """What is switched to."""

    idle_timeout: float
    """Seconds, 0 for none."""

    def limit(self, session: int) -> None:
        """Limit how long the session may be idle, if it is limited."""
        if self.idle_timeout:
            lib.pymhd_session_limit(session, math.ceil(self.idle_timeout * 1000))


class Switching(Protocol):
    """Who knows of all of them."""

    def switched(self, token: int) -> Switch:
        """Return what belongs to an upgrade, once."""

    def abandoned(self, token: int) -> None:
        """Forget a request whose 101 did not go out."""
