# SPDX-License-Identifier: MIT
"""How many connections of a daemon may be upgraded at once: csrc counts."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pymhd._native.library import ffi

if TYPE_CHECKING:
    from pymhd._native._mhd import UpgradeQuota

__all__ = ["Quota"]

# Between two warnings that the limit has been reached.
_REPORT_SECONDS = 10.0


class Quota:
    """What the drivers of one daemon share."""

    def __init__(self, limit: int) -> None:
        # csrc has the address as long as a driver lives, whose dispatcher keeps this.
        counts = ffi.new("struct pymhd_quota *", [limit])
        self.counts = cast("UpgradeQuota", counts)
        self._next_report = 0.0

    def report(self, log: Callable[..., None]) -> None:
        """Log, now and then, that csrc has answered 503 instead of an upgrade."""
        counts, now = self.counts, time.monotonic()
        if not counts.refused or now < self._next_report:
            return
        self._next_report = now + _REPORT_SECONDS
        refused, counts.refused = counts.refused, 0
        log(
            f"requests for an upgrade were answered 503 ({refused} since this was last "
            f"said): {counts.limit} connections are upgraded, and Limits.upgraded "
            "allows no more",
            None,
            logging.WARNING,
        )
