# SPDX-License-Identifier: MIT
"""Files as HTTP has them: ranges, conditions, and folders that cannot be left."""

import errno
import mimetypes
import os
import secrets
import stat
from typing import final
from urllib.parse import quote, unquote_to_bytes

from pymhd._conditions import Validators, asks_again, fails, ranges_of
from pymhd.request import Request
from pymhd.response import Response

__all__ = ["Directory", "respond"]

# A compressed file is one, whatever is in it.
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}
_TEXT = {"application/javascript", "application/xml", "image/svg+xml"}
_UNKNOWN = "application/octet-stream"
# Several ranges go through memory; who wants more gets the file.
_MOST_OF_SEVERAL = 1 << 20
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_THERE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EACCES,
    errno.EPERM,
    errno.ENXIO,
}


def respond(
    request: Request,
    path: str | os.PathLike[str],
    *,
    content_type: str | None = None,
    download: str | bool | None = None,
    max_age: int | None = None,
) -> Response:
    """Answer a request with a file, or with the part of it that the client wants.

    GET and HEAD are answered, with an entity tag and the date of the last change; other
    methods with 405. What the client knows already is answered 304, a condition that
    does not hold 412. One range is sent from the file, several as
    ``multipart/byteranges`` if they are 1 MiB together at most; if there are more than
    16, if they overlap, or if they are more, the whole file is.

    Args:
        request: What it is the answer to.
        path: Of a regular file. It may come from the program only; what a client has
            named is for :class:`Directory`.
        content_type: None: by the name, with UTF-8 as the charset of text.
        download: The name under which clients are to save it; True: its own; None:
            they are to show it.
        max_age: Seconds that clients need not ask again; None says nothing of it.

    Raises:
        OSError: It is not there, is a directory, or may not be read.
        ValueError: It is no regular file, or an argument cannot be used.

    RFC 9110, sections 13 and 14; RFC 6266.

    Example::

        def handler(request):
            return pymhd.files.respond(request, "report.pdf", download="Report.pdf")
    """
    if max_age is not None and (not isinstance(max_age, int) or max_age < 0):
        raise ValueError(f"max_age must be a number of seconds, not {max_age!r}")
    if refused := _refused(request):
        return refused
    fd = os.open(path, _READ)
    try:
        name = os.path.basename(os.fsdecode(path))
        fields = [] if max_age is None else [("Cache-Control", f"max-age={max_age}")]
        if download is not None and download is not False:
            named = name if download is True else download
            fields.append(("Content-Disposition", _attachment(named)))
        return _respond(request, fd, content_type or _type_of(name), fields)
    finally:
        os.close(fd)


@final
class Directory:
    """A handler that answers with the files of a folder, and with nothing outside.

    A target that ends with a slash stands for the index in that folder; one that names
    a folder without it is redirected there. Symbolic links below the root are not
    followed, wherever they lead; what is no file is answered 404. Files whose names
    begin with a dot are served as others are.

    Args:
        root: The folder. It may be a symbolic link, and is looked up at each request.
        index: The name of a file in a folder that stands for the folder.
        max_age: As for :func:`respond`.

    Raises:
        OSError: The root is no folder.
        ValueError: The index is no name of a file.

    Example::

        with pymhd.Daemon(pymhd.files.Directory("/srv/www"), port=8080) as daemon:
            daemon.wait()
    """

    __slots__ = ("_fields", "_index", "_root")

    def __init__(
        self,
        root: str | os.PathLike[str],
        index: str = "index.html",
        max_age: int | None = None,
    ) -> None:
        if index in ("", ".", "..") or "/" in index or "\0" in index:
            raise ValueError(f"index must be the name of a file, not {index!r}")
        if max_age is not None and (not isinstance(max_age, int) or max_age < 0):
            raise ValueError(f"max_age must be a number of seconds, not {max_age!r}")
        self._root = os.path.abspath(root)
        self._index = os.fsencode(index)
        self._fields = (
            [] if max_age is None else [("Cache-Control", f"max-age={max_age}")]
        )
        os.close(os.open(self._root, _FOLDER))

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if refused := _refused(request):
            return refused
        names = _names(request.target)
        if names is None:
            return _not_found()
        is_folder = names[-1] == b""
        if is_folder:
            names[-1] = self._index
        try:
            fd = self._open(names)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return _not_found()
            raise
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode) and not is_folder:
                return _redirect(names, request.target.partition("?")[2])
            if not stat.S_ISREG(mode):
                return _not_found()
            content_type = _type_of(os.fsdecode(names[-1]))
            return _respond(request, fd, content_type, self._fields)
        finally:
            os.close(fd)

    def _open(self, names: list[bytes]) -> int:
        """Open step by step, so that nobody can put a link in between."""
        folder = os.open(self._root, _FOLDER)
        try:
            for name in names[:-1]:
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            return os.open(names[-1], _READ | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)


def _refused(request: Request) -> Response | None:
    if request.method in ("GET", "HEAD"):
        return None
    return Response("405 Method Not Allowed\n", 405, {"Allow": "GET, HEAD"})


def _not_found() -> Response:
    return Response("404 Not Found\n", 404)


def _names(target: str) -> list[bytes] | None:
    """Return the steps to take from the root; None if they might lead out of it.

    The last one is empty if the target ends with a slash.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") and "://" in path:  # as a proxy sends it
        path = "/" + path.partition("://")[2].partition("/")[2]
    if not path.startswith("/"):
        return None
    names = [unquote_to_bytes(part.encode("latin-1")) for part in path[1:].split("/")]
    for name in names:
        if name in (b".", b"..") or b"/" in name or b"\0" in name:
            return None
    return None if b"" in names[:-1] else names


def _redirect(names: list[bytes], query: str) -> Response:
    # Each step has a name, so no other host can be meant.
    path = "".join(f"/{quote(name, safe='')}" for name in names)
    more = (
        "?" + quote(query.encode("latin-1"), safe="/?:@!$&'()*+,;=%~") if query else ""
    )
    return Response.redirect(f"{path}/{more}", 301)


def _respond(
    request: Request, fd: int, content_type: str, more: list[tuple[str, str]]
) -> Response:
    """Answer with an open file."""
    status = os.fstat(fd)
    size = status.st_size
    tag = f'"{status.st_mtime_ns:x}-{size:x}-{status.st_ino:x}"'
    validators = Validators(tag, status.st_mtime)
    headers = request.headers
    if fails(headers, validators):
        return Response("412 Precondition Failed\n", 412)
    fields = [*validators.fields(), *more]
    if asks_again(headers, validators):
        kept = [field for field in fields if field[0] != "Content-Disposition"]
        return Response.from_file(fd, 0, size, 304, kept)
    fields += [("Accept-Ranges", "bytes"), ("X-Content-Type-Options", "nosniff")]
    ranges = None
    if request.method == "GET":
        ranges = ranges_of(headers, size, validators)
    if ranges is not None and not ranges:
        unsatisfied = ("Content-Range", f"bytes */{size}")
        return Response("416 Range Not Satisfiable\n", 416, [unsatisfied])
    typed = ("Content-Type", content_type)
    if ranges is None or (len(ranges) > 1 and _total(ranges) > _MOST_OF_SEVERAL):
        return Response.from_file(fd, 0, size, 200, [typed, *fields])
    if len(ranges) > 1:
        return _several(fd, ranges, size, content_type, fields)
    [one] = ranges
    part = ("Content-Range", _content_range(one, size))
    return Response.from_file(fd, one.start, len(one), 206, [typed, part, *fields])


def _total(ranges: list[range]) -> int:
    return sum(map(len, ranges))


def _content_range(one: range, size: int) -> str:
    return f"bytes {one.start}-{one.stop - 1}/{size}"


def _several(
    fd: int,
    ranges: list[range],
    size: int,
    content_type: str,
    fields: list[tuple[str, str]],
) -> Response:
    """Answer with a multipart/byteranges (RFC 9110, section 14.6)."""
    boundary = secrets.token_hex(16)
    body: list[bytes] = []
    for one in ranges:
        head = (
            f"--{boundary}\r\nContent-Type: {content_type}\r\n"
            f"Content-Range: {_content_range(one, size)}\r\n\r\n"
        )
        piece = os.pread(fd, len(one), one.start)
        if len(piece) < len(one):
            raise OSError(errno.EIO, "the file has become shorter while it was read")
        body += [head.encode("latin-1"), piece, b"\r\n"]
    body.append(f"--{boundary}--\r\n".encode())
    typed = ("Content-Type", f"multipart/byteranges; boundary={boundary}")
    return Response.from_buffers(body, 206, [typed, *fields])


def _type_of(name: str) -> str:
    """Return a Content-Type by a file's name."""
    found, encoding = mimetypes.guess_type(name, strict=False)
    if encoding is not None:
        return _COMPRESSED.get(encoding, _UNKNOWN)
    if found is None:
        return _UNKNOWN
    if found.startswith("text/") or found in _TEXT:
        return f"{found}; charset=utf-8"
    return found


def _attachment(name: str) -> str:
    """Return a Content-Disposition (RFC 6266, section 4, and RFC 8187)."""
    if not isinstance(name, str):
        raise TypeError(f"download must be a str or True, not {type(name).__name__}")
    name = "".join("_" if c in "/\\" or not c.isprintable() else c for c in name)
    if not name:
        raise ValueError("download must be the name of a file")
    plain = "".join(c if " " <= c <= "~" and c not in '"%' else "_" for c in name)
    value = f'attachment; filename="{plain}"'
    if plain == name:
        return value
    encoded = quote(name.encode("utf-8", "replace"), safe="!#$&+-.^_`|~")
    return f"{value}; filename*=UTF-8''{encoded}"
