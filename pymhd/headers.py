# SPDX-License-Identifier: MIT
"""Header fields: their syntax (RFC 9110, section 5) and mappings of them."""

import contextlib
import re
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    Mapping,
    ValuesView,
)
from typing import Self, TypeVar, final, overload

__all__ = ["Headers", "Query"]

T = TypeVar("T")
_MISSING = object()

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")
_PROTOCOL = re.compile(rf"{_TOKEN.pattern}(?:/{_TOKEN.pattern})?")


def check_field(name: str, value: str) -> tuple[str, str]:
    """Return a header field that may be sent, its value stripped.

    Raises:
        TypeError: Name or value is no str.
        ValueError: RFC 9110 does not allow it, or libmicrohttpd cannot send it.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(
            "the name and the value of a header field must be str, not "
            f"{type(name).__name__} and {type(value).__name__}"
        )
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a header field: only letters, digits and "
            "!#$%&'*+-.^_`|~ may stand in it (RFC 9110, section 5.6.2)"
        )
    value = value.strip(" \t")
    if not value:
        raise ValueError(f"{name}: libmicrohttpd cannot send a field without a value")
    if name.lower() == "connection" and not tokens(value):
        raise ValueError(f"Connection: {value!r} names no option")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"{name}: {value!r} has a character that may not stand in a header field: "
            "a line break, a NUL, another control character or one beyond latin-1 "
            "(RFC 9110, section 5.5)"
        )
    return name, value


def as_pairs(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return what was given as pairs, unchecked otherwise.

    Raises:
        TypeError: It is something else; a text of two characters is no pair.
    """
    if not isinstance(given, str | bytes) and isinstance(given, Iterable):
        items = tuple(given)
        with contextlib.suppress(TypeError, ValueError):
            pairs = tuple((name, value) for name, value in items)
            if {str, bytes}.isdisjoint(map(type, items)):
                return pairs
    raise TypeError(
        "headers must be a mapping or pairs of names and values, as in "
        f"[('Name', 'value')], not {given!r:.100}"
    )


def is_token(text: str) -> bool:
    """Tell whether a text is a token (RFC 9110, section 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def tokens(value: str) -> list[str]:
    """Return the members of a comma-separated list (RFC 9110, section 5.6.1)."""
    return [token for part in value.split(",") if (token := part.strip(" \t"))]


def check_protocols(value: str) -> list[str]:
    """Return the protocols of an Upgrade field: ``name`` or ``name/version`` each.

    Raises:
        ValueError: There is none, or one is malformed (RFC 9110, section 7.8).
    """
    if not isinstance(value, str):
        raise TypeError(f"a protocol must be a str, not {type(value).__name__}")
    protocols = tokens(value)
    for protocol in protocols:
        if not _PROTOCOL.fullmatch(protocol):
            raise ValueError(
                f"{protocol!r} is no protocol to upgrade to: it must be a token or "
                "token/version (RFC 9110, section 7.8)"
            )
    if not protocols:
        raise ValueError(f"{value!r} names no protocol to upgrade to")
    return protocols


class MultiMapping(Mapping[str, str]):
    """An ordered, immutable mapping in which a name may stand more than once.

    As multidict's: indexing and :meth:`get` give the first value of a name,
    :meth:`getall` gives all of them; iterating, :meth:`keys`, :meth:`values`,
    :meth:`items` and ``len()`` count every pair in its order. So
    ``Response(headers=other.headers)`` loses nothing, while ``dict(headers)`` has each
    name once, with its first value.

    Example::

        headers = Headers([("Vary", "Origin"), ("vary", "Accept")])
        headers["VARY"]             # "Origin"
        headers.getall("Vary")      # ["Origin", "Accept"]
        [*headers.items(), ("Age", "5")]    # one more
    """

    __slots__ = ("_first", "_pairs")
    _fold: Callable[[str], str] = staticmethod(str)

    def __init__(
        self, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> None:
        if isinstance(pairs, Mapping):
            pairs = pairs.items()
        self._pairs = as_pairs(pairs)
        fold = self._fold
        self._first = {fold(name): value for name, value in reversed(self._pairs)}

    def __getitem__(self, name: str) -> str:
        try:
            return self._first[self._fold(name)]
        except KeyError:
            raise KeyError(name) from None

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str | T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """Return the first value of a name, or the default if there is none."""
        return self._first.get(self._fold(name), default)

    @overload
    def getall(self, name: str, /) -> list[str]: ...
    @overload
    def getall(self, name: str, default: T, /) -> list[str] | T: ...
    def getall(self, name: str, default: object = _MISSING, /) -> object:
        """Return all values of a name, in order.

        Raises:
            KeyError: There is none, and no default was given.
        """
        values = self.get_all(name)
        if values or default is not _MISSING:
            return values or default
        raise KeyError(name)

    def get_all(self, name: str) -> list[str]:
        """Return all values of a name, in order; an empty list if there is none."""
        folded = self._fold(name)
        return [value for other, value in self._pairs if self._fold(other) == folded]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._fold(name) in self._first

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> ItemsView[str, str]:
        """Return a view of every (name, value) in order, repeated names included."""
        return _Items(self)

    def values(self) -> ValuesView[str]:
        """Return a view of every value in order."""
        return _Values(self)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return :meth:`items` as a tuple."""
        return self._pairs

    def copy(self) -> Self:
        """Return an equal one."""
        return type(self)(self._pairs)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[tuple[str, str], ...]]]:
        return type(self), (self._pairs,)

    def __eq__(self, other: object) -> bool:
        """Tell whether both have the same pairs.

        In the same order, but for a mapping that is none of these, such as a dict:
        that has each name once, in any order.
        """
        if isinstance(other, MultiMapping):
            return self._folded() == other._folded()
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(other) != len(self) or not all(isinstance(name, str) for name in other):
            return False
        return {self._fold(name): value for name, value in other.items()} == self._first

    __hash__ = None  # type: ignore[assignment]  # as of every Mapping

    def _folded(self) -> list[tuple[str, str]]:
        return [(self._fold(name), value) for name, value in self._pairs]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._pairs)!r})"


class _Items(ItemsView[str, str]):
    """Every pair: what Mapping has would look each name up, and find its first."""

    __slots__ = ()
    _mapping: MultiMapping

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._mapping.pairs())

    def __contains__(self, item: object) -> bool:
        match item:
            case (str(name), value):
                return value in self._mapping.get_all(name)
        return False


class _Values(ValuesView[str]):
    """Every value, likewise."""

    __slots__ = ()
    _mapping: MultiMapping

    def __iter__(self) -> Iterator[str]:
        return (value for _, value in self._mapping.pairs())

    def __contains__(self, value: object) -> bool:
        return any(value == mine for mine in self)


@final
class Headers(MultiMapping):
    """Header fields: names without regard to case, values as latin-1 text."""

    __slots__ = ()
    _fold = staticmethod(str.lower)

    def list_of(self, name: str) -> list[str]:
        """Return the members of a field that is a comma-separated list.

        Several fields of the name are one list (RFC 9110, section 5.3).
        """
        return tokens(",".join(self.get_all(name)))


@final
class Query(MultiMapping):
    """The parameters of a query, decoded."""

    __slots__ = ()
