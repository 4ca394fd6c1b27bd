# SPDX-License-Identifier: MIT
"""Protocols and transports: upgraded connections without a thread for each.

The shape and the meaning are those of :class:`asyncio.Protocol` and
:class:`asyncio.Transport`, so that one class runs on either. The protocol's methods
are called one after the other, on the thread that serves its connection; the
transport's may be called from any.
"""

from pymhd._hub.transport import Transport, broadcast

__all__ = ["Protocol", "Transport", "broadcast"]


class Protocol:
    """What a connection does; a base class whose methods do nothing.

    A subclass is given to :meth:`Response.for_upgrade`, which calls it without
    arguments for each connection. Any object with these methods will do, an
    :class:`asyncio.Protocol` as well, or an :class:`asyncio.BufferedProtocol`, which
    has ``get_buffer`` and ``buffer_updated`` in place of ``data_received``. An
    exception in one of them is logged and aborts the connection, also where asyncio
    only logs it; the others go on.

    A protocol that answers what it reads should stop reading while its peer does not
    take the answers, or ``Limits.output`` ends the connection::

        def pause_writing(self):
            self.transport.pause_reading()

        def resume_writing(self):
            self.transport.resume_reading()
    """

    __slots__ = ()

    def connection_made(self, transport: Transport) -> None:
        """The connection has been upgraded: the first call."""

    def data_received(self, data: bytes) -> None:
        """Bytes have come; those that came with the request come first."""

    def eof_received(self) -> bool | None:
        """The peer sends no more.

        Returns:
            True to keep the connection open for sending; else it is closed.
        """
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended: the last call.

        Args:
            exc: What has ended it, such as a ConnectionResetError; None after a close,
                an abort or the peer's end.
        """

    def pause_writing(self) -> None:
        """More waits to be sent than the high water mark allows."""

    def resume_writing(self) -> None:
        """What waits to be sent has fallen to the low water mark."""
