# SPDX-License-Identifier: MIT
"""A name with several addresses, as "localhost" is one on most machines.

The resolver of this one need not know such a name, so Python's is told one more.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from live import TIMEOUT

NAME = "several.test"


def has_ipv6() -> bool:
    """Tell whether the loopback has IPv6."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=10):
        return True
    return False


ADDRESSES = ["127.0.0.1", "127.0.0.2", *(["::1"] if has_ipv6() else [])]
"""Those of the name, unless a test says otherwise."""


@contextlib.contextmanager
def resolved(*addresses: str) -> Iterator[None]:
    """Have the name mean these addresses."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        hosts = (addresses or ADDRESSES) if host == NAME else [host]
        return [info for each in hosts for info in real(each, *args, **kwargs)]

    socket.getaddrinfo = resolve
    try:
        yield
    finally:
        socket.getaddrinfo = real


def connect_at(address: str, port: int, tls: bool = False) -> Any:
    """Connect a socket with a timeout to one of the addresses."""
    sock = socket.create_connection((address, port), TIMEOUT)
    if not tls:
        return sock
    import secure  # which takes long to load

    return secure.Client(sock)
