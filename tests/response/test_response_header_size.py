# SPDX-License-Identifier: MIT
"""Response headers without room in ``Limits.memory``: 500, and a line in the log."""

import re

import pytest
from live import (
    GET,
    Mode,
    Serve,
    connect,
    echo,
    eventually,
    logged_errors,
    read_exactly,
    read_head,
    upgrade_request,
)
from marks import every_mode, over_tls_too
from messages import ask, get

import pymhd

KIB = 1024
COOKIES = [("Set-Cookie", f"c{number}=" + "x" * KIB) for number in range(16)]


def hear(daemon: pymhd.Daemon, request: bytes) -> bytes:
    """Return what comes until the connection ends, in whichever way."""
    data = b""
    with connect(daemon) as sock:
        sock.sendall(request)
        try:
            while piece := sock.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
    return data


def assert_one_error(
    caplog: pytest.LogCaptureFixture, answered: int, asked: int, memory: int
) -> None:
    """Fail unless the log names the limit, its value, and about what both took."""
    eventually(lambda: logged_errors(caplog) != [], "the line in the log")
    (record,) = logged_errors(caplog)
    line = record.getMessage()
    assert f"Limits.memory ({memory})" in line
    found = re.search(
        r"header of about (\d+) bytes and the request's of about (\d+) ", line
    )
    assert found, line
    assert abs(int(found[1]) - answered) < 400
    assert abs(int(found[2]) - asked) < 100


@over_tls_too(every_mode)
@pytest.mark.parametrize("made", ["once", "shared"])
def test_a_header_that_has_no_room_is_answered_500(
    serve: Serve, mode: Mode, made: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client hears it, and others go on."""
    shared = pymhd.Response(b"hello", headers=COOKIES)

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path == "/small":
            return pymhd.Response(b"small")
        if made == "shared":
            return shared
        return pymhd.Response(b"hello", headers=COOKIES)

    daemon = serve(handler, threads=mode, limits=pymhd.Limits(memory=16 * KIB))
    with connect(daemon) as other:
        small = GET.replace(b" / ", b" /small ")
        assert get(other, small) == b"small"
        answer = hear(daemon, GET)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert answer.endswith(b"\r\n\r\n")
        assert get(other, small) == b"small"
    assert_one_error(caplog, 16 * (KIB + 20), len(GET), 16 * KIB)


@every_mode
def test_a_101_that_has_no_room_is_answered_500(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Its session never begins, and takes no place."""
    switch = pymhd.Response.for_upgrade(echo, "echo", headers=COOKIES)
    limits = pymhd.Limits(memory=16 * KIB, upgraded=1)
    daemon = serve(lambda request: switch, threads=mode, limits=limits)
    for _ in range(2):
        caplog.clear()
        # 503 until the place of the one before is free again.
        eventually(lambda: hear(daemon, upgrade_request())[9:12] == b"500", "the 500")
        assert_one_error(caplog, 16 * (KIB + 20), len(upgrade_request()), 16 * KIB)
    assert daemon.upgraded == 0


@every_mode
def test_what_the_request_has_taken_is_not_there_for_the_response(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """The same response has room after a shorter request."""
    few = pymhd.Response(b"hello", headers=COOKIES[:5])
    limits = pymhd.Limits(memory=16 * KIB)
    daemon = serve(lambda request: few, threads=mode, limits=limits)
    assert ask(daemon, GET[:-2] + b"Connection: close\r\n\r\n").endswith(b"hello")
    assert logged_errors(caplog) == []
    large = GET[:-2] + b"X: " + b"x" * 12 * KIB + b"\r\n\r\n"
    assert hear(daemon, large).startswith(b"HTTP/1.1 500 ")
    assert_one_error(caplog, 5 * (KIB + 20), len(large), 16 * KIB)


@every_mode
def test_a_500_is_never_said_within_the_body_of_another(
    serve: Serve, mode: Mode
) -> None:
    """One that is sent meanwhile on the same thread stays whole."""
    body = bytes(range(256)) * (16 * KIB)
    large = pymhd.Response(b"hello", headers=COOKIES)
    responses = {"/body": pymhd.Response(body), "/": large}
    limits = pymhd.Limits(memory=16 * KIB)
    daemon = serve(lambda request: responses[request.path], threads=mode, limits=limits)
    with connect(daemon) as sock:
        sock.sendall(GET.replace(b" / ", b" /body "))
        assert hear(daemon, GET).startswith(b"HTTP/1.1 500 ")
        read_head(sock)
        assert read_exactly(sock, len(body)) == body
