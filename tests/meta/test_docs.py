# SPDX-License-Identifier: MIT
"""What the documents for developers name is there."""

import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
]
DOCUMENTS += sorted(ROOT.glob("docs/internals/*.md"))
SOURCES = ("csrc", "pymhd", "vendor", "tests", "benchmarks")
FILE = re.compile(r"[\w./*]+\.(?:py|pyi|c|h|md)")
FUNCTION = re.compile(r"(?:\w+\.)*(\w+)\(\)")
FOREIGN = {"microhttpd.h", "Python.h"}


@functools.cache
def files() -> list[Path]:
    """Return the files of the project."""
    folders = [ROOT / folder for folder in (*SOURCES, "docs", "examples")]
    found = [file for folder in folders for file in folder.rglob("*.*")]
    return [file for file in found if file.is_file()] + list(ROOT.glob("*.*"))


@functools.cache
def words() -> set[str]:
    """Return every name that stands in a source."""
    texts = (f.read_text() for f in files() if f.suffix in (".py", ".pyi", ".c", ".h"))
    return set().union(*(re.findall(r"\w+", text) for text in texts))


def code(document: Path) -> list[str]:
    """Return what stands between backquotes."""
    return re.findall(r"`([^`\n]+)`", document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_files_that_a_document_names_are_there(document: Path) -> None:
    """By their names, or by the ends of their paths."""
    named = {name for name in code(document) if FILE.fullmatch(name)} - FOREIGN
    paths = {f"/{file.relative_to(ROOT)}" for file in files()}
    missing = [
        name for name in named if not any(path.endswith(f"/{name}") for path in paths)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_functions_that_a_document_names_are_there(document: Path) -> None:
    """Somewhere in the sources."""
    named = {m[1] for text in code(document) if (m := FUNCTION.fullmatch(text))}
    assert named - words() == set()


def test_architecture_is_short() -> None:
    """What is longer goes to docs/internals/."""
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 250


def test_every_page_of_the_internals_is_listed() -> None:
    """In their README."""
    pages = {file.name for file in (ROOT / "docs/internals").glob("*.md")}
    listed = set(
        re.findall(r"\((\w+\.md)\)", (ROOT / "docs/internals/README.md").read_text())
    )
    assert pages - {"README.md"} == listed
