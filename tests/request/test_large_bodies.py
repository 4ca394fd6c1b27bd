# SPDX-License-Identifier: MIT
"""Bodies far beyond ``Limits.body``: the client hears 413, whatever it does."""

import contextlib
import http.client
import os
import subprocess
from pathlib import Path

import pytest
from live import MIB, TIMEOUT, Mode, Serve, connect, hello, read_head
from marks import each_mode, every_mode, needs_curl

import pymhd

SIZE = 66 * MIB


def status_for_http_client(daemon: pymhd.Daemon, chunked: bool) -> int:
    """Send all of it before listening, as ``http.client`` does; return the status."""
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    pieces = (bytes(MIB) for _ in range(SIZE // MIB))
    length = {} if chunked else {"Content-Length": str(SIZE)}
    with contextlib.closing(client):
        client.request("POST", "/", pieces, length, encode_chunked=chunked)
        return client.getresponse().status


@each_mode
@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_66_mib_before_it_listens_hears_413(
    serve: Serve, mode: Mode, chunked: bool
) -> None:
    """It would find a broken pipe if the connection were just closed."""
    daemon = serve(hello, threads=mode)
    assert status_for_http_client(daemon, chunked) == 413


@every_mode
@pytest.mark.parametrize("size", [MIB + 1, 1 << 30, 1 << 40])
def test_a_length_beyond_the_limit_is_413_before_a_byte_has_come(
    serve: Serve, mode: Mode, size: int
) -> None:
    """With and without asking first."""
    daemon = serve(hello, threads=mode)
    for more in (b"", b"Expect: 100-continue\r\n"):
        with connect(daemon) as sock:
            sock.sendall(
                b"POST / HTTP/1.1\r\nHost: test\r\n%sContent-Length: %d\r\n\r\n"
                % (more, size)
            )
            assert read_head(sock).startswith(b"HTTP/1.1 413 ")


@needs_curl
@each_mode
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_hears_413(serve: Serve, mode: Mode, expect: str, tmp_path: Path) -> None:
    """It listens while it sends."""
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.truncate(SIZE)
    daemon = serve(hello, threads=mode)
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", expect]
    done = subprocess.run(
        [*command, "-T", file, daemon.url],
        capture_output=True,
        timeout=3 * TIMEOUT,
        check=False,
        # Not into curl, what AddressSanitizer needs in here.
        env={name: os.environ[name] for name in os.environ if name != "LD_PRELOAD"},
    )
    assert done.stdout == b"413", done.stderr
