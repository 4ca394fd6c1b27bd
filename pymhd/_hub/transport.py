# SPDX-License-Identifier: MIT
"""The connection of a protocol, as the protocol and other threads see it.

What it is asked for goes to its hub's output; what the hub tells it by, only the hub's
thread touches.
"""

import contextlib
import logging
import socket
import typing
import weakref
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self, final

from pymhd._hub.buffered import takes_data
from pymhd._native import logs
from pymhd._native.layouts import COLLECTED, HIGH_WATER, LOW_WATER
from pymhd._native.library import lib
from pymhd.errors import StreamClosedError
from pymhd.request import has_large_body, without_body

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pymhd._native._mhd import HubPtr
    from pymhd.request import Request

__all__ = ["Transport", "broadcast"]

GONE = -1
_LIMITS = (HIGH_WATER, LOW_WATER)
_WARN_AT = 5


class Carrier(typing.Protocol):
    """Who carries out what transports are asked for: their hub."""

    pointer: "HubPtr"
    out: list[Any]
    collected: int
    asleep: bool
    flushing: bool
    thread: int

    def order(self, run: Callable[[], None]) -> None:
        """Have something done on the hub's thread, behind what was asked before."""

    def order_broadcast(self, transports: "list[Transport]", data: bytes) -> None:
        """Have one message sent to many connections."""

    def hurry(self, transport: "Transport | None" = None) -> None:
        """Have what has been put out carried out soon."""

    def size_of(self, transport: "Transport") -> int:
        """Return how many bytes of a transport's wait to be sent."""

    def note(self, crossed: int) -> None:
        """Remember who is above the high water mark."""

    def send(self, transport: "Transport", data: bytes) -> None:
        """Send at once what is large, where nothing waits in the list before it."""

    def turn(self, transport: "Transport") -> None:
        """Have what comes go where it belongs now."""

    def resume(self, transport: "Transport") -> None:
        """Give a transport what came while it was paused."""

    def receive(self, transport: "Transport", data: bytes) -> None:
        """Give a protocol its data."""


class _Nobody:
    """What is called as long as there is no protocol, as where its factory fails."""

    def __getattr__(self, method: str) -> Callable[..., None]:
        return lambda *args: None


_NOBODY = _Nobody()


@final
class Transport:
    """The connection of a protocol.

    Every method may be called from any thread. What is done on the protocol's own is
    collected and carried out when its batch of calls ends, or before that, when enough
    has been written.

    pymhd makes these; they cannot be constructed.
    """

    __slots__ = (
        "__weakref__",
        "_closing",
        "_connection",
        "_cut",
        "_error",
        "_held",
        "_hub",
        "_ignored",
        "_limits",
        "_mute",
        "_paused",
        "_protocol",
        "_queued",
        "_request",
        "_session",
        "_sockets",
        "_switched",
        "_whole",
    )

    _hub: Carrier
    # Its number in the hub's lists; GONE after the end. The hub's thread changes it.
    _connection: int
    _session: int
    _protocol: Any
    _request: "Request"
    # After connection_made(): the request with its large body, if it is still held by
    # the program.
    _whole: "weakref.ref[Request] | None"
    _switched: str
    _closing: bool
    # Nothing may be written: after close(), abort(), write_eof(), the end.
    _mute: bool
    _paused: bool
    # What came although reading was paused; b"" for the end of input. Only the hub's
    # thread uses it.
    _held: bytes | None
    _limits: tuple[int, int]
    _error: BaseException | None
    # Why we have ended it, if neither the protocol nor the peer has.
    _cut: OSError | None
    # Bytes of ours in the hub's list. It may be wrong by what two threads write at the
    # same moment, and means nothing when the list is empty.
    _queued: int
    _ignored: int
    # The duplicate of the socket, once it has been asked for, or several, if threads
    # asked at the same moment. Whoever closes takes each out by pop().
    _sockets: list[socket.socket]

    def __init__(self) -> None:
        raise TypeError("pymhd makes these: see Response.for_upgrade()")

    @classmethod
    def _make(
        cls,
        hub: Carrier,
        connection: int,
        session: int,
        request: "Request",
        switched: str,
    ) -> Self:
        self = cls.__new__(cls)
        self._hub = hub
        self._connection = connection
        self._session = session
        self._protocol = _NOBODY
        self._request = request
        self._whole = None
        self._switched = switched
        self._closing = self._mute = self._paused = False
        self._held = self._error = self._cut = None
        self._queued = 0
        self._sockets = []
        self._limits = _LIMITS
        self._ignored = 0
        return self

    # --- writing ---

    def write(self, data: "ReadableBuffer") -> None:
        """Send bytes; this never blocks.

        What the kernel does not take is kept, up to ``Limits.output`` bytes: beyond
        that the connection is aborted. So what a protocol sends, or reads in order to
        answer, it should pause in ``pause_writing``. After :meth:`close` and after the
        end of the connection data is ignored.

        Raises:
            TypeError: The data is not bytes-like.
            RuntimeError: After :meth:`write_eof`.
        """
        if self._mute or type(data) is not bytes:
            data = self._checked(data)
        hub = self._hub
        size = len(data)
        at_once = size >= COLLECTED and not hub.out and not hub.flushing
        if at_once and get_ident() == hub.thread:
            hub.send(self, data)
        elif size:
            hub.out.extend((self, data))
            self._queued += size
            hub.collected += size
            if hub.asleep or hub.collected >= COLLECTED:
                hub.hurry(self)

    def _checked(self, data: "ReadableBuffer") -> bytes:
        """Return what is to be sent of data that may not be."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data must be a bytes-like object, not {type(data).__name__}"
            )
        if not self._mute:
            return bytes(data)
        if not self._closing:
            raise RuntimeError("write() was called after write_eof()")
        if self._connection == GONE:
            self._ignored += 1
            if self._ignored == _WARN_AT:
                logs.log(
                    logging.WARNING,
                    "what is written to a connection that has ended is ignored: "
                    f"{self!r}",
                )
        return b""

    def writelines(self, list_of_data: "Iterable[ReadableBuffer]") -> None:
        """Send several pieces as one.

        Raises:
            The same as :meth:`write`.
        """
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """End our half of the connection behind what has been written.

        Over TLS this is a close_notify and a FIN, as of :meth:`Upgraded.shutdown`.
        """
        if not self._mute:
            self._mute = True
            self._hub.order(self._shut)

    def can_write_eof(self) -> bool:
        """Tell whether :meth:`write_eof` is possible: always, also over TLS."""
        return True

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Set the marks between which the protocol's writing is paused and resumed.

        Args:
            high: Bytes that wait, above which ``pause_writing`` is called; 64 KiB, or
                four times ``low``, unless given.
            low: Bytes at which ``resume_writing`` is called; a quarter of ``high``
                unless given.

        Raises:
            TypeError, ValueError: These are no such numbers.
        """
        if not isinstance(high, int | None) or not isinstance(low, int | None):
            raise TypeError(f"high and low must be ints, not {high!r} and {low!r}")
        if high is None:
            high = _LIMITS[0] if low is None else 4 * low
        if low is None:
            low = high // 4
        if not 2**63 > high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._limits = (high, low)
        self._hub.order(self._set_limits)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark, in bytes."""
        high, low = self._limits
        return low, high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._hub.size_of(self)

    # --- reading ---

    def pause_reading(self) -> None:
        """Have ``data_received`` called no more, until :meth:`resume_reading`."""
        if not self._paused and not self._closing:
            self._paused = True
            self._hub.turn(self)
            self._hub.order(self._pause)

    def resume_reading(self) -> None:
        """Have it called again, with what has come meanwhile."""
        if self._paused and not self._closing:
            self._paused = False
            self._hub.order(self._resume)

    def is_reading(self) -> bool:
        """Tell whether ``data_received`` may be called."""
        return not self._paused and not self._closing

    # --- ending ---

    def close(self) -> None:
        """Close the connection when everything has been sent.

        Nothing more is received; ``connection_lost(None)`` is called soon, not before
        this returns. A peer that takes nothing for ``Limits.close_timeout`` seconds, or
        less than 4 KiB a second on the average, is not waited for any longer:
        ``connection_lost`` gets a ``TimeoutError``.
        """
        if not self._closing:
            self._closing = self._mute = True
            self._hub.turn(self)
            self._hub.order(self._close)

    def abort(self) -> None:
        """Close the connection without sending what waits."""
        self._closing = self._mute = True
        self._hub.turn(self)
        self._hub.order(self._abort)

    def is_closing(self) -> bool:
        """Tell whether the connection is being closed, or has ended."""
        return self._closing

    # --- what it is ---

    def set_protocol(self, protocol: Any) -> None:
        """Have another protocol's methods called from now on.

        Raises:
            TypeError: It has neither ``data_received`` nor what an
                :class:`asyncio.BufferedProtocol` has instead.
        """
        if not takes_data(protocol):
            raise TypeError(
                "a protocol has a method data_received(), or get_buffer() and "
                f"buffer_updated(), not {protocol!r}"
            )
        self._protocol = protocol
        self._hub.turn(self)
        self._hub.order(self._turn)

    def get_protocol(self) -> Any:
        """Return the protocol; None after ``connection_lost``."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection.

        Args:
            name: ``"peername"`` and ``"sockname"``, as :mod:`socket` gives them;
                ``"request"``, a copy of the request that asked for the upgrade (when
                ``connection_made`` has returned, a body of more than 16 KiB lasts as
                long as somebody holds it, else :attr:`Request.body` raises StateError);
                ``"protocol"``, what was switched to; ``"socket"``, a duplicate of the
                socket, for its options, which the transport closes.
            default: Returned for other names, and where it cannot be told any more.
        """
        if name == "request":
            whole = None if self._whole is None else self._whole()
            return self._request if whole is None else whole
        if name == "protocol":
            return self._switched
        if name == "peername":
            return self._request.client
        sock = self._socket() if name in ("sockname", "socket") else None
        if sock is not None and name == "sockname":
            with contextlib.suppress(OSError):  # the connection may end at this moment
                return sock.getsockname()
            return default
        return default if sock is None else sock

    def fileno(self) -> int:
        """Return a duplicate of the descriptor, for looking at it.

        It is made when first asked for, and closed with the connection: it is not the
        caller's to close, to read from or to write to.

        Raises:
            StreamClosedError: The connection has ended.
            OSError: There are no more descriptors.
        """
        sock = self._socket()
        if sock is None:
            raise StreamClosedError("this connection has ended")
        return sock.fileno()

    def _socket(self) -> socket.socket | None:
        if not self._sockets and self._connection != GONE:
            fd = lib.pymhd_session_dup(self._session)
            if fd < 0:
                return None
            self._sockets.append(socket.socket(fileno=fd))
            # If the connection has ended meanwhile, the hub has not seen this socket.
            if self._connection == GONE:
                self._drop_sockets()
        with contextlib.suppress(IndexError):
            return self._sockets[0]
        return None

    def _drop_sockets(self) -> None:
        with contextlib.suppress(IndexError):  # another thread may take the last one
            while self._sockets:
                sock = self._sockets.pop()
                # The program may have closed our descriptor by its number.
                with contextlib.suppress(OSError):
                    sock.close()

    def __repr__(self) -> str:
        state = "closing" if self._closing else "open"
        if self._connection == GONE:
            state = "ended"
        return f"<pymhd.Transport {self._switched} {state}>"

    # --- the hub's thread ---

    def _give_up_body(self) -> None:
        """Keep a large body of the request no longer than others keep the request."""
        request = self._request
        if has_large_body(request):
            self._whole = weakref.ref(request)
            self._request = without_body(request)

    def _shut(self) -> None:
        lib.pymhd_hub_shut(self._hub.pointer, self._connection)

    def _set_limits(self) -> None:
        high, low = self._limits
        if lib.pymhd_hub_limits(self._hub.pointer, self._connection, high, low):
            self._hub.note(1)

    def _pause(self) -> None:
        if self._paused:  # else resume_reading() has been called since
            self._hub.turn(self)
            lib.pymhd_hub_pause(self._hub.pointer, self._connection, 1)

    def _turn(self) -> None:
        self._hub.turn(self)

    def _resume(self) -> None:
        if self._held is not None:
            self._hub.resume(self)
        elif self.is_reading():
            self._hub.turn(self)
            lib.pymhd_hub_pause(self._hub.pointer, self._connection, 0)

    def _take_held(self) -> None:
        if self.is_reading() and (held := self._held) is not None:
            self._held = None
            self._hub.receive(self, held)
            self._resume()

    def _hold(self, data: bytes) -> None:
        self._held = data

    def _end(self) -> None:
        self._connection = GONE
        self._closing = self._mute = True
        self._held = None
        if self._sockets:
            self._drop_sockets()

    def _close(self) -> None:
        lib.pymhd_hub_close(self._hub.pointer, self._connection, 0)

    def _abort(self) -> None:
        lib.pymhd_hub_close(self._hub.pointer, self._connection, 1)


def broadcast(transports: Iterable[Transport], data: "ReadableBuffer") -> None:
    """Send one message to many connections.

    Those that are closing are left out. The bytes are kept once, however many
    connections have not taken them yet, and count for each of them
    (``Limits.output``).

    Args:
        transports: Of any daemons, in any number.
        data: bytes-like.

    Raises:
        TypeError: The data is not bytes-like, or one of the others is no transport;
            then nothing is sent.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be a bytes-like object, not {type(data).__name__}")
    message = bytes(data)
    of_hub: dict[Carrier, list[Transport]] = {}
    for transport in transports:
        if not isinstance(transport, Transport):
            raise TypeError(
                f"transports must be pymhd.Transports, not {type(transport).__name__}"
            )
        if not transport._mute:
            of_hub.setdefault(transport._hub, []).append(transport)
    for hub, its in of_hub.items():
        hub.order_broadcast(its, message)
