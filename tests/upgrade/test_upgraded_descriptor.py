# SPDX-License-Identifier: MIT
"""The descriptor of a stream in the wrong hands, and locks at the wrong moment."""

import os

import pytest
from live import Mode, Serve, connect, eventually, hello, read_to_end, upgraded
from marks import each_way
from messages import get
from programs import run_program
from sessions import Run

import pymhd


@each_way
def test_a_descriptor_that_was_closed_by_its_number_does_no_harm(
    serve: Serve, mode: Mode, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """As a file object does that was made of it and forgotten."""

    def target(stream: pymhd.Upgraded) -> None:
        os.close(stream.fileno())
        raise LookupError("on purpose")

    switch = pymhd.Response.for_upgrade(target, "echo", run=run)
    daemon = serve(lambda r: switch if r.wants_upgrade() else hello(r), threads=mode)
    with upgraded(daemon) as sock:
        assert read_to_end(sock) == b""
    eventually(lambda: daemon.upgraded == 0, "the end of the session")
    with connect(daemon) as sock:
        assert get(sock) == b"hello"
    eventually(lambda: "on purpose" in caplog.text, "the log")


def test_a_signal_handler_may_close_the_stream_that_is_used_under_it() -> None:
    """The lock that it meets is its own thread's."""
    code = """
        streams = queue.SimpleQueue()
        switch = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
        signal.signal(signal.SIGALRM, lambda *args: stream.close())
        with pymhd.Daemon(lambda request: switch) as daemon:
            for number in range(300):
                with upgraded(daemon):
                    stream = streams.get(timeout=5)
                    signal.setitimer(signal.ITIMER_REAL, 0.0001 + number * 0.000002)
                    with contextlib.suppress(pymhd.StateError):
                        while True:
                            stream.pending(), stream.fileno()
        print("no hang")
    """
    assert run_program(code) == (0, "no hang\n", "")
