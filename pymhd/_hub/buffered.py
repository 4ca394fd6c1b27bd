# SPDX-License-Identifier: MIT
"""Protocols that bring their own buffers, in the shape of asyncio.BufferedProtocol."""

__all__ = ["is_buffered", "takes_data"]


def takes_data(protocol: object) -> bool:
    """Tell whether a protocol, or a class of them, has what receives data."""
    return hasattr(protocol, "data_received") or is_buffered(protocol)


def is_buffered(protocol: object) -> bool:
    """Tell whether a protocol takes data in buffers of its own, and not as bytes."""
    return not hasattr(protocol, "data_received") and (
        hasattr(protocol, "get_buffer") and hasattr(protocol, "buffer_updated")
    )
