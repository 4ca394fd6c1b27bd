# SPDX-License-Identifier: MIT
"""Measure pymhd beside C on the same library, and beside other Python servers.

    ./dev bench                                 # everything; it takes more than an hour
    ./dev bench --list                          # the loads and the servers
    ./dev bench hello 'echo-64x*'               # some loads
    ./dev bench echo-64x64 --rounds 5 --only c,pymhd

In each round every server is started anew, loaded and ended, one after the other.
Tables go to the standard output; results.json, results.md and plots of all loads that
were measured so far go to benchmarks/results/, but not with --only, unless --output
says where.
"""

import argparse
import datetime
import fnmatch
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import report
from build import build
from clients import HERE, LoadError, Sample
from competitors import PEERS_PYTHON, SERVERS, Server, for_load
from loads import LOADS, Load
from measure import NotStartedError, serving


def once(load: Load, server: Server, seconds: float) -> Sample:
    """Start a server, load it, and end it.

    Raises:
        NotStartedError, LoadError: It cannot be measured; the text says why.
    """
    with serving(server.command(load), pinned=not load.threads) as process:
        sample = load.client.run(process, seconds, server.speaks)
        if process.has_ended:
            raise LoadError("it ended under the load")
        return sample


def measure(
    load: Load, servers: Sequence[Server], rounds: int, seconds: float
) -> report.Results:
    """Go through the rounds of one load."""
    when = datetime.datetime.now(datetime.UTC).isoformat(" ", "minutes")
    load_average = os.getloadavg()[0]
    rows: dict[str, report.Row] = {server.name: report.Row() for server in servers}
    for number in range(rounds):
        # There and back: who comes late in one round is early in the next one.
        for server in servers[:: -1 if number % 2 else 1]:
            row = rows[server.name]
            if row.failed:
                continue
            say(f"{load.name}: round {number + 1} of {rounds}: {server.name}")
            try:
                row.samples.append(once(load, server, seconds))
            except (NotStartedError, LoadError, subprocess.TimeoutExpired) as error:
                row.failed = str(error)[:200]
    return report.Results(
        load=load.name,
        title=load.title,
        note=load.note,
        anchor=load.anchor,
        when=when,
        load_average=load_average,
        rounds=rounds,
        seconds=seconds,
        rows=rows,
    )


def say(line: str) -> None:
    """Tell how far it is, if somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def chosen(patterns: Sequence[str]) -> list[Load]:
    """Return the loads with these names, or all.

    Raises:
        SystemExit: There is none of that name.
    """
    names: dict[str, None] = {}
    for pattern in patterns or ["*"]:
        found = fnmatch.filter(LOADS, pattern)
        if not found:
            raise SystemExit(f"there is no load {pattern!r}: see ./dev bench --list")
        names.update(dict.fromkeys(found))
    return [LOADS[name] for name in names]


def show_list() -> None:
    """Print the loads, and who is measured under them."""
    for load in LOADS.values():
        names = " ".join(server.name for server in for_load(load))
        print(f"{load.name}: {load.title}\n    {names}")


def plot(directory: Path) -> None:
    """Draw the plots, where there is what draws them."""
    if not PEERS_PYTHON.exists():
        print("no plots: the environment of the peers is not there", file=sys.stderr)
        return
    subprocess.run([PEERS_PYTHON, HERE / "plots.py", directory], check=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises:
        SystemExit: It cannot be used.
    """
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("loads", nargs="*", help="names, or patterns with a *")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--only", default="", help="servers, with commas between them")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--output", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    options.only = list(filter(None, options.only.split(",")))
    if unknown := set(options.only) - set(SERVERS):
        parser.error(f"there is no server {', '.join(sorted(unknown))}: see --list")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for."""
    options = parse(arguments)
    if options.list:
        show_list()
        return 0
    loads = chosen(options.loads)
    build()
    directory = options.output or (None if options.only else HERE / "results")
    for load in loads:
        servers = for_load(load, options.only)
        results = measure(load, servers, options.rounds, options.seconds)
        say("")
        print(report.table(results), flush=True)
        if directory:
            report.save(directory, results)
    if directory:
        plot(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
