# SPDX-License-Identifier: MIT
"""The header of a response that has no room in a connection's memory."""

from typing import Any

from http11 import answers
from live import GET, Mode, Serve, connect, in_mode, read_to_end
from marks import every_mode, over_tls_too
from messages import LAST_GET, ask, status_of

import pymhd


@over_tls_too(every_mode)
def test_a_header_without_room_is_500_and_an_error_that_says_so(
    serve: Serve, mode: Mode, caplog: Any
) -> None:
    """Its connection ends with that one answer; the next client is served."""
    cookies = [("Set-Cookie", "a" * 1000)] * 16

    def handler(request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response(b"x", headers=cookies if seen.pop() else ())

    seen = [False, True]
    daemon = serve(handler, **in_mode(mode))
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert [answer.status for answer in answers(read_to_end(sock))] == [500]
    assert status_of(ask(daemon, LAST_GET)) == 200
    daemon.stop()
    [line] = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "Limits.memory (16384)" in line
    assert str(2**64 - 2) not in line
