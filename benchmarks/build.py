# SPDX-License-Identifier: MIT
"""What the servers and clients need: C programs, a certificate, a file."""

import os
import shlex
import subprocess
from collections.abc import Sequence

from clients import BUILT, HERE
from competitors import CERT, FILE, KEY

PROGRAMS = {
    "hello": ("hello.c", "handlers.c", "handlers.h"),
    "echo": ("echo.c",),
    "ubench": ("ubench.c", "latency.h"),
}


def build() -> None:
    """Make what is missing or older than its source.

    ``CC``, ``CFLAGS`` and ``LDFLAGS`` mean what they mean to ``./dev``.

    Raises:
        CalledProcessError: A program failed, and has said why.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    for name, sources in PROGRAMS.items():
        _compile(name, sources)
    if not CERT.exists():
        _certify()
    if not FILE.exists():
        FILE.write_bytes(b"x" * (1 << 20))


def _words(variable: str, default: str = "") -> list[str]:
    return shlex.split(os.environ.get(variable, default))


def _pkg_config(option: str, default: str) -> list[str]:
    command = ["pkg-config", option, "libmicrohttpd"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return [default]
    return shlex.split(result.stdout) if result.returncode == 0 else [default]


def _compile(name: str, sources: Sequence[str]) -> None:
    program = BUILT / name
    paths = [HERE / "c" / source for source in sources]
    command = [*_words("CC", "cc"), "-std=gnu11", "-O2", *_words("CFLAGS")]
    command += ["-o", str(program)]
    command += [str(path) for path in paths if path.suffix == ".c"]
    command += [*_words("LDFLAGS"), *_pkg_config("--libs", "-lmicrohttpd"), "-pthread"]
    stamp = program.with_suffix(".stamp")
    made_of = "\n".join([shlex.join(command), *(path.read_text() for path in paths)])
    if program.exists() and stamp.exists() and stamp.read_text() == made_of:
        return
    subprocess.run(command, check=True)
    stamp.write_text(made_of)


def _certify() -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    command += " -days 3650 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", str(KEY), "-out", str(CERT)],
        check=True,
        capture_output=True,
    )
