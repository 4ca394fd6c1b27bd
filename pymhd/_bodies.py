# SPDX-License-Identifier: MIT
"""Bodies that are not copied on their way: large ones, several buffers, files."""

import errno
import io
import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pymhd._native import zero_copy
from pymhd._native.library import ffi, lib, made
from pymhd.errors import NotSupportedError

if TYPE_CHECKING:
    from pymhd._native._mhd import FilePtr, SharedResponsePtr

__all__ = ["Buffer", "Buffers", "FilePart", "HasDescriptor", "LargeBytes"]

Buffer: TypeAlias = bytes | bytearray | memoryview

# Smaller ones are cheaper to copy than to send apart; the list of more than a few takes
# too much of the connection's memory.
_SMALL = 4096
_MOST_PIECES = 32


class HasDescriptor(Protocol):
    """A file object of the operating system's."""

    def fileno(self) -> int:
        """Return its descriptor."""


class LargeBytes:
    """One object of bytes, which is sent from where it is."""

    __slots__ = ("_bytes",)

    def __init__(self, body: bytes) -> None:
        self._bytes = body

    def read(self) -> bytes:
        """Return all of it."""
        return self._bytes

    def build(self, status: int, fields: bytes) -> "SharedResponsePtr":
        """Make a response of it in C, NULL if memory is short."""
        lent = ffi.from_buffer("char[]", self._bytes)
        zero_copy.keep(lent, lent)
        size = len(self._bytes)
        return lib.pymhd_response_new_zero_copy(status, lent, size, fields, len(fields))


class Buffers:
    """Several buffers one after another; none of them can be resized meanwhile."""

    __slots__ = ("_pieces",)

    def __init__(self, buffers: Iterable[Buffer]) -> None:
        if isinstance(buffers, str | bytes | bytearray | memoryview):
            raise TypeError(
                f"buffers must be an iterable of buffers, not {type(buffers).__name__}"
            )
        pieces = _fewer([_exported(buffer) for buffer in buffers])
        self._pieces = [ffi.from_buffer("char[]", piece) for piece in pieces]

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def read(self) -> bytes:
        """Return a copy of all of it."""
        return b"".join(ffi.buffer(piece)[:] for piece in self._pieces)

    def build(self, status: int, fields: bytes) -> "SharedResponsePtr":
        """Make a response of it in C, NULL if memory is short."""
        described = [(piece, len(piece)) for piece in self._pieces]
        pieces = ffi.new("struct pymhd_piece[]", described or 1)
        zero_copy.keep(pieces, (pieces, self._pieces))
        count = len(described)
        return lib.pymhd_response_new_pieces(status, pieces, count, fields, len(fields))


def _exported(buffer: Buffer) -> memoryview:
    if not isinstance(buffer, bytes | bytearray | memoryview):
        raise TypeError(
            f"each buffer must be bytes, bytearray or memoryview, not "
            f"{type(buffer).__name__}"
        )
    view = memoryview(buffer)
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def _fewer(views: list[memoryview]) -> list[memoryview]:
    """Join what is small with what is next to it, and everything if it is too much."""
    joined: list[memoryview] = []
    small: list[memoryview] = []
    for view in views:
        if len(view) < _SMALL:
            small.append(view)
            continue
        joined += _together(small)
        small = []
        joined.append(view)
    joined += _together(small)
    return joined if len(joined) <= _MOST_PIECES else _together(views)


def _together(views: list[memoryview]) -> list[memoryview]:
    joined = b"".join(views)
    return [memoryview(joined)] if joined else []


class FilePart:
    """Part of a regular file, as it is when it is sent."""

    __slots__ = ("_file", "_offset", "_size", "status")

    _file: "FilePtr"
    status: os.stat_result

    def __init__(
        self,
        file: "str | os.PathLike[str] | int | HasDescriptor",
        offset: int,
        length: int | None,
    ) -> None:
        _check_whole("offset", offset)
        if length is not None:
            _check_whole("length", length)
        fd = _open(file)
        try:
            self.status = _regular(fd, file)
            self._file = made(lib.pymhd_file_new, fd, free=lib.pymhd_file_unref)
        except BaseException:
            os.close(fd)
            raise
        size = self.status.st_size
        self._offset = offset
        self._size = size - offset if length is None else length
        if self._size < 0 or offset + self._size > size:
            raise ValueError(
                f"{file!r} has {size} bytes: offset={offset} and length={length} are "
                "beyond its end"
            )

    def __len__(self) -> int:
        return self._size

    def read(self) -> bytes:
        """Raise NotSupportedError: it is not in memory."""
        raise NotSupportedError("the body of this response is in a file, not in memory")

    def build(self, status: int, fields: bytes) -> "SharedResponsePtr":
        """Make a response of it in C, NULL if memory is short."""
        part = self._file, self._offset, self._size
        return lib.pymhd_response_new_file(status, *part, fields, len(fields))


def _check_whole(name: str, number: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} must be an int, not {type(number).__name__}")
    if number < 0:
        raise ValueError(f"{name} must not be negative: {number}")


def _open(file: "str | os.PathLike[str] | int | HasDescriptor") -> int:
    """Return a new descriptor for a path, of another descriptor or file object."""
    if isinstance(file, bool | io.TextIOBase):
        raise TypeError(
            "file must be a path, a descriptor or a binary file, not "
            f"{type(file).__name__}"
        )
    if isinstance(file, int):
        return os.dup(file)
    if isinstance(file, str | os.PathLike):
        # Another end of a FIFO is not waited for.
        return os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not callable(getattr(file, "fileno", None)):
        raise TypeError(
            "file must be a path, a descriptor or a binary file, not "
            f"{type(file).__name__}"
        )
    return os.dup(file.fileno())


def _regular(fd: int, file: object) -> os.stat_result:
    """Return the status of a regular file that may be read."""
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{file!r} is no regular file, so its size is not known")
    os.pread(fd, 0, 0)  # fails unless it is open for reading
    return status
