# SPDX-License-Identifier: MIT
"""Requests that fill a connection's memory, or never end: nobody waits for them.

libmicrohttpd ends some of them itself, in its own way; none may cost memory for ever, a
slot, or time that others would need. The timeouts are off, so none of them helps.
"""

import contextlib
import ctypes
import gc
import socket

import pytest
from live import ALL_MODES, Mode, Serve, connect, eventually, hello, reset
from marks import every_mode, without_asan
from messages import ask, status_of

import pymhd
from pymhd import lib

PATIENT = pymhd.Limits(timeout=0, header_timeout=0, body_timeout=0)
GET_LINE = b"GET / HTTP/1.1\r\nHost: test\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"

# What libmicrohttpd may end between the first line and the end of the header.
ENDED_EARLY = {
    "241 arguments": b"GET /?" + b"a=1&" * 241 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "2000 arguments": b"GET /?" + b"a=1&" * 2000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "300 cookies": GET_LINE + b"Cookie: " + b"a=1; " * 300 + b"\r\n\r\n",
    "2000 cookies": GET_LINE + b"Cookie: " + b"a=1; " * 2000 + b"\r\n\r\n",
    "2000 fields": GET_LINE + b"X: a\r\n" * 2000 + b"\r\n",
    "a long field": GET_LINE + b"X: " + b"a" * 40000 + b"\r\n\r\n",
    "a long target": b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a line without a colon": GET_LINE + b"foo bar\r\n\r\n",
}
ENDLESS = {
    "request line": b"GET /" + b"a" * 40000,
    "field": GET_LINE + b"X: " + b"a" * 40000,
    "header": GET_LINE + b"X: a\r\n" * 7000,
    "chunk extension": CHUNKED + b"5;" + b"a" * 40000,
    "chunk size": CHUNKED + b"0" * 40000,
    "extension of a later chunk": CHUNKED + b"5\r\nhello\r\n5;" + b"a" * 40000,
    "trailer field": CHUNKED + b"0\r\nX: " + b"a" * 40000,
    "trailer": CHUNKED + b"0\r\n" + b"X: a\r\n" * 7000,
}
CUT_SHORT = {
    "request line": b"GET /a",
    "field": GET_LINE + b"X: a",
    "header": GET_LINE,
    "chunk size": CHUNKED + b"5",
    "chunk": CHUNKED + b"5\r\nhel",
    "body": b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc",
    "trailer field": CHUNKED + b"0\r\nX: a",
}


@every_mode
@pytest.mark.parametrize("leaves", [False, True])
def test_a_request_that_is_too_large_is_answered_or_closed_at_once(
    serve: Serve, mode: Mode, leaves: bool
) -> None:
    """Also where nothing else happens that would make libmicrohttpd run."""
    daemon = serve(hello, threads=mode, limits=PATIENT)
    for name, request in ENDED_EARLY.items():
        with connect(daemon) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(request)
            if leaves:
                sock.shutdown(socket.SHUT_WR)
            assert status_of(sock.recv(65536)) in (0, 200, 400, 414, 431), name


@every_mode
def test_arguments_cost_no_more_than_their_bytes(serve: Serve, mode: Mode) -> None:
    """libmicrohttpd would keep a record of each."""
    daemon = serve(
        lambda request: pymhd.Response(request.target), threads=mode, limits=PATIENT
    )
    target = b"/?" + b"&".join(b"a%d=%d" % (i, i) for i in range(500))
    line = b"GET " + target + b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
    assert ask(daemon, line).endswith(b"\r\n\r\n" + target)


class MallInfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


def allocated() -> int:
    """Return how many bytes malloc() has given out, in all of its arenas."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
    gc.collect()
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)


@without_asan
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc")
@pytest.mark.parametrize("mode", [1, "1 epoll", "per-connection"])
@pytest.mark.parametrize("name", ENDED_EARLY)
def test_nothing_stays_of_a_request_that_libmicrohttpd_ends_itself(
    serve: Serve, mode: Mode, name: str
) -> None:
    """Some releases do not say that it is over."""
    daemon = serve(hello, threads=mode, limits=PATIENT)

    def send(times: int) -> None:
        for _ in range(times):
            with connect(daemon) as sock, contextlib.suppress(ConnectionError):
                sock.sendall(ENDED_EARLY[name])
                sock.recv(65536)
        eventually(lambda: daemon.connections == 0, "the end of all connections")

    send(20)
    before = allocated()
    send(200)
    assert allocated() - before < 200 * 200


@every_mode
@pytest.mark.parametrize("way", ["fin", "rst"])
def test_who_leaves_within_an_endless_line_is_forgotten(
    serve: Serve, mode: Mode, way: str
) -> None:
    """The slot is free, and stop() has nobody to wait for."""
    daemon = serve(hello, threads=mode, limits=PATIENT)
    for name, request in ENDLESS.items():
        if leaves_select_deaf(mode, name):
            continue
        with connect(daemon) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(request)
            if way == "rst":
                reset(sock)
        eventually(lambda: daemon.connections == 0, f"the end: {name}")
        assert lib.pymhd_driver_requests(daemon._drivers[0]._ptr) == 0


@every_mode
def test_who_leaves_within_a_request_is_forgotten(serve: Serve, mode: Mode) -> None:
    """The FIN comes along with the last bytes."""
    daemon = serve(hello, threads=mode, limits=PATIENT)
    for name, request in CUT_SHORT.items():
        with connect(daemon) as sock:
            sock.sendall(request)
        eventually(lambda: daemon.connections == 0, f"the end: {name}")


@pytest.mark.skipif(
    pymhd.lib.MHD_VERSION >= 0x01000000,
    reason="from 1.0 on such a client costs nothing until Limits.body_timeout",
)
@pytest.mark.parametrize(
    "mode", [mode for mode in ALL_MODES if not isinstance(mode, str) or "ex" in mode]
)
def test_who_stays_within_an_endless_line_is_cut_off(serve: Serve, mode: Mode) -> None:
    """It would keep libmicrohttpd busy for ever; others are served meanwhile."""
    daemon = serve(hello, threads=mode, limits=PATIENT)
    for name, request in ENDLESS.items():
        with connect(daemon) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(request)
            assert status_of(sock.recv(65536)) in (0, 400, 413, 414, 431), name
        assert ask(daemon).endswith(b"hello")
        eventually(lambda: daemon.connections == 0, f"the end: {name}")


def leaves_select_deaf(mode: Mode, name: str) -> bool:
    """Tell whether a thread of libmicrohttpd's waits for nothing that it can hear."""
    ours = "external" in str(mode) or not str(mode).endswith("select")
    return (
        not ours and "extension" in name and 0x01000000 <= lib.MHD_VERSION < 0x01000200
    )
