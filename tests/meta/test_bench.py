# SPDX-License-Identifier: MIT
"""The machinery of ``./dev bench``: one short round, and what comes of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from marks import without_asan

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    without_asan,  # wrk and the C programs are built without it
    pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), *arguments]
    # It imports its own modules, which are beside it.
    env = {n: value for n, value in os.environ.items() if n != "PYTHONSAFEPATH"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


@pytest.mark.parametrize(
    ("load", "ours"), [("hello", "pymhd"), ("echo-64x64", "pymhd-inline")]
)
def test_a_round_gives_a_table_with_ratios_to_c(
    tmp_path: Path, load: str, ours: str
) -> None:
    """And a file with what was measured."""
    result = bench(
        *(load, "--only", f"c,{ours}", "--rounds", "1", "--seconds", "0.2"),
        *("--output", str(tmp_path)),
    )
    assert result.returncode == 0, result.stderr
    (measured,) = json.loads((tmp_path / "results.json").read_text())["loads"]
    assert measured["load"] == load
    assert list(measured["rows"]) == ["c", ours]
    for row in measured["rows"].values():
        assert row["failed"] == ""
        (sample,) = row["samples"]
        assert sample["errors"] == 0
        assert sample["operations_per_s"] > 0
        assert sample["cpu_us"] >= 0  # in ticks, of which this may be none
        assert sample["pss_kib"] > 0
    table = (tmp_path / "results.md").read_text()
    assert result.stdout.strip() in table
    assert "| c |" in table
    assert f"| {ours} |" in table


def run_inside(program: str) -> str:
    """Run a program that imports the benchmark's modules; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_cpu_that_a_server_uses_is_counted() -> None:
    """A tick at a time."""
    program = (
        "import socket, sys, measure\n"
        "command = [sys.executable, '-m', 'http.server', '-b', '127.0.0.1', 'PORT']\n"
        "with measure.serving(command) as server:\n"
        "    before = server.usage().cpu_seconds\n"
        "    while server.usage().cpu_seconds == before:\n"
        "        socket.create_connection(('127.0.0.1', server.port)).close()\n"
    )
    run_inside(program)


def test_a_server_that_does_not_start_is_a_line_and_no_failure() -> None:
    """As it is where a peer cannot be installed."""
    program = (
        "import dataclasses, sys, bench, competitors\n"
        "command = [sys.executable, '-c', 'raise SystemExit(\"no such peer\")']\n"
        "bjoern = competitors.SERVERS['bjoern']\n"
        "competitors.SERVERS['bjoern'] = dataclasses.replace(\n"
        "    bjoern, command=lambda load: command)\n"
        "sys.exit(bench.main(['hello', '--only', 'c,bjoern', '--rounds', '2',\n"
        "    '--seconds', '0.2']))\n"
    )
    out = run_inside(program)
    assert "- bjoern: 0 rounds, then: no such peer\n" in out


def test_a_load_that_there_is_not_is_one_sentence() -> None:
    """Which names what tells them."""
    result = bench("helo")
    assert result.returncode == 1
    assert result.stderr == "there is no load 'helo': see ./dev bench --list\n"


def test_the_list_names_every_load_with_its_servers() -> None:
    """For C and for pymhd at least."""
    lines = bench("--list").stdout.splitlines()
    for title, servers in zip(lines[::2], lines[1::2], strict=True):
        assert title.startswith(("echo-", "idle")) or "c" in servers.split(), title
