# SPDX-License-Identifier: MIT
"""Results: their medians, tables, and files."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clients import HERE, Sample
from competitors import PEERS_PYTHON
from loads import LOADS

from pymhd._native.library import lib, to_str

PEERS = (
    *("bjoern", "fastwsgi", "socketify", "granian", "uvicorn", "aiohttp"),
    *("picows", "websockets", "uvloop", "httptools"),
)

EXPLANATION = """
Unless a load says otherwise, a server is pinned to the last core, and the load client
to the others. In each round all servers are started anew, one after the other.

- `c` is C as its users start it, `c-pool` has pymhd's memory for each connection
  (`Limits.memory`), `c-external` a loop of its own that calls `MHD_run()`.
- `x C` is the median over the rounds of the ratio to `c` in the same round.
- CPU time is that of all processes of a server, user and system, for each operation.
- Each client has a request under way on each connection all the time, so p50 and p99
  are those of a busy server. wrk corrects its own for coordinated omission.
- PSS is resident memory after the load, pages that are shared counted in part.
"""


@dataclass
class Row:
    """What was measured of one server: a sample each round."""

    samples: list[Sample] = field(default_factory=list)
    failed: str = ""
    """Why there is no more of them."""

    def median(self, what: str) -> float:
        """Return the median of a field over the rounds."""
        values: list[float] = [getattr(sample, what) for sample in self.samples]
        return statistics.median(values)


@dataclass
class Results:
    """What was measured under one load."""

    load: str
    title: str
    note: str
    anchor: str
    when: str
    load_average: float
    """Of the machine in the minute before: what others did at the same time."""
    rounds: int
    seconds: float
    rows: dict[str, Row]

    def ratio(self, name: str, what: str) -> float | None:
        """Return the median over the rounds of the ratio to C in the same round."""
        anchor = self.rows.get(self.anchor, Row()).samples
        pairs = zip(self.rows[name].samples, anchor, strict=False)
        ratios = [
            getattr(sample, what) / getattr(base, what)
            for sample, base in pairs
            if getattr(base, what)
        ]
        return statistics.median(ratios) if ratios else None


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _number(value: float, form: str = ",.0f") -> str:
    return format(value, form) if value else ""


Columns = list[tuple[str, Callable[[Results, str], str]]]

LOADED: Columns = [
    ("per second", lambda r, n: _number(r.rows[n].median("operations_per_s"))),
    ("x C", lambda r, n: _ratio(r.ratio(n, "operations_per_s"))),
    ("CPU us each", lambda r, n: _number(r.rows[n].median("cpu_us"), ",.1f")),
    ("CPU x C", lambda r, n: _ratio(r.ratio(n, "cpu_us"))),
    ("p50 us", lambda r, n: _number(r.rows[n].median("p50_us"))),
    ("p99 us", lambda r, n: _number(r.rows[n].median("p99_us"))),
    ("p99 x C", lambda r, n: _ratio(r.ratio(n, "p99_us"))),
    ("PSS MiB", lambda r, n: f"{r.rows[n].median('pss_kib') / 1024:,.1f}"),
    ("errors", lambda r, n: f"{sum(s.errors for s in r.rows[n].samples)}"),
]
IDLE: Columns = [
    ("bytes each", lambda r, n: f"{r.rows[n].median('per_connection_bytes'):,.0f}"),
    ("x C", lambda r, n: _ratio(r.ratio(n, "per_connection_bytes"))),
    ("PSS MiB", lambda r, n: f"{r.rows[n].median('pss_kib') / 1024:,.1f}"),
]


def table(results: Results) -> str:
    """Return a Markdown table, with a heading."""
    columns = IDLE if results.load == "idle" else LOADED
    lines = [
        f"### {results.load}",
        "",
        f"{results.title}. Medians of {results.rounds} rounds of "
        f"{results.seconds:g} s, {results.when}, load average before: "
        f"{results.load_average:.1f}.",
    ]
    lines += [results.note] * bool(results.note)
    lines += ["", "| server | " + " | ".join(name for name, _ in columns) + " |"]
    lines += ["| --- |" + " ---: |" * len(columns)]
    for name, row in results.rows.items():
        if row.samples:
            cells = [show(results, name) for _, show in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    lines += [
        f"- {name}: {len(row.samples)} rounds, then: {row.failed}"
        for name, row in results.rows.items()
        if row.failed
    ]
    return "\n".join(lines).rstrip() + "\n"


# --- files ---


def _command(*words: str) -> str:
    """Return the first line that a program says."""
    try:
        result = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return (result.stdout or result.stderr).partition("\n")[0]


def machine() -> dict[str, str]:
    """Return what the results depend on."""
    cpu = Path("/proc/cpuinfo").read_text().partition("model name\t: ")[2]
    versions = f"""
from importlib.metadata import version, PackageNotFoundError
for name in {PEERS!r}:
    try: print(name, version(name), end=", ")
    except PackageNotFoundError: pass
"""
    return {
        "processor": f"{cpu.partition(chr(10))[0]}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[1]}",
        "pymhd": _command("git", "-C", str(HERE), "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "libmicrohttpd": to_str(lib.MHD_get_version()),
        "compiler": _command(os.environ.get("CC", "cc"), "--version"),
        "client": _command("wrk", "--version").partition(" Copyright")[0],
        "peers": _command(str(PEERS_PYTHON), "-c", versions).rstrip(", "),
    }


def load(directory: Path) -> list[Results]:
    """Return what a directory has."""
    path = directory / "results.json"
    if not path.exists():
        return []
    return [_decode(one) for one in json.loads(path.read_text())["loads"]]


def _decode(one: dict[str, Any]) -> Results:
    rows = {
        name: Row([Sample(**sample) for sample in row["samples"]], row["failed"])
        for name, row in one.pop("rows").items()
    }
    return Results(rows=rows, **one)


def save(directory: Path, results: Results) -> None:
    """Add results to a directory's files, in the place of older ones."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = {one.load: one for one in load(directory)}
    kept[results.load] = results
    where = machine()
    order = [kept[name] for name in LOADS if name in kept]
    loads = [asdict(one) for one in order]
    text = json.dumps({"machine": where, "loads": loads}, indent=1)
    (directory / "results.json").write_text(text + "\n")
    (directory / "results.md").write_text(_page(where, order))


def _page(where: dict[str, str], all_results: list[Results]) -> str:
    facts = "\n".join(f"- {name}: {value}" for name, value in where.items())
    tables = [table(results) for results in all_results]
    return "\n".join(["# Results of `./dev bench`", "", facts, EXPLANATION, *tables])
