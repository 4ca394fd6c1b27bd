# SPDX-License-Identifier: MIT
"""Where a daemon listens.

The sockets are made here, not by libmicrohttpd, so that an address means the same in
every mode, and what went wrong has its errno.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from typing import final

from pymhd._engine.start_errors import start_error, start_error_of_path
from pymhd._engine.tcp import bind_all, listen_all
from pymhd.errors import StartError, StateError

__all__ = ["DEFAULT_HOST", "Endpoint", "reserve"]

DEFAULT_HOST = "127.0.0.1"

# The kernel reduces this to net.core.somaxconn.
_BACKLOG = 4096


def _check_host(host: object) -> None:
    if host is not None and not isinstance(host, str):
        raise TypeError(f"host must be a str or None, not {host!r}")
    if host == "":
        raise ValueError('host must not be "": None stands for every address')


def _check_port(port: object) -> None:
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port must be an int, not {port!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be from 0 to 65535, not {port}")


def _check_path(unix: "str | os.PathLike[str]") -> str:
    path = os.fspath(unix) if isinstance(unix, os.PathLike) else unix
    if not isinstance(path, str):
        raise TypeError(f"unix must be a str or a path, not {unix!r}")
    # A NUL at the beginning makes a name in Linux's abstract namespace. Anywhere else
    # it is an error.
    if not path or "\0" in path[1:] or path == "\0":
        raise ValueError(f"unix={path!r} is no path of a socket")
    return path


def _check_sock(sock: object) -> None:
    if isinstance(sock, bool) or not isinstance(sock, int | socket.socket):
        raise TypeError(f"sock must be a socket or a descriptor, not {sock!r}")


def _check_reuse_port(reuse_port: object, is_tcp: bool) -> None:
    if not isinstance(reuse_port, bool):
        raise TypeError(f"reuse_port must be a bool, not {reuse_port!r}")
    if reuse_port and not is_tcp:
        raise ValueError("reuse_port is for a host and a port, not for unix or sock")


def _check_alone(host: str | None, port: int, other: str) -> None:
    """Refuse what would be ignored; nobody can tell who gives what is the default."""
    if port != 0:
        raise ValueError(
            f"port={port} and {other} exclude each other: give one of them"
        )
    if host != DEFAULT_HOST:
        raise ValueError(
            f"host={host!r} and {other} exclude each other: give one of them"
        )


@final
class Endpoint:
    """Where a daemon listens: checked when it is made, opened by :meth:`listen`.

    Raises:
        TypeError, ValueError: An argument cannot be used.
    """

    def __init__(
        self,
        host: str | None,
        port: int,
        unix: "str | os.PathLike[str] | None",
        sock: socket.socket | int | None,
        reuse_port: bool = False,
        scheme: str = "http",
    ) -> None:
        _check_host(host)
        _check_port(port)
        _check_reuse_port(reuse_port, unix is None and sock is None)
        if unix is not None and sock is not None:
            raise ValueError("unix and sock exclude each other: listen on one of them")
        if unix is not None or sock is not None:
            _check_alone(host, port, "sock" if unix is None else "unix")
        if sock is not None:
            _check_sock(sock)
        self._host = host
        self._port = port
        self._reuse_port = reuse_port
        self._unix = None if unix is None else _check_path(unix)
        self._sock = sock
        self._scheme = scheme
        # Several threads may close them: pop() gives each to one.
        self._listening: list[socket.socket] = []
        self._address: tuple[str, int] | str | None = None
        self._path = ""  # of our UNIX socket, absolute, if it is a file
        self._inode: tuple[int, int] | None = None

    def listen(self) -> list[socket.socket]:
        """Return listening sockets, not blocking; :meth:`close` closes them.

        Raises:
            StartError: They could not be had.
        """
        if self._sock is not None:
            sockets = [_adopt(self._sock)]
        else:
            try:
                sockets = self._open()
            except (OSError, UnicodeError) as error:
                if self._unix is not None:
                    raise start_error_of_path(error, self._unix) from error
                raise start_error(error, self._host, self._port) from error
        self._listening += sockets
        for listening in sockets:
            listening.setblocking(False)
        self._note_address(sockets[0])
        return sockets

    def _open(self) -> list[socket.socket]:
        if self._unix is not None:
            return [_listen_unix(self._unix)]
        return listen_all(self._host, self._port, self._reuse_port)

    def _note_address(self, listening: socket.socket) -> None:
        if listening.family != socket.AF_UNIX:
            host, port, *more = listening.getsockname()
            if more and more[1]:  # of a link: another one may have the same address
                host += f"%{socket.if_indextoname(more[1])}"
            self._address = (host, port)
            return
        self._address = os.fsdecode(listening.getsockname())
        if self._unix is not None and not self._unix.startswith("\0"):
            # Absolute, since the program may change its folder.
            self._address = self._path = os.path.abspath(self._unix)
            self._inode = _inode_of(self._path)

    def _known_address(self) -> tuple[str, int] | str:
        if self._address is None:
            raise StateError("this daemon has no address yet: start() it before")
        return self._address

    @property
    def is_known(self) -> bool:
        """True once listen() has been called."""
        return self._address is not None

    @property
    def port(self) -> int:
        """The TCP port; StateError before listen() and for a UNIX socket."""
        address = self._known_address()
        if isinstance(address, str):
            raise StateError(f"this daemon listens on the UNIX socket {address!r}")
        return address[1]

    @property
    def url(self) -> str:
        """Where it is reached; StateError before listen()."""
        address = self._known_address()
        if isinstance(address, str):
            return f"unix://{address}"
        host, port = address
        # Not every system can connect to the address that means all of them.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        if ":" in host:
            host = f"[{host.replace('%', '%25')}]"  # RFC 6874: a zone's delimiter
        return f"{self._scheme}://{host}:{port}"

    def end(self) -> None:
        """End the listening; of a socket that was given only our part in it."""
        while (listening := self._take()) is not None:
            if self._sock is None:
                # A driver that is stuck keeps a duplicate: shutdown() ends that one,
                # too, so that no client waits in its backlog.
                with contextlib.suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _take(self) -> socket.socket | None:
        """Return a socket to who asks first: quiesce() and stop() may meet here."""
        with contextlib.suppress(IndexError):
            return self._listening.pop()
        return None

    def close(self) -> None:
        """Remove the file of our UNIX socket, and end the listening."""
        self._remove()
        self.end()

    def _remove(self) -> None:
        """Remove our file, unless it is another's by now."""
        if self._inode is not None:
            with contextlib.suppress(OSError):
                if self._inode == _inode_of(self._path):
                    os.unlink(self._path)
        self._inode = None

    def forget(self) -> None:
        """Leave all but our descriptors alone: in a fork's child it is the parent's."""
        while (listening := self._take()) is not None:
            listening.close()
        self._inode = None


def _adopt(sock: "socket.socket | int") -> socket.socket:
    """Duplicate a socket or descriptor that listens already (socket activation)."""
    try:
        fd = os.dup(sock if isinstance(sock, int) else sock.fileno())
        try:
            own = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            raise
    except OSError as error:
        raise StartError(
            error.errno, f"sock={sock!r} is no socket that is open: {error.strerror}"
        ) from error
    if not own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        own.close()
        raise StartError(
            errno.EINVAL, f"sock={sock!r} does not listen: call its listen() before"
        )
    return own


@contextlib.contextmanager
def reserve(host: str, port: int) -> Iterator[int]:
    """Bind a port without listening, for daemons with ``reuse_port`` to listen on.

    Yields:
        The port, which is ours meanwhile.

    Raises:
        TypeError, ValueError: An argument cannot be used.
        StartError: It could not be had, or somebody listens on it already.
    """
    _check_host(host)
    _check_port(port)
    with contextlib.ExitStack() as stack:
        try:
            if port:  # alone first: nobody must get half of another's connections
                for sock in bind_all(host, port, reuse_port=False):
                    sock.close()
            sockets = bind_all(host, port, reuse_port=True)
        except (OSError, UnicodeError) as error:
            raise start_error(error, host, port) from error
        for sock in sockets:
            stack.enter_context(sock)
        yield sockets[0].getsockname()[1]


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
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:  # somebody listens, and is busy
            return
        except ConnectionRefusedError:
            os.unlink(path)


def _inode_of(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
