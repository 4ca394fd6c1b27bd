# SPDX-License-Identifier: MIT
"""Who may use whom, in csrc and in pymhd: support/floors.py has the floors."""

import c_source
import py_source
import pytest
from py_source import imports, modules, rings, trespasses


def test_no_modules_need_each_other() -> None:
    """Neither when they are imported nor for their types."""
    assert rings({(use.user, use.used) for use in imports(modules())}) == []


def test_no_module_needs_one_of_a_higher_floor() -> None:
    """What lies higher hands down what it wants to be told by."""
    assert py_source.upward(modules()) == []


def test_no_module_uses_private_names_of_another_folder() -> None:
    """What another folder needs has a name without an underscore."""
    assert list(trespasses(modules())) == []


def test_no_file_of_csrc_needs_one_of_a_higher_floor() -> None:
    """Neither by an ``#include`` nor by the name of a function."""
    assert [str(use) for use in c_source.upward(c_source.sources())] == []


LOWER = """
static int *
own (void)
{
  return upper (1);
}
"""
UPPER = """#include "base/lower.h"

int
upper (int number)
{
  return number;  /* unlike "upper (2)" here */
}
"""


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (
            {"base/lower.c": LOWER, "hub/upper.c": UPPER},
            ["base/lower.c -> hub/upper.c: upper"],
        ),
        ({"hub/lower.c": LOWER, "hub/upper.c": UPPER}, []),
        ({"engine/lower.c": LOWER, "hub/upper.c": UPPER}, []),
        (
            {"base/lower.h": "", "api/upper.c": UPPER},
            ["api/upper.c -> base/lower.h: #include"],
        ),
        (
            {"base/a.h": "int upper (int number);", "hub/upper.c": UPPER},
            ["base/a.h -> hub/upper.c: upper"],
        ),
    ],
)
def test_the_scanner_sees_what_runs_upwards(
    sources: dict[str, str], found: list[str]
) -> None:
    """Includes, calls, and declarations in others' headers; comments do not count."""
    scanned = {path: c_source.scan(text) for path, text in sources.items()}
    known = [use for use in c_source.upward(scanned) if use.used in scanned]
    assert [str(use) for use in known] == found
