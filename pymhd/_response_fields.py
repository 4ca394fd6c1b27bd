# SPDX-License-Identifier: MIT
"""The header fields of responses: checked, and as csrc takes them.

Most programs send few different fields, and sets of fields, again and again: what has
been checked and put together is kept.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

from pymhd._native.library import lib, packed_version
from pymhd.headers import Headers, as_pairs, check_field, tokens

__all__ = [
    "PLAIN",
    "PLAIN_TEXT",
    "Field",
    "Fields",
    "Head",
    "block",
    "lower_tokens",
    "pairs",
    "prepare",
    "sendable",
]

Field: TypeAlias = tuple[str, str]
Fields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

# The fields, and the same packed for csrc; None until they have been packed.
Head: TypeAlias = tuple[tuple[Field, ...], bytes | None]

# A dict that was given as headers, and what was prepared from it.
Known: TypeAlias = tuple[dict[str, str], Head]
# What was prepared for the headers of earlier responses, by these, for a body of bytes
# and for one of text.
_prepared: tuple[dict[tuple[Field, ...], Known], ...] = {}, {}
_KEPT = 256

_BY_LIBMICROHTTPD = {"content-length", "transfer-encoding"}
# libmicrohttpd before 0.9.74 refuses a tab in a value; a space has the same meaning.
_NO_TABS = lib.pymhd_header_version() < packed_version("0.9.74")


def lower_tokens(value: str) -> list[str]:
    return [token.lower() for token in tokens(value)]


@lru_cache(maxsize=1024)
def sendable(name: str, value: str) -> Field:
    """Return a field that a response may have, else raise ValueError."""
    field = check_field(name, value)
    if name.lower() in _BY_LIBMICROHTTPD:
        raise ValueError(f"libmicrohttpd sets {name} itself, from the body")
    if name.lower() == "connection" and "keep-alive" in lower_tokens(value):
        raise ValueError(
            "libmicrohttpd keeps connections alive by itself: of Connection only "
            'other options may be added, such as "close"'
        )
    return field


def pairs(headers: Fields) -> tuple[Field, ...]:
    """Return what a user gave as ``headers``, unchecked."""
    if isinstance(headers, Mapping):
        return tuple(headers.items())
    if hasattr(headers, "items"):  # an email.message.Message, which is no Mapping
        return tuple(headers.items())
    return as_pairs(headers)


def prepare(headers: Fields, text: bool) -> Head:
    """Return the fields of a new response, checked, and their block.

    Args:
        headers: What the user gave.
        text: Whether the body is text, which has a Content-Type without being asked.
    """
    if type(headers) is not dict:  # mappings in general take a while to recognize
        return _known(pairs(headers), text)[1]
    last, head = _last[text]
    if headers == last and (len(last) == 1 or [*headers] == [*last]):
        return head
    known = _last[text] = _known(tuple(headers.items()), text)
    return known[1]


def _known(given: tuple[Field, ...], text: bool) -> Known:
    try:
        return _prepared[text][given]
    except (KeyError, TypeError):  # not prepared yet, or not hashable
        return _prepare(given, text)


def _prepare(given: tuple[Field, ...], text: bool) -> Known:
    fields = tuple(
        sendable(name, value)
        if isinstance(name, str) and isinstance(value, str)
        else check_field(name, value)  # raises, and says what is wrong
        for name, value in given
    )
    if text and not any(name.lower() == "content-type" for name, _ in fields):
        fields += _TEXT
    known = dict(given), (fields, block(fields))
    prepared = _prepared[text]
    if len(prepared) >= _KEPT:
        prepared.clear()
    prepared[given] = known
    return known


def block(fields: tuple[Field, ...], switching: bool = False) -> bytes:
    """Return fields as csrc takes them: names and values, each ended by a NUL."""
    headers = Headers(fields)
    options = lower_tokens(",".join(headers.get_all("Connection")))
    if "Upgrade" in headers and not switching and "upgrade" not in options:
        fields = (*fields, ("Connection", "Upgrade"))  # RFC 9110, section 7.8
    text = "".join(f"{name}\0{value}\0" for name, value in fields)
    encoded = text.encode("latin-1")
    return encoded.replace(b"\t", b" ") if _NO_TABS else encoded


_TEXT: tuple[Field, ...] = (("Content-Type", "text/plain; charset=utf-8"),)
PLAIN: Head = (), b""
PLAIN_TEXT: Head = _TEXT, block(_TEXT)
# The dict that was given last, for a body of bytes and for one of text: a program
# mostly has the same headers for one response after the other.
_last: list[Known] = [({}, PLAIN), ({}, PLAIN_TEXT)]
