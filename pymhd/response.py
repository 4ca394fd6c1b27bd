# SPDX-License-Identifier: MIT
"""Responses: made and changed in Python, built in C once, at their first use.

The object in C has a count of references of its own (csrc/http/response.c):
libmicrohttpd and the requests that wait to be answered hold it as long as they need it,
whatever becomes of the Python object.
"""

import inspect
import json
import os
from collections.abc import Callable, Iterable, Sized
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, final
from urllib.parse import quote

from pymhd import _response_header
from pymhd._bodies import Buffer, Buffers, FilePart, HasDescriptor, LargeBytes
from pymhd._hub.buffered import takes_data
from pymhd._native import zero_copy
from pymhd._native.layouts import ALONG
from pymhd._native.library import check_ptr, ffi, lib, owned
from pymhd._response_fields import (
    PLAIN,
    PLAIN_TEXT,
    Field,
    Fields,
    pairs,
    prepare,
)
from pymhd._response_header import SWITCHING_PROTOCOLS, ResponseHeader
from pymhd.headers import check_protocols, tokens
from pymhd.limits import check_seconds

if TYPE_CHECKING:
    from pymhd._native._mhd import SharedResponsePtr
    from pymhd.upgrade import Upgraded

__all__ = ["Response"]

Body: TypeAlias = str | bytes | bytearray | memoryview
Target: TypeAlias = "Callable[[Upgraded], object] | Callable[[], object]"
Run: TypeAlias = Literal["thread", "inline", "hub"]

_OK = 200
_SEE_OTHER = 303
_REDIRECTIONS = (301, 302, 303, 307, 308)
# What may stand in a URI reference (RFC 3986), and the sign of what is encoded.
_IN_A_URI = ":/?#[]@!$&'()*+,;=%~"


def forked() -> None:
    """Begin anew in a fork's child."""
    _response_header.forked()
    zero_copy.forked()


def _to_bytes(body: Body) -> bytes:
    if isinstance(body, str):
        # So that what Request.query decoded can be sent back.
        return body.encode("utf-8", "surrogateescape")
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"body must be str or bytes, not {type(body).__name__}")
    return bytes(body)


def _check_status(status: int, body: Sized) -> int:
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"status must be an int, not {type(status).__name__}")
    if status == SWITCHING_PROTOCOLS:
        raise ValueError("101 is the status of Response.for_upgrade(), and only its")
    if not 200 <= status <= 599:
        raise ValueError(
            f"{status} is no status of a response: it must be from 200 to 599"
        )
    if status in (204, 205) and len(body):
        raise ValueError(f"a response with the status {status} has no body")
    return int(status)


def _typed(headers: Fields | None, content_type: str) -> tuple[Field, ...]:
    """Return fields with a Content-Type, which is this one if they give no other."""
    fields = pairs(headers or ())
    if any(isinstance(n, str) and n.lower() == "content-type" for n, _ in fields):
        return fields
    return ("Content-Type", content_type), *fields


@final
class Response(ResponseHeader):
    """A response; it may be returned any number of times, by any daemon and thread.

    After its first use it is frozen: a change raises StateError.

    Args:
        body: ``str`` is sent as UTF-8, with the Content-Type ``text/plain;
            charset=utf-8`` if ``headers`` give no other; bytes as they are, and from
            where they are if there are more than 16 KiB.
        status: 200 to 599. 204 and 205 have no body. A body with 304 is not sent: its
            length is told, which must be that of the 200 (RFC 9110, section 8.6).
            Without one no length is told; libmicrohttpd 0.9.73 to 0.9.77 can do that
            only by closing the connection.
        headers: Pairs of names and values, or a mapping, of which all ``items()``
            count: :attr:`Request.headers` and :attr:`Response.headers` have a name as
            often as it was sent, a dict only once.

    Raises:
        TypeError, ValueError: The body, the status or a field cannot be sent.

    Wraps ``MHD_create_response_from_buffer``.
    """

    __slots__ = (
        "__weakref__",
        "_along",
        "_body",
        "_idle_timeout",
        "_protocols",
        "_ptr",
        "_run",
        "_source",
        "_switched",
        "_target",
    )

    # Most responses are sent once: their bytes go along with the answer. Those that are
    # used again, large ones and upgrades become an object in C that answers share.
    _along: bool
    _body: bytes
    # What does not go along comes from there.
    _source: LargeBytes | Buffers | FilePart
    _ptr: "SharedResponsePtr"
    # Of upgrades alone:
    _target: Target
    _protocols: list[str]
    # What is sent when one of several protocols has been chosen, by its name.
    _switched: "dict[str, Response]"
    _run: Run
    _idle_timeout: float | None

    def __init__(
        self, body: Body = b"", status: int = 200, headers: Fields | None = None
    ) -> None:
        head = PLAIN
        if type(body) is not bytes:
            if isinstance(body, str) and body:
                head = PLAIN_TEXT
            body = _to_bytes(body)
        if status is not _OK:
            status = _check_status(status, body)
        if headers is not None:
            head = prepare(headers, head is PLAIN_TEXT)
        self._body = body
        self._status = status
        self._head = head
        self._along = len(body) <= ALONG
        if not self._along:
            self._source = LargeBytes(body)
        self._address = None

    @classmethod
    def from_buffers(
        cls,
        buffers: Iterable[Buffer],
        status: int = _OK,
        headers: Fields | None = None,
    ) -> Self:
        """Make a response of several buffers, which are sent one after another.

        Those of 4 KiB and more are sent from where they are, up to 32 of them. As long
        as the response lives, or is being sent, a ``bytearray`` among them cannot be
        resized; what is written into one meanwhile may be sent, or not.

        Args:
            buffers: ``bytes``, ``bytearray`` or ``memoryview``.
            status: 200 to 599.
            headers: As for :class:`Response`.

        Raises:
            TypeError, ValueError: One is no buffer, or as for :class:`Response`.

        Wraps ``MHD_create_response_from_iovec`` from libmicrohttpd 0.9.74 on; before,
        they are copied.

        Example::

            return pymhd.Response.from_buffers([header, memoryview(image)[offset:]])
        """
        return cls._of(Buffers(buffers), status, headers)

    @classmethod
    def from_file(
        cls,
        file: str | os.PathLike[str] | int | HasDescriptor,
        offset: int = 0,
        length: int | None = None,
        status: int = _OK,
        headers: Fields | None = None,
    ) -> Self:
        """Make a response of a file, or of part of it, which the kernel sends.

        Over TLS, and with libmicrohttpd 0.9.72 unless its own threads run it, the file
        is read in pieces instead. A client whose file becomes shorter while it is sent
        sees its connection end too early, within half a second.

        Args:
            file: A path; or a descriptor or a binary file, of which a duplicate is
                used: close it whenever you like. Its position does not matter and
                does not change.
            offset: Bytes to leave out at its beginning.
            length: Bytes to send; None: up to its end, as it is now.
            status: 200 to 599; with 304 only the length is sent.
            headers: As for :class:`Response`; there is no Content-Type by itself.

        Raises:
            OSError: It is not there, is a directory, or may not be read.
            ValueError: It is no regular file, or ends before that part does.
            TypeError: An argument has another type.

        Wraps ``MHD_create_response_from_fd_at_offset64``.

        Example::

            text = {"Content-Type": "text/plain"}
            return pymhd.Response.from_file("notes.txt", headers=text)
        """
        return cls._of(FilePart(file, offset, length), status, headers)

    @classmethod
    def _of(cls, body: Buffers | FilePart, status: int, headers: Fields | None) -> Self:
        _check_status(status, body)
        self = cls(b"", status, headers)
        self._source = body
        self._along = False
        return self

    @classmethod
    def json(
        cls, value: object, status: int = _OK, headers: Fields | None = None
    ) -> Self:
        """Make a response of a value as JSON (RFC 8259).

        Args:
            value: What :func:`json.dumps` takes; NaN and infinities are no JSON.
            status: 200 to 599.
            headers: More fields; the Content-Type is ``application/json`` unless they
                give another one.

        Raises:
            TypeError, ValueError: The value is no JSON, or as for :class:`Response`.

        Example::

            return pymhd.Response.json({"id": 7}, 201, {"Location": "/items/7"})
        """
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return cls(text.encode("ascii"), status, _typed(headers, "application/json"))

    @classmethod
    def redirect(
        cls, location: str, status: int = _SEE_OTHER, headers: Fields | None = None
    ) -> Self:
        """Make a response that sends the client somewhere else.

        Args:
            location: A URI or a reference relative to the request's, such as
                ``"/next"``. What may not stand in one is percent-encoded, as UTF-8.
                It is not checked where it leads: one that a client has named may lead
                to another host.
            status: 301, 302, 303, 307 or 308. With 303 the client asks with GET, with
                307 and 308 it repeats its request.
            headers: More fields.

        Raises:
            TypeError, ValueError: The location or the status is none, or as for
                :class:`Response`.

        RFC 9110, section 15.4.
        """
        if not isinstance(location, str):
            raise TypeError(f"location must be a str, not {type(location).__name__}")
        if not location or any(char < " " or char == "\x7f" for char in location):
            raise ValueError(
                f"{location!r} is no location: it is empty or has a control character"
            )
        if status not in _REDIRECTIONS:
            raise ValueError(
                f"{status!r} is no status of a redirection: it must be one of "
                f"{', '.join(map(str, _REDIRECTIONS))}"
            )
        encoded = quote(location, safe=_IN_A_URI, errors="surrogateescape")
        return cls(b"", status, [("Location", encoded), *pairs(headers or ())])

    @classmethod
    def for_upgrade(
        cls,
        target: "Target",
        protocol: str | None = None,
        *,
        headers: Fields | None = None,
        run: Run | None = None,
        idle_timeout: float | None = None,
    ) -> Self:
        """Make the response that answers 101 and gives the connection to a callable.

        Args:
            target: Called with an :class:`Upgraded` for each connection, after the
                header went out; with ``run="hub"``, called without arguments for a
                :class:`Protocol`.
            protocol: One protocol or several with commas, the best first, each
                ``name`` or ``name/version``. A client gets the first one that it
                offers, without regard to case, and a 101 whose ``Upgrade`` field names
                that one only (RFC 9110, section 7.8), spelt as here. Without it the
                ``Upgrade`` field must be added before the first use.
            headers: More fields.
            run: ``"thread"``, the default: in a thread of its own; when the callable
                returns, the connection is closed. ``"inline"``: on the thread that
                runs libmicrohttpd, where it must return at once; the stream stays
                open until it is closed, and somebody must keep it. ``"hub"``, the
                default for classes with ``connection_made``: the target makes
                protocols, which that thread serves, with no thread for each.
            idle_timeout: Seconds without a byte in either direction until the
                connection is closed; 0: never; None: as ``Limits.idle_timeout`` says.

        Raises:
            TypeError, ValueError: An argument cannot be used.

        Wraps ``MHD_response_for_upgrade``.
        """
        if not callable(target):
            raise TypeError(f"target must be callable with an Upgraded, not {target!r}")
        if inspect.iscoroutinefunction(target):
            raise TypeError(f"{target!r} is a coroutine function: nothing would run it")
        if run not in (None, "thread", "inline", "hub"):
            raise ValueError(f'run must be "thread", "inline" or "hub", not {run!r}')
        if idle_timeout is not None:
            check_seconds(idle_timeout, "idle_timeout")
        self = cls()
        self._along = False
        self._idle_timeout = idle_timeout
        self._status = SWITCHING_PROTOCOLS
        self._target = target
        self._switched = {}
        is_protocol = isinstance(target, type) and hasattr(target, "connection_made")
        if is_protocol and not takes_data(target):
            raise TypeError(
                f"{target!r} makes protocols that take no data: they have neither "
                "data_received() nor get_buffer() and buffer_updated()"
            )
        self._run = run or ("hub" if is_protocol else "thread")
        if protocol is not None:
            self.add_header("Upgrade", ", ".join(check_protocols(protocol)))
        for name, value in pairs(headers or ()):
            self.add_header(name, value)
        return self

    @property
    def status(self) -> int:
        """The status: 101 for an upgrade."""
        return self._status

    @property
    def body(self) -> bytes:
        """The body as it is sent.

        Raises:
            NotSupportedError: It is in a file.
        """
        if self._along or self._status == SWITCHING_PROTOCOLS:
            return self._body
        return self._source.read()

    def _pointer(self) -> "SharedResponsePtr":
        """Return the response in C; it is built, and frozen, at the first call."""
        if self._address:
            return self._ptr
        with _response_header.lock:  # nobody changes the Upgrade field meanwhile
            if self._status == SWITCHING_PROTOCOLS:
                self._protocols = self._checked_protocols()
            self._address = self._address or 0
            fields = self._fields_for_csrc()
        pointer = self._build(fields)
        with (
            _response_header.lock
        ):  # two threads may have built one each: the first counts
            if not self._address:
                self._ptr = pointer
                self._address = int(ffi.cast("intptr_t", pointer))
            return self._ptr

    def _checked_protocols(self) -> list[str]:
        upgrade = self.get_header("Upgrade")
        if upgrade is None:
            raise ValueError(
                "this response for an upgrade names no protocol: give "
                'for_upgrade() one, or add_header("Upgrade", ...) before its first use'
            )
        return tokens(upgrade)

    def _switching_to(self, protocol: str) -> "Response":
        """Return what is sent when a protocol has been chosen: it names no other."""
        if len(self._protocols) == 1:
            return self
        known = self._switched.get(protocol)
        if known is not None:
            return known
        only = Response()
        only._along = False
        only._status = SWITCHING_PROTOCOLS
        only._run = self._run
        fields = (
            (name, protocol if name.lower() == "upgrade" else value)
            for name, value in self._head[0]
        )
        only._head = tuple(fields), None
        only._pointer()
        return self._switched.setdefault(protocol, only)

    def _build(self, fields: bytes) -> "SharedResponsePtr":
        if self._status == SWITCHING_PROTOCOLS:
            if self._run == "hub":
                pointer = lib.pymhd_response_new_hub(fields, len(fields))
            else:
                pointer = lib.pymhd_response_new_upgrade(fields, len(fields))
            function = "MHD_response_for_upgrade"
        else:
            body, status = self._body, self._status
            if self._along:
                pointer = lib.pymhd_response_new(
                    status, body, len(body), fields, len(fields)
                )
            else:
                pointer = self._source.build(status, fields)
            function = "MHD_create_response_from_buffer"
        return owned(check_ptr(pointer, function), lib.pymhd_response_unref)

    def __repr__(self) -> str:
        return f"<pymhd.Response {self._status}>"


def build(response: Response) -> "SharedResponsePtr":
    """Return a response in C; it is built, and frozen, at the first call."""
    return response._pointer()
