# SPDX-License-Identifier: MIT
"""An upgraded connection as a program uses it: a stream socket."""

import _socket
import contextlib
import errno
import io
import os
import select
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from pymhd._native.library import lib
from pymhd._stream import Stream
from pymhd._stream_io import make_file
from pymhd.errors import IncompleteReadError
from pymhd.request import Address, Request

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["Upgraded"]

# How much is sent before csrc is told that bytes have moved.
_PIECE = 65536
# As csrc sends: a peer that has left is an exception, whatever becomes of SIGPIPE.
_FLAGS = socket.MSG_NOSIGNAL


@final
class Upgraded(Stream):
    """The socket of an upgraded connection, after the 101 went out.

    It behaves as a blocking :class:`socket.socket` does; bytes that the client sent
    early come first. One thread may send while another receives. After
    :meth:`close` every call raises StreamClosedError, also in a thread that was
    blocked in one: it is a StateError and an OSError. A context manager.

    When the callable that serves it raises what says that this very connection has
    ended, it is logged as information; anything else is an error with its traceback.

    pymhd makes these; they cannot be constructed.
    """

    __slots__ = ()

    # --- what it is ---

    @property
    def request(self) -> Request:
        """The request that asked for the upgrade: a copy, which does not end.

        A body of more than 16 KiB is with it until the stream is used for the first
        time; then it lasts as long as somebody holds the request, so that an idle
        connection costs no more than others. After that :attr:`Request.body` raises
        StateError.
        """
        return self._whole_request()

    @property
    def protocol(self) -> str:
        """The protocol that was switched to, as the response spelt it."""
        return self._protocol

    @property
    def client(self) -> Address:
        """The peer's address, as :meth:`socket.socket.getpeername` gives it."""
        return self._request.client

    def __repr__(self) -> str:
        state = "detached" if self._detached else "open"
        if self._closed:
            state = "closed"
        return f"<pymhd.Upgraded {self._protocol} {state}>"

    def _moved(self, count: int) -> None:
        """Note that bytes have moved where the kernel does not."""
        if self._touches and count:
            lib.pymhd_session_touch(self._session)

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
            StreamClosedError: Closed, before or meanwhile.
        """
        if self._early and size > 0 and (early := self._take_early(size)):
            return early
        with self._socket(moves=True) as sock:
            data = sock.recv(size)
            self._check_open()  # another thread may have closed it meanwhile
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
        with self._socket(moves=True) as sock:
            count = sock.recv_into(buffer, size)
            self._check_open()
            if not count and memoryview(buffer).nbytes:
                self._check_end()
            self._moved(count)
            return count

    def recv_exactly(self, size: int) -> bytes:
        """Receive so many bytes and return them.

        Args:
            size: In bytes; memory is taken as they come, not before.

        Raises:
            IncompleteReadError: The peer has ended before; its ``partial`` are the
                bytes that did come.
            TimeoutError: It took longer than :meth:`settimeout` altogether.
            ValueError: The size is negative.
            OSError, StreamClosedError: As of :meth:`recv`.

        After any error but the first, what has come is received again by the next
        call: nothing is lost.

        Example::

            size = int.from_bytes(stream.recv_exactly(4))
            message = stream.recv_exactly(size)
        """
        if size < 0:
            raise ValueError(f"size must not be negative, but is {size}")
        got = bytearray()
        try:
            with self._socket(moves=True) as sock:
                seconds = sock.gettimeout()
                deadline = time.monotonic() + seconds if seconds else None
                while len(got) < size:
                    if deadline is not None and not self._early:
                        _wait_until_readable(sock, deadline)
                    piece = self.recv(min(size - len(got), _PIECE))
                    if not piece:
                        raise IncompleteReadError(bytes(got), size)
                    got += piece
        except IncompleteReadError:
            raise
        except BaseException:
            with self._locking():
                self._early = bytes(got) + self._early
            raise
        return bytes(got)

    # --- sending ---

    def send(self, data: "ReadableBuffer") -> int:
        """Send what the kernel takes; return how many bytes that was.

        Raises:
            The same as :meth:`sendall`.
        """
        with self._socket(moves=True) as sock:
            count = sock.send(data, _FLAGS)
            self._moved(count)
            return count

    def sendall(self, data: "ReadableBuffer") -> None:
        """Send everything.

        Raises:
            TimeoutError: It took longer than :meth:`settimeout`; some may be sent.
            OSError: As of :meth:`socket.socket.sendall`, such as BrokenPipeError.
            StreamClosedError: Closed, before or meanwhile.
        """
        with self._socket(moves=True) as sock:
            if not self._touches:
                sock.sendall(data, _FLAGS)
                return
            view = memoryview(data).cast("B")
            for at in range(0, len(view), _PIECE):
                sock.sendall(view[at : at + _PIECE], _FLAGS)
                self._moved(_PIECE)

    def shutdown(self, how: int) -> None:
        """Shut down one or both halves: ``socket.SHUT_RD``, ``SHUT_WR``, ``SHUT_RDWR``.

        Over TLS ``SHUT_WR`` sends a close_notify and a FIN behind what was written
        (RFC 8446, section 6.1), and reading goes on. Many clients end the connection
        by themselves when they see it: asyncio's, and curl, but not :mod:`ssl`'s.

        Raises:
            OSError: As of :meth:`socket.socket.shutdown`.
            StreamClosedError: Closed.
        """
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

    def gettimeout(self) -> float | None:
        """Return the timeout in seconds; None: there is none."""
        with self._socket() as sock:
            return sock.gettimeout()

    def fileno(self) -> int:
        """Return the descriptor, for a selector.

        It is ours to close, not the caller's (see :meth:`detach`), and :meth:`pending`
        comes before it.
        """
        with self._socket(moves=True) as sock:
            return sock.fileno()

    def getpeername(self) -> Address:
        """Return the peer's address, which is also :attr:`client`.

        Raises:
            StreamClosedError: Closed.
        """
        with self._socket():
            return self.client

    def getsockname(self) -> Address:
        """Return our address, as :meth:`socket.socket.getsockname` does.

        Raises:
            StreamClosedError: Closed.
        """
        with self._own_socket() as sock:
            address: Address = sock.getsockname()
            return address

    def setsockopt(self, level: int, name: int, value: "int | ReadableBuffer") -> None:
        """Set an option of the connection's socket, also over TLS.

        Args:
            level, name: Such as ``socket.SOL_SOCKET`` and ``socket.SO_KEEPALIVE``.
            value: A number, or bytes with what C would be given.

        Raises:
            OSError: As of :meth:`socket.socket.setsockopt`.
            StreamClosedError: Closed.
        """
        with self._own_socket() as sock:
            sock.setsockopt(level, name, value)

    def getsockopt(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return an option of the connection's socket, also over TLS.

        Args:
            level, name: Such as ``socket.IPPROTO_TCP`` and ``socket.TCP_INFO``.
            size: Bytes that there is room for; 0: the value is a number.

        Raises:
            OSError: As of :meth:`socket.socket.getsockopt`.
            StreamClosedError: Closed.
        """
        with self._own_socket() as sock:
            return (
                sock.getsockopt(level, name, size)
                if size
                else (sock.getsockopt(level, name))
            )

    @contextlib.contextmanager
    def _own_socket(self) -> Iterator[_socket.socket]:
        """Give the socket itself, not our end of the pair that stands for it."""
        with self._socket() as sock:
            if self._request.tls is None:
                yield sock
                return
            fd = lib.pymhd_session_dup(self._session)
            if fd < 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            with contextlib.closing(_socket.socket(fileno=fd)) as own:
                yield own

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
            StreamClosedError: Closed.
        """
        self._check_open()
        return make_file(self, mode, buffering, encoding, errors, newline)


def _wait_until_readable(sock: _socket.socket, deadline: float) -> None:
    """Wait until there is something to receive, or a time of ``time.monotonic()``."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("timed out")
