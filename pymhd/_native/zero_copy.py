# SPDX-License-Identifier: MIT
"""Large bodies, which libmicrohttpd sends from Python's memory, without a copy.

csrc notes which it does not need any more; whoever runs libmicrohttpd takes them back.
"""

import threading
from typing import TYPE_CHECKING

from pymhd._native.library import ffi, lib

if TYPE_CHECKING:
    from pymhd._native._mhd import CData

__all__ = ["count", "forked", "lend", "take_back"]

# What keeps the bodies, by address: as often as one has been lent. Under the lock
# nothing waits; it is reentrant for signal handlers.
_lent: "dict[int, list[CData]]" = {}
_lock = threading.RLock()


def forked() -> None:
    """Make the lock anew in a fork's child, where nobody would release it."""
    global _lock
    _lock = threading.RLock()


def lend(body: bytes) -> "CData":
    """Keep a body until it is taken back; return it as C sees it.

    Raises:
        MemoryError: Nothing is lent.
    """
    lent = ffi.from_buffer("char[]", body)
    if not lib.pymhd_lend():
        raise MemoryError("no memory for a response")
    with _lock:
        _lent.setdefault(int(ffi.cast("intptr_t", lent)), []).append(lent)
    return lent


def take_back() -> None:
    """Let go what libmicrohttpd does not need any more."""
    while address := lib.pymhd_lent_take():
        with _lock:
            kept = _lent[address]
            kept.pop()
            if not kept:
                del _lent[address]


def count() -> int:
    """Return how many bodies libmicrohttpd may still need."""
    return sum(map(len, _lent.values()))
