# SPDX-License-Identifier: MIT
"""What can go wrong.

::

    MHDError(Exception)
    ├── StartError(MHDError, OSError)
    ├── NotSupportedError(MHDError, NotImplementedError)
    ├── StateError(MHDError, RuntimeError)
    └── CallError(MHDError)

Wrong argument types and values are plain ``TypeError`` and ``ValueError``, raised
before C is called. What a peer does to its connection arrives as the ``OSError`` that
:mod:`socket` would raise.
"""

from typing import TYPE_CHECKING, TypeVar

from pymhd._library import ffi

if TYPE_CHECKING:
    from pymhd._mhd import CData

    C = TypeVar("C", bound=CData)

__all__ = ["CallError", "MHDError", "NotSupportedError", "StartError", "StateError"]


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


class CallError(MHDError):
    """A function of libmicrohttpd failed and gave no better reason."""


def check_ptr(pointer: "C", function: str) -> "C":
    """Return the pointer; raise CallError if it is NULL."""
    if pointer == ffi.NULL:
        raise CallError(
            f"{function}() returned NULL: memory is short, or libmicrohttpd refused "
            "an argument"
        )
    return pointer
