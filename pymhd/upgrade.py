# SPDX-License-Identifier: MIT
"""An upgraded connection: a stream socket, and how its session begins and ends.

The object owns a duplicate of the descriptor, over TLS one end of a socket pair, so
nothing that is done with it can hit one that libmicrohttpd has closed. The session's
token tells csrc that we are through; csrc then lingers and closes
(csrc/upgrade/linger.c).
"""

import contextlib
import io
import os
import socket
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, final

from pymhd._library import lib
from pymhd._stream_io import make_file
from pymhd.errors import NotSupportedError, StateError
from pymhd.request import Address, Request
from pymhd.tls import NO_HALF_CLOSE

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["Upgraded"]


# How much is sent before somebody is told so.
_PIECE = 65536
# How often this process has been forked: what is older is a parent's.
_forks = 0
# Guards the taking over of those; reentrant, for signal handlers.
_lock = threading.RLock()


def forked() -> None:
    """Take note, in a fork's child, that every stream is the parent's."""
    global _forks, _lock
    _forks += 1
    _lock = threading.RLock()


def _abandoned(sock: socket.socket, session: int, born: int) -> None:
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


@final
class Upgraded:
    """The socket of an upgraded connection, after the 101 went out.

    It behaves as a blocking :class:`socket.socket` does; bytes that the client sent
    early come first. One thread may send while another receives. After
    :meth:`close` every call raises StateError, also in a thread that was blocked in
    one. A context manager.

    pymhd makes these; they cannot be constructed.
    """

    __slots__ = (
        "__weakref__",
        "_born",
        "_closed",
        "_early",
        "_finalizer",
        "_limited",
        "_lock",
        "_protocol",
        "_request",
        "_session",
        "_sock",
        "_touches",
        "_users",
    )

    _born: int
    _sock: socket.socket
    _session: int
    _early: bytes
    _request: Request
    _protocol: str
    # Guards _closed, _users and _early; never held across I/O. Reentrant, since a
    # signal handler may close what the thread under it is using.
    _lock: "threading.RLock"
    _closed: bool
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
        request: Request,
        protocol: str,
        limited: bool = False,
    ) -> Self:
        self = cls.__new__(cls)
        self._sock = socket.socket(fileno=fd)
        self._sock.settimeout(None)  # whatever socket.setdefaulttimeout() says
        self._born = _forks
        self._session = session
        self._early = early
        self._request = request
        self._protocol = protocol
        self._lock = threading.RLock()
        self._users = 0
        self._closed = False
        self._limited = limited
        self._touches = limited and self._sock.family == socket.AF_UNIX
        self._finalizer = weakref.finalize(
            self, _abandoned, self._sock, session, _forks
        )
        self._finalizer.atexit = False
        return self

    # --- what it is ---

    @property
    def request(self) -> Request:
        """The request that asked for the upgrade: a copy, which does not end."""
        return self._request

    @property
    def protocol(self) -> str:
        """The protocol that was switched to, as the response spelt it."""
        return self._protocol

    @property
    def client(self) -> Address:
        """The peer's address, as :meth:`socket.socket.getpeername` gives it."""
        return self._request.client

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        return self._closed

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<pymhd.Upgraded {self._protocol} {state}>"

    # --- the descriptor's users ---

    def _locking(self) -> "threading.RLock":
        if self._born != _forks:
            self._take_over()
        return self._lock

    def _take_over(self) -> None:
        """Begin anew in a fork's child, in which the parent's threads are not.

        There close() must close a copy, and leave the connection alone.
        """
        with _lock:
            if self._born != _forks:
                self._users, self._lock = 0, threading.RLock()
                self._limited = self._touches = False
                self._session = 0  # the child gives the parent's numbers to its own
                self._born = _forks  # last: now other threads go on

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("this upgraded connection has been closed")
        ours = self._limited and self._born == _forks
        if ours and not lib.pymhd_session_is_live(self._session):
            raise StateError(
                "this upgraded connection was idle for longer than its idle_timeout "
                "and has been closed, or its daemon has been stopped"
            )

    def _moved(self, count: int) -> None:
        """Note that bytes have moved where the kernel does not."""
        if self._touches and count:
            lib.pymhd_session_touch(self._session)

    @contextlib.contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        with self._locking():
            self._check_open()
            self._users += 1
        try:
            yield self._sock
        except OSError:
            self._check_open()  # close() may be what has failed it
            raise
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._locking():
            self._users -= 1
            last = self._closed and not self._users
        if last and self._finalizer.detach() is not None:
            # Somebody may have closed our descriptor by its number.
            with contextlib.suppress(OSError):
                self._sock.close()
            lib.pymhd_session_close(self._session)

    def close(self) -> None:
        """Close the connection, once; further calls do nothing.

        What was sent arrives, although this returns at once: our FIN goes out behind
        it, and input is read and forgotten until the peer's FIN, for at most 1 s and
        1 MiB. Calls that are blocked in other threads raise StateError, a recv() when
        that is over.

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

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # --- receiving ---

    def _take_early(self, size: int) -> bytes:
        with self._locking():
            self._check_open()
            taken, self._early = self._early[:size], self._early[size:]
        return taken

    def pending(self) -> int:
        """Return how many bytes came early and have not been received yet.

        They are here already: a selector does not report them.
        """
        self._check_open()
        return len(self._early)

    def recv(self, size: int) -> bytes:
        """Return up to ``size`` bytes; ``b""`` when the peer has shut down.

        Raises:
            TimeoutError: Nothing came within :meth:`settimeout`.
            OSError: As of :meth:`socket.socket.recv`, such as ConnectionResetError.
            StateError: Closed, before or meanwhile.
        """
        if self._early and size > 0 and (early := self._take_early(size)):
            return early
        with self._socket() as sock:
            data = sock.recv(size)
            self._check_open()  # not closed by another thread meanwhile
            if not data and size:
                self._check_end()
            self._moved(len(data))
            return data

    def _check_end(self) -> None:
        """Raise what ended a TLS connection, of which our descriptor knows nothing."""
        if error := lib.pymhd_session_error(self._session):
            raise OSError(error, os.strerror(error))

    def recv_into(self, buffer: "WriteableBuffer", size: int = 0) -> int:
        """Receive into a writable buffer; return the number of bytes, 0 at the end.

        Args:
            buffer: Where the bytes go, from its beginning.
            size: At most so many; 0 for as many as fit.

        Raises:
            The same as :meth:`recv`.
        """
        if self._early:
            view = memoryview(buffer).cast("B")
            if view.readonly:
                raise TypeError("the buffer must be writable")
            if not 0 <= size <= len(view):
                raise ValueError(f"size must be from 0 to {len(view)}, not {size}")
            if data := self._take_early(size or len(view)):
                view[: len(data)] = data
                return len(data)
        with self._socket() as sock:
            count = sock.recv_into(buffer, size)
            self._check_open()
            if not count and memoryview(buffer).nbytes:
                self._check_end()
            self._moved(count)
            return count

    # --- sending ---

    def send(self, data: "ReadableBuffer") -> int:
        """Send what the kernel takes; return how many bytes that was.

        Raises:
            The same as :meth:`sendall`.
        """
        with self._socket() as sock:
            count = sock.send(data)
            self._moved(count)
            return count

    def sendall(self, data: "ReadableBuffer") -> None:
        """Send everything.

        Raises:
            TimeoutError: It took longer than :meth:`settimeout`; some may be sent.
            OSError: As of :meth:`socket.socket.sendall`, such as BrokenPipeError.
            StateError: Closed, before or meanwhile.
        """
        with self._socket() as sock:
            if not self._touches:
                sock.sendall(data)
                return
            view = memoryview(data).cast("B")
            for at in range(0, len(view), _PIECE):
                sock.sendall(view[at : at + _PIECE])
                self._moved(_PIECE)

    def shutdown(self, how: int) -> None:
        """Shut down one or both halves: ``socket.SHUT_RD``, ``SHUT_WR``, ``SHUT_RDWR``.

        Raises:
            NotSupportedError: ``SHUT_WR`` over TLS, which has no such state: a client
                answers our close_notify with its own and ends the connection.
            OSError: As of :meth:`socket.socket.shutdown`.
            StateError: Closed.
        """
        if how == socket.SHUT_WR and self._request.tls is not None:
            self._check_open()
            raise NotSupportedError(NO_HALF_CLOSE)
        with self._socket() as sock:
            sock.shutdown(how)

    @contextlib.contextmanager
    def cork(self) -> Iterator[None]:
        """Hold small writes back within a ``with`` block and send them together.

        Sets ``TCP_CORK``, as ``MHD_UPGRADE_ACTION_CORK_ON`` does. Over a UNIX socket,
        where nothing is held back, it does nothing.
        """
        self._set_cork(True)
        try:
            yield
        finally:
            if not self._closed:
                self._set_cork(False)

    def _set_cork(self, on: bool) -> None:
        with self._socket() as sock:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, on)

    # --- as a socket ---

    def settimeout(self, seconds: float | None) -> None:
        """Set a timeout for every blocking call; None, the initial value, for none."""
        with self._socket() as sock:
            sock.settimeout(seconds)

    def fileno(self) -> int:
        """Return the descriptor, for a selector.

        It is ours to close, not the caller's, and :meth:`pending` comes before it.
        """
        with self._socket() as sock:
            return sock.fileno()

    def makefile(
        self,
        mode: str = "rb",
        buffering: int = -1,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> io.IOBase:
        """Return a file object for the stream.

        Closing the file flushes it and leaves the connection open. Of a text file in
        mode ``"rw"`` a write forgets what was read ahead, as everywhere in :mod:`io`:
        it is for a peer that waits for each answer.

        Args:
            mode: Of ``r``, ``w``, ``rw``, with ``b`` for bytes.
            buffering: The size of the buffer in bytes; 0 for none, in binary mode.
            encoding, errors, newline: Of text, as for :func:`open`.

        Raises:
            ValueError: The mode is none of these.
            StateError: Closed.
        """
        self._check_open()
        return make_file(self, mode, buffering, encoding, errors, newline)
