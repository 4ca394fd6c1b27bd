# SPDX-License-Identifier: MIT
"""Large bodies, which libmicrohttpd sends from Python's memory, without a copy.

csrc notes which it does not need any more; whoever runs libmicrohttpd takes them back.
"""

from typing import TYPE_CHECKING

from pymhd._lock import RLock
from pymhd._native.library import ffi, lib

if TYPE_CHECKING:
    from pymhd._native._mhd import CData

__all__ = ["count", "forked", "keep", "take_back"]

# What keeps the bodies alive, by address, one for each response that
# sends this body. The lock is held for moments only; it is reentrant, since a signal
# handler may interrupt who holds it.
_kept: dict[int, list[object]] = {}
_lock = RLock()


def forked() -> None:
    """Make the lock anew in a fork's child, where nobody would release it."""
    global _lock
    _lock = RLock()


def keep(address: "CData", needed: object) -> None:
    """Keep an object until what is at an address is taken back.

    Raises:
        MemoryError: csrc could not take note of it, and it is not kept.
    """
    if not lib.pymhd_zero_copy_lend():
        raise MemoryError("no memory for a response")
    with _lock:
        _kept.setdefault(int(ffi.cast("intptr_t", address)), []).append(needed)


def take_back() -> None:
    """Let go what libmicrohttpd does not need any more."""
    while address := lib.pymhd_zero_copy_take():
        with _lock:
            kept = _kept[address]
            kept.pop()
            if not kept:
                del _kept[address]


def count() -> int:
    """Return how many bodies libmicrohttpd may still need."""
    return sum(map(len, _kept.values()))
