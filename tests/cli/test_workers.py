# SPDX-License-Identifier: MIT
"""Worker processes: ``python -m pymhd serve``, and the port that they share."""

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import addresses
import pytest
import secure
from live import TIMEOUT, Serve, assert_echoes, eventually, read_head, upgrade_request
from messages import LAST_GET, ask, get
from programs import DEV_MODE

import pymhd

APP = """
import os, time, pymhd

def echo(stream):
    while data := stream.recv(65536):
        stream.sendall(data)

switch = pymhd.Response.for_upgrade(echo, "echo")

def handler(request):
    if request.path == "/slow":
        print("slow", flush=True)
        time.sleep(0.5)
    if request.wants_upgrade():
        return switch
    return pymhd.Response(f"{os.getpid()}")
"""


class Served:
    """A supervisor that runs, and what it says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        assert process.stderr
        self.process = process
        self.announced = process.stdout.readline()
        if not self.announced:
            pytest.fail(process.stderr.read())
        found = re.search(
            r"https?://(?:127\.0\.0\.1|several\.test):(\d+) ", self.announced
        )
        assert found, self.announced
        self.port = int(found[1])

    def connect(self) -> socket.socket:
        """Connect to one of the workers."""
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT)

    def pid(self) -> int:
        """Return the worker that answers this time."""
        with self.connect() as sock, sock.makefile("rb") as answer:
            sock.sendall(LAST_GET)
            return int(answer.read().partition(b"\r\n\r\n")[2])

    def children(self) -> set[int]:
        """Return the workers that there are."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return set(map(int, text.split()))

    def line(self) -> str:
        """Return the next line of the log."""
        assert self.process.stderr
        return self.process.stderr.readline()


Start = Callable[..., contextlib.AbstractContextManager[Served]]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a module with a handler, which programs can import."""
    path = tmp_path / "app.py"
    path.write_text(APP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return path


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def command(target: str, *options: str) -> list[str]:
    return [sys.executable, *DEV_MODE, "-m", "pymhd", "serve", target, *options]


@contextlib.contextmanager
def running(workers: int = 2, *options: str) -> Iterator[Served]:
    """Run the command on any port."""
    with subprocess.Popen(
        command("app:handler", "--port", "0", "--workers", str(workers), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(3 * TIMEOUT, process.kill)
        watchdog.start()
        try:
            yield Served(process)
        finally:
            watchdog.cancel()
            process.kill()


def test_workers_share_a_port_on_every_address_of_their_host(
    app: Path, tmp_path: Path
) -> None:
    """Which is free on all of them."""
    support = Path(addresses.__file__).parent
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(support)!r})\n"
        "import addresses; known = addresses.resolved(); known.__enter__()\n"
    )
    with running(2, "--host", addresses.NAME) as served:
        for address in addresses.ADDRESSES:
            with addresses.connect_at(address, served.port) as sock:
                assert int(get(sock)) in served.children()


def refused(target: str, *options: str) -> str:
    """Return what is said where it cannot serve: one sentence."""
    result = subprocess.run(
        command(target, *options), capture_output=True, text=True, timeout=3 * TIMEOUT
    )
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("pymhd serve: ")


# --- reuse_port ---


def test_daemons_may_share_a_port(serve: Serve) -> None:
    """Each gets some of the connections."""
    first = serve(lambda request: pymhd.Response("1"), reuse_port=True)
    serve(lambda request: pymhd.Response("2"), reuse_port=True, port=first.port)
    answers: set[bytes] = set()

    def both() -> bool:
        answers.add(ask(first)[-1:])
        return answers == {b"1", b"2"}

    eventually(both, "an answer of each")


def test_a_port_is_shared_only_if_both_want_it(serve: Serve) -> None:
    """Or somebody would get half of somebody else's connections."""
    first = serve(lambda request: pymhd.Response(), reuse_port=True)
    second = pymhd.Daemon(lambda request: pymhd.Response(), port=first.port)
    with pytest.raises(pymhd.StartError) as caught:
        second.start()
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"reuse_port": 1}, TypeError),
        ({"reuse_port": True, "unix": "/tmp/x"}, ValueError),
        ({"reuse_port": True, "sock": 0}, ValueError),
    ],
)
def test_only_a_port_can_be_shared(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """Not a UNIX socket, and not one that was given."""
    with pytest.raises(error, match="reuse_port"):
        pymhd.Daemon(lambda request: pymhd.Response(), **options)


# --- workers ---


def test_every_worker_serves(app: Path) -> None:
    """On the one port that is announced."""
    with running(3) as served:
        assert served.announced == (
            f"pymhd serves app:handler on http://127.0.0.1:{served.port} "
            "with 3 workers; Ctrl-C stops it\n"
        )
        workers = served.children()
        assert len(workers) == 3
        seen: set[int] = set()

        def all_seen() -> bool:
            seen.add(served.pid())
            return seen == workers

        eventually(all_seen, "an answer of each worker")


def test_workers_serve_https(app: Path) -> None:
    """With the certificate and key of the command line."""
    leaf = secure.certificate()
    cert, key = app.with_name("cert.pem"), app.with_name("key.pem")
    cert.write_bytes(secure.chain(leaf))
    key.write_bytes(leaf.private_key_pem.bytes())
    with running(1, "--cert", str(cert), "--key", str(key)) as served:
        assert f" on https://127.0.0.1:{served.port} with 1 worker;" in served.announced
        context = secure.client_context()
        with (
            served.connect() as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
            sock.makefile("rb") as answer,
        ):
            sock.sendall(LAST_GET)
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_workers_in_order(app: Path, number: signal.Signals) -> None:
    """What a handler is at is answered before."""
    with running() as served, served.connect() as sock:
        sock.sendall(LAST_GET.replace(b"/ ", b"/slow ", 1))
        assert served.process.stdout
        assert served.process.stdout.readline() == "slow\n"
        served.process.send_signal(number)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        output, errors = served.process.communicate(timeout=TIMEOUT)
        assert (served.process.returncode, output, errors) == (0, "", "")


def test_a_worker_that_is_killed_takes_only_its_own_connections(app: Path) -> None:
    """And another one takes its place."""
    with running(2) as served, contextlib.ExitStack() as stack:
        streams: dict[int, socket.socket] = {}
        while len(streams) < 2:
            sock = stack.enter_context(served.connect())
            pid = int(get(sock))
            sock.sendall(upgrade_request())
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            streams[pid] = sock
        killed, alive = streams
        os.kill(killed, signal.SIGKILL)
        line = f"worker {killed} was killed by SIGKILL; another one starts in 0.1 s\n"
        assert served.line() == line
        assert_echoes(streams[alive])
        with contextlib.suppress(ConnectionResetError):
            assert streams[killed].recv(1) == b""
        eventually(lambda: len(served.children()) == 2, "the next worker")
        (other,) = served.children() - {alive}
        eventually(lambda: served.pid() == other, "an answer of the next worker")


def test_a_worker_whose_daemon_fails_ends_and_is_replaced(app: Path) -> None:
    """It says what has happened, and its status is not 0."""
    app.write_text(
        APP.replace(
            'if request.path == "/slow":',
            'if request.path == "/break":\n'
            "        def fail(timeout_ms):\n"
            '            raise MemoryError("injected")\n'
            "        (driver,) = pymhd._engine.running.drivers()\n"
            "        driver.hub.pump = fail\n"
            '    if request.path == "/slow":',
        )
    )
    with running(1) as served:
        (worker,) = served.children()
        with served.connect() as sock:
            sock.sendall(LAST_GET.replace(b"/ ", b"/break ", 1))
            lines = [served.line()]
            while not lines[-1].startswith("worker "):
                lines.append(served.line())
        assert any("has failed" in line for line in lines)
        assert "MemoryError: injected\n" in lines
        assert lines[-1].startswith(f"worker {worker} ended with status 1; ")
        eventually(lambda: served.children() not in (set(), {worker}), "the next one")

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return served.pid() in served.children()
            return False

        eventually(answers, "an answer of the next worker")


def test_workers_that_end_over_and_over_start_later_and_later(app: Path) -> None:
    """Not as fast as the machine can."""
    with running(1) as served:
        for delay in ("0.1", "0.2", "0.4"):
            eventually(lambda: len(served.children()) == 1, "the next worker")
            (worker,) = served.children()
            os.kill(worker, signal.SIGKILL)
            assert served.line() == (
                f"worker {worker} was killed by SIGKILL; "
                f"another one starts in {delay} s\n"
            )


def test_a_worker_that_is_told_to_end_does_so_in_order(app: Path) -> None:
    """It is replaced, too."""
    with running(1) as served, served.connect() as sock:
        sock.sendall(LAST_GET.replace(b"/ ", b"/slow ", 1))
        assert served.process.stdout
        assert served.process.stdout.readline() == "slow\n"
        (worker,) = served.children()
        os.kill(worker, signal.SIGTERM)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert served.line().startswith(f"worker {worker} ended with status 0; ")
        eventually(lambda: served.children() not in (set(), {worker}), "the next one")


def test_no_worker_outlives_its_supervisor(app: Path) -> None:
    """Not even one that was killed."""
    with running() as served:
        workers = served.children()
        served.process.kill()
        served.process.wait()

        eventually(lambda: not any(map(lives, workers)), "the end of the workers")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("app", "'app' is not of the form module:name"),
        ("app:", "'app:' is not of the form module:name"),
        ("app:nothing", "app has no nothing"),
        ("nowhere:x", "cannot import nowhere: ModuleNotFoundError: .*'nowhere'"),
        ("broken:x", r"cannot import broken: ZeroDivisionError: .* \(.*, line 2\)"),
        ("app:APP", "handler must be callable .*"),
        ("leaves:x", "a worker ended with status 7 before it served"),
    ],
)
def test_a_handler_that_cannot_be_had_is_one_sentence(
    app: Path, target: str, reason: str
) -> None:
    """Of all workers together."""
    app.with_name("broken.py").write_text("\n1 / 0\n")
    app.with_name("leaves.py").write_text("import os\nos._exit(7)\n")
    app.write_text(APP + "APP = 1\n")
    said = refused(target, "--port", "0", "--workers", "2")
    assert re.fullmatch(reason, said), said


def test_a_port_in_use_is_one_sentence(app: Path) -> None:
    """Also if whoever has it would share it."""
    for share in (False, True):
        with socket.create_server(("127.0.0.1", 0), reuse_port=share) as other:
            port = other.getsockname()[1]
            said = refused("app:handler", "--port", str(port))
            assert said.startswith(f"cannot listen on port {port} of 127.0.0.1: ")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--workers", "0"], "--workers must be at least 1, not 0"),
        (["--port", "65536"], "port must be from 0 to 65535, not 65536"),
        (["--cert", "x.pem"], "--cert and --key go together"),
        (["--cert", "no", "--key", "no", "--port", "0"], ".*no.*"),
        (["--threads", "0", "--port", "0"], "threads must be at least 1, not 0"),
        (["--threads", "many"], "--threads must be a number .*, not 'many'"),
        (["--threads", "external"], "--threads must be .*, not 'external'"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_sentence(
    app: Path, options: list[str], word: str
) -> None:
    """Which says what it may be."""
    assert re.fullmatch(word, refused("app:handler", *options))
