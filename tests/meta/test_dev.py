# SPDX-License-Identifier: MIT
"""./dev names what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
RANDOM = "test_random_*.py"


def test_fuzz_runs_each_test_with_random_input() -> None:
    """The pattern of ./dev fuzz matches them in whichever folder they lie."""
    [pattern] = re.findall(r"\S*test_random_\S*", (ROOT / "dev").read_text())
    named = sorted(ROOT.glob(pattern))
    assert named
    assert named == sorted((ROOT / "tests").rglob(RANDOM))
