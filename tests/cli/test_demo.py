# SPDX-License-Identifier: MIT
"""``python -m pymhd demo`` as a program, and the other commands with it."""

import contextlib
import html
import http.client
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import _cffi_backend
import pytest
from marks import without_asan

import pymhd

TIMEOUT = 30.0
PYMHD = [sys.executable, "-m", "pymhd"]

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


class Demo(subprocess.Popen[str]):
    """The demo's process."""

    announced = ""
    """What it has printed when it began to listen."""


@contextlib.contextmanager
def running(port: int = 0, cwd: Path | None = None) -> Iterator[tuple["Demo", int]]:
    """Run the demo, and yield it with the port that it names."""
    with Demo(
        [*PYMHD, "demo", "--port", str(port)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        watchdog = threading.Timer(TIMEOUT, demo.kill)
        watchdog.start()
        try:
            assert demo.stdout is not None
            demo.announced = announced = "".join(itertools.islice(demo.stdout, 4))
            watchdog.cancel()
            found = re.match(r"pymhd is .* http://127\.0\.0\.1:(\d+)/\n", announced)
            assert found, announced
            url = f"http://127.0.0.1:{found[1]}"
            assert f"  curl '{url}/hello?name=you'\n" in announced
            end = f" -m pymhd connect {url}/echo --protocol echo\n"
            assert announced.endswith(end)
            yield demo, int(found[1])
        finally:
            watchdog.cancel()
            demo.kill()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as (_, number):
        yield number


def ask(
    port: int, method: str, target: str, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    with contextlib.closing(connection):
        connection.request(method, target, headers=headers or {})
        response = connection.getresponse()
        return response, response.read().decode(errors="replace")


def test_the_page_is_complete_in_itself_and_names_the_command(port: int) -> None:
    response, page = ask(port, "GET", "/")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"pymhd connect http://127.0.0.1:{port}/echo --protocol echo<" in page
    assert 'action="/hello"' in page
    assert not re.search(r"\b(src|url|@import|script)\b", page)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("my-host.example:80", "my-host.example:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("a;script", "127.0.0.1"),
        ("$(reboot)", "127.0.0.1"),
    ],
)
def test_the_page_names_the_host_that_was_asked_if_it_is_one(
    port: int, host: str, shown: str
) -> None:
    _, page = ask(port, "GET", "/", {"Host": host})
    url = shlex.quote(f"http://{shown}/echo")
    assert f"pymhd connect {url} --protocol echo<" in html.unescape(page)
    assert page.count(host) == (host == shown)


@without_asan
@pytest.mark.parametrize("where", ["printed", "on the page"])
def test_the_command_works_as_printed_from_any_folder(
    where: str, tmp_path: Path
) -> None:
    """Also from a folder with the sources alone, where no pymhd is installed."""
    with running(cwd=tmp_path) as (demo, port):
        page = html.unescape(ask(port, "GET", "/")[1])
        text = demo.announced if where == "printed" else page
        found = re.search(
            r"(?:^  |<code>)(\S.* -m pymhd connect .* echo)", text, re.MULTILINE
        )
        assert found, text
        result = subprocess.run(
            found[1],
            shell=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            input=b"hello",
            capture_output=True,
            timeout=TIMEOUT,
        )
    assert (result.returncode, result.stdout) == (0, b"hello"), result.stderr


def test_a_command_names_the_folders_that_python_would_not_find(
    tmp_path: Path,
) -> None:
    """And quotes those whose names have blanks in them."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "pymhd").symlink_to(Path(pymhd.__file__).parent)
    # Where an installation in this environment is not seen.
    code = """if True:
        import sys, _cffi_backend
        sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f)]
        sys.path[:] = [p for p in sys.path if p != sys.argv[2]]
        sys.path.insert(0, sys.argv[1])
        from pymhd._cli.command import command
        print(command("--version"))
    """
    source = str(Path(pymhd.__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-c", code, folder, source],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    # Unless pymhd is installed as a copy: then cffi is hidden beside it.
    cffi = str(Path(_cffi_backend.__file__).parent)
    path = os.pathsep.join([str(folder)] + [cffi] * (cffi == source))
    assert f"'PYTHONPATH={path}'" in result.stdout, result.stderr


def test_an_unknown_command_is_told_which_there_are() -> None:
    """With their names, and not with a hint to look for help."""
    result = subprocess.run(
        [*PYMHD, "foo"], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert result.returncode == 2
    for command in ("foo", "demo", "serve", "connect"):
        assert command in result.stderr.splitlines()[-1]


def test_hello_greets_whom_the_query_names(port: int) -> None:
    assert ask(port, "GET", "/hello")[1] == "Hello, world\n"
    response, text = ask(port, "GET", "/hello?name=J%C3%BCrgen+%3Cb%3E")
    assert text == "Hello, J\u00fcrgen <b>\n"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert ask(port, "GET", "/hello?name=%ff")[0].status == 200


@needs_curl
def test_hello_answers_curl(port: int) -> None:
    url = f"http://127.0.0.1:{port}/hello?name=curl"
    command = ["curl", "--silent", "--fail", "--noproxy", "*", url]
    result = subprocess.run(command, capture_output=True, timeout=TIMEOUT)
    assert (result.returncode, result.stdout) == (0, b"Hello, curl\n")


def test_head_has_the_header_and_no_body(port: int) -> None:
    response, text = ask(port, "HEAD", "/hello")
    assert (response.status, text) == (200, "")
    assert response.headers["Content-Length"] == str(len("Hello, world\n"))


def test_what_is_not_there_is_404(port: int) -> None:
    assert ask(port, "GET", "/nothing")[0].status == 404


@pytest.mark.parametrize("path", ["/", "/hello", "/echo"])
def test_other_methods_are_405_and_told_what_is_allowed(port: int, path: str) -> None:
    response, _ = ask(port, "POST", path)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_echo_without_an_upgrade_is_426_and_told_which(port: int) -> None:
    response, text = ask(port, "GET", "/echo")
    assert (response.status, text) == (426, "Upgrade to echo\n")
    assert response.headers["Upgrade"] == "echo"


def test_echo_echoes_to_connect(port: int) -> None:
    url = f"http://127.0.0.1:{port}/echo"
    data = bytes(range(256)) * 8192
    result = subprocess.run(
        [*PYMHD, "connect", url, "--protocol", "echo"],
        input=data,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == data


def test_connect_is_refused_another_protocol(port: int) -> None:
    url = f"http://127.0.0.1:{port}/echo"
    result = subprocess.run(
        [*PYMHD, "connect", url, "--protocol", "tcp"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert result.returncode == 1
    assert result.stderr == b"HTTP/1.1 426 Upgrade Required\nUpgrade to echo\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with running() as (demo, port):
        assert ask(port, "GET", "/hello")[0].status == 200
        demo.send_signal(number)
        rest, _ = demo.communicate(timeout=TIMEOUT)
    assert (demo.returncode, rest) == (0, "")


def test_a_signal_ends_also_what_is_connected() -> None:
    with running() as (demo, port):
        request = b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
            client.sendall(request + b"Upgrade: echo\r\n\r\nhello")
            with client.makefile("rb") as stream:
                while stream.readline().strip():
                    pass
                assert stream.read(5) == b"hello"
                demo.send_signal(signal.SIGINT)
                assert stream.read() == b""
        rest, _ = demo.communicate(timeout=TIMEOUT)
    assert (demo.returncode, rest) == (0, "")


def test_a_port_in_use_is_not_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with running(taken) as (_, port):
            assert port != taken
            assert ask(port, "GET", "/hello")[0].status == 200


def test_a_port_that_is_none_is_one_sentence() -> None:
    result = subprocess.run(
        [*PYMHD, "demo", "--port", "65536"], capture_output=True, timeout=TIMEOUT
    )
    assert (result.returncode, result.stdout) == (1, b"")
    assert re.fullmatch(rb"pymhd demo: .*65536.*\n", result.stderr)


def test_the_version_names_the_package_and_the_library() -> None:
    result = subprocess.run(
        [*PYMHD, "--version"], capture_output=True, text=True, timeout=TIMEOUT
    )
    version = re.escape(pymhd.__version__)
    library = r"libmicrohttpd \d+\.\d+\.\d+"
    assert re.fullmatch(rf"pymhd {version} \({library}\)\n", result.stdout)


def test_without_a_command_it_tells_which_there_are() -> None:
    result = subprocess.run(PYMHD, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 2
    assert "demo" in result.stderr
    assert "connect" in result.stderr
