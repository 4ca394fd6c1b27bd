# SPDX-License-Identifier: MIT
"""What comes too late for ``stop()``: it is dropped, and nothing is left of it."""

import threading
import time

from live import GET, Mode, Serve, connect, echo, eventually, upgraded
from marks import each_mode

import pymhd


def test_no_handler_begins_after_it_has_returned(serve: Serve) -> None:
    """Not even for requests that were waiting behind slow ones."""
    begun: list[float] = []

    def slow(request: pymhd.Request) -> pymhd.Response:
        begun.append(time.monotonic())
        time.sleep(0.1)
        return pymhd.Response()

    daemon = serve(slow)
    clients = [connect(daemon) for _ in range(20)]
    for client in clients:
        client.sendall(GET)
    eventually(lambda: bool(begun), "the first handler")
    daemon.stop(timeout=0.3)
    returned = time.monotonic()
    for thread in threading.enumerate():
        if thread.name == "pymhd-pump":
            thread.join()
    assert max(begun) < returned
    assert len(begun) < 20
    for client in clients:
        client.close()


@each_mode
def test_no_session_is_lost_that_is_closed_at_the_same_moment(
    serve: Serve, mode: Mode
) -> None:
    """Python closes it while csrc ends all there are."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    for _ in range(10):
        daemon = serve(lambda request: switch, threads=mode)
        clients = [upgraded(daemon) for _ in range(40)]
        daemon.stop(timeout=0)
        for client in clients:
            client.close()
        assert daemon.upgraded == 0
        assert daemon.connections == 0
