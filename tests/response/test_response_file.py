# SPDX-License-Identifier: MIT
"""Responses of files, which the kernel sends."""

import contextlib
import io
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import secure
from live import (
    ALL_MODES,
    GET,
    MIB,
    MODES,
    Mode,
    Serve,
    at_once,
    connect,
    eventually,
    logged_errors,
    read_exactly,
    read_head,
    read_to_end,
)
from marks import every_mode
from messages import always, ask, body_of
from programs import run_program

import pymhd

BODY = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of 1 MiB."""
    path = tmp_path / "file"
    path.write_bytes(BODY)
    return path


@every_mode
def test_a_file_is_sent_any_number_of_times(
    serve: Serve, mode: Mode, path: Path
) -> None:
    """By one response, on one connection and on many; to HEAD its length."""
    daemon = serve(always(pymhd.Response.from_file(path)), threads=mode)
    wrong: list[int] = []

    def client() -> None:
        with connect(daemon) as sock:
            for _ in range(3):
                sock.sendall(GET.replace(b"GET", b"HEAD") + GET)
                for body in (b"", BODY):
                    head = read_head(sock)
                    assert b"\r\nContent-Length: 1048576\r\n" in head
                    if read_exactly(sock, len(body)) != body:
                        wrong.append(1)

    at_once(*[client] * 4)
    assert wrong == []


@pytest.mark.parametrize("mode", MODES)
def test_a_file_is_sent_over_tls(serve: Serve, mode: Mode, path: Path) -> None:
    """Where the kernel cannot do it."""
    handler = always(pymhd.Response.from_file(path))
    daemon = serve(handler, threads=mode, tls=secure.server_tls())
    assert body_of(ask(daemon)) == BODY
    assert body_of(ask(daemon)) == BODY


@every_mode
@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1), (5, None), (5, 100_000), (MIB, None), (MIB - 1, 1), (MIB, 0)],
)
def test_part_of_a_file_is_sent(
    serve: Serve, mode: Mode, path: Path, offset: int, length: int | None
) -> None:
    """Nothing before it and nothing behind."""
    response = pymhd.Response.from_file(path, offset, length)
    end = MIB if length is None else offset + length
    assert body_of(ask(serve(always(response), threads=mode))) == BODY[offset:end]


def test_a_descriptor_or_file_may_be_closed_at_once(serve: Serve, path: Path) -> None:
    """The response has a duplicate; the position does not count and does not move."""
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 100, os.SEEK_SET)
    by_number = pymhd.Response.from_file(fd)
    assert body_of(ask(serve(always(by_number)))) == BODY
    assert os.lseek(fd, 0, os.SEEK_CUR) == 100
    os.close(fd)
    with path.open("rb") as file:
        by_file = pymhd.Response.from_file(file, 5)
    assert body_of(ask(serve(always(by_number)))) == BODY
    assert body_of(ask(serve(always(by_file)))) == BODY[5:]


@every_mode
def test_nothing_is_left_of_files_that_clients_did_not_want(
    serve: Serve, mode: Mode, path: Path
) -> None:
    """The fixture of every test looks for descriptors that are left."""
    daemon = serve(lambda request: pymhd.Response.from_file(path), threads=mode)
    for _ in range(10):
        with connect(daemon) as client:
            client.sendall(GET)
            client.recv(1000)
    pymhd.Response.from_file(path)
    pymhd.Response.from_file(path)._pointer()
    assert body_of(ask(daemon)) == BODY


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_file_that_shrinks_ends_the_connection(
    serve: Serve, mode: Mode, path: Path, tls: bool
) -> None:
    """Each client sees that bytes are missing, also of a response that they share."""
    options: dict[str, Any] = {"tls": secure.server_tls()} if tls else {}
    if tls and mode not in MODES:
        pytest.skip("its threads are not ours over TLS")
    os.truncate(path, 64 * MIB)
    shared = pymhd.Response.from_file(path)
    daemon = serve(always(shared), threads=mode, **options)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon)) for _ in range(3)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(GET)
            assert b"\r\nContent-Length: 67108864\r\n" in read_head(client)
        os.truncate(path, 4 * MIB)
        for client in clients:
            with contextlib.suppress(OSError):
                assert len(read_to_end(client)) < 64 * MIB
    eventually(lambda: daemon.connections == 0, "the end of the connections")


@every_mode
def test_a_file_that_has_shrunk_before_ends_the_connection(
    serve: Serve, mode: Mode, path: Path
) -> None:
    """Its length has been announced."""
    response = pymhd.Response.from_file(path)
    os.truncate(path, 0)
    daemon = serve(always(response), threads=mode)
    with connect(daemon) as client:
        client.sendall(GET)
        with contextlib.suppress(OSError):
            assert len(read_to_end(client)) < MIB


def test_a_file_that_is_replaced_is_sent_as_it_was(serve: Serve, path: Path) -> None:
    """Its name leads to another one, the descriptor does not."""
    response = pymhd.Response.from_file(path)
    path.unlink()
    path.write_bytes(b"other")
    assert body_of(ask(serve(always(response)))) == BODY


def test_what_is_no_readable_file_is_refused(tmp_path: Path, path: Path) -> None:
    """When the response is made; a FIFO without waiting for its other end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ValueError, match="no regular file"):
        pymhd.Response.from_file(fifo)
    with pytest.raises(ValueError, match="no regular file"):
        pymhd.Response.from_file("/dev/null")
    with pytest.raises(FileNotFoundError):
        pymhd.Response.from_file(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        pymhd.Response.from_file(tmp_path)
    with pytest.raises(NotADirectoryError):
        pymhd.Response.from_file(path / "x")
    with pytest.raises(ValueError, match=r"null (byte|character)"):
        pymhd.Response.from_file("a\0b")
    with path.open("ab") as file, pytest.raises(OSError, match="Bad file descriptor"):
        pymhd.Response.from_file(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        pymhd.Response.from_file(-1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(path: Path) -> None:
    """When the response is made."""
    path.chmod(0)
    with pytest.raises(PermissionError):
        pymhd.Response.from_file(path)


@pytest.mark.parametrize("file", [None, 1.5, True, io.StringIO(), [], object()])
def test_what_is_no_file_is_refused(file: Any) -> None:
    """By its type."""
    with pytest.raises(TypeError, match="file must be"):
        pymhd.Response.from_file(file)


@pytest.mark.parametrize(
    ("offset", "length", "error"),
    [
        (-1, None, ValueError),
        (0, -1, ValueError),
        (MIB + 1, None, ValueError),
        (1, MIB, ValueError),
        (0, 1 << 64, ValueError),
        (1 << 70, None, ValueError),
        (1.0, None, TypeError),
        (0, True, TypeError),
    ],
)
def test_a_part_that_is_not_there_is_refused(
    path: Path, offset: Any, length: Any, error: type[Exception]
) -> None:
    """It could not be sent."""
    with pytest.raises(error):
        pymhd.Response.from_file(path, offset, length)


def test_a_status_without_a_body_has_no_file(path: Path) -> None:
    """And what is in a file is not in memory."""
    with pytest.raises(ValueError, match="has no body"):
        pymhd.Response.from_file(path, status=204)
    with pytest.raises(pymhd.NotSupportedError):
        _ = pymhd.Response.from_file(path).body


def test_without_descriptors_a_file_is_answered_500(
    serve: Serve, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One for each request is needed; the next one is served again."""
    code = f"""
        import resource
        from messages import ask, body_of, status_of
        response = pymhd.Response.from_file({str(path)!r})
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        def handler(request):
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limit[1]))
            return response
        logging.disable()
        with pymhd.Daemon(handler) as daemon:
            assert ask(daemon).startswith(b"HTTP/1.1 500 ")
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            handler = None
            print("still here")
    """
    assert run_program(code) == (0, "still here\n", "")
    assert not logged_errors(caplog)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_client_that_leaves_its_file_ends_no_process(mode: Mode, path: Path) -> None:
    """Where SIGPIPE has its default action: sendfile() cannot be told to raise none."""
    os.truncate(path, 64 * MIB)
    code = f"""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        logging.disable()
        masks = []
        def handler(request):
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            return pymhd.Response.from_file({str(path)!r})
        from live import reset, run_to_its_end
        options = in_mode({mode!r})
        with pymhd.Daemon(handler, **options) as daemon:
            if options["threads"] == "external":
                runner = threading.Thread(target=run_to_its_end, args=[daemon])
                runner.start()
            for number in range(40):
                sock = connect(daemon)
                sock.sendall(GET * 2)
                sock.recv(1000)
                if number % 2:
                    reset(sock)
                else:
                    sock.close()
            eventually(lambda: daemon.connections == 0)
            daemon.stop()
        if {mode!r} in (1, 3, "external", "external select"):
            assert all(signal.SIGPIPE not in mask for mask in masks)
        print("still here")
    """
    assert run_program(code) == (0, "still here\n", "")
