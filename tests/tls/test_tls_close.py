# SPDX-License-Identifier: MIT
"""Upgraded connections over TLS that are closed, and whose peers do not read."""

import contextlib
import threading

import pytest
import secure
from live import MODES, TIMEOUT, Mode, Serve, eventually, read_to_end, upgraded

import pymhd


def fill(stream: pymhd.Upgraded, filled: threading.Event) -> None:
    """Send until nothing is taken any more; on return it is closed."""
    stream.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        while True:
            stream.send(bytes(65536))
    filled.set()


@pytest.mark.parametrize("mode", MODES)
def test_close_does_not_wait_for_ever_for_who_takes_nothing(
    serve: Serve, mode: Mode
) -> None:
    """As long as Limits.close_timeout says."""
    filled = threading.Event()
    switch = pymhd.Response.for_upgrade(lambda stream: fill(stream, filled), "echo")
    limits = pymhd.Limits(close_timeout=0.3)
    daemon = serve(
        lambda request: switch, threads=mode, tls=secure.server_tls(), limits=limits
    )
    with upgraded(daemon):
        assert filled.wait(TIMEOUT)
        eventually(lambda: daemon.upgraded == 0, "the end")


@pytest.mark.parametrize("mode", MODES)
def test_close_waits_for_who_reads(serve: Serve, mode: Mode) -> None:
    """All that was sent arrives, however late it is read."""
    data = bytes(range(256)) * 1000
    switch = pymhd.Response.for_upgrade(lambda stream: stream.sendall(data), "echo")
    limits = pymhd.Limits(close_timeout=0)
    daemon = serve(
        lambda request: switch, threads=mode, tls=secure.server_tls(), limits=limits
    )
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == data
