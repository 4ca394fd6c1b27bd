# SPDX-License-Identifier: MIT
"""Whether an exception says that a certain connection has ended, or anything else.

A session that ends since its peer has left is no mistake of the program's, and not
worth an error in the log. The same exception from elsewhere, such as a backend that
refuses a connection, is one. So a stream marks what it raises when its peer, or the
daemon, has ended it; an exception belongs to no other stream than the one that has
marked it.
"""

import errno

from pymhd.errors import StreamClosedError

__all__ = ["is_marked", "mark"]

_MARK = "_pymhd_session"
_KINDS = (ConnectionError, TimeoutError, EOFError, StreamClosedError)
# Ends of a connection for which Python has no subclass of OSError.
_ENDS = {
    errno.ENOTCONN,
    errno.EHOSTUNREACH,
    errno.EHOSTDOWN,
    errno.ENETUNREACH,
    errno.ENETDOWN,
}


def mark(error: BaseException, session: int) -> None:
    """Note that a session has raised this because it has ended, if it says so."""
    if isinstance(error, _KINDS) or getattr(error, "errno", None) in _ENDS:
        error.__dict__[_MARK] = session


def is_marked(error: BaseException, session: int) -> bool:
    """Tell whether an exception is due to the end of this session.

    That is one which the session has marked, one raised ``from`` such, and a group in
    which all are. One that was raised while such a one was handled is a mistake.
    """
    seen = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if cause.__dict__.get(_MARK) == session:
            return True
        if isinstance(cause, BaseExceptionGroup):
            return all(is_marked(member, session) for member in cause.exceptions)
        cause = cause.__cause__
    return False
