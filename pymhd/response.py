# SPDX-License-Identifier: MIT
"""Responses: made and changed in Python, built in C once, at their first use.

The object in C has a count of references of its own (csrc/response.c): libmicrohttpd
and the requests that wait to be answered hold it as long as they need it, whatever
becomes of the Python object.
"""

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, final

from pymhd._fields import Headers, check_field, check_protocols, tokens
from pymhd._library import lib, owned, packed_version
from pymhd.errors import StateError, check_ptr

if TYPE_CHECKING:
    from pymhd._mhd import SharedResponsePtr
    from pymhd.upgrade import Upgraded

__all__ = ["Response"]

Fields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Body: TypeAlias = str | bytes | bytearray | memoryview
Run: TypeAlias = Literal["thread", "inline"]

_SWITCHING_PROTOCOLS = 101
_BY_LIBMICROHTTPD = {"content-length", "transfer-encoding"}
# libmicrohttpd before 0.9.74 refuses a tab, and a space means the same.
_NO_TABS = lib.pymhd_header_version() < packed_version("0.9.74")
# Guards the fields of every response until they are frozen; nothing is called under it.
_lock = threading.RLock()  # reentrant, for signal handlers


def forked() -> None:
    """Make the lock anew in a fork's child, where nobody would release it."""
    global _lock
    _lock = threading.RLock()


def _pairs(headers: Fields | None) -> Iterable[tuple[str, str]]:
    if headers is None:
        return ()
    if isinstance(headers, str | bytes):
        raise TypeError("headers must be a mapping or pairs of names and values")
    return headers.items() if isinstance(headers, Mapping) else headers


def _lower_tokens(value: str) -> list[str]:
    return [token.lower() for token in tokens(value)]


# Most programs send few different fields, and sets of fields, again and again.
@lru_cache(maxsize=1024)
def _sendable(name: str, value: str) -> tuple[str, str]:
    """Return a field that a response may have, else raise ValueError."""
    field = check_field(name, value)
    if name.lower() in _BY_LIBMICROHTTPD:
        raise ValueError(f"libmicrohttpd sets {name} itself, from the body")
    if name.lower() == "connection" and "keep-alive" in _lower_tokens(value):
        raise ValueError(
            "libmicrohttpd keeps connections alive by itself: of Connection only "
            'other options may be added, such as "close"'
        )
    return field


@lru_cache(maxsize=256)
def _block(fields: tuple[tuple[str, str], ...], switching: bool) -> bytes:
    """Return fields as csrc takes them: names and values, each ended by a NUL."""
    headers = Headers(fields)
    options = [option.lower() for option in headers.list_of("Connection")]
    if "Upgrade" in headers and not switching and "upgrade" not in options:
        fields = (*fields, ("Connection", "Upgrade"))  # RFC 9110, section 7.8
    text = "".join(f"{name}\0{value}\0" for name, value in fields)
    block = text.encode("latin-1")
    return block.replace(b"\t", b" ") if _NO_TABS else block


def _check_status(status: int) -> int:
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"status must be an int, not {type(status).__name__}")
    if status == _SWITCHING_PROTOCOLS:
        raise ValueError("101 is the status of Response.for_upgrade(), and only its")
    if not 200 <= status <= 599:
        raise ValueError(
            f"{status} is no status of a response: it must be from 200 to 599"
        )
    return int(status)


@final
class Response:
    """A response; it may be returned any number of times, by any daemon and thread.

    After its first use it is frozen: a change raises StateError.

    Args:
        body: ``str`` is sent as UTF-8, with the Content-Type ``text/plain;
            charset=utf-8`` if ``headers`` give no other; bytes as they are.
        status: 200 to 599.
        headers: A mapping, or pairs if a name stands more than once.

    Raises:
        TypeError, ValueError: The body, the status or a field cannot be sent.

    Wraps ``MHD_create_response_from_buffer``.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_fields",
        "_frozen",
        "_protocols",
        "_ptr",
        "_run",
        "_status",
        "_target",
    )

    def __init__(
        self, body: Body = b"", status: int = 200, headers: Fields | None = None
    ) -> None:
        text = isinstance(body, str)
        if isinstance(body, str):
            # So that what Request.query decoded can be sent back.
            body = body.encode("utf-8", "surrogateescape")
        elif isinstance(body, bytearray | memoryview):
            body = bytes(body)
        elif not isinstance(body, bytes):
            raise TypeError(f"body must be str or bytes, not {type(body).__name__}")
        self._set_up(body, _check_status(status))
        for name, value in _pairs(headers):
            self.add_header(name, value)
        if status in (204, 304) and body:
            raise ValueError(f"a response with the status {status} has no body")
        if text and self.get_header("Content-Type") is None and body:
            self._fields.append(("Content-Type", "text/plain; charset=utf-8"))

    def _set_up(self, body: bytes, status: int) -> None:
        self._body = body
        self._status = status
        self._fields: list[tuple[str, str]] = []
        self._frozen = False
        self._ptr: SharedResponsePtr | None = None
        self._target: Callable[[Upgraded], object] | None = None
        self._run: Run = "thread"
        self._protocols: list[str] = []

    @classmethod
    def for_upgrade(
        cls,
        target: "Callable[[Upgraded], object]",
        protocol: str | None = None,
        *,
        headers: Fields | None = None,
        run: Run | None = None,
    ) -> Self:
        """Make the response that answers 101 and gives the connection to a callable.

        Args:
            target: Called with an :class:`Upgraded` for each connection, after the
                header went out.
            protocol: The value of the ``Upgrade`` field, one protocol or several with
                commas. Without it the field must be added before the first use.
            headers: More fields.
            run: ``"thread"``, the default: in a thread of its own; when the callable
                returns, the connection is closed. ``"inline"``: on the thread that
                runs libmicrohttpd, where it must return at once; the stream stays
                open until it is closed, and somebody must keep it.

        Raises:
            TypeError, ValueError: An argument cannot be used.

        Wraps ``MHD_response_for_upgrade``.
        """
        if not callable(target):
            raise TypeError(f"target must be callable with an Upgraded, not {target!r}")
        if inspect.iscoroutinefunction(target):
            raise TypeError(f"{target!r} is a coroutine function: nothing would run it")
        if run not in (None, "thread", "inline"):
            raise ValueError(f'run must be "thread" or "inline", not {run!r}')
        self = cls.__new__(cls)
        self._set_up(b"", _SWITCHING_PROTOCOLS)
        self._target = target
        self._run = run or "thread"
        if protocol is not None:
            self.add_header("Upgrade", ", ".join(check_protocols(protocol)))
        for name, value in _pairs(headers):
            self.add_header(name, value)
        return self

    @property
    def status(self) -> int:
        """The status: 101 for an upgrade."""
        return self._status

    @property
    def body(self) -> bytes:
        """The body as it is sent."""
        return self._body

    @property
    def headers(self) -> Headers:
        """A copy of the fields that were added."""
        return Headers(self._fields)

    def get_header(self, name: str) -> str | None:
        """Return the first value of a field, None if there is none.

        Wraps ``MHD_get_response_header``.
        """
        folded = name.lower()
        return next((v for n, v in self._fields if n.lower() == folded), None)

    def add_header(self, name: str, value: str) -> None:
        """Add a field; one of the same name stays, too.

        Raises:
            TypeError, ValueError: It cannot be sent, or libmicrohttpd sets it itself.
            StateError: The response has been used.

        Wraps ``MHD_add_response_header``.
        """
        field = self._checked(name, value)
        if field is not None:
            with _lock:
                self._check_not_frozen()
                self._fields.append(field)

    def _checked(self, name: str, value: str) -> tuple[str, str] | None:
        """Return a field to add; None for one that stands there anyway."""
        if not isinstance(name, str) or not isinstance(value, str):
            return check_field(name, value)  # which says what is wrong
        field = _sendable(name, value)
        folded = name.lower()
        if self._target is None or folded not in ("connection", "upgrade"):
            return field
        if folded == "connection":
            if _lower_tokens(value) == ["upgrade"]:
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
            self._check_not_frozen()
            kept = [field for field in self._fields if field[0].lower() != folded]
            removed = len(kept) < len(self._fields)
            self._fields = kept
        return removed

    def _check_not_frozen(self) -> None:
        if self._frozen:
            raise StateError(
                "this response has been used: its header cannot change any more; "
                "make another one"
            )

    def _pointer(self) -> "SharedResponsePtr":
        """Return the response in C; it is built, and frozen, at the first call."""
        if self._ptr is not None:
            return self._ptr
        if self._target is not None:
            self._protocols = self._checked_protocols()
        with _lock:
            self._frozen = True
        pointer = self._build()
        with _lock:  # two threads may have built one each: the first counts
            if self._ptr is None:
                self._ptr = pointer
            return self._ptr

    def _checked_protocols(self) -> list[str]:
        upgrade = self.get_header("Upgrade")
        if upgrade is None:
            raise ValueError(
                "this response for an upgrade names no protocol: give "
                'for_upgrade() one, or add_header("Upgrade", ...) before its first use'
            )
        return tokens(upgrade)

    def _build(self) -> "SharedResponsePtr":
        fields = _block(tuple(self._fields), self._target is not None)
        if self._target is not None:
            pointer = lib.pymhd_response_new_upgrade(fields, len(fields))
            function = "MHD_response_for_upgrade"
        else:
            body = self._body
            pointer = lib.pymhd_response_new(
                self._status, body, len(body), fields, len(fields)
            )
            function = "MHD_create_response_from_buffer"
        return owned(check_ptr(pointer, function), lib.pymhd_response_unref)

    def __repr__(self) -> str:
        return f"<pymhd.Response {self._status}>"
