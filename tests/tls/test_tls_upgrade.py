# SPDX-License-Identifier: MIT
"""What is special about an upgrade over TLS: ends, halves, and the session itself.

That it is otherwise as over TCP, the tests with ``over_tls_too`` say.
"""

import contextlib
import os
import resource
import socket
import ssl
import subprocess
import threading
import time
from queue import SimpleQueue
from typing import IO

import pytest
import secure
from live import (
    MIB,
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    eventually,
    read_exactly,
    read_head,
    read_to_end,
    reset,
    upgrade_request,
    upgraded,
)
from marks import each_mode
from sessions import Pair, switching

import pymhd

over_tls = pytest.mark.parametrize("transport", ["tls"], indirect=True)
pair_over_tls = pytest.mark.parametrize(
    ("pair", "transport"), [(mode, "tls") for mode in MODES], indirect=True
)


@pair_over_tls
def test_a_close_notify_alone_is_an_end(pair: Pair) -> None:
    """No FIN follows it, and nobody has to wait for one."""
    stream, sock = pair()
    sock.say_bye()  # type: ignore[attr-defined]
    assert stream.recv(1) == b""


@pair_over_tls
def test_a_fin_alone_is_an_end_and_may_be_answered(pair: Pair) -> None:
    """As over TCP: many clients end so."""
    stream, sock = pair()
    sock.sendall(b"all")
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv(100) == b"all"
    assert stream.recv(1) == b""
    stream.sendall(b"answer")
    stream.close()
    assert read_to_end(sock) == b"answer"


@pair_over_tls
def test_a_reset_is_an_error_when_everything_has_been_read(pair: Pair) -> None:
    """Our descriptor is a pair's: the error is found elsewhere."""
    stream, sock = pair()
    reset(sock)
    with pytest.raises(ConnectionResetError):
        stream.recv(1)
    with pytest.raises(ConnectionResetError):
        stream.recv_into(bytearray(1))
    with pytest.raises(BrokenPipeError):
        stream.sendall(b"x")


@pair_over_tls
def test_noise_instead_of_a_record_is_an_error(pair: Pair) -> None:
    """And does not reach Python."""
    stream, sock = pair()
    socket.socket.sendall(sock.ssl, b"\x17\x03\x03\x00\x20" + b"x" * 32)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="Protocol error"):
        stream.recv(1)


@pair_over_tls
def test_both_halves_may_be_shut_down(pair: Pair) -> None:
    """What was sent before comes first, then close_notify."""
    stream, sock = pair()
    stream.sendall(b"last words")
    stream.shutdown(socket.SHUT_RDWR)
    assert read_to_end(sock) == b"last words"
    assert stream.recv(1) == b""


@pair_over_tls
def test_the_stream_knows_its_client_and_its_tls(pair: Pair) -> None:
    """Although its descriptor is a pair's."""
    stream, sock = pair()
    assert stream.client == sock.getsockname()
    assert stream.request.tls is not None
    assert stream.request.tls.version == "TLSv1.3"
    with stream.cork():
        stream.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"


@each_mode
@over_tls
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_megabytes_are_echoed(
    serve: Serve, mode: Mode, version: ssl.TLSVersion
) -> None:
    """With either version of TLS."""
    data = b"".join(b"%07d\n" % number for number in range(MIB // 2))
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    raw = socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT)
    with secure.Client(raw, secure.client_context(version)) as sock:
        sock.sendall(upgrade_request())
        read_head(sock)  # type: ignore[arg-type]
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert read_exactly(sock, len(data)) == data  # type: ignore[arg-type]
        sender.join(TIMEOUT)


@each_mode
@over_tls
def test_everything_arrives_at_a_client_that_reads_after_the_close(
    serve: Serve, mode: Mode
) -> None:
    """The session is over while most of it is still in our memory and the kernel's."""
    data = b"".join(b"%07d\n" % number for number in range(MIB))
    closed = threading.Event()

    def speak(stream: pymhd.Upgraded) -> None:
        sender = threading.Thread(target=stream.sendall, args=(data,))
        sender.start()
        assert may_close.wait(TIMEOUT)
        sender.join(TIMEOUT)
        stream.close()
        closed.set()

    may_close = threading.Event()
    daemon = serve(lambda request: switching(speak, "thread"), threads=mode)
    with upgraded(daemon) as sock:
        beginning = read_exactly(sock, 4 * MIB)
        may_close.set()
        assert beginning + read_to_end(sock) == data
    assert closed.wait(TIMEOUT)
    eventually(lambda: daemon.connections == 0, "the end of the connection")


@pytest.mark.parametrize("mode", [*MODES, "1 select"])
@over_tls
def test_an_idle_session_costs_no_time(serve: Serve, mode: Mode) -> None:
    """Nor does one whose reader is blocked, or whose client has left half."""
    begun: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(begun.put, "echo", run="inline")
    daemon = serve(lambda request: switch, threads=mode)
    with contextlib.ExitStack() as stack:
        idle, blocked, half = (stack.enter_context(upgraded(daemon)) for _ in range(3))
        for _ in range(3):
            stack.enter_context(begun.get(timeout=TIMEOUT))
        blocked.settimeout(0.2)
        with pytest.raises(TimeoutError):
            blocked.sendall(b"x" * (64 << 20))
        half.shutdown(socket.SHUT_WR)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.25
        idle.close()


@each_mode
@over_tls
def test_many_upgrades_leave_nothing_behind(serve: Serve, mode: Mode) -> None:
    """The fixtures count descriptors, threads and sessions afterwards."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(upgraded(daemon)) for _ in range(20)]
            for number, sock in enumerate(socks):
                assert_echoes(sock, b"%d" % number)
            for sock in socks[::2]:
                reset(sock)
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@each_mode
@over_tls
def test_records_that_came_with_the_request_come_first(
    serve: Serve, mode: Mode
) -> None:
    """In the request's own record, in one behind it, and in part of a third."""
    daemon = serve(lambda request: switching(echo, "thread"), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request() + b"first ")
        sock.sendall(b"second " * 1000)
        sock.sendall(b"third " * 5000)
        read_head(sock)
        expected = b"first " + b"second " * 1000 + b"third " * 5000
        assert read_exactly(sock, len(expected)) == expected


@pytest.mark.parametrize("command", [b"k\n", b"K\n", b"R\n"])
@over_tls
def test_openssl_may_update_its_keys_or_ask_for_renegotiation(
    serve: Serve, command: bytes
) -> None:
    """Such records are no data. To renegotiate is declined, which ends openssl."""
    daemon = serve(lambda request: switching(echo, "thread"))
    renegotiates = command == b"R\n"
    version = "-tls1_2" if renegotiates else "-tls1_3"
    line = ["openssl", "s_client", version, "-connect", f"127.0.0.1:{daemon.port}"]
    heard = bytearray()
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        listener = threading.Thread(target=listen, args=(client.stdout, heard))
        listener.start()
        tell(client.stdin, upgrade_request())
        eventually(lambda: b" 101 " in heard, "the upgrade")
        for number in range(3):
            tell(client.stdin, command)
            if renegotiates:
                break
            # openssl takes what it reads together with its command for a part of that.
            word = b"word %d\n" % number
            while word not in heard and client.poll() is None:
                tell(client.stdin, word)
                time.sleep(0.01)
            assert word in heard
        client.kill()
        listener.join(TIMEOUT)
    with upgraded(daemon) as sock:
        assert_echoes(sock)


def tell(file: IO[bytes], data: bytes) -> None:
    """Write without delay."""
    file.write(data)
    file.flush()


def listen(file: IO[bytes], heard: bytearray) -> None:
    """Read to the end."""
    while data := os.read(file.fileno(), 65536):
        heard += data


@over_tls
@pytest.mark.parametrize("spare", [0, 2])
def test_descriptors_that_run_out_end_one_upgrade_only(
    serve: Serve, spare: int
) -> None:
    """There is none left for libmicrohttpd's pair, or for ours."""
    daemon = serve(lambda request: switching(echo, "thread"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connect(daemon) as sock, upgraded(daemon) as other:
        assert_echoes(other)  # it has its descriptors
        used = max(int(fd) for fd in os.listdir("/proc/self/fd"))
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(used + 1)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1, hard))
        try:
            for _ in range(spare):
                os.close(files.pop())
            sock.sendall(upgrade_request())
            assert b" 101 " in read_head(sock)
            with contextlib.suppress(ssl.SSLEOFError):
                assert read_to_end(sock) == b""
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for file in files:
                os.close(file)
        assert_echoes(other)
    with upgraded(daemon) as sock:
        assert_echoes(sock)
