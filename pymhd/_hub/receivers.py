# SPDX-License-Identifier: MIT
"""Who takes the bytes that come for a transport, by its state and its protocol."""

from collections.abc import Callable
from typing import Any, cast

from pymhd._hub.buffered import is_buffered
from pymhd._hub.transport import Transport

__all__ = ["ignore", "receiver"]


def ignore(data: bytes) -> None:
    """Take what comes for a connection that is being closed."""


def receiver(transport: Transport, protocol: Any) -> Callable[[bytes], object]:
    """Return who takes what comes for a transport."""
    if transport._closing:
        return ignore
    if transport._paused:
        return transport._hold
    if is_buffered(protocol):
        return _Feeder(transport, protocol)
    return cast("Callable[[bytes], object]", protocol.data_received)


class _Feeder:
    """Who takes what comes for such a protocol.

    The protocol may pause or close its transport at each buffer: then the rest is kept,
    or ignored.
    """

    __slots__ = ("_protocol", "_transport")

    def __init__(self, transport: Transport, protocol: Any) -> None:
        self._transport = transport
        self._protocol = protocol

    def __call__(self, data: bytes) -> None:
        """Copy bytes into the buffers that the protocol gives, one after the other."""
        transport, protocol, at = self._transport, self._protocol, 0
        while at < len(data) and not transport._closing:
            if transport._paused:
                transport._hold(data[at:])
                return
            with memoryview(protocol.get_buffer(len(data) - at)) as buffer:
                size = min(buffer.nbytes, len(data) - at)
                if not size:
                    raise RuntimeError("get_buffer() returned an empty buffer")
                buffer.cast("B")[:size] = data[at : at + size]
            at += size
            protocol.buffer_updated(size)
