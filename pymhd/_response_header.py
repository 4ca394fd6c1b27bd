# SPDX-License-Identifier: MIT
"""A response's header: the fields that a program adds and removes, until it is used."""

from pymhd._cookies import expired_cookie, new_cookie, same_cookie
from pymhd._lock import RLock
from pymhd._response_fields import Field, Head, block, lower_tokens, sendable
from pymhd.errors import StateError
from pymhd.headers import Headers, check_field, check_protocols

__all__ = ["SWITCHING_PROTOCOLS", "ResponseHeader", "forked", "lock"]

SWITCHING_PROTOCOLS = 101
# Held while any response is changed or frozen, for moments only.
lock = RLock()  # reentrant: a signal handler may interrupt who holds it


def forked() -> None:
    """Make the lock anew in a fork's child, where nobody would release it."""
    global lock
    lock = RLock()


class ResponseHeader:
    """What :class:`pymhd.Response` is, but for its body and its object in C."""

    __slots__ = ("_address", "_head", "_status")

    # Of the object in C. None until the first use, before which the header may be
    # changed; 0 after it, if there is no such object.
    _address: int | None
    # The fields, and the same packed for csrc; None after a change.
    _head: Head
    _status: int

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
        with lock:  # what has been checked still holds when the field is added
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
        if plain or self._status != SWITCHING_PROTOCOLS:
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
        with lock:
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
        with lock:
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
            with lock:
                fields = self._head[0]
                packed = block(fields, self._status == SWITCHING_PROTOCOLS)
                self._head = fields, packed
        return packed
