# SPDX-License-Identifier: MIT
"""A request as its handler sees it.

csrc copies the head once, as text; it is split and decoded here when somebody asks.
No object in here points into C.
"""

from functools import lru_cache
from typing import final
from urllib.parse import unquote_to_bytes

from pymhd._native.layouts import ALONG, CLIENT, FIELDS, METHOD, TARGET, VERSION
from pymhd.errors import StateError
from pymhd.headers import Headers, Query, tokens
from pymhd.tls import TLSInfo

__all__ = ["Address", "Request"]


Address = tuple[str, int] | tuple[str, int, int, int] | str
"""A peer's address, as :mod:`socket` has it.

``(host, port)`` for IPv4, ``(host, port, flow, scope)`` for IPv6, ``""`` for a UNIX
socket.
"""


def _decode(part: str) -> str:
    """Undo percent-encoding: UTF-8, what is none as surrogates (``os.fsdecode``)."""
    if "%" not in part and part.isascii():
        return part
    return unquote_to_bytes(part.encode("latin-1")).decode("utf-8", "surrogateescape")


def _decode_plus(part: str) -> str:
    return _decode(part.replace("+", " "))


_new = object.__new__


# Most clients send the same values, so the last results are kept.
@lru_cache(maxsize=64)
def _choose(
    connection: str, upgrade: str, protocols: tuple[str, ...] | None
) -> str | None:
    """Return what to switch to; the fields' values, those of several with commas."""
    if "upgrade" not in [token.lower() for token in tokens(connection)]:
        return None
    offered = tokens(upgrade)
    if protocols is None:
        return offered[0] if offered else None
    folded = {protocol.lower() for protocol in offered}
    return next((mine for mine in protocols if mine.lower() in folded), None)


@final
class Request:
    """An HTTP request, complete with its body.

    It may be used until its handler has returned; after that everything raises
    StateError. Mappings, strings and bytes that were taken from it stay valid, and
    :attr:`Upgraded.request` is a copy without that end.

    pymhd makes these; they cannot be constructed.
    """

    __slots__ = ("__weakref__", "_body", "_head", "_headers", "_lines")

    _head: bytes | None  # None: the request has ended
    _body: bytes | None  # None: this is the copy that an upgraded connection keeps
    # Both are made when they are first needed.
    _lines: list[str]
    _headers: Headers

    def __init__(self) -> None:
        raise TypeError("pymhd makes the requests: a handler is called with one")

    @staticmethod
    def _make(text: bytes, body: bytes | None) -> "Request":
        self = _new(Request)
        self._head = text
        self._body = body
        return self

    def _copy(self) -> "Request":
        return self._make(self._live_head(), self._body)

    def _live_head(self) -> bytes:
        text = self._head
        if text is None:
            raise StateError(
                "this request has ended: its handler has returned; take what you need "
                "out of it before, or use stream.request after an upgrade"
            )
        return text

    def _split(self) -> list[str]:
        text = self._live_head()
        try:
            return self._lines
        except AttributeError:
            self._lines = text.decode("latin-1").split("\n")
        return self._lines

    @property
    def method(self) -> str:
        """The method, as it was sent: ``GET``."""
        return self._split()[METHOD]

    @property
    def target(self) -> str:
        """The request target, raw, as latin-1 text (RFC 9112, section 3.2)."""
        return self._split()[TARGET]

    @property
    def path(self) -> str:
        """The path of the target, decoded: UTF-8 with ``surrogateescape``."""
        target = self._split()[TARGET].partition("?")[0]
        if not target.startswith("/") and "://" in target:
            # absolute-form, as a proxy sends it (RFC 9112, section 3.2.2)
            authority_and_path = target.partition("://")[2]
            target = "/" + authority_and_path.partition("/")[2]
        return _decode(target)

    @property
    def query(self) -> Query:
        """The parameters of the target's query, decoded; several of a name are kept."""
        text = self._split()[TARGET].partition("?")[2]
        parts = (part.partition("=") for part in text.split("&") if part)
        return Query(
            (_decode_plus(name), _decode_plus(value)) for name, _, value in parts
        )

    @property
    def headers(self) -> Headers:
        """The header fields, in the order in which they came."""
        if self._head is not None:
            try:
                return self._headers
            except AttributeError:  # the first time
                pass
        # The head ends with a line break: behind it is an empty line, which is left
        # out.
        fields = iter(self._split()[FIELDS:-1])
        self._headers = Headers(zip(fields, fields, strict=True))
        return self._headers

    @property
    def version(self) -> str:
        """The version of HTTP: ``HTTP/1.1``."""
        return self._split()[VERSION]

    @property
    def client(self) -> Address:
        """The peer's address, as :meth:`socket.socket.getpeername` gives it.

        Over IPv4 it is an IPv4 address, also where the socket serves IPv6 as well.
        """
        host, *numbers = self._split()[CLIENT].partition("\t")[0].split(" ")
        match [int(number) for number in numbers]:
            case [port]:
                return (host, port)
            case [port, flow, scope]:
                return (host, port, flow, scope)
        return host

    @property
    def tls(self) -> TLSInfo | None:
        """How the connection is encrypted; None without TLS."""
        _, *words = self._split()[CLIENT].split("\t")
        if not words:
            return None
        version, cipher = words
        return TLSInfo(version.replace("TLS", "TLSv"), cipher)

    @property
    def body(self) -> bytes:
        """The whole body, decoded from its transfer coding; empty without one.

        Raises:
            StateError: The request has ended, or see :attr:`Upgraded.request`.
        """
        self._live_head()
        body = self._body
        if body is None:
            raise StateError(
                "this body is gone: one of more than 16 KiB is kept after an upgrade "
                "only as long as somebody holds stream.request, so take that before "
                "you use the stream, or before connection_made() returns"
            )
        return body

    def wants_upgrade(self, protocol: str | None = None) -> bool:
        """Tell whether the client asks to switch to a protocol (RFC 9110, 7.8).

        Args:
            protocol: A token such as ``"echo"``, compared without regard to case, or
                several with commas; None for any.

        Returns:
            False also for HTTP/1.0, and for an ``Upgrade`` field without
            ``Connection: upgrade``: RFC 9110 has both ignored.

        Raises:
            TypeError: The protocol is no str.
        """
        if protocol is not None and not isinstance(protocol, str):
            raise TypeError(f"protocol must be a str, not {type(protocol).__name__}")
        wanted = None if protocol is None else tokens(protocol)
        return self._chosen(wanted) is not None

    def _chosen(self, protocols: list[str] | None) -> str | None:
        """Return the first of our protocols that the client offers; None: any."""
        lines = self._split()
        if lines[VERSION] == "HTTP/1.0":
            return None
        names = [*map(str.lower, lines[FIELDS:-1:2])]
        if "upgrade" not in names:
            return None
        fields = [*zip(names, lines[FIELDS + 1 :: 2], strict=True)]
        connection = ",".join([value for name, value in fields if name == "connection"])
        upgrade = ",".join([value for name, value in fields if name == "upgrade"])
        mine = None if protocols is None else tuple(protocols)
        return _choose(connection, upgrade, mine)

    def __repr__(self) -> str:
        if self._head is None:
            return "<pymhd.Request, ended>"
        return f"<pymhd.Request {self.method} {self.target!r}>"


def make_request(text: bytes, body: bytes) -> Request:
    """Return a request of what csrc has copied."""
    return Request._make(text, body)


def has_large_body(request: Request) -> bool:
    """Tell whether a body takes more than what a connection costs anyway."""
    return request._body is not None and len(request._body) > ALONG


def without_body(request: Request) -> Request:
    """Return a copy that does not keep the body."""
    return Request._make(request._live_head(), None)
