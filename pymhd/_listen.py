# SPDX-License-Identifier: MIT
"""Listening sockets: made here, so that an address has one meaning in every mode."""

import contextlib
import errno
import os
import socket
import stat

from pymhd.errors import StartError

__all__ = ["listen"]

# As many as the kernel allows: it cuts the number down.
_BACKLOG = 4096


def listen(
    host: str | None, port: int, unix: str | None, sock: "socket.socket | int | None"
) -> socket.socket:
    """Return a listening socket that is the caller's to close.

    Raises:
        StartError: It could not be had.
    """
    if sock is not None:
        return _adopt(sock)
    where = unix or f"port {port} of {host or 'all addresses'}"
    try:
        return _listen_tcp(host, port) if unix is None else _listen_unix(unix)
    except OSError as error:
        raise _start_error(error, where) from error


def _start_error(error: OSError, where: str) -> StartError:
    number = error.errno or errno.EINVAL
    advice = {
        errno.EADDRINUSE: "; choose another one, or port=0 for any that is free",
        errno.EACCES: "; it needs more rights, as ports below 1024 do",
    }.get(number, "")
    reason = error.strerror or str(error)
    return StartError(number, f"cannot listen on {where}: {reason}{advice}")


def _adopt(sock: "socket.socket | int") -> socket.socket:
    """Duplicate a socket or descriptor that listens already (socket activation)."""
    fd = sock if isinstance(sock, int) else sock.fileno()
    try:
        own = socket.socket(fileno=os.dup(fd))
    except OSError as error:
        raise StartError(
            error.errno, f"sock={sock!r} is no socket: {error.strerror}"
        ) from error
    if not own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        own.close()
        raise StartError(
            errno.EINVAL, f"sock={sock!r} does not listen: call its listen() before"
        )
    return own


def _listen_tcp(host: str | None, port: int) -> socket.socket:
    if host is None:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(
            ("", port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual
        )
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on: what a killed server leaves behind."""
    try:
        if path.startswith("\0") or not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def remove_unix(path: str, inode: tuple[int, int]) -> None:
    """Remove our socket at the end, unless it is another's by now."""
    with contextlib.suppress(OSError):
        if inode == inode_of(path):
            os.unlink(path)


def inode_of(path: str) -> tuple[int, int]:
    """Return what identifies the file at a path."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
