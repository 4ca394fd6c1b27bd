# SPDX-License-Identifier: MIT
"""A lock for ``with`` that a signal handler never leaves held, wherever it raises."""

import sys
import threading

__all__ = ["RLock"]

if sys.version_info >= (3, 14):
    from _thread import RLock as _RLock

    class RLock(_RLock):
        """A :class:`threading.RLock`.

        Up to CPython 3.13 no signal handler runs between the moment when ``with`` has
        a lock and the block whose end gives it back. From 3.14 on, ``with`` calls
        ``__enter__`` as any function, and a handler may run, and raise, behind a call
        of a function in C, but not where one in Python returns. The end is left to C,
        since a handler may run at the beginning of a function in Python.
        """

        __slots__ = ()

        def __enter__(self) -> bool:
            before = self._recursion_count()
            try:
                return self.acquire()
            except BaseException:
                if self._recursion_count() > before:
                    self.release()
                raise

else:
    RLock = threading.RLock
