# SPDX-License-Identifier: MIT
"""Measure pools of threads, on every CPython that is found.

    ./dev scaling
    ./dev scaling --threads 1,2,4,8 --rounds 5 --seconds 3 --handlers work
    ./dev scaling python3.14t           # and on that one

In each round every server is started anew, loaded with wrk and ended, one after the
other; nothing is pinned. "x 1" is the median over the rounds of the ratio to one thread
in the same round, "cores" how many the server has kept busy: with a GIL hardly more
than one. A handler computes for some 50 us ("work") or not at all ("hello").
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clients import HERE, Sample, Wrk
from measure import serving

ROOT = HERE.parent
VENVS = ROOT / ".build" / "scaling"
VERSION = """import platform, sysconfig
without_gil = sysconfig.get_config_var("Py_GIL_DISABLED")
print(platform.python_version() + "t" * bool(without_gil))
"""


@dataclass
class Pool:
    """What was measured of one number of threads: a sample each round."""

    python: Path
    handler: str
    threads: int
    samples: list[Sample] = field(default_factory=list)

    def measure(self, seconds: float) -> None:
        """Start the server, load it, and end it."""
        script = str(HERE / "servers" / "with_pymhd.py")
        words = [str(self.python), script, "PORT", self.handler]
        with serving([*words, f"threads={self.threads}"], pinned=False) as server:
            self.samples.append(Wrk().run(server, seconds, "raw"))

    def median(self, of: Callable[[Sample], float]) -> float:
        """Return the median over the rounds."""
        return statistics.median(map(of, self.samples))

    def ratio(self, other: "Pool") -> float:
        """Return the median over the rounds of the ratio to another pool."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(
            mine.operations_per_s / theirs.operations_per_s for mine, theirs in pairs
        )


def install(python: str) -> tuple[str, Path]:
    """Make an environment with pymhd in it; return the version, and its Python."""
    version = subprocess.check_output([python, "-c", VERSION], text=True).strip()
    own = VENVS / version / "bin" / "python"
    subprocess.run([python, "-m", "venv", "--clear", own.parent.parent], check=True)
    (sdist,) = VENVS.glob("*.tar.gz")
    subprocess.run([own, "-m", "pip", "install", "-q", sdist], check=True)
    return version, own


def rows(pools: dict[str, list[Pool]]) -> Iterator[str]:
    """Return the lines of the table."""
    yield "| CPython | handler | threads | per second | x 1 | cores | CPU us | p99 us |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for version, of_version in pools.items():
        for pool in of_version:
            if pool.threads == of_version[0].threads:
                first = pool
            cells = (
                *(version, pool.handler, f"{pool.threads}"),
                f"{pool.median(lambda s: s.operations_per_s):,.0f}",
                f"{pool.ratio(first):.2f}",
                f"{pool.median(lambda s: s.operations_per_s * s.cpu_us / 1e6):.2f}",
                f"{pool.median(lambda s: s.cpu_us):.1f}",
                f"{pool.median(lambda s: s.p99_us):,.0f}",
            )
            yield f"| {' | '.join(cells)} |"


def parse() -> argparse.Namespace:
    """Read the command line."""
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="./dev scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pythons", nargs="+", help="interpreters")
    parser.add_argument("--threads", default="1,2,4", help="numbers, the first is x 1")
    parser.add_argument("--handlers", default="hello,work")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    options = parser.parse_intermixed_args()
    options.threads = [int(number) for number in options.threads.split(",")]
    options.handlers = options.handlers.split(",")
    return options


def main() -> int:
    """Measure what the command line asks for."""
    options = parse()
    for old in VENVS.glob("*.tar.gz"):
        old.unlink()
    build = [sys.executable, "-m", "build", "--sdist", "-o", str(VENVS), str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    pools = {
        version: [
            Pool(python, handler, threads)
            for handler in options.handlers
            for threads in options.threads
        ]
        for version, python in map(install, options.pythons)
    }
    every = [pool for of_version in pools.values() for pool in of_version]
    for number in range(options.rounds):
        # There and back: who comes late in one round is early in the next one.
        for pool in every[:: -1 if number % 2 else 1]:
            pool.measure(options.seconds)
    print("\n".join(rows(pools)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
