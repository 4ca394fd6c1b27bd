# SPDX-License-Identifier: MIT
"""A table of hostile requests: each is refused, once, and nothing behind it is read."""

import contextlib
import socket

import pytest
from hostile import GROUPS, SMUGGLED, Case
from http11 import ProtocolError, answers
from live import Mode, Serve, connect, in_mode, read_to_end
from marks import every_mode, over_tls_too
from messages import LAST_GET, ask, status_of

import pymhd

Seen = list[str]
each_group = pytest.mark.parametrize("group", GROUPS)


def problem(case: Case, received: bytes, seen: Seen) -> str | None:
    """Return what is wrong with the answer to a case, or None."""
    try:
        statuses = [answer.status for answer in answers(received)]
    except ProtocolError as error:
        return f"{error}: {received!r}"
    reached = case.reached
    if reached is None:
        reached = statuses.count(200)
    expected = max(1, case.reached or 0)
    if not statuses:
        if 0 not in case.statuses or received:
            return f"no answer, but {received!r}"
    elif statuses[0] not in case.statuses or len(statuses) != expected:
        return f"statuses {statuses}, not {case.statuses}"
    elif statuses[0] != 200 and b"\r\ncontent-length: " not in received.lower():
        return f"its length is not told: {received!r}"
    if len(seen) != reached:
        return f"a handler saw {seen}"
    return None


def exchange(daemon: pymhd.Daemon, sent: bytes) -> bytes:
    """Send it at once; return what comes until the server ends the connection."""
    with connect(daemon) as sock:
        sock.sendall(sent)
        try:
            return read_to_end(sock)
        except TimeoutError:
            return b"the connection was not closed"


@over_tls_too(every_mode)
@each_group
def test_hostile_requests_are_refused_once(
    serve: Serve, mode: Mode, group: str
) -> None:
    """Whatever follows on the connection is not read; other connections are served."""
    seen: Seen = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(f"{request.method} {request.target}")
        return pymhd.Response(b"ok\n")

    daemon = serve(handler, **in_mode(mode))
    problems: list[str] = []
    for case in GROUPS[group]():
        seen.clear()
        received = exchange(daemon, case.sent + SMUGGLED)
        if wrong := problem(case, received, seen):
            problems.append(f"{case.name}: {wrong}")
    assert not problems, "\n".join(problems)
    assert status_of(ask(daemon, LAST_GET)) == 200


@each_group
def test_hostile_requests_are_refused_in_pieces(serve: Serve, group: str) -> None:
    """Each byte in a packet of its own says no more than all at once."""
    seen: Seen = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        seen.append(f"{request.method} {request.target}")
        return pymhd.Response(b"ok\n")

    daemon = serve(handler)
    problems: list[str] = []
    for case in GROUPS[group]():
        seen.clear()
        received = b""
        with connect(daemon) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # What is sent after the refusal may be answered by an RST.
            with contextlib.suppress(ConnectionError):
                for at in range(0, len(case.sent), 7):
                    sock.sendall(case.sent[at : at + 7])
                sock.sendall(SMUGGLED)
            with contextlib.suppress(ConnectionError, TimeoutError):
                while piece := sock.recv(65536):
                    received += piece
        if wrong := problem(case, received, seen):
            problems.append(f"{case.name}: {wrong}")
    assert not problems, "\n".join(problems)
