# SPDX-License-Identifier: MIT
"""How long hypothesis tries: briefly and without chance, but for ./dev fuzz."""

import os

from hypothesis import HealthCheck, settings
from live import ALL_MODES, MODES, Mode

TIMES = int(os.environ.get("PYMHD_FUZZ", "0"))
"""How many times as long as usual, at random; 0 for the usual."""

FUZZED_MODES: list[Mode] = (
    ALL_MODES if TIMES else [*MODES, "1 poll", "3 epoll", "external"]
)


def examples(count: int, **others: int) -> settings:
    """Return settings for so many examples."""
    return settings(
        max_examples=count * max(1, TIMES),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **others,  # type: ignore[arg-type]
    )
