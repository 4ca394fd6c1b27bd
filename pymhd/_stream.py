# SPDX-License-Identifier: MIT
"""The life of an upgraded connection in Python: who uses its descriptor, and its end.

The object owns a duplicate of the descriptor, over TLS one end of a socket pair, so
nothing that is done with it can hit one that libmicrohttpd has closed. The session's
token tells csrc that we are through; csrc then lingers and closes
(csrc/upgrade/linger.c).
"""

import _socket
import contextlib
import errno
import socket
import warnings
import weakref
from collections.abc import Iterator
from typing import Self

from pymhd import _blame
from pymhd._lock import RLock
from pymhd._native.library import lib
from pymhd._switch import Switch
from pymhd.errors import StateError, StreamClosedError
from pymhd.request import Request, has_large_body, without_body

__all__ = ["Stream", "forked"]

# Which child this process is: a stream that was made under a lower number belongs to
# the parent.
_forks = 0
# Held while a child takes over a stream of its parent; reentrant, since a signal
# handler may interrupt who holds it.
_lock = RLock()


def forked() -> None:
    """Take note, in a fork's child, that every stream is the parent's."""
    global _forks, _lock
    _forks += 1
    _lock = RLock()


def _abandoned(sock: _socket.socket, session: int, born: int) -> None:
    # A finalizer: it may run on any thread, between any two instructions. It takes no
    # lock of Python's and calls no function of libmicrohttpd's.
    with contextlib.suppress(OSError):
        sock.close()
    if born != _forks:
        return
    lib.pymhd_session_close(session)
    warnings.warn(
        f"an upgraded connection (session {session}) was not closed before the last "
        "reference to it went: close it, or use it in a with statement",
        ResourceWarning,
        stacklevel=2,
    )


class Stream:
    """What :class:`pymhd.Upgraded` is, but for the bytes that go through it."""

    __slots__ = (
        "__weakref__",
        "_born",
        "_closed",
        "_detached",
        "_early",
        "_finalizer",
        "_large",
        "_limited",
        "_lock",
        "_protocol",
        "_request",
        "_session",
        "_sock",
        "_touches",
        "_users",
        "_whole",
    )

    _born: int
    _sock: _socket.socket
    _session: int
    _early: bytes
    _request: Request
    # Whether the request has a large body that we keep; and, once we keep it no longer,
    # the whole request, if the program still holds it.
    _large: bool
    _whole: "weakref.ref[Request] | None"
    _protocol: str
    # Guards _closed, _detached, _users and _early; never held across I/O. Reentrant,
    # since a signal handler may close what the thread under it is using.
    _lock: RLock
    _closed: bool
    _detached: bool
    # How many calls use the descriptor. The last one closes it, so that no call meets
    # a number that has become somebody else's.
    _users: int
    _finalizer: "weakref.finalize[..., Self]"
    # It has an idle timeout, and csrc must be told when bytes move.
    _limited: bool
    _touches: bool

    def __init__(self) -> None:
        raise TypeError("pymhd makes these: see Response.for_upgrade()")

    @classmethod
    def _make(
        cls,
        fd: int,
        session: int,
        early: bytes,
        switch: Switch,
    ) -> Self:
        self = cls.__new__(cls)
        # The class in C: gevent and eventlet replace the other one by their own, which
        # waits on the event loop of the thread that has made it.
        self._sock = _socket.socket(fileno=fd)
        self._sock.settimeout(None)  # whatever socket.setdefaulttimeout() says
        self._born = _forks
        self._session = session
        self._early = early
        self._request = switch.request
        self._large = has_large_body(switch.request)
        self._whole = None
        self._protocol = switch.protocol
        self._lock = RLock()
        self._users = 0
        self._closed = self._detached = False
        self._limited = bool(switch.idle_timeout)
        self._touches = self._limited and self._sock.family == socket.AF_UNIX
        self._finalizer = weakref.finalize(
            self, _abandoned, self._sock, session, _forks
        )
        self._finalizer.atexit = False
        return self

    # --- the request ---

    def _give_up_body(self) -> None:
        """Keep a large body of the request no longer than others keep the request."""
        with self._locking():
            if self._large:
                self._large = False
                self._whole = weakref.ref(self._request)
                self._request = without_body(self._request)

    def _whole_request(self) -> Request:
        whole = None if self._whole is None else self._whole()
        return self._request if whole is None else whole

    # --- the descriptor's users ---

    def _locking(self) -> RLock:
        if self._born != _forks:
            self._take_over()
        return self._lock

    def _take_over(self) -> None:
        """Begin anew in a fork's child, in which the parent's threads are not.

        There close() must close a copy, and leave the connection alone.
        """
        with _lock:
            if self._born != _forks:
                self._users, self._lock = 0, RLock()
                self._limited = self._touches = False
                self._session = 0  # the child gives the parent's numbers to its own
                self._born = _forks  # last, since it lets other threads use the rest

    def _check_open(self) -> None:
        if self._closed:
            raise self._ended("this upgraded connection has been closed")
        if self._detached:
            raise self._ended(
                "this upgraded connection has been detached: its descriptor is with "
                "whoever has called detach()"
            )
        ours = self._limited and self._born == _forks
        if ours and not lib.pymhd_session_is_live(self._session):
            raise self._ended(
                "this upgraded connection was idle for longer than its idle_timeout "
                "and has been closed, or its daemon has been stopped",
                errno.ECONNABORTED,
            )

    def _ended(self, message: str, number: int = errno.EBADF) -> StreamClosedError:
        error = StreamClosedError(message, number)
        _blame.mark(error, self._session)
        return error

    def _has_raised(self, error: BaseException) -> bool:
        """Tell whether an exception only says that this connection has ended."""
        return _blame.is_marked(error, self._session)

    @contextlib.contextmanager
    def _socket(self, moves: bool = False) -> Iterator[_socket.socket]:
        """Give the socket to a call, and keep its descriptor for so long.

        Args:
            moves: The call moves bytes, or will have them moved.
        """
        with self._locking():
            self._check_open()
            self._users += 1
        if moves and self._large:
            self._give_up_body()
        try:
            yield self._sock
        except (OSError, EOFError) as error:
            if not isinstance(error, StateError):
                self._check_open()  # close() may be what has failed it
            _blame.mark(error, self._session)
            raise
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._locking():
            self._users -= 1
            last = self._closed and not self._users
        if last and self._finalizer.detach() is not None:
            # The program may have closed our descriptor by its number.
            with contextlib.suppress(OSError):
                self._sock.close()
            lib.pymhd_session_close(self._session)

    # --- the end ---

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        return self._closed

    def close(self) -> None:
        """Close the connection, once; further calls do nothing.

        What was sent arrives, although this returns at once: our FIN goes out behind
        it, and input is read and forgotten until the peer's FIN, for at most 1 s and
        1 MiB. Calls that are blocked in other threads raise StreamClosedError, a
        recv() when that is over.

        Wraps ``MHD_upgrade_action(MHD_UPGRADE_ACTION_CLOSE)``.
        """
        with self._locking():
            if self._closed:
                return
            self._closed = True
            self._users += 1
            in_use = self._users > 1
        if in_use:
            # Not SHUT_RDWR: after that the kernel answers input with an RST, which
            # would destroy our last bytes. csrc wakes whoever is blocked in recv()
            # when it is through.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
            lib.pymhd_session_close(self._session)
        self._leave()

    def _close_unless_detached(self) -> None:
        if not self._detached:
            self.close()

    def detach(self) -> int:
        """Give the descriptor away; from now on it is the caller's to use and to close.

        As :meth:`socket.socket.detach` does. The stream can then only be closed: the
        connection lasts, also when the callable has returned, until :meth:`close` is
        called, which lingers and says CLOSE as ever, or :meth:`Daemon.stop`. So keep
        the stream as long as the descriptor: when the last reference to it goes, there
        is a ResourceWarning and the connection is closed. Over TLS the descriptor is
        one end of a socket pair, which speaks plain text, and with it the connection
        ends. An idle timeout goes on only where the kernel knows when bytes have moved:
        over TCP.

        Returns:
            The descriptor; it blocks, unless :meth:`settimeout` was called.

        Raises:
            StateError: Bytes are :meth:`pending`, which would be lost, or another
                thread is in a call of this stream's.
            StreamClosedError: Closed, or detached before.

        Example::

            child = subprocess.Popen(["cat"], stdin=(fd := stream.detach()), stdout=fd)
            os.close(fd)
            child.wait()
            stream.close()
        """
        with self._locking():
            self._check_open()
            if self._early:
                raise StateError(
                    f"{len(self._early)} bytes came early, and no descriptor has them: "
                    "receive what pending() tells of, then detach"
                )
            if self._users:
                raise StateError("another thread is in a call of this stream's")
            if self._touches:  # nothing would tell csrc that bytes have moved
                lib.pymhd_session_limit(self._session, 0)
                self._limited = self._touches = False
            self._detached = True
            return self._sock.detach()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
