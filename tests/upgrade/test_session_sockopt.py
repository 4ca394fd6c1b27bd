# SPDX-License-Identifier: MIT
"""Options of an upgraded connection's own socket, as csrc sets and gets them."""

import errno
import socket
import sys

from marks import every_pair, over_tls_too
from sessions import Pair

from pymhd import ffi, lib

TCP, KEEPIDLE = socket.IPPROTO_TCP, socket.TCP_KEEPIDLE


def get(session: int, level: int, name: int) -> tuple[int, int]:
    """Return the error and the value."""
    value, size = ffi.new("int *"), ffi.new("unsigned int *", ffi.sizeof("int"))
    error = lib.pymhd_session_getsockopt(
        session, level, name, ffi.cast("char *", value), size
    )
    return error, value[0]


def put(session: int, level: int, name: int, value: int) -> int:
    """Return the error."""
    data = value.to_bytes(4, sys.byteorder)
    return lib.pymhd_session_setsockopt(session, level, name, data, len(data))


@over_tls_too(every_pair)
def test_options_reach_the_connections_own_socket(pair: Pair) -> None:
    """Over TLS as well, where Python's descriptor is that of a pair."""
    stream, _ = pair()
    session = stream._session
    assert get(session, TCP, socket.TCP_NODELAY) == (0, 1)
    assert put(session, TCP, KEEPIDLE, 77) == 0
    assert get(session, TCP, KEEPIDLE) == (0, 77)
    with socket.socket(fileno=lib.pymhd_session_dup(session)) as own:
        assert own.getsockopt(TCP, KEEPIDLE) == 77
        assert own.getpeername() == stream.client


def test_what_the_kernel_refuses_is_its_errno(pair: Pair) -> None:
    """And a session that has been closed has no socket any more."""
    stream, _ = pair()
    session = stream._session
    assert put(session, TCP, 9999, 1) == errno.ENOPROTOOPT
    assert get(session, TCP, 9999)[0] == errno.ENOPROTOOPT
    stream.close()
    assert put(session, TCP, KEEPIDLE, 77) == errno.EBADF
    assert get(session, TCP, KEEPIDLE)[0] == errno.EBADF
