# SPDX-License-Identifier: MIT
"""``python -m pymhd connect`` to an https URL."""

import subprocess
import sys
from pathlib import Path

import pytest
import secure
from live import MIB, TIMEOUT, Serve, echo
from sessions import switching

import pymhd

BIG = bytes(range(256)) * (2 * MIB // 256)


@pytest.fixture(name="daemon")
def _daemon(serve: Serve) -> pymhd.Daemon:
    return serve(lambda request: switching(echo, "thread"), tls=secure.server_tls())


def connect(
    url: str, *options: str, data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    command = [sys.executable, "-P", "-m", "pymhd", "connect", "--protocol", "echo"]
    return subprocess.run(
        [*command, *options, url], input=data, capture_output=True, timeout=3 * TIMEOUT
    )


def test_both_directions_are_copied(daemon: pymhd.Daemon, tmp_path: Path) -> None:
    """Until the end of the input, and what comes back after that."""
    secure.authority().cert_pem.write_to_path(tmp_path / "ca.pem")
    done = connect(daemon.url, "--cacert", str(tmp_path / "ca.pem"), data=BIG)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == BIG


def test_a_certificate_that_is_not_trusted_is_refused(daemon: pymhd.Daemon) -> None:
    """Unless told otherwise."""
    done = connect(daemon.url, data=b"secret")
    assert done.returncode == 1
    assert b"certificate verify failed" in done.stderr
    done = connect(daemon.url, "--insecure", data=b"secret")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"secret", b"")
