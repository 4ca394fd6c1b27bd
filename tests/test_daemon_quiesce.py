# SPDX-License-Identifier: MIT
"""``quiesce()``: no new connections, and the old ones go on."""

import contextlib

import pytest
from live import GET, Mode, Serve, connect, eventually, hello, is_silent, listening
from marks import every_mode
from messages import ask, get

import pymhd


@every_mode
def test_a_quiesced_daemon_goes_on_with_its_connections(
    serve: Serve, mode: Mode
) -> None:
    """And with no new ones."""
    daemon = serve(hello, threads=mode)
    with connect(daemon) as old:
        assert get(old) == b"hello"
        daemon.quiesce()
        daemon.quiesce()
        assert get(old) == b"hello"
        assert daemon.is_running

        def is_refused() -> bool:
            with contextlib.suppress(OSError), connect(daemon) as new:
                new.sendall(GET)
                return is_silent(new, 0.05) or new.recv(1) == b""
            return True

        eventually(is_refused, "the end of listening")
        assert get(old) == b"hello"


@every_mode
def test_a_quiesced_daemon_leaves_a_socket_that_was_given(
    serve: Serve, mode: Mode
) -> None:
    """Its owner goes on listening, with another daemon."""
    with listening(as_fd=False) as (_, sock):
        old = serve(hello, sock=sock, threads=mode)
        with connect(old) as client:
            assert get(client) == b"hello"
            old.quiesce()
            new = serve(lambda request: pymhd.Response(b"new"), sock=sock)
            eventually(lambda: ask(new).endswith(b"new"), "the change of daemons")
            assert get(client) == b"hello"


def test_only_a_daemon_that_runs_is_quiesced() -> None:
    """The message tells its state."""
    daemon = pymhd.Daemon(hello)
    with pytest.raises(pymhd.StateError, match="has not been started"):
        daemon.quiesce()
    with daemon:
        daemon.quiesce()
    with pytest.raises(pymhd.StateError, match="has been stopped"):
        daemon.quiesce()
