# SPDX-License-Identifier: MIT
"""What can go wrong.

::

    MHDError(Exception)
    ├── StartError(MHDError, OSError)
    ├── NotSupportedError(MHDError, NotImplementedError)
    ├── StateError(MHDError, RuntimeError)
    │   └── StreamClosedError(StateError, OSError)
    ├── IncompleteReadError(MHDError, EOFError)
    ├── DaemonError(MHDError)
    └── CallError(MHDError)

Wrong argument types and values are plain ``TypeError`` and ``ValueError``, raised
before C is called. What a peer does to its connection arrives as the ``OSError`` that
:mod:`socket` would raise, and what else ends or limits an upgraded connection is an
``OSError``, too: ``except OSError`` around a relay's loop misses nothing.
"""

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "CallError",
    "DaemonError",
    "IncompleteReadError",
    "MHDError",
    "NotSupportedError",
    "StartError",
    "StateError",
    "StreamClosedError",
]


class MHDError(Exception):
    """Base of all errors of pymhd's own."""


class StartError(MHDError, OSError):
    """The daemon did not start.

    ``errno`` and ``strerror`` say why, the latter with libmicrohttpd's own words
    where it has any.
    """


class NotSupportedError(MHDError, NotImplementedError):
    """The libmicrohttpd or CPython in use, or a stream's transport, cannot do this."""


class StateError(MHDError, RuntimeError):
    """The right call at the wrong time.

    Used after ``stop()`` or ``close()``, after the request has ended, changed after
    the first use, or ``stop()`` from within a handler.
    """


class StreamClosedError(StateError, OSError):
    """An upgraded connection is not ours to use any more.

    ``errno`` is EBADF after :meth:`Upgraded.close` or :meth:`Upgraded.detach`, as of a
    socket; ECONNABORTED where the daemon has ended it: it was idle for too long, or
    :meth:`Daemon.stop` has been called.
    """

    def __init__(self, message: str, number: int = errno.EBADF) -> None:
        OSError.__init__(self, number, message)  # it is not the first base

    def __reduce__(self) -> "tuple[type[Self], tuple[str, int]]":
        return type(self), (self.strerror or "", self.errno or 0)


class IncompleteReadError(MHDError, EOFError):
    """The peer's end came before as many bytes as :meth:`Upgraded.recv_exactly` wants.

    Like :class:`asyncio.IncompleteReadError`.

    Attributes:
        partial: The bytes that did come.
        expected: How many were asked for.
    """

    def __init__(self, partial: bytes, expected: int) -> None:
        super().__init__(f"the peer has ended after {len(partial)} of {expected} bytes")
        self.partial = partial
        self.expected = expected

    def __reduce__(self) -> "tuple[type[Self], tuple[bytes, int]]":
        return type(self), (self.partial, self.expected)


class DaemonError(MHDError):
    """The daemon has failed while it ran, and serves no more.

    ``__cause__`` is what a thread of its own has met, which is logged at CRITICAL, too:
    memory that is short, or a fault of pymhd's. What handlers, sessions and protocols
    raise is not meant: that is logged, and everything else goes on.
    """


class CallError(MHDError):
    """A function of libmicrohttpd failed and gave no better reason."""
