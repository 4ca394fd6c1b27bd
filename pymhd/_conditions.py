# SPDX-License-Identifier: MIT
"""Conditional requests (RFC 9110, section 13), and ranges of bytes (section 14)."""

import re
import time
from email.utils import formatdate, mktime_tz, parsedate_tz

from pymhd.headers import Headers, tokens

__all__ = ["Validators", "asks_again", "fails", "ranges_of"]

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAGS = re.compile(rf"(?:{_TAG.pattern}|[ \t,])*")
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")
# Who asks for more wants to keep us busy (RFC 9110, section 17.15).
_MOST_RANGES = 16


class Validators:
    """What tells whether a client has the same: an entity tag and a date."""

    __slots__ = ("modified", "tag")

    def __init__(self, tag: str, modified: float) -> None:
        """Take a strong entity tag, and the last change in seconds since the epoch."""
        self.tag = tag
        self.modified = min(int(modified), int(time.time()))

    def fields(self) -> list[tuple[str, str]]:
        """Return the header fields with which a client learns of them."""
        fields = [("ETag", self.tag)]
        if self.modified > 0:
            fields.append(("Last-Modified", formatdate(self.modified, usegmt=True)))
        return fields


def fails(headers: Headers, now: Validators) -> bool:
    """Tell whether If-Match or If-Unmodified-Since does not hold: 412."""
    if "If-Match" in headers:
        tags = _tags(headers, "If-Match")
        return "*" not in tags and now.tag not in tags
    since = _date(headers, "If-Unmodified-Since")
    return since is not None and now.modified > since


def asks_again(headers: Headers, now: Validators) -> bool:
    """Tell whether the client has it, by If-None-Match or If-Modified-Since: 304."""
    if "If-None-Match" in headers:
        tags = [tag.removeprefix("W/") for tag in _tags(headers, "If-None-Match")]
        return "*" in tags or now.tag in tags
    since = _date(headers, "If-Modified-Since")
    return since is not None and now.modified <= since


def ranges_of(headers: Headers, size: int, now: Validators) -> list[range] | None:
    """Return the ranges that are asked for.

    Args:
        headers: Of the request.
        size: Of all there is, in bytes.
        now: What an If-Range field is compared with.

    Returns:
        None if everything is to be sent; an empty list if there is nothing of what is
        asked for: 416.
    """
    fields = headers.get_all("Range")
    if len(fields) != 1 or not _holds(headers, now):
        return None
    unit, _, text = fields[0].partition("=")
    if unit.strip(" \t").lower() != "bytes":
        return None
    parts = tokens(text)
    if size == 0 and any(part.startswith("-") for part in parts):
        return None  # its last bytes, which are none
    found = [_range(part, size) for part in parts[: _MOST_RANGES + 1]]
    good = [one for one in found if one is not None]
    if not 0 < len(good) == len(found) <= _MOST_RANGES:
        return None
    there = [one for one in good if one]
    return there if sum(map(len, there)) <= size else None  # they overlap


def _range(text: str, size: int) -> range | None:
    """Return what there is of one range; None if its syntax is wrong."""
    match = _RANGE.fullmatch(text)
    if not match or match[0] == "-":
        return None
    first, last = match.groups()
    if not first:
        return range(size - min(_number(last), size), size)
    start = _number(first)
    end = _number(last) if last else size
    if last and end < start:
        return None
    return range(start, min(end + 1, size))


def _number(digits: str) -> int:
    # More digits than any size has; int() refuses thousands.
    return int(digits) if len(digits) < 19 else 1 << 62


def _holds(headers: Headers, now: Validators) -> bool:
    """Tell whether If-Range allows for parts (RFC 9110, section 13.1.5)."""
    fields = headers.get_all("If-Range")
    if not fields:
        return True
    if len(fields) > 1:
        return False
    if _TAG.fullmatch(fields[0]):
        return fields[0] == now.tag
    date = _date(headers, "If-Range")
    # A date says enough only when that second is over (section 8.8.2.2).
    return date == now.modified and now.modified + 1 <= time.time()


def _tags(headers: Headers, name: str) -> list[str]:
    """Return the entity tags of a field; none if its syntax is wrong."""
    text = ",".join(headers.get_all(name)).strip(" \t")
    if text == "*":
        return ["*"]
    return _TAG.findall(text) if _TAGS.fullmatch(text) else []


def _date(headers: Headers, name: str) -> int | None:
    """Return a field's date in seconds since the epoch; None if it has none."""
    fields = headers.get_all(name)
    if len(fields) != 1:
        return None
    try:
        parsed = parsedate_tz(fields[0])
        return None if parsed is None else int(mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
