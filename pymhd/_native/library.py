# SPDX-License-Identifier: MIT
"""Load the compiled module; refuse a libmicrohttpd that does not fit it.

Everything else imports ``ffi`` and ``lib`` from here, and the few typed helpers for
what C returns.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from pymhd.errors import CallError

__all__ = [
    "check_ptr",
    "copy_bytes",
    "ffi",
    "lib",
    "made",
    "owned",
    "packed_version",
    "to_str",
]

_INSTALL = (
    "install libmicrohttpd12 or libmicrohttpd12t64 (Debian, Ubuntu), or libmicrohttpd "
    "(Fedora, Alpine, Arch, Homebrew), and build pymhd again if it was built against "
    "another one"
)
_BUILD = (
    "pymhd has not been built for this Python here: pip install . does that in its "
    "source folder, or ./dev demo, which makes .venv/bin/python"
)
_CFFI = (
    "pymhd needs cffi, which this Python lacks: pip install cffi, or start the Python "
    "that pymhd was installed with"
)

try:
    from pymhd._native._mhd import ffi, lib
except ImportError as error:
    if isinstance(error, ModuleNotFoundError):
        missing = {"pymhd._native._mhd": _BUILD, "_cffi_backend": _CFFI}.get(
            error.name or ""
        )
        if missing is not None:
            raise ImportError(missing) from error
    if "undefined symbol: MHD_" in str(error) or "libmicrohttpd" in str(error):
        raise ImportError(
            "pymhd cannot use the libmicrohttpd of this system: it is missing, older "
            "than the one that pymhd was built against, or configured without HTTP "
            f"Upgrade ({error}); {_INSTALL}"
        ) from error
    raise

if TYPE_CHECKING:
    from pymhd._native._mhd import CData

    C = TypeVar("C", bound=CData)


def to_str(text: "CData") -> str:
    """Copy a NUL-terminated string out of C."""
    return cast("bytes", ffi.string(text)).decode("utf-8", "replace")


def copy_bytes(pointer: "CData", size: int) -> bytes:
    """Copy so many bytes out of C."""
    copy: bytes = ffi.buffer(pointer, size)[:]
    return copy


def owned(pointer: "C", free: "Callable[[C], None]") -> "C":
    """Return the pointer as an object with which the memory goes."""
    destructor = cast("Callable[[CData], None]", free)
    return cast("C", ffi.gc(pointer, destructor))


def made(new: "Callable[..., C]", *args: object, free: "Callable[[C], None]") -> "C":
    """Call a function that makes something, and return that as :func:`owned` does.

    Both in one step of the interpreter's, so that no exception of a signal handler's
    can come between them.

    Raises:
        MemoryError: It has returned NULL.
    """
    own = partial(ffi.gc, destructor=cast("Callable[[CData], None]", free))
    found = list(map(own, filter(None, map(new, *([arg] for arg in args)))))
    if not found:
        raise MemoryError
    return cast("C", found[0])


def check_ptr(pointer: "C", function: str) -> "C":
    """Return the pointer; raise CallError if it is NULL."""
    if pointer == ffi.NULL:
        raise CallError(
            f"{function}() returned NULL: memory is short, or libmicrohttpd refused "
            "an argument"
        )
    return pointer


def packed_version(release: str) -> int:
    """Return ``MHD_VERSION`` of a release: ``0x00097200`` for ``"0.9.72"``."""
    numbers = [int("".join(filter(str.isdigit, n)) or 0) for n in release.split(".")]
    return int("{:02}{:02}{:02}00".format(*[*numbers, 0, 0, 0][:3]), 16)


def _release(packed: int) -> str:
    return ".".join(str(int(f"{packed >> shift & 0xFF:x}")) for shift in (24, 16, 8))


def _check() -> None:
    loaded = to_str(lib.MHD_get_version())
    built = lib.pymhd_header_version()
    if packed_version(loaded) < built:
        raise ImportError(
            f"pymhd was built against libmicrohttpd {_release(built)}, but the one "
            f"that was loaded is older: {loaded}; {_INSTALL}"
        )
    if lib.MHD_is_feature_supported(lib.MHD_FEATURE_UPGRADE) != lib.MHD_YES:
        raise ImportError(
            f"this libmicrohttpd ({loaded}) was configured without HTTP Upgrade, which "
            f"is what pymhd is for; {_INSTALL}"
        )


_check()
