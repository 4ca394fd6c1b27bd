# SPDX-License-Identifier: MIT
"""``Upgraded`` as a socket: timeouts, and its descriptor."""

import os
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from live import TIMEOUT, Serve, echo, read_exactly, read_to_end, upgraded
from marks import each_pair, over_tls_too
from sessions import Pair, until_blocked

import pymhd


@over_tls_too(each_pair)
def test_a_timeout_is_a_timeout_error_and_ends_nothing(pair: Pair) -> None:
    """For receiving and for sending; None waits again."""
    stream, sock = pair()
    stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        stream.recv(1)
    with pytest.raises(TimeoutError):
        stream.recv_into(bytearray(1))
    sock.sendall(b"x")
    assert stream.recv(1) == b"x"
    with pytest.raises(TimeoutError):
        stream.sendall(b"x" * (64 << 20))
    stream.settimeout(None)
    got: SimpleQueue[bytes] = SimpleQueue()
    receiver = threading.Thread(target=lambda: got.put(stream.recv(1)))
    until_blocked([receiver], stream)
    sock.sendall(b"y")
    assert got.get(timeout=TIMEOUT) == b"y"
    receiver.join(TIMEOUT)


@pytest.mark.parametrize("seconds", [-1, "soon", float("nan")])
def test_a_timeout_that_is_none_is_refused(pair: Pair, seconds: Any) -> None:
    """As a socket refuses it."""
    stream, _ = pair()
    with pytest.raises((TypeError, ValueError)):
        stream.settimeout(seconds)


def test_closing_the_descriptor_behind_its_back_does_not_abort(
    serve: Serve,
) -> None:
    """It is a mistake, and an exception; the daemon and its others go on."""
    seen: SimpleQueue[BaseException] = SimpleQueue()

    def misuse(stream: pymhd.Upgraded) -> None:
        copy = os.dup(stream.fileno())
        os.close(stream.fileno())
        try:
            stream.sendall(b"x")
        except OSError as error:
            seen.put(error)
        finally:
            os.dup2(copy, stream.fileno())  # nobody else may get the number
            os.close(copy)

    bad = pymhd.Response.for_upgrade(misuse, "bad")
    good = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: bad if request.wants_upgrade("bad") else good)
    with upgraded(daemon, "bad") as sock:
        assert isinstance(seen.get(timeout=TIMEOUT), OSError)
        assert read_to_end(sock) == b""
    with upgraded(daemon) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
