# SPDX-License-Identifier: MIT
"""pymhd/_native/_mhd.pyi against the compiled module in use."""

import ast
import functools
import re
from pathlib import Path

import pytest

from pymhd import ffi, lib
from pymhd._native import library

VENDOR = Path(__file__).parents[2] / "vendor" / "libmicrohttpd"


@functools.cache
def stub() -> dict[str, ast.FunctionDef | ast.AnnAssign]:
    """Return what ``class _Lib`` declares, by name."""
    tree = ast.parse(Path(library.__file__).with_name("_mhd.pyi").read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    members: dict[str, ast.FunctionDef | ast.AnnAssign] = {}
    for node in classes["_Lib"].body:
        if isinstance(node, ast.FunctionDef):
            members[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            members[node.target.id] = node
    return members


def lib_names() -> set[str]:
    return {name for name in dir(lib) if not name.startswith("_")}


def newer_names() -> set[str]:
    """Return what is declared for releases that are newer than the one in use."""
    names: set[str] = set()
    for file in VENDOR.glob("*/*.h"):
        release = "{:0>2}{:0>2}{:0>2}00".format(*file.parent.name.split("."))
        if int(release, 16) > lib.MHD_VERSION:
            names.update(re.findall(r"\bMHD_\w+", file.read_text()))
    return names


def test_stub_declares_all_that_lib_has() -> None:
    assert set() == lib_names() - stub().keys()


def test_stub_declares_nothing_that_no_release_has() -> None:
    assert set() == stub().keys() - lib_names() - newer_names()


@pytest.mark.parametrize("name", sorted(stub().keys() & lib_names()))
def test_stub_agrees_with_lib(name: str) -> None:
    declared = stub()[name]
    value = getattr(lib, name)
    if isinstance(declared, ast.AnnAssign):
        assert isinstance(value, int) == (ast.unparse(declared.annotation) == "int")
        return
    signature = ffi.typeof(value)
    arguments = declared.args
    parameters = [*arguments.posonlyargs, *arguments.args][1:]  # without self
    assert len(signature.args) == len(parameters)
    variadic = signature.cname.endswith("...)")  # .ellipsis is also set for va_list
    assert variadic == (arguments.vararg is not None)
    nothing = declared.returns is None or ast.unparse(declared.returns) == "None"
    assert (signature.result.kind == "void") == nothing
