# SPDX-License-Identifier: MIT
"""Protocols that bring their own buffers, in the shape of asyncio.BufferedProtocol."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymhd.protocol import Transport

__all__ = ["Feeder", "is_buffered", "takes_data"]


def takes_data(protocol: object) -> bool:
    """Tell whether a protocol, or a class of them, has what receives data."""
    return hasattr(protocol, "data_received") or is_buffered(protocol)


def is_buffered(protocol: object) -> bool:
    """Tell whether a protocol takes data in buffers of its own, and not as bytes."""
    return not hasattr(protocol, "data_received") and (
        hasattr(protocol, "get_buffer") and hasattr(protocol, "buffer_updated")
    )


class Feeder:
    """Who takes what comes for such a protocol.

    The protocol may pause or close its transport at each buffer: then the rest is kept,
    or ignored.
    """

    __slots__ = ("_protocol", "_transport")

    def __init__(self, transport: "Transport", protocol: Any) -> None:
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
