# SPDX-License-Identifier: MIT
"""Who may use whom, in csrc and in pymhd: support/floors.py has the floors."""

from py_source import imports, modules, rings, trespasses, upward


def test_no_modules_need_each_other() -> None:
    """Neither when they are imported nor for their types."""
    assert rings({(use.user, use.used) for use in imports(modules())}) == []


def test_no_module_needs_one_of_a_higher_floor() -> None:
    """What lies higher hands down what it wants to be told by."""
    assert upward(modules()) == []


def test_no_module_uses_private_names_of_another_folder() -> None:
    """What another folder needs has a name without an underscore."""
    assert list(trespasses(modules())) == []
