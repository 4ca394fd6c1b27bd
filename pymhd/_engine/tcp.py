# SPDX-License-Identifier: MIT
"""Sockets of a host and a port: one for each address that the host has."""

import contextlib
import errno
import socket
from typing import Any

__all__ = ["bind_all", "listen_all"]

# The kernel cuts it down to what it allows.
_BACKLOG = 4096
# Somebody may have the port that was free on the first address on another one.
_TRIES = 20

_Address = tuple[socket.AddressFamily, Any]


def listen_all(host: str | None, port: int, reuse_port: bool) -> list[socket.socket]:
    """Return a listening socket for each address of a host, on the same port.

    As with :meth:`asyncio.loop.create_server`, an address that this machine does not
    have is left out, unless there is no other.

    Args:
        host: A name or an address; None: one socket for every address.
        port: 0: one that is free on all of them.
        reuse_port: Others may share it (``SO_REUSEPORT``).

    Raises:
        OSError: They could not be had; then there is none.
        UnicodeError: The host is no name.
    """
    return _open_all(host, port, reuse_port, listens=True)


def bind_all(host: str | None, port: int, reuse_port: bool) -> list[socket.socket]:
    """Do the same without listening."""
    return _open_all(host, port, reuse_port, listens=False)


def _open_all(
    host: str | None, port: int, reuse_port: bool, listens: bool
) -> list[socket.socket]:
    addresses = _addresses_of(host)
    tries = _TRIES if port == 0 and len(addresses) > 1 else 1
    while True:
        tries -= 1
        try:
            return _open_each(addresses, port, reuse_port, listens)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def _addresses_of(host: str | None) -> list[_Address]:
    if host is None:
        if socket.has_dualstack_ipv6():
            return [(socket.AF_INET6, ("::", 0))]
        return [(socket.AF_INET, ("0.0.0.0", 0))]
    found = socket.getaddrinfo(
        host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # Each once: a resolver may repeat itself.
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _open_each(
    addresses: list[_Address], port: int, reuse_port: bool, listens: bool
) -> list[socket.socket]:
    missing: OSError | None = None
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for family, (ip, _, *more) in addresses:
            try:
                sock = _bind(family, (ip, port, *more), reuse_port, len(addresses) > 1)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
                continue
            sockets.append(stack.enter_context(sock))
            if listens:
                sock.listen(_BACKLOG)
            port = sock.getsockname()[1]
        if not sockets and missing is not None:
            raise missing
        stack.pop_all()
    return sockets


def _bind(
    family: socket.AddressFamily, address: Any, reuse_port: bool, beside: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and (beside or address[0] == "::"):
            # Beside others it leaves IPv4 to them.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, beside)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
