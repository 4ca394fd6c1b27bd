# SPDX-License-Identifier: MIT
"""Which file of csrc uses which: by ``#include``, and by naming its functions.

A simple scanner for our own layout (GNU's): the name of a function that is defined
stands at the beginning of a line, and its body begins with a brace that does, too.

    python tests/support/c_source.py [CSRC]

prints what runs upwards, which the test in tests/meta/test_floors.py refuses.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from floors import C_FLOORS, may_use

CSRC = Path(__file__).resolve().parents[2] / "csrc"

# Its headers declare what is defined elsewhere; any others, what is in their folder.
DECLARING = ("api",)

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
# What stands before the name tells whether others see the function.
_DEFINITION = re.compile(
    r"(?P<type>(?:^[A-Za-z_][^\n;{}]*\n)+?)^(?P<name>[A-Za-z_]\w*) \([^;{}]*?\)\s*^\{",
    re.MULTILINE,
)
_NAME = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")


class Use(NamedTuple):
    """One file of csrc that needs another one."""

    user: str
    used: str
    by: str
    """An ``#include``, or the name of a function."""

    def __str__(self) -> str:
        return f"{self.user} -> {self.used}: {self.by}"


class Source(NamedTuple):
    """What a file includes, defines and names."""

    includes: list[str]
    seen: set[str]
    """The functions that other files may call."""

    own: set[str]
    """Those that are static."""

    names: set[str]


def scan(text: str) -> Source:
    """Return what a file includes, defines and names."""
    text = _COMMENT.sub(" ", text)
    includes = _INCLUDE.findall(text)
    text = _DIRECTIVE.sub("", _STRING.sub('""', text))
    defined = {m["name"]: m["type"] for m in _DEFINITION.finditer(text)}
    own = {name for name, kind in defined.items() if "static" in kind.split()}
    return Source(includes, set(defined) - own, own, set(_NAME.findall(text)))


def sources(csrc: Path = CSRC) -> dict[str, Source]:
    """Return every file, by its path below csrc."""
    files = [file for file in sorted(csrc.rglob("*.[ch]")) if file.is_file()]
    return {str(file.relative_to(csrc)): scan(file.read_text()) for file in files}


def uses(found: dict[str, Source]) -> Iterator[Use]:
    """Yield how the files use each other."""
    homes = defaultdict(list)
    for path, source in found.items():
        for name in source.seen:
            homes[name].append(path)
    for path, source in found.items():
        for included in source.includes:
            beside = str(Path(path).parent / included)
            yield Use(path, beside if beside in found else included, "#include")
        if folder(path) in DECLARING:
            continue
        for name in sorted(source.names - source.seen - source.own):
            for home in homes.get(name, ()):
                yield Use(path, home, name)


def folder(path: str) -> str:
    """Return the folder of a file below csrc."""
    return path.rpartition("/")[0].partition("/")[0]


def upward(found: dict[str, Source]) -> list[Use]:
    """Return the uses that the floors forbid."""
    return [
        use
        for use in uses(found)
        if not may_use(C_FLOORS, folder(use.user), folder(use.used))
    ]


if __name__ == "__main__":
    for use in upward(sources(*map(Path, sys.argv[1:]))):
        print(use)
