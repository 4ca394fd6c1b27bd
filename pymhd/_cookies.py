# SPDX-License-Identifier: MIT
"""Set-Cookie fields (RFC 6265): their syntax, and which of them are the same cookie."""

import re

from pymhd.headers import is_token

__all__ = ["expired_cookie", "new_cookie", "same_cookie"]

_VALUE = re.compile(
    r'[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*|"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b'
    r'\x5d-\x7e]*"'
)
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
_LABEL = "[0-9A-Za-z](?:[-0-9A-Za-z]*[0-9A-Za-z])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}
# What browsers take: RFC 6265bis, section 5.6.
_MOST_OF_THE_PAIR = 4096
_MOST_OF_AN_ATTRIBUTE = 1024
_PAST = "Thu, 01 Jan 1970 00:00:00 GMT"


def new_cookie(
    name: str,
    value: str,
    max_age: int | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
) -> str:
    """Return the value of a Set-Cookie field.

    Raises:
        TypeError, ValueError: See :meth:`Response.set_cookie`.
    """
    _check_pair(name, value)
    parts = [f"{name}={value}"]
    if max_age is not None:
        if not isinstance(max_age, int) or isinstance(max_age, bool):
            raise TypeError(
                "max_age must be a whole number of seconds or None, not "
                f"{type(max_age).__name__}"
            )
        parts.append(f"Max-Age={max_age}")
    parts += _scope(path, domain)
    same_site = _same_site(samesite)
    _check_security(name, path, domain, secure, same_site)
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if same_site is not None:
        parts.append(f"SameSite={same_site}")
    return "; ".join(parts)


def expired_cookie(
    name: str,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
) -> str:
    """Return the value of a Set-Cookie field that has a client forget a cookie."""
    # A client takes none with these names that is not Secure, not even to forget it.
    secure = secure or _prefix(name) != ""
    field = new_cookie(name, "", 0, path, domain, secure, httponly, samesite)
    # For clients that do not know Max-Age.
    return field.replace("; Max-Age=0", f"; Max-Age=0; Expires={_PAST}", 1)


def same_cookie(one: str, other: str) -> bool:
    """Tell whether a client would keep one of two: by name, domain and path."""
    return _identity(one) == _identity(other)


def _identity(field: str) -> tuple[str, str, str]:
    pair, *attributes = field.split(";")
    found = {"path": "", "domain": ""}
    for attribute in attributes:
        name, _, value = attribute.strip(" \t").partition("=")
        found[name.lower()] = value  # the last one counts
    return pair.partition("=")[0], found["path"], found["domain"].lower().lstrip(".")


def _check_pair(name: str, value: str) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(
            "the name and the value of a cookie must be str, not "
            f"{type(name).__name__} and {type(value).__name__}"
        )
    if not is_token(name):
        raise ValueError(
            f"{name!r} is no name of a cookie: only letters, digits and "
            "!#$%&'*+-.^_`|~ may stand in it (RFC 6265, section 4.1.1)"
        )
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the cookie {name}: {value!r} has a character that may not stand in its "
            "value: a blank, a control character, a double quote, a comma, a "
            "semicolon, a backslash or one beyond ASCII (RFC 6265, section 4.1.1); "
            "urllib.parse.quote() encodes such values"
        )
    if len(name) + len(value) > _MOST_OF_THE_PAIR:
        raise ValueError(
            f"the cookie {name} has {len(name) + len(value)} bytes; clients drop those "
            f"of more than {_MOST_OF_THE_PAIR}"
        )


def _scope(path: str | None, domain: str | None) -> list[str]:
    parts = []
    if domain is not None:
        if not isinstance(domain, str):
            raise TypeError(f"domain must be a str, not {type(domain).__name__}")
        if not _DOMAIN.fullmatch(domain.removeprefix(".")) or len(domain) > 254:
            raise ValueError(
                f"{domain!r} is no domain of a cookie: it must be a host's name in "
                "ASCII, with neither port nor scheme"
            )
        parts.append(f"Domain={domain.removeprefix('.')}")
    if path is not None:
        if not isinstance(path, str):
            raise TypeError(f"path must be a str, not {type(path).__name__}")
        if not _PATH.fullmatch(path) or len(path) > _MOST_OF_AN_ATTRIBUTE:
            raise ValueError(
                f"{path!r} is no path of a cookie: it must begin with a slash and have "
                "neither a semicolon nor a control character nor one beyond ASCII, and "
                f"at most {_MOST_OF_AN_ATTRIBUTE} bytes"
            )
        parts.append(f"Path={path}")
    return parts


def _same_site(samesite: str | None) -> str | None:
    if samesite is None:
        return None
    if not isinstance(samesite, str):
        raise TypeError(f"samesite must be a str, not {type(samesite).__name__}")
    try:
        return _SAME_SITE[samesite.lower()]
    except KeyError:
        raise ValueError(
            f'samesite must be "Strict", "Lax", "None" or None, not {samesite!r}'
        ) from None


def _prefix(name: str) -> str:
    """Return the prefix of a name for which clients have rules, else ""."""
    folded = name.lower() if isinstance(name, str) else ""
    known = ("__host-", "__secure-")
    return next((prefix for prefix in known if folded.startswith(prefix)), "")


def _check_security(
    name: str,
    path: str | None,
    domain: str | None,
    secure: bool,
    same_site: str | None,
) -> None:
    """Refuse what clients silently drop (RFC 6265bis, sections 4.1.3 and 5.6)."""
    prefix = _prefix(name)
    if prefix and not secure:
        raise ValueError(f"clients drop a cookie {name} that is not secure=True")
    if prefix == "__host-" and (path != "/" or domain is not None):
        raise ValueError(
            f'clients drop a cookie {name} with another path than "/" or with a domain'
        )
    if same_site == "None" and not secure:
        raise ValueError(
            f'clients drop the cookie {name}: one with samesite="None" must be '
            "secure=True"
        )
