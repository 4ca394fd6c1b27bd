# SPDX-License-Identifier: MIT
"""``Upgraded.detach()``: the descriptor is the caller's, and close() still CLOSE."""

import errno
import gc
import os
import socket
import threading
import warnings
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect_to,
    eventually,
    is_silent,
    read_exactly,
    read_head,
    read_to_end,
    upgrade_request,
    upgraded,
)
from marks import every_mode, every_pair, over_tls_too
from programs import run_program
from sessions import Pair, until_blocked

import pymhd


@over_tls_too(every_pair)
def test_a_detached_descriptor_is_the_callers_until_the_stream_is_closed(
    pair: Pair,
) -> None:
    """Closing the descriptor does not end the connection; close() does."""
    stream, sock = pair()
    fd = stream.detach()
    sock.sendall(b"to the caller")
    assert os.read(fd, 100) == b"to the caller"
    os.write(fd, b"from the caller")
    assert read_exactly(sock, 15) == b"from the caller"
    assert not stream.closed
    assert repr(stream) == "<pymhd.Upgraded echo detached>"
    assert pair.daemon.upgraded == 1
    os.close(fd)
    if stream.request.tls is None:
        assert is_silent(sock)
    assert pair.daemon.upgraded == 1
    stream.close()
    assert read_to_end(sock) == b""
    sock.close()
    eventually(lambda: pair.daemon.upgraded == 0, "the end of the connection")
    assert stream.closed


@over_tls_too(every_mode)
def test_a_detached_connection_outlives_its_callable(serve: Serve, mode: Mode) -> None:
    """Whoever has the descriptor and the stream goes on with it."""
    given: SimpleQueue[tuple[pymhd.Upgraded, int]] = SimpleQueue()
    response = pymhd.Response.for_upgrade(
        lambda stream: given.put((stream, stream.detach())), "echo"
    )
    daemon = serve(lambda request: response, threads=mode)
    with upgraded(daemon) as sock:
        stream, fd = given.get(timeout=TIMEOUT)
        eventually(
            lambda: not any("session" in t.name for t in threading.enumerate()),
            "the end of the callable's thread",
        )
        os.write(fd, b"later")
        assert read_exactly(sock, 5) == b"later"
        stream.close()
        os.close(fd)
        assert read_to_end(sock) == b""


@over_tls_too(every_mode)
def test_stop_ends_a_detached_connection(serve: Serve, mode: Mode) -> None:
    """It wakes whoever is blocked on the descriptor."""
    given: SimpleQueue[tuple[pymhd.Upgraded, int]] = SimpleQueue()
    response = pymhd.Response.for_upgrade(
        lambda stream: given.put((stream, stream.detach())), "echo"
    )
    daemon = serve(lambda request: response, threads=mode)
    with upgraded(daemon) as sock:
        stream, fd = given.get(timeout=TIMEOUT)
        read: SimpleQueue[bytes] = SimpleQueue()
        reader = threading.Thread(target=lambda: read.put(os.read(fd, 1)))
        reader.start()
        stopper = threading.Thread(target=daemon.stop, kwargs={"timeout": 0.5})
        stopper.start()
        assert read.get(timeout=TIMEOUT) == b""
        reader.join(TIMEOUT)
        stopper.join(TIMEOUT)
        assert read_to_end(sock) == b""
        os.close(fd)
        stream.close()


def test_a_detached_stream_can_only_be_closed(pair: Pair) -> None:
    """Everything else raises an OSError that says where the descriptor is."""
    stream, _ = pair()
    fd = stream.detach()
    calls: list[Any] = [
        lambda: stream.recv(1),
        lambda: stream.recv_into(bytearray(1)),
        lambda: stream.recv_exactly(1),
        lambda: stream.send(b"x"),
        lambda: stream.sendall(b"x"),
        lambda: stream.shutdown(socket.SHUT_WR),
        lambda: stream.settimeout(1),
        stream.gettimeout,
        stream.fileno,
        stream.pending,
        stream.makefile,
        stream.detach,
        stream.getpeername,
        stream.getsockname,
        lambda: stream.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
        stream.__enter__,
    ]
    for call in calls:
        with pytest.raises(pymhd.StreamClosedError, match="detached") as caught:
            call()
        assert caught.value.errno == errno.EBADF
    os.close(fd)


def test_bytes_that_came_early_are_received_before_a_detach(pair: Pair) -> None:
    """No descriptor has them: nothing is lost without a word."""
    stream, sock = pair(b"early")
    with pytest.raises(pymhd.StateError, match="5 bytes came early"):
        stream.detach()
    assert stream.recv_exactly(stream.pending()) == b"early"
    fd = stream.detach()
    os.write(fd, b"x")
    assert read_exactly(sock, 1) == b"x"
    os.close(fd)


def test_what_another_thread_uses_is_not_detached(pair: Pair) -> None:
    """It would go on with a number that may become somebody else's."""
    stream, sock = pair()
    thread = threading.Thread(target=stream.recv, args=(1,))
    until_blocked([thread], stream)
    with pytest.raises(pymhd.StateError, match="another thread"):
        stream.detach()
    sock.sendall(b"x")
    thread.join(TIMEOUT)
    os.close(stream.detach())


@over_tls_too(every_mode)
def test_a_detached_stream_that_nobody_holds_is_closed_with_a_warning(
    serve: Serve, mode: Mode
) -> None:
    """As one that was never closed; the descriptor stays the caller's."""
    streams: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    response = pymhd.Response.for_upgrade(streams.put, "echo", run="inline")
    daemon = serve(lambda request: response, threads=mode)
    with upgraded(daemon) as sock:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fd = streams.get(timeout=TIMEOUT).detach()
            gc.collect()
            assert read_to_end(sock) == b""
        assert [warning.category for warning in caught] == [ResourceWarning]
        os.fstat(fd)
        os.close(fd)


def test_a_detached_connection_on_a_unix_socket_has_no_idle_timeout(
    serve: Serve, tmp_path: Any
) -> None:
    """There nobody could tell that its bytes move."""
    given: SimpleQueue[tuple[pymhd.Upgraded, int]] = SimpleQueue()
    response = pymhd.Response.for_upgrade(
        lambda stream: given.put((stream, stream.detach())),
        "echo",
        run="inline",
        idle_timeout=0.5,
    )
    kept = pymhd.Response.for_upgrade(
        lambda stream: stream.recv(1), "kept", idle_timeout=1
    )
    serve(
        lambda request: kept if request.wants_upgrade("kept") else response,
        unix=tmp_path / "socket",
    )

    def ask(protocol: str) -> socket.socket:
        sock = connect_to(str(tmp_path / "socket"))
        sock.sendall(upgrade_request(protocol=protocol))
        read_head(sock)
        return sock

    with ask("echo") as sock, ask("kept") as other:
        stream, fd = given.get(timeout=TIMEOUT)
        assert read_to_end(other) == b""  # this one has been idle for longer
        os.write(fd, b"still here")
        assert read_exactly(sock, 10) == b"still here"
        os.close(fd)
        stream.close()


def test_a_child_process_may_have_the_descriptor() -> None:
    """The example of its docstring."""
    code = """
        import subprocess
        def serve_cat(stream):
            fd = stream.detach()
            with subprocess.Popen(["cat"], stdin=fd, stdout=fd):
                os.close(fd)
            stream.close()
        cat = pymhd.Response.for_upgrade(serve_cat, "echo")
        with pymhd.Daemon(lambda request: cat) as daemon:
            with upgraded(daemon) as sock:
                assert_echoes(sock)
                sock.shutdown(socket.SHUT_WR)
                assert read_to_end(sock) == b""
        print("done")
    """
    assert run_program(code) == (0, "done\n", "")
