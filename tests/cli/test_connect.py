# SPDX-License-Identifier: MIT
"""``python -m pymhd connect`` against small socket servers of our own."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 30.0
COMMAND = [sys.executable, "-m", "pymhd", "connect", "--protocol", "echo"]
ACCEPTED = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
BIG = bytes(range(256)) * (8 * 1024 * 1024 // 256)

Talk = Callable[[socket.socket], object]
Result = subprocess.CompletedProcess[bytes]


@dataclass
class Server:
    """Reads one head, keeps it, and leaves the rest to a function."""

    talk: Talk
    listener: socket.socket
    url: str = ""
    head: bytes = b""

    def serve(self) -> None:
        self.listener.settimeout(TIMEOUT)
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(TIMEOUT)
            while not self.head.endswith(b"\r\n\r\n"):
                if not (byte := connection.recv(1)):
                    return
                self.head += byte
            self.talk(connection)


@contextlib.contextmanager
def serving(talk: Talk, listener: socket.socket | None = None) -> Iterator[Server]:
    """Serve one connection; what fails in `talk` fails the test."""
    server = Server(talk, listener or socket.create_server(("127.0.0.1", 0)))
    if server.listener.family != socket.AF_UNIX:
        host, port = server.listener.getsockname()[:2]
        server.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/echo"
    with server.listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(server.serve)
        yield server
        served.result(TIMEOUT)


def saying(*pieces: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)

    return talk


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo(connection: socket.socket) -> None:
    connection.sendall(ACCEPTED)
    while data := connection.recv(65536):
        connection.sendall(data)


def run(*command: str, **options: Any) -> Result:
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT, **options)


def connect(url: str, *options: str, data: bytes = b"") -> Result:
    return run(*COMMAND, url, *options, input=data)


def assert_one_sentence(result: Result, part: bytes = b"") -> None:
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"pymhd connect: ")
    assert result.stderr.count(b"\n") == 1
    assert part in result.stderr


def test_the_request_asks_for_the_upgrade() -> None:
    headers = ["--header", "X-A: 1", "--header", "X-A:2"]
    with serving(saying(ACCEPTED)) as server:
        connect(f"{server.url}?q=a b&z=%20#part", *headers)
    lines = server.head.decode().split("\r\n")
    assert lines[:2] == [
        "GET /echo?q=a%20b&z=%20 HTTP/1.1",
        f"Host: {server.url.split('/')[2]}",
    ]
    assert {"Connection: Upgrade", "Upgrade: echo", "X-A: 1", "X-A: 2"} <= set(lines)
    assert "content-length" not in server.head.decode().lower()


def test_a_body_has_its_length_and_comes_before_the_stream() -> None:
    received: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        received.append(connection.recv(4, socket.MSG_WAITALL))
        connection.sendall(ACCEPTED)
        received.append(read_all(connection))

    with serving(talk) as server:
        options = ["--data", "h\u00e9!", "--method", "PUT", "--header", "Host: other"]
        connect(server.url, *options, data=b"stream")
    assert server.head.startswith(b"PUT /echo HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 4\r\n" in server.head
    assert server.head.count(b"Host:") == server.head.count(b"\r\nHost: other") == 1
    assert received == ["h\u00e9!".encode(), b"stream"]


@pytest.mark.parametrize("size", [1, 1000], ids=["single bytes", "one piece"])
def test_bytes_that_arrive_with_the_head_come_first(size: int) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED + b"early\r\n\r\n"
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    with serving(saying(*pieces, b"late")) as server:
        assert connect(server.url).stdout == b"early\r\n\r\nlate"


def test_the_end_of_the_server_ends_the_client_though_its_input_is_open() -> None:
    source, sink = os.pipe()
    with open(source) as stdin, open(sink, "w"), serving(saying(ACCEPTED)) as server:
        result = run(*COMMAND, server.url, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("step", [1, -1], ids=["server speaks first", "listens first"])
def test_eight_mebibytes_each_way_are_no_deadlock(step: int, tmp_path: Path) -> None:
    received: list[bytes | None] = []

    def talk(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED)
        speak = partial(connection.sendall, BIG[::-1])
        listen = partial(read_all, connection)
        received.extend(act() for act in (speak, listen)[::step])

    source = tmp_path / "input"  # a regular file, which epoll refuses
    source.write_bytes(BIG)
    with serving(talk) as server, source.open("rb") as stdin:
        result = run(*COMMAND, server.url, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == BIG[::-1]
    assert BIG in received


def test_a_terminal_may_be_the_input() -> None:
    ours, theirs = pty.openpty()
    with open(ours, "wb", buffering=0) as keyboard, open(theirs, "rb", 0) as stdin:
        keyboard.write(b"typed\n\x04")
        with serving(echo) as server:
            result = run(*COMMAND, server.url, stdin=stdin)
    assert (result.returncode, result.stdout) == (0, b"typed\n")


def test_no_input_at_all_is_an_empty_one() -> None:
    with serving(echo) as server:
        result = run("sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, server.url)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_an_input_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with serving(echo) as server, (tmp_path / "file").open("wb") as write_only:
        result = run(*COMMAND, server.url, stdin=write_only)
    assert_one_sentence(result, b"cannot read the standard input")


def test_an_output_that_nobody_reads_is_one_sentence() -> None:
    with serving(saying(ACCEPTED + BIG)) as server:
        result = run(
            "sh", "-c", '{ "$@"; echo $? >&2; } | :', "sh", *COMMAND, server.url
        )
    expected = b"pymhd connect: cannot write the output: Broken pipe\n1\n"
    assert result.stderr == expected


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 16\r\n\r\nUpgrade to echo\n",
        b"Transfer-Encoding: chunked\r\n\r\n10\r\nUpgrade to echo\n\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\nUpgrade to echo\n",
    ],
)
def test_a_refusal_is_shown_with_its_body(framing: bytes) -> None:
    with serving(saying(b"HTTP/1.1 426 Upgrade Required\r\n" + framing)) as server:
        result = connect(server.url)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"HTTP/1.1 426 Upgrade Required\nUpgrade to echo\n"


def test_a_refused_connection_is_one_sentence() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and it does not listen
        port = unused.getsockname()[1]
        assert_one_sentence(connect(f"http://127.0.0.1:{port}/"), b"Connection refused")


BAD_URLS = [
    *("ftp://127.0.0.1/", "127.0.0.1:8080/", "http://", "http:///a", "http://[::1/"),
    *("http://a:b/", "http://a:99999/", "http://me:secret@a/", "unix://relative"),
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_one_sentence(url: str) -> None:
    assert_one_sentence(connect(url), b"bad URL")


def test_a_header_that_would_end_the_head_is_not_sent() -> None:
    with serving(echo) as server:
        result = connect(server.url, "--header", "X-A: 1\r\n\r\nGET / HTTP/1.1")
    assert_one_sentence(result, b"cannot send this request")
    assert server.head == b""


def abort(connection: socket.socket) -> None:
    connection.sendall(ACCEPTED)
    no_linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (read_all, b"did not answer within 1 s"),
        (saying(), b"without an answer"),
        (saying(b"SSH-2.0-OpenSSH\r\n"), b"did not answer in HTTP"),
        (saying(b"HTTP/1.1 101 Swi"), b"did not say to what"),
        (abort, b"the connection was lost"),
    ],
)
def test_a_server_that_fails_is_one_sentence(talk: Talk, sentence: bytes) -> None:
    with serving(talk) as server:
        assert_one_sentence(connect(server.url, "--timeout", "1"), sentence)


@pytest.mark.parametrize("answer", [b"", ACCEPTED + b"ready"], ids=["head", "stream"])
def test_an_interrupt_ends_it_without_a_traceback(answer: bytes) -> None:
    asked = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(answer)
        asked.set()
        read_all(connection)

    pipe, both = subprocess.PIPE, subprocess.STDOUT
    with serving(talk) as server:
        command = [*COMMAND, server.url]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=both) as client:
            assert asked.wait(TIMEOUT)
            assert client.stdout is not None
            assert client.stdout.read(5 if answer else 0) == answer[-5:]
            client.send_signal(signal.SIGINT)
            assert client.stdout.read() == b""
    assert client.returncode == 130


@pytest.mark.parametrize(
    ("form", "host"), [("unix://{}:/a?b", b"localhost"), ("http://exec/a?b", b"exec")]
)
def test_a_unix_socket_may_be_the_server(
    tmp_path: Path, form: str, host: bytes
) -> None:
    path = str(tmp_path / "s:1.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    options = [] if "{}" in form else ["--unix", path]
    with serving(echo, listener) as server:
        result = connect(form.format(path), *options, data=b"\x00\xff\r\n")
    assert (result.returncode, result.stdout) == (0, b"\x00\xff\r\n")
    assert server.head.startswith(b"GET /a?b HTTP/1.1\r\nHost: " + host + b"\r\n")


def test_an_address_of_version_six_stands_in_brackets() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("needs IPv6 on the loopback")
    with serving(echo, listener) as server:
        assert connect(server.url, data=b"six").stdout == b"six"
    assert f"\r\nHost: {server.url.split('/')[2]}\r\n".encode() in server.head
