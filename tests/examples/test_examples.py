# SPDX-License-Identifier: MIT
"""The examples, as programs and with real clients."""

import contextlib
import http.client
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from live import read_exactly, read_head

import pymhd

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

TIMEOUT = 30.0
EXAMPLE_NAMES = [
    "asyncio_loop",
    "chat",
    "docker_exec",
    "echo",
    "file_server",
    "hello",
    "websocket_echo",
]
EXAMPLES = Path(__file__).parents[2] / "examples"
CONNECT = [sys.executable, "-m", "pymhd", "connect"]
BIG = bytes(range(256)) * (4 * 1024 * 1024 // 256)


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connect(
    url: str, *options: str, data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    command = [*CONNECT, url, *options]
    return subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT)


def ask(
    port: int, method: str, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    with contextlib.closing(connection):
        connection.request(method, "/", headers=headers or {})
        return connection.getresponse()


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_an_example_prints_its_url_and_ends_with_an_interrupt(
    name: str, tmp_path: Path
) -> None:
    if name == "websocket_echo":
        pytest.importorskip("websockets")
    argument = str(tmp_path / "s") if name == "docker_exec" else "0"
    pipe = subprocess.PIPE
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), argument]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as example:
        watchdog = threading.Timer(TIMEOUT, example.kill)
        watchdog.start()
        try:
            assert example.stdout is not None
            url = example.stdout.readline().strip()
            assert url.startswith(("http://127.0.0.1:", f"unix://{tmp_path}"))
            assert connect(url, "--protocol", "none").stderr.startswith(b"HTTP/1.1 ")
            example.send_signal(signal.SIGINT)
            rest = example.communicate(timeout=TIMEOUT)
        finally:
            watchdog.cancel()
            example.kill()
    assert (example.returncode, *rest) == (0, "", "")


def test_echo_greets_in_the_header_and_echoes() -> None:
    with pymhd.Daemon(load("echo").handler) as daemon:
        headers = {"Connection": "Upgrade", "Upgrade": "echo"}
        response = ask(daemon.port, "GET", headers)
        assert (response.status, response.headers["X-Greeting"]) == (101, "hi")
        result = connect(daemon.url, "--protocol", "echo", data=BIG)
        assert (result.stdout, result.stderr) == (BIG, b"")


# --- chat ---


def join(daemon: pymhd.Daemon) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT)
    sock.sendall(
        b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n"
    )
    assert read_head(sock).startswith(b"HTTP/1.1 101 ")
    return sock


def test_a_line_of_the_chat_goes_to_all_the_others() -> None:
    with (
        pymhd.Daemon(load("chat").handler) as daemon,
        join(daemon) as one,
        join(daemon) as two,
    ):
        come, gone = b"* somebody has come\n", b"* somebody has gone\n"
        assert read_exactly(one, len(come)) == come
        two.sendall(b"hello ")
        two.sendall(b"world\nand")
        assert read_exactly(one, 12) == b"hello world\n"
        one.sendall(b"hi\nall\n")
        assert read_exactly(two, 7) == b"hi\nall\n"
        two.close()
        assert read_exactly(one, len(gone)) == gone


def test_the_chat_lets_go_who_does_not_read() -> None:
    with (
        pymhd.Daemon(load("chat").handler) as daemon,
        join(daemon) as sender,
        join(daemon),
    ):
        while daemon.upgraded == 2:
            sender.sendall(b"x" * 1023 + b"\n")


# --- websocket_echo ---


@pytest.fixture
def websocket_port() -> Iterator[int]:
    pytest.importorskip("websockets")
    with pymhd.Daemon(load("websocket_echo").handler) as daemon:
        yield daemon.port


@pytest.fixture
def client(websocket_port: int) -> "Iterator[ClientConnection]":
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{websocket_port}/"
    with connect(url, open_timeout=TIMEOUT, max_size=None) as connection:
        yield connection


@pytest.mark.parametrize(
    "message", ["", "text: \u00e9\U0001f600", b"", b"\x00\xff", BIG], ids=len
)
def test_a_message_comes_back(client: "ClientConnection", message: str | bytes) -> None:
    client.send(message)
    assert client.recv(TIMEOUT) == message


def test_a_text_of_several_mebibytes_comes_back(client: "ClientConnection") -> None:
    text = "\u00e9" * (2 * 1024 * 1024)
    client.send(text)
    assert client.recv(TIMEOUT) == text


def test_a_fragmented_message_comes_back_whole(client: "ClientConnection") -> None:
    fragments = ["one, ", "two, ", "three" * 100_000]
    client.send(fragments)
    assert client.recv(TIMEOUT) == "".join(fragments)
    client.send([b"1", BIG])
    assert client.recv(TIMEOUT) == b"1" + BIG


def test_a_ping_is_answered(client: "ClientConnection") -> None:
    assert client.ping(b"are you there").wait(TIMEOUT)


def test_a_close_is_answered_with_its_code(client: "ClientConnection") -> None:
    from websockets.exceptions import ConnectionClosedOK

    client.close(1001, "going")
    with pytest.raises(ConnectionClosedOK) as caught:
        client.recv(TIMEOUT)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "going")


def test_a_text_that_is_not_utf_8_is_closed_with_1007(
    client: "ClientConnection",
) -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.frames import Frame, Opcode

    client.socket.sendall(Frame(Opcode.TEXT, b"\xff").serialize(mask=True))
    with pytest.raises(ConnectionClosedError) as caught:
        client.recv(TIMEOUT)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1007


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["echo"], "echo"),
        (["echo", "echo.v2"], "echo.v2"),
        (["other", "echo"], "echo"),
    ],
)
def test_what_a_handshake_agrees_on_is_said_and_done(
    websocket_port: int, compression: str | None, offered: Any, chosen: str | None
) -> None:
    """The subprotocol, and frames that are compressed, in several messages."""
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{websocket_port}/"
    with connect(
        url, subprotocols=offered, compression=compression, open_timeout=TIMEOUT
    ) as connection:
        assert connection.subprotocol == chosen
        answer = connection.response
        assert answer is not None
        agreed = answer.headers.get("Sec-WebSocket-Extensions", "")
        assert agreed.startswith("permessage-deflate") == (compression == "deflate")
        assert len(connection.protocol.extensions) == (compression == "deflate")
        for message in ("a" * 100_000, "b", b"c" * 100_000, ""):
            connection.send(message)
            assert connection.recv(TIMEOUT) == message
        connection.send(["in ", "several ", "pieces"])
        assert connection.recv(TIMEOUT) == "in several pieces"


@pytest.mark.parametrize("offered", [None, ["echo"], ["other", "echo.v2"]])
def test_another_client_agrees_on_a_subprotocol(
    websocket_port: int, offered: list[str] | None
) -> None:
    """The package websocket-client, which refuses what it has not offered."""
    websocket = pytest.importorskip("websocket")
    url = f"ws://127.0.0.1:{websocket_port}/"
    client = websocket.create_connection(url, subprotocols=offered, timeout=TIMEOUT)
    assert client.getsubprotocol() == (offered[-1] if offered else None)
    client.send("hello")
    assert client.recv() == "hello"
    client.close(timeout=TIMEOUT)


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def test_the_handshake_accepts_the_key_of_the_rfc(websocket_port: int) -> None:
    response = ask(websocket_port, "GET", HANDSHAKE)
    assert response.status == 101
    assert response.headers["Upgrade"] == "websocket"
    assert response.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, 400),
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Upgrade": "echo"}, 426),
        ({"Upgrade": None, "Connection": None}, 426),
    ],
)
def test_a_wrong_handshake_is_refused_with_a_reason(
    websocket_port: int, wrong: dict[str, str | None], status: int
) -> None:
    fields = {**HANDSHAKE, **wrong}.items()
    headers = {name: value for name, value in fields if value is not None}
    response = ask(websocket_port, "GET", headers)
    assert response.status == status
    assert response.headers["Sec-WebSocket-Version"] == "13"
    assert (response.headers["Upgrade"] == "websocket") == (status == 426)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_handshake_is_a_get(websocket_port: int) -> None:
    assert ask(websocket_port, "POST", HANDSHAKE).status == 405


# --- docker_exec ---


@pytest.fixture
def exec_path(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "exec.sock")
    with pymhd.Daemon(load("docker_exec").handler, unix=path):
        yield path


@contextlib.contextmanager
def attached(path: str, *command: str) -> Iterator[socket.socket]:
    """Start a command over a raw UNIX socket, and read the head of the answer."""
    body = json.dumps({"Cmd": command})
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        client.connect(path)
        client.sendall(
            "POST /exec/42/start HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            f"Upgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1) or pytest.fail(f"the answer ended: {head!r}")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nUpgrade: tcp\r\n" in head
        yield client


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_the_end_of_the_input_ends_the_command_and_its_output_arrives(
    exec_path: str,
) -> None:
    with attached(exec_path, "sh", "-c", "cat; echo; echo done; exit 3") as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"hello\ndone\n"


def test_the_end_of_the_command_ends_the_connection(exec_path: str) -> None:
    with attached(exec_path, "sh", "-c", "echo out; echo err >&2") as client:
        assert read_all(client) == b"out\nerr\n"


@pytest.mark.parametrize(
    ("script", "output"), [("cat", BIG), ("exec <&-; echo no, thanks", b"no, thanks\n")]
)
def test_a_command_may_read_much_or_nothing(
    exec_path: str, script: str, output: bytes
) -> None:
    body = json.dumps({"Cmd": ["sh", "-c", script]})
    options = ["--protocol", "tcp", "--data", body]
    result = connect(f"unix://{exec_path}:/exec/1/start", *options, data=BIG)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == output


@pytest.mark.parametrize("leaves", [True, False], ids=["client leaves", "daemon stops"])
def test_no_command_outlives_its_client_or_its_daemon(
    tmp_path: Path, leaves: bool
) -> None:
    script = "trap '' TERM HUP; echo $$; while :; do sleep 1000; done"
    path = str(tmp_path / "exec.sock")
    daemon = pymhd.Daemon(load("docker_exec").handler, unix=path)
    with daemon, attached(path, "sh", "-c", script) as client:
        process = int(client.makefile("rb").readline())
        with open(os.pidfd_open(process)) as end:
            if leaves:
                client.shutdown(socket.SHUT_RDWR)
                assert select.select([end], [], [], TIMEOUT)[0]
            daemon.stop()
    # Were it there, or a zombie, there would be no error.
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/exec/1/stop", '{"Cmd": ["cat"]}', b"404"),
        ("GET", "/exec/1/start", '{"Cmd": ["cat"]}', b"405"),
        ("POST", "/exec/1/start", "{", b"400"),
        ("POST", "/exec/1/start", '{"Cmd": []}', b"400"),
        ("POST", "/exec/1/start", '{"Cmd": "cat"}', b"400"),
        ("POST", "/exec/1/start", '{"Cmd": ["no such command"]}', b"400"),
        ("POST", "/exec/1/start", '{"Cmd": ["cat", "\\u0000"]}', b"400"),
        ("POST", "/exec/1/start", "", b"426"),
    ],
)
def test_what_cannot_be_started_is_refused(
    exec_path: str, method: str, target: str, body: str, status: bytes
) -> None:
    options = ["--protocol", "tcp" if body else "echo", "--method", method]
    result = connect(f"unix://{exec_path}:{target}", *options, "--data", body)
    assert result.returncode == 1
    assert result.stderr.startswith(b"HTTP/1.1 " + status)
