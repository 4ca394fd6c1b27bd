# SPDX-License-Identifier: MIT
"""Print which lines of csrc the tests have run, in the form of ``coverage report``.

    python tests/support/c_coverage.py BUILD

for a build with gcc's ``--coverage``, after the tests; ``./dev coverage`` does it all.
"""

import itertools
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

Lines = dict[str, Counter[int]]
"""How often each line that has code was run, by file."""


def counted(build: Path) -> Lines:
    """Return what gcov knows of our files; a header's lines are those of all users."""
    lines: Lines = defaultdict(Counter)
    for data in sorted(build.rglob("*.gcda")):
        command = ["gcov", "--json-format", "--stdout", str(data)]
        report = json.loads(subprocess.run(command, stdout=-1, check=True).stdout)
        for file in report["files"]:
            if file["file"].startswith("csrc/"):
                for line in file["lines"]:
                    lines[file["file"]][line["line_number"]] += line["count"]
    return lines


def ranges(numbers: Iterable[int], known: Iterable[int]) -> Iterator[str]:
    """Yield runs of lines; those without code in between do not part them."""
    missing = set(numbers)
    for is_missing, run in itertools.groupby(sorted(known), missing.__contains__):
        if is_missing:
            lines = list(run)
            ends = lines[:1] if len(lines) == 1 else [lines[0], lines[-1]]
            yield "-".join(map(str, ends))


def percent(missed: int, lines: int) -> str:
    """Return how much was run, rounded so that 100 % means everything."""
    return f"{100 * (lines - missed) // lines if lines else 100}%"


def table(lines: Lines) -> Iterator[str]:
    """Yield the lines of the table."""
    width = max(map(len, lines), default=4)
    yield f"{'Name':{width}}  Lines   Miss  Cover   Missing"
    rule = "-" * (width + 33)
    yield rule
    total = missed_total = 0
    for name in sorted(lines):
        missed = [number for number, count in lines[name].items() if not count]
        total += len(lines[name])
        missed_total += len(missed)
        where = ", ".join(ranges(missed, lines[name]))
        cover = percent(len(missed), len(lines[name]))
        row = f"{name:{width}}{len(lines[name]):7}{len(missed):7}{cover:>7}   {where}"
        yield row.rstrip()
    yield rule
    cover = percent(missed_total, total)
    yield f"{'TOTAL':{width}}{total:7}{missed_total:7}{cover:>7}"


if __name__ == "__main__":
    print("\n".join(table(counted(Path(sys.argv[1])))))
