# SPDX-License-Identifier: MIT
"""What the package gives to its users: names, types, and their documentation."""

import ast
import dataclasses
import importlib
import importlib.metadata
import importlib.resources
import inspect
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import pymhd

# Its own two names, which are no Python object's.
RAW = {"ffi", "lib"}
# Whose names make sense behind its own only.
NAMESPACES = {"files"}
ALIASES_ARE_FROM = ("types", "typing", "collections.abc")


def public_modules() -> dict[str, ModuleType]:
    """Import every module whose name has no underscore in front."""
    return {
        found.name: importlib.import_module(f"pymhd.{found.name}")
        for found in pkgutil.iter_modules(pymhd.__path__)
        if not found.name.startswith("_")
    }


MODULES = public_modules()


def public_names() -> set[str]:
    """Return what the public modules offer for the package to gather."""
    return NAMESPACES | {
        exported
        for name, module in MODULES.items()
        if name not in NAMESPACES
        for exported in module.__all__
    }


def test_the_version_is_that_of_the_distribution() -> None:
    """It is written once, and installed with it."""
    assert pymhd.__version__ == importlib.metadata.version("pymhd-cffi")


CLASSES = [
    getattr(pymhd, name)
    for name in pymhd.__all__
    if inspect.isclass(getattr(pymhd, name))
]
ERRORS = [c for c in CLASSES if issubclass(c, Exception)]
BASES = [*ERRORS, pymhd.Protocol]


def methods() -> Iterator[tuple[str, object]]:
    """Yield every public method and property of the public classes."""
    for cls in CLASSES:
        ours = [base for base in cls.__mro__ if base.__module__.startswith("pymhd.")]
        for name, member in {
            n: m for b in ours[::-1] for n, m in vars(b).items()
        }.items():
            if isinstance(member, staticmethod | classmethod):
                member = member.__func__
            if not name.startswith("_") and isinstance(member, FunctionType | property):
                yield f"{cls.__name__}.{name}", member


def test_the_package_exports_what_its_modules_do() -> None:
    """And the raw layer; a module that is not gathered says so here."""
    assert set(pymhd.__all__) == public_names() | RAW


def in_the_readme() -> Iterator[str]:
    """Yield what README names: all but the members that are asyncio's."""
    yield from pymhd.__all__
    yield from pymhd.files.__all__
    for name, member in methods():
        cls, _, method = name.partition(".")
        if cls in ("Daemon", "Request", "Response", "Upgraded"):
            yield method if isinstance(member, property) else f"{method}()"
    yield from (field.name + "=" for field in dataclasses.fields(pymhd.Limits))
    yield from (field.name for field in dataclasses.fields(pymhd.TLSInfo))


@pytest.mark.parametrize("name", sorted(set(in_the_readme())))
def test_every_name_is_in_the_readme(name: str) -> None:
    """As code, in the table of what there is."""
    readme = Path(__file__).resolve().parents[2] / "README.md"
    rows = [x for x in readme.read_text("utf-8").splitlines() if x.startswith("| ")]
    code = " ".join(" ".join(row.split("`")[1::2]) for row in rows)
    pattern = rf"(?<!\w){re.escape(name.rstrip('()'))}(?!\w)"
    assert re.search(pattern, code)


def test_the_names_stand_once() -> None:
    """ruff sorts them, so that a diff shows what came."""
    assert len(pymhd.__all__) == len(set(pymhd.__all__))


@pytest.mark.parametrize("name", pymhd.__all__)
def test_every_name_is_there(name: str) -> None:
    """``from pymhd import *`` works."""
    assert hasattr(pymhd, name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_names_what_is_public(name: str) -> None:
    """In ``__all__``, and all of it exists; and it has a docstring."""
    module = MODULES[name]
    assert all(hasattr(module, exported) for exported in module.__all__)
    assert module.__doc__


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_public_module_defines_what_it_exports(name: str) -> None:
    """Every class and function has one home, which may be a private module's."""
    module = MODULES[name]
    for exported in module.__all__:
        home = getattr(getattr(module, exported), "__module__", module.__name__)
        private = home.startswith("pymhd._")
        assert private or home in (module.__name__, *ALIASES_ARE_FROM)


@pytest.mark.parametrize("cls", [c for c in CLASSES if c not in BASES])
def test_every_class_is_final(cls: type) -> None:
    """Nothing else is made to be derived from; errors are a tree."""
    assert getattr(cls, "__final__", False) is True


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_is_documented(cls: type) -> None:
    """With a summary that ends its first line as a sentence does."""
    assert cls.__doc__
    assert cls.__doc__.partition("\n")[0].endswith((".", ":"))


def aliases() -> Iterator[tuple[str, str]]:
    """Yield every exported type alias, and the string that stands below it."""
    for module in MODULES.values():
        body = ast.parse(inspect.getsource(module)).body
        for statement, following in itertools.pairwise(body):
            match statement, following:
                case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value):
                    if name in module.__all__:
                        yield name, ast.literal_eval(value)


def test_every_alias_is_documented() -> None:
    """By the string below it, where an editor and Sphinx look for one."""
    documented = {name for name, text in aliases() if text.endswith((".", ".\n"))}
    assert documented == {"Address", "Handler", "Polling", "Threads"}


@pytest.mark.parametrize("member", [pytest.param(m, id=n) for n, m in methods()])
def test_every_method_is_documented(member: object) -> None:
    """With a docstring of its own."""
    assert member.__doc__


@pytest.mark.parametrize("cls", [pymhd.Request, pymhd.Upgraded])
def test_what_only_pymhd_makes_cannot_be_made(cls: type) -> None:
    """The message says where they come from."""
    with pytest.raises(TypeError, match="pymhd makes"):
        cls()


def test_the_package_is_typed() -> None:
    """PEP 561; the marker is empty."""
    marker = importlib.resources.files(pymhd) / "py.typed"
    assert marker.read_bytes() == b""


def test_the_raw_layer_has_the_function_that_this_is_about() -> None:
    """MHD_response_for_upgrade() refuses a NULL handler with NULL."""
    null = pymhd.ffi.NULL
    assert pymhd.lib.MHD_response_for_upgrade(null, null) == null
