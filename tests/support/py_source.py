# SPDX-License-Identifier: MIT
"""Which module of pymhd uses which, and whose private names it touches.

    python tests/support/py_source.py

prints what tests/meta/test_floors.py refuses.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from floors import PYTHON_FLOORS, may_use

PACKAGE = Path(__file__).resolve().parents[2] / "pymhd"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Import(NamedTuple):
    """One module that needs another one, perhaps for its types alone."""

    user: str
    used: str
    name: str | None
    """What is taken out of it; None for the module itself."""

    for_types: bool


def modules(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Return every module, by its name without the package's: ``_hub.hub``."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").strip(".")] = ast.parse(
            file.read_text(), str(file)
        )
    return found


def folder(module: str) -> str:
    """Return the folder of a module; "" for pymhd itself."""
    return module.rpartition(".")[0]


def storey(module: str) -> str:
    """Return what the floors know a module by: its folder, or itself in pymhd."""
    return module.partition(".")[0]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _inner(name: str) -> str | None:
    """Return the name of a module of ours without the package's."""
    parts = name.split(".")
    return ".".join(parts[1:]) if parts[0] == "pymhd" else None


def _statements(
    node: ast.AST, for_types: bool = False
) -> Iterator[tuple[ast.AST, bool]]:
    """Yield all nodes, and whether they are read for their types alone."""
    for child in ast.iter_child_nodes(node):
        yield child, for_types
        yield from _statements(child, for_types or _is_for_types(child))


def _taken(node: ast.AST, names: set[str]) -> Iterator[tuple[str, str | None]]:
    """Yield what an import takes: a module and a name in it, or None."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if (whole := _inner(alias.name)) is not None:
                yield whole, None
    elif isinstance(node, ast.ImportFrom):
        origin = _inner(node.module or "")
        for alias in node.names if origin is not None else ():
            whole = f"{origin}.{alias.name}".strip(".")
            yield (whole, None) if whole in names else (str(origin), alias.name)


def imports(found: dict[str, ast.Module]) -> Iterator[Import]:
    """Yield all imports within the package."""
    names = set(found)
    for user, tree in found.items():
        for node, for_types in _statements(tree):
            for used, name in _taken(node, names):
                yield Import(user, used, name, for_types)


def rings(edges: set[tuple[str, str]]) -> list[set[str]]:
    """Return the sets of modules that need each other, the smallest cycles first."""
    after: dict[str, set[str]] = {}
    for user, used in edges:
        after.setdefault(user, set()).add(used)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            for other in after.get(left.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    left.append(other)
        return seen

    reach = {name: reached(name) for name in after}
    found = []
    for name, seen in reach.items():
        ring = {other for other in seen if name in reach.get(other, ())}
        if ring and ring not in found:
            found.append(ring)
    return sorted(found, key=len)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined(tree: ast.Module) -> set[str]:
    """Return the private names that a module gives to itself and its objects."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Attribute(
                value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()
            ):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Constant(value=str(name)):
                names.add(name)  # a constant: of __slots__
    return {name for name in names if _is_private(name)}


def _private_uses(
    module: str, tree: ast.Module, homes: dict[str, set[str]]
) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            there = homes.get(node.attr, set())
            if there and folder(module) not in there:
                where = ", ".join(f"pymhd/{place}" for place in sorted(there))
                yield (
                    f"{module}:{node.lineno} uses {ast.unparse(node)}, which is "
                    f"private to {where}"
                )


def trespasses(found: dict[str, ast.Module]) -> Iterator[str]:
    """Yield the uses of private names of another folder's."""
    homes: dict[str, set[str]] = {}
    for module, tree in found.items():
        for name in defined(tree):
            homes.setdefault(name, set()).add(folder(module))
    for use in imports(found):
        if use.name and _is_private(use.name) and folder(use.user) != folder(use.used):
            yield f"{use.user} imports {use.name} from {use.used}"
    for module, tree in found.items():
        yield from _private_uses(module, tree, homes)


def upward(found: dict[str, ast.Module]) -> list[str]:
    """Return the imports that the floors forbid."""
    return sorted(
        {
            f"{use.user} -> {use.used}"
            for use in imports(found)
            if not may_use(PYTHON_FLOORS, storey(use.user), storey(use.used))
        }
    )


if __name__ == "__main__":
    everything = modules()
    for ring in rings({(use.user, use.used) for use in imports(everything)}):
        print("ring:", ", ".join(sorted(ring)))
    print(*trespasses(everything), *upward(everything), sep="\n")
