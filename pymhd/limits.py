# SPDX-License-Identifier: MIT
"""What a daemon grants its clients."""

import math
import resource
from dataclasses import dataclass, fields
from typing import final

__all__ = ["Limits"]

# Descriptors that are left to the rest of the process.
_SPARE_DESCRIPTORS = 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a daemon grants its clients.

    Raises:
        TypeError, ValueError: A limit is no number, or out of range.
    """

    connections: int | None = None
    """How many at once, upgraded ones included, at least 1. None: what the limit of
    open files (``RLIMIT_NOFILE``) has room for, if each is upgraded and takes
    two descriptors, or five over TLS. Wraps ``MHD_OPTION_CONNECTION_LIMIT``."""

    connections_per_ip: int = 0
    """How many at once from one address; 0: no limit. With ``threads=N`` each of the
    N counts by itself. Wraps ``MHD_OPTION_PER_IP_CONNECTION_LIMIT``."""

    timeout: int = 60
    """Seconds without activity until a connection is closed; 0: never. For upgraded
    ones there is :attr:`idle_timeout`. Wraps ``MHD_OPTION_CONNECTION_TIMEOUT``."""

    memory: int = 16 * 1024
    """Bytes of memory for each connection, at least 1024. They bound the header of a
    request to about half of it, which is what Apache and nginx grant a line; more, as
    for many large cookies, costs time, since libmicrohttpd clears it for each request
    (its own default is 32 KiB). Wraps ``MHD_OPTION_CONNECTION_MEMORY_LIMIT``."""

    body: int = 1024 * 1024
    """Bytes of a request's body. A larger one is answered with 413: at once if the
    client asks before it sends, else when it has been read and thrown away."""

    idle_timeout: float = 0
    """Seconds without a byte in either direction until an upgraded connection is
    closed; 0: never. ``Response.for_upgrade(idle_timeout=)`` overrides it. First
    the socket is shut down, so that whoever is blocked on it sees its end; a second
    later it is closed in any case. A protocol's connection is lost at once, by a
    ``TimeoutError``."""

    def __post_init__(self) -> None:
        least = {"connections": 1, "memory": 1024}
        check_idle_timeout(self.idle_timeout, "Limits.idle_timeout")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "idle_timeout" or (
                value is None and field.name == "connections"
            ):
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"Limits.{field.name} must be an int, not {value!r}")
            if not least.get(field.name, 0) <= value < 2**31:
                raise ValueError(
                    f"Limits.{field.name} must be from {least.get(field.name, 0)} to "
                    f"{2**31 - 1}, not {value}"
                )


def check_idle_timeout(value: object, name: str) -> None:
    """Raise TypeError or ValueError unless it is a number of seconds to be idle."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if math.isnan(value) or not (value == 0 or 0.001 <= value < 2**31):
        raise ValueError(f"{name} must be 0 or from 0.001 to {2**31 - 1}, not {value}")


def default_connections(descriptors: int) -> int:
    """Return how many connections of so many the limit of open files has room for."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        files = 1 << 20
    return max(1, (files - _SPARE_DESCRIPTORS) // descriptors)
