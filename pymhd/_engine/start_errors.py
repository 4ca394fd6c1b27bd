# SPDX-License-Identifier: MIT
"""Why a daemon cannot listen somewhere: what was tried, what happened, what to do."""

import errno
import os
import socket
import stat

from pymhd.errors import StartError

__all__ = ["start_error", "start_error_of_path"]

_ADVICE = {
    errno.EADDRINUSE: "choose another one, or port=0 for any that is free",
    errno.EACCES: "it needs more rights, as ports below 1024 do",
    errno.EADDRNOTAVAIL: (
        "host must be an address of this machine, or a name of one, without scheme, "
        "brackets and port; None stands for all of them"
    ),
}
# The longest path of a UNIX socket: sun_path has one byte more, for the NUL.
_PATH_BYTES = 107


def start_error(
    error: OSError | UnicodeError, host: str | None, port: int
) -> StartError:
    """Return what to raise where a TCP port could not be had."""
    number, reason = _number_and_reason(error)
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        number = errno.EADDRNOTAVAIL  # a resolver's numbers are not errno's
    where = f"port {port} of {'any address' if host is None else host}"
    return _error(number, where, reason, _ADVICE.get(number, ""))


def start_error_of_path(error: OSError | UnicodeError, path: str) -> StartError:
    """Return what to raise where a UNIX socket could not be had."""
    number, reason = _number_and_reason(error)
    folder = os.path.dirname(os.path.abspath(path))
    advice = {
        errno.ENOENT: f"make the folder {folder} before",
        errno.ENOTDIR: f"{folder} is no folder: choose another path",
        errno.EACCES: f"it needs the right to write in {folder}",
        errno.EADDRINUSE: _in_use(path),
        errno.EPROTOTYPE: "it is a socket of another kind: choose another path",
    }.get(number, "")
    if len(os.fsencode(path)) > _PATH_BYTES:
        advice = f"choose one of at most {_PATH_BYTES} bytes, a relative one perhaps"
    return _error(number, f"unix={path!r}", reason, advice)


def _in_use(path: str) -> str:
    if path.startswith("\0"):
        return "another server listens there: choose another name"
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return "choose another path"
    if stat.S_ISSOCK(mode):
        return "another server listens there: stop it, or choose another path"
    return "there is something that is no socket: remove it, or choose another path"


def _number_and_reason(error: OSError | UnicodeError) -> tuple[int, str]:
    if isinstance(error, OSError):
        return error.errno or errno.EINVAL, error.strerror or str(error)
    return errno.EINVAL, str(error)


def _error(number: int, where: str, reason: str, advice: str) -> StartError:
    text = f"cannot listen on {where}: {reason}{'; ' if advice else ''}{advice}"
    return StartError(number, text)
