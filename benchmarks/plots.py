# SPDX-License-Identifier: MIT
"""Draw results.json, as SVG and PNG beside it. Usage: plots.py DIRECTORY

It runs in the environment of the peers, which has matplotlib and not pymhd.
"""

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

Results = dict[str, Any]
COLOURS = {"c": "#444444", "c-pool": "#888888", "c-external": "#666666"}
OURS, OTHERS = "#c0392b", "#7fa6c9"
COLUMNS = 3

matplotlib.rcParams["svg.hashsalt"] = "pymhd"  # the same results, the same file


def samples(results: Results) -> dict[str, list[dict[str, float]]]:
    """Return the samples of each server that has any."""
    rows = results["rows"]
    return {name: row["samples"] for name, row in rows.items() if row["samples"]}


def medians(results: Results, what: str) -> dict[str, float]:
    """Return the median of a field for each server."""
    return {
        name: statistics.median(sample[what] for sample in rounds)
        for name, rounds in samples(results).items()
    }


def colour(name: str) -> str:
    """Return the colour of a server: C is grey, pymhd is red."""
    return COLOURS.get(name, OURS if name.startswith("pymhd") else OTHERS)


def bars(axes: Axes, results: Results, what: str, scale: float, form: str) -> None:
    """Draw a field of all servers of one load, the best on top."""
    values = {name: value * scale for name, value in medians(results, what).items()}
    more_is_better = what == "operations_per_s"
    names = sorted(values, key=lambda name: values[name], reverse=not more_is_better)
    drawn = axes.barh(
        names, [values[name] for name in names], color=[colour(n) for n in names]
    )
    axes.bar_label(drawn, fmt=form, padding=2, fontsize=7)
    axes.set_title(results["title"], fontsize=8)
    axes.tick_params(labelsize=7)
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)


def grid(loads: list[Results], draw: Callable[[Axes, Results], None]) -> None:
    """Draw each load beside the others."""
    columns = min(COLUMNS, len(loads))
    lines = -(-len(loads) // columns)
    _, cells = pyplot.subplots(
        lines, columns, figsize=(4.6 * columns, 3.0 * lines), squeeze=False
    )
    places = list(cells.flat)
    for axes, results in zip(places, loads, strict=False):
        draw(axes, results)
    for axes in places[len(loads) :]:
        axes.set_visible(False)


def curve(loads: list[Results], label: str) -> None:
    """Draw operations a second against the number at the end of the loads' names."""
    _, axes = pyplot.subplots(figsize=(7, 4.5))
    lines: dict[str, dict[int, float]] = {}
    for results in loads:
        number = int(results["load"].rpartition("-")[2])
        for name, value in medians(results, "operations_per_s").items():
            lines.setdefault(name, {})[number] = value / 1000
    for name, points in lines.items():
        marker = "o" if name.startswith(("c", "pymhd")) else "."
        axes.plot(list(points), list(points.values()), marker=marker, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks([int(results["load"].rpartition("-")[2]) for results in loads])
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlabel(label)
    axes.set_ylabel("thousand requests a second")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def keep(directory: Path, name: str) -> None:
    """Write the figure, and forget it."""
    pyplot.tight_layout()
    pyplot.savefig(directory / f"{name}.svg", metadata={"Date": None})
    pyplot.savefig(directory / f"{name}.png", dpi=110)
    pyplot.close()


def rate(axes: Axes, results: Results) -> None:
    """Draw operations a second."""
    many = max(medians(results, "operations_per_s").values()) > 1000
    scale, form = (1e-3, "%.1f k/s") if many else (1.0, "%.1f /s")
    bars(axes, results, "operations_per_s", scale, form)


def cpu(axes: Axes, results: Results) -> None:
    """Draw CPU time for each operation."""
    bars(axes, results, "cpu_us", 1.0, "%.1f us")


def latency(axes: Axes, results: Results) -> None:
    """Draw the 99th percentile."""
    bars(axes, results, "p99_us", 1e-3, "%.2f ms")


def memory(axes: Axes, results: Results) -> None:
    """Draw what each idle connection takes."""
    bars(axes, results, "per_connection_bytes", 1 / 1024, "%.1f KiB")


def main(directory: Path) -> None:
    """Draw what there is."""
    loads = json.loads((directory / "results.json").read_text())["loads"]
    curves = {
        "connections": "connections",
        "threads": "threads or processes",
        "blocking": "threads or processes, each handler sleeps 1 ms",
    }
    of_their_own = (*(f"{name}-" for name in curves), "echo-", "idle")
    sets = {
        "requests": [r for r in loads if not r["load"].startswith(of_their_own)],
        "echo": [r for r in loads if r["load"].startswith("echo-")],
    }
    for name, chosen in sets.items():
        for what, draw in (("rate", rate), ("cpu", cpu), ("p99", latency)):
            if chosen:
                grid(chosen, draw)
                keep(directory, f"{name}-{what}")
    for name, label in curves.items():
        if chosen := [r for r in loads if r["load"].startswith(f"{name}-")]:
            curve(chosen, label)
            keep(directory, name)
    if chosen := [r for r in loads if r["load"] == "idle"]:
        grid(chosen, memory)
        keep(directory, "memory")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
