# SPDX-License-Identifier: MIT
"""examples/file_server.py, with curl, as a program of its own."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from marks import needs_curl

EXAMPLE = Path(__file__).parents[2] / "examples" / "file_server.py"
TIMEOUT = 30.0
BODY = bytes(range(256)) * 4096  # 1 MiB

pytestmark = needs_curl


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Give the URL of the example, which serves a folder with one file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "film.mp4").write_bytes(BODY)
    command = [sys.executable, str(EXAMPLE), "0", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as example:
        watchdog = threading.Timer(TIMEOUT, example.kill)
        watchdog.start()
        try:
            assert example.stdout is not None
            yield example.stdout.readline().strip().rstrip("/")
            example.send_signal(signal.SIGINT)
            assert example.wait(TIMEOUT) == 0
        finally:
            watchdog.cancel()
            example.kill()


def curl(*arguments: str) -> bytes:
    """Return what curl prints."""
    command = ["curl", "-sS", "--max-time", str(TIMEOUT), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_a_download_goes_on_where_it_was_cut(url: str, tmp_path: Path) -> None:
    """With curl -C -, from the length that is there."""
    part = tmp_path / "part"
    part.write_bytes(BODY[:300_000])
    printed = curl("-C", "-", "-o", str(part), "-w", "%{http_code}", f"{url}/film.mp4")
    assert printed == b"206"
    assert part.read_bytes() == BODY


def test_a_player_gets_the_parts_that_it_asks_for(url: str) -> None:
    """The whole, its end, and two at once; with the type of a film."""
    film = f"{url}/film.mp4"
    assert curl(film) == BODY
    assert curl("-r", "-10", film) == BODY[-10:]
    assert curl("-r", "5-9", film) == BODY[5:10]
    both = curl("-r", "0-1,4-5", film)
    assert b"Content-Range: bytes 4-5/1048576\r\n\r\n\x04\x05\r\n" in both
    assert b"\r\nContent-Type: video/mp4\r\n" in curl("-I", film)


def test_a_file_that_the_client_has_is_not_sent_again(url: str, tmp_path: Path) -> None:
    """With curl --etag-compare."""
    film, tag, copy = f"{url}/film.mp4", str(tmp_path / "tag"), str(tmp_path / "copy")
    curl("--etag-save", tag, "-o", copy, film)
    again = curl("--etag-compare", tag, "-o", copy, "-w", "%{http_code}", film)
    assert again == b"304"


def test_nothing_outside_the_folder_is_served(url: str, tmp_path: Path) -> None:
    """Whatever the target looks like."""
    (tmp_path / "secret").write_text("secret")
    for path in ("../secret", "%2e%2e/secret", "..%2fsecret"):
        assert b"404" in curl("--path-as-is", f"{url}/{path}")
