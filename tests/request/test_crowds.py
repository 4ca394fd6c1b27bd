# SPDX-License-Identifier: MIT
"""One request costs what it costs, however many clients are in the middle of theirs.

Counted are the system calls about connections, by a library of ours that a program
preloads (tests/support/counting_calls.c). ``./dev costs`` counts instructions.
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from marks import without_asan
from programs import run_program

PROGRAM = """
import ctypes
from crowds import PATIENT, ask_and_run, crowd, join, respond
calls = ctypes.CDLL({library!r}).calls_so_far

def calls_of_a_request():
    before = calls()
    ask_and_run(daemon, sock)
    return calls() - before

for count in 20, 200:
    options = in_mode({mode!r})
    daemon = pymhd.Daemon(respond, limits=PATIENT, **options)
    with daemon, join(daemon) as sock:
        ask_and_run(daemon, sock)
        with crowd(daemon, {kind!r}, count):
            # The fewest, since one more may belong to somebody who has just come.
            print(min(calls_of_a_request() for _ in range(9)))
            sock.close()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what counts."""
    source = Path(__file__).parents[1] / "support" / "counting_calls.c"
    path = tmp_path_factory.mktemp("counting_calls") / "counting_calls.so"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    options = ["-shared", "-fPIC", "-fno-builtin"]
    subprocess.run([*compiler, *options, source, "-o", path], check=True)
    return path


@without_asan  # it has functions of its own instead of these
@pytest.mark.parametrize("mode", ["external", "external select"])
@pytest.mark.parametrize(
    "kind", ["half_closed", "uploads", "chunked", "kept", "headers", "silent"]
)
def test_a_request_takes_as_many_system_calls_beside_few_as_beside_many(
    library: Path, mode: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked who has not moved."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    code = PROGRAM.format(library=str(library), mode=mode, kind=kind)
    status, output, errors = run_program(code, [])
    assert (status, errors) == (0, "")
    few, many = map(int, output.split())
    assert few == many
    assert few > 0
