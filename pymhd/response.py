# SPDX-License-Identifier: MIT
"""Responses: made and changed in Python, built in C once, at their first use.

The object in C has a count of references of its own (csrc/http/response.c):
libmicrohttpd and the requests that wait to be answered hold it as long as they need it,
whatever becomes of the Python object.
"""

import inspect
import json
import os
import threading
from collections.abc import Callable, Iterable, Sized
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, final
from urllib.parse import quote

from pymhd._bodies import Buffer, Buffers, FilePart, HasDescriptor, LargeBytes
from pymhd._cookies import expired_cookie, new_cookie, same_cookie
from pymhd._hub.buffered import takes_data
from pymhd._native import zero_copy
from pymhd._native.layouts import ALONG
from pymhd._native.library import check_ptr, ffi, lib, owned
from pymhd._response_fields import (
    PLAIN,
    PLAIN_TEXT,
    Field,
    Fields,
    Head,
    block,
    lower_tokens,
    pairs,
    prepare,
    sendable,
)
from pymhd.errors import StateError
from pymhd.headers import Headers, check_field, check_protocols, tokens
from pymhd.limits import check_seconds

if TYPE_CHECKING:
    from pymhd._native._mhd import SharedResponsePtr
    from pymhd.upgrade import Upgraded

__all__ = ["Response"]

Body: TypeAlias = str | bytes | bytearray | memoryview
Target: TypeAlias = "Callable[[Upgraded], object] | Callable[[], object]"
Run: TypeAlias = Literal["thread", "inline", "hub"]

_SWITCHING_PROTOCOLS = 101
_OK = 200
_SEE_OTHER = 303
_REDIRECTIONS = (301, 302, 303, 307, 308)
# What may stand in a URI reference (RFC 3986), and the sign of what is encoded.
_IN_A_URI = ":/?#[]@!$&'()*+,;=%~"
# Held while any response is changed or frozen, for moments only.
_lock = threading.RLock()  # reentrant: a signal handler may interrupt who holds it


def forked() -> None:
    """Make the lock anew in a fork's child, where nobody would release it."""
    global _lock
    _lock = threading.RLock()
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
    if status == _SWITCHING_PROTOCOLS:
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
class Response:
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
        "_address",
        "_along",
        "_body",
        "_head",
        "_idle_timeout",
        "_protocols",
        "_ptr",
        "_run",
        "_source",
        "_status",
        "_switched",
        "_target",
    )

    # Of the object in C that _ptr points to. None until the first use, before which the
    # header may be changed; 0 after it, if there is no such object.
    _address: int | None
    # Most responses are sent once: their bytes go along with the answer. Those that are
    # used again, large ones and upgrades become an object in C that answers share.
    _along: bool
    _body: bytes
    # What does not go along comes from there.
    _source: LargeBytes | Buffers | FilePart
    # The fields, and the same packed for csrc; None after a change.
    _head: Head
    _ptr: "SharedResponsePtr"
    _status: int
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
        self._status = _SWITCHING_PROTOCOLS
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
        if self._along or self._status == _SWITCHING_PROTOCOLS:
            return self._body
        return self._source.read()

    @property
    def headers(self) -> Headers:
        """A copy of the fields that were added."""
        return Headers(self._head[0])

    def get_header(self, name: str) -> str | None:
        """Return the first value of a field, None if there is none.

        Wraps ``MHD_get_response_header``.
        """
        folded = name.lower()
        return next((v for n, v in self._head[0] if n.lower() == folded), None)

    def add_header(self, name: str, value: str) -> None:
        """Add a field; one of the same name stays, too.

        Raises:
            TypeError, ValueError: It cannot be sent, or libmicrohttpd sets it itself.
            StateError: The response has been used.

        Wraps ``MHD_add_response_header``.
        """
        with _lock:  # what has been checked still holds when the field is added
            field = self._checked(name, value)
            if field is not None:
                self._change((*self._head[0], field))

    def _checked(self, name: str, value: str) -> tuple[str, str] | None:
        """Return a field to add; None for one that stands there anyway."""
        if not isinstance(name, str) or not isinstance(value, str):
            return check_field(name, value)  # raises, and says what is wrong
        field = sendable(name, value)
        folded = name.lower()
        plain = folded not in ("connection", "upgrade")
        if plain or self._status != _SWITCHING_PROTOCOLS:
            return field
        if folded == "connection":
            if lower_tokens(value) == ["upgrade"]:
                return None  # libmicrohttpd adds it; twice would be wrong
            raise ValueError(
                f"an upgrade is sent with Connection: Upgrade, not {value!r}"
            )
        if self.get_header("Upgrade") is not None:
            raise ValueError(
                "the Upgrade field stands once: name several protocols in it, with "
                "commas, or remove the other one before"
            )
        return name, ", ".join(check_protocols(value))

    def remove_header(self, name: str) -> bool:
        """Remove every field of a name; tell whether there was one.

        Raises:
            StateError: The response has been used.

        Wraps ``MHD_del_response_header``.
        """
        folded = name.lower()
        with _lock:
            fields = self._head[0]
            kept = tuple(field for field in fields if field[0].lower() != folded)
            self._change(kept)
        return len(kept) < len(fields)

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = "Lax",
    ) -> None:
        """Have the client keep a cookie; one of the same name and scope is replaced.

        Args:
            name: A token. ``__Secure-`` and ``__Host-`` in front have clients insist
                on what they promise.
            value: ASCII without blanks, commas, semicolons, backslashes and quotes,
                but it may stand in a pair of those.
            max_age: Seconds, after which it is forgotten; None: when the client ends.
            path: Below which it is sent back; None: where the request was for.
            domain: To whose hosts it is sent back; None: to this one alone.
            secure: Only over TLS.
            httponly: Not for scripts.
            samesite: ``"Strict"``, ``"Lax"`` or ``"None"``, which needs ``secure``;
                None says nothing.

        Raises:
            TypeError, ValueError: Clients would not take it.
            StateError: The response has been used.

        RFC 6265, section 4.1.

        Example::

            response.set_cookie("__Host-id", key, max_age=3600, secure=True)
        """
        self._put_cookie(
            new_cookie(name, value, max_age, path, domain, secure, httponly, samesite)
        )

    def delete_cookie(
        self,
        name: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = "Lax",
    ) -> None:
        """Have the client forget a cookie; path and domain as when it was set.

        Raises:
            TypeError, ValueError: There can be no such cookie.
            StateError: The response has been used.

        RFC 6265, section 3.1.
        """
        self._put_cookie(expired_cookie(name, path, domain, secure, httponly, samesite))

    def _put_cookie(self, cookie: str) -> None:
        """Add a Set-Cookie field in the place of one for the same cookie."""
        with _lock:
            kept = (
                field
                for field in self._head[0]
                if field[0].lower() != "set-cookie" or not same_cookie(field[1], cookie)
            )
            self._change((*kept, sendable("Set-Cookie", cookie)))

    def _change(self, fields: tuple[Field, ...]) -> None:
        """Give it other fields, with the lock, unless it has been used."""
        before = self._head
        if self._address is None:
            self._head = fields, None
        if self._address is not None:  # the first use takes no lock, so look afterwards
            self._head = before
            raise StateError(
                "this response has been used: its header cannot change any more; "
                "make another one"
            )

    def _fields_for_csrc(self) -> bytes:
        """Return the fields as csrc takes them; the first use has begun."""
        packed = self._head[1]
        if packed is None:
            # Another thread may be changing them: with the lock it is either done or
            # late.
            with _lock:
                fields = self._head[0]
                packed = block(fields, self._status == _SWITCHING_PROTOCOLS)
                self._head = fields, packed
        return packed

    def _pointer(self) -> "SharedResponsePtr":
        """Return the response in C; it is built, and frozen, at the first call."""
        if self._address:
            return self._ptr
        with _lock:  # nobody changes the Upgrade field meanwhile
            if self._status == _SWITCHING_PROTOCOLS:
                self._protocols = self._checked_protocols()
            self._address = self._address or 0
            fields = self._fields_for_csrc()
        pointer = self._build(fields)
        with _lock:  # two threads may have built one each: the first counts
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
        only._status = _SWITCHING_PROTOCOLS
        only._run = self._run
        fields = (
            (name, protocol if name.lower() == "upgrade" else value)
            for name, value in self._head[0]
        )
        only._head = tuple(fields), None
        only._pointer()
        return self._switched.setdefault(protocol, only)

    def _build(self, fields: bytes) -> "SharedResponsePtr":
        if self._status == _SWITCHING_PROTOCOLS:
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
