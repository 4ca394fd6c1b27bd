# SPDX-License-Identifier: MIT
"""What a daemon grants its clients."""

import math
import resource
from dataclasses import dataclass, fields
from typing import final

__all__ = ["Limits"]

# Descriptors that are left to the rest of the process.
_SPARE_DESCRIPTORS = 64
# No more connections unless they are asked for: each takes the memory that
# Limits.memory says, and a thread with threads="per-connection".
_MOST_CONNECTIONS = 8192
_MOST_THREADS = 4096


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a daemon grants its clients.

    Raises:
        TypeError, ValueError: A limit is no number, or out of range.
    """

    connections: int | None = None
    """How many at once, upgraded ones included, at least 1. None: 8192, or 4096 with
    ``threads="per-connection"``, or fewer if the limit of open files
    (``RLIMIT_NOFILE``) has no room for them, where each is upgraded and takes two
    descriptors, or five over TLS. Wraps ``MHD_OPTION_CONNECTION_LIMIT``."""

    upgraded: int = 4096
    """How many may be upgraded at once, at least 1; all of a daemon's threads count
    together. Another request for an upgrade is answered with 503 and a ``Retry-After``
    instead of the handler's 101. Each has a thread of its own, unless it has
    ``run="inline"`` or a protocol: a protocol's takes about 10 KiB, a thread 20 KiB
    more, besides its place among those that the system allows."""

    output: int = 16 * 1024 * 1024
    """Bytes that may wait to be sent to the peer of one protocol; 0: no limit. Beyond
    it the connection is aborted: ``connection_lost`` gets a ``ConnectionAbortedError``,
    and a warning is logged. What one write leaves over that the kernel does not take
    at once, a few MiB at most, counts as well: send more than this in pieces, when
    ``resume_writing`` is called. A hundred peers that do not read may cost a hundred
    times as much; a protocol whose ``pause_writing`` pauses what it reads, or sends,
    never comes near it."""

    close_timeout: float = 30
    """Seconds without taking anything until the peer of an upgraded connection, which
    has been closed, loses what still waits for it; 0: never. It must take 4 KiB a
    second, too, on the average. A protocol's connection is aborted then:
    ``connection_lost`` gets a ``TimeoutError``, and a warning is logged. The same holds
    for what ``Upgraded.close`` leaves to be sent over TLS; without TLS that is the
    kernel's."""

    connections_per_ip: int = 0
    """How many at once from one address; 0: no limit, as with nginx and Apache: behind
    a proxy, or where many share an address, all clients have the same one. With
    ``threads=N`` each of the N counts by itself. Wraps
    ``MHD_OPTION_PER_IP_CONNECTION_LIMIT``."""

    timeout: float = 60
    """Seconds without a byte in either direction until a connection is closed; 0:
    never. A client that does not read its response is such a one, too, and one that
    reads it too slowly: bytes go out only when the kernel has room again, on Linux when
    about a third of what it holds for that client has been taken. That is 20 KB for one
    with a small window, and up to 1.4 MB; ``send_timeout`` of nginx counts alike.
    libmicrohttpd counts whole seconds, so the next one counts. For upgraded connections
    there is :attr:`idle_timeout`. Wraps ``MHD_OPTION_CONNECTION_TIMEOUT``."""

    header_timeout: float = 20
    """Seconds that the header of a request may take; 0: for ever. They begin when the
    connection does, a TLS handshake included, or at the first byte of a further
    request; a tenth more may pass. Then the client gets 408 (over TLS nothing) and
    the connection is closed."""

    body_timeout: float = 20
    """Seconds that the body of a request may take, and one more for each
    :attr:`body_rate` bytes of it that have come; 0: for ever. Then it ends as a header
    that took too long."""

    body_rate: int = 500
    """Bytes a second with which a body must come after :attr:`body_timeout`, on
    average; 0: that is all the time there is."""

    memory: int = 16 * 1024
    """Bytes of memory for each connection, at least 1024, which the header of a request
    shares with that of its response. More costs time, since libmicrohttpd clears it for
    each request (its own default is 32 KiB). What the default has room for, beside a
    short response header:

    ================================ ======= =======
    libmicrohttpd                     0.9.72   later
    ================================ ======= =======
    bytes of one field                16,000  16,000
    cookies of 5 bytes (``a=bcd``)       140     200
    parameters of 4 bytes              3,200   3,200
    ================================ ======= =======

    So a target of 280 parameters, 8 KB long, and 50 cookies fit. Wraps
    ``MHD_OPTION_CONNECTION_MEMORY_LIMIT``."""

    body: int = 1024 * 1024
    """Bytes of a request's body. A larger one is answered with 413: at once if its
    length says so, else as soon as so many have come. What the client goes on sending
    is thrown away for a while, so that it hears the answer."""

    idle_timeout: float = 0
    """Seconds without a byte in either direction until an upgraded connection is
    closed; 0: never. ``Response.for_upgrade(idle_timeout=)`` overrides it. First
    the socket is shut down, so that whoever is blocked on it sees its end; a second
    later it is closed in any case. A protocol's connection is lost at once, by a
    ``TimeoutError``."""

    def __post_init__(self) -> None:
        least = {"connections": 1, "upgraded": 1, "memory": 1024}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("timeout"):
                check_seconds(value, f"Limits.{field.name}")
            elif value is not None or field.name != "connections":
                check_int(value, f"Limits.{field.name}", least.get(field.name, 0))


def check_int(value: object, name: str, least: int) -> None:
    """Raise TypeError or ValueError unless it is a number that C can count to."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if not least <= value < 2**31:
        raise ValueError(f"{name} must be from {least} to {2**31 - 1}, not {value}")


def check_seconds(value: object, name: str) -> None:
    """Raise TypeError or ValueError unless it is a number of seconds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if math.isnan(value) or not (value == 0 or 0.001 <= value < 2**31):
        raise ValueError(f"{name} must be 0 or from 0.001 to {2**31 - 1}, not {value}")


def default_connections(descriptors: int, threads: bool = False) -> int:
    """Return how many connections there may be unless the user says so.

    Args:
        descriptors: How many each may take.
        threads: Each has a thread of its own.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        files = 1 << 20
    most = _MOST_THREADS if threads else _MOST_CONNECTIONS
    return max(1, min(most, (files - _SPARE_DESCRIPTORS) // descriptors))
