# SPDX-License-Identifier: MIT
"""File objects on an upgraded connection."""

import io
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["make_file"]


class Stream(Protocol):
    """What a file object needs of :class:`Upgraded`."""

    def fileno(self) -> int:
        """Return the descriptor."""

    def recv_into(self, buffer: "WriteableBuffer") -> int:
        """Receive into a buffer."""

    def send(self, data: "ReadableBuffer") -> int:
        """Send some."""


def make_file(
    stream: Stream,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> io.IOBase:
    """Return what :meth:`Upgraded.makefile` describes."""
    if not set(mode) <= set("rwb") or not set(mode) & set("rw"):
        raise ValueError(f'mode must be of "r", "w" and "b", not {mode!r}')
    raw = _StreamIO(stream, readable="r" in mode, writable="w" in mode)
    if buffering == 0:
        if "b" not in mode:
            raise ValueError("text must be buffered")
        return raw
    binary = _buffered(raw, io.DEFAULT_BUFFER_SIZE if buffering < 0 else buffering)
    if "b" in mode:
        return binary
    # typeshed knows no text file on a BufferedRWPair.
    buffer = cast("io.BufferedReader", binary)
    return io.TextIOWrapper(buffer, encoding, errors, newline)


def _buffered(
    raw: "_StreamIO", size: int
) -> io.BufferedRWPair | io.BufferedReader | io.BufferedWriter:
    if raw.readable() and raw.writable():
        return io.BufferedRWPair(raw, raw, size)
    if raw.readable():
        return io.BufferedReader(raw, size)
    return io.BufferedWriter(raw, size)


class _StreamIO(io.RawIOBase):
    """The stream as a raw file, for the buffers of :mod:`io`."""

    def __init__(self, stream: Stream, *, readable: bool, writable: bool) -> None:
        self._stream = stream
        self._readable = readable
        self._writable = writable

    def readable(self) -> bool:
        return self._readable

    def writable(self) -> bool:
        return self._writable

    def fileno(self) -> int:
        return self._stream.fileno()

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._stream.recv_into(buffer)

    def write(self, data: "ReadableBuffer") -> int:
        return self._stream.send(data)
