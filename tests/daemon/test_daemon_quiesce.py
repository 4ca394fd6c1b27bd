# SPDX-License-Identifier: MIT
"""``quiesce()``: no new connections, and the old ones go on."""

import contextlib

import pytest
from live import GET, Mode, Serve, connect, eventually, hello, is_silent, listening
from marks import every_mode, needs_own_threads
from messages import ask, get
from programs import run_program

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


@needs_own_threads
def test_quiesce_beside_busy_threads_of_libmicrohttpd_does_not_abort() -> None:
    """A pool of its own would, if one of them has just left the listening socket."""
    code = """
        def pour(daemon):
            with contextlib.suppress(OSError, AssertionError):
                with connect(daemon) as sock:
                    while True:
                        sock.sendall(GET)
                        read_head(sock)
                        read_exactly(sock, 5)
        for _ in range(60):
            with pymhd.Daemon(hello, threads=4, polling="epoll") as daemon:
                clients = [
                    threading.Thread(target=pour, args=(daemon,)) for _ in range(4)
                ]
                for client in clients:
                    client.start()
                eventually(lambda: daemon.connections > 0)
                daemon.quiesce()
                daemon.stop(0)
            for client in clients:
                client.join()
    """
    assert run_program(code) == (0, "", "")


@pytest.mark.parametrize("mode", ["1 epoll", "3 auto", 1])
def test_a_daemon_that_was_full_when_it_was_quiesced_stays_so(
    serve: Serve, mode: Mode
) -> None:
    """Below its limit libmicrohttpd would begin to listen again."""
    daemon = serve(hello, threads=mode, limits=pymhd.Limits(connections=3))
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            assert get(stack.enter_context(connect(daemon))) == b"hello"
        daemon.quiesce()
        stack.close()
        eventually(lambda: daemon.connections == 0, "the end of the connections")
        for _ in range(5):
            with contextlib.suppress(OSError), connect(daemon) as sock:
                sock.sendall(GET)
                assert is_silent(sock) or sock.recv(1) == b""
