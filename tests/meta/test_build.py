# SPDX-License-Identifier: MIT
"""A system without a libmicrohttpd that fits is told so in one sentence."""

import os
import runpy
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import setuptools

from pymhd import lib

ROOT = Path(__file__).parents[2]
CC = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
# What is built here needs nothing of a sanitizer that the tests run under.
PLAIN = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def build(**variables: str) -> str:
    """Run the builder, which must fail; return its last line."""
    done = subprocess.run(
        [sys.executable, "build_ffi.py"],
        cwd=ROOT,
        env=PLAIN | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_missing_header_names_the_packages(tmp_path: Path) -> None:
    """Of every system that is known."""
    (tmp_path / "microhttpd.h").write_text("#error this header is missing\n")
    sentence = build(CFLAGS=f"-I{tmp_path}", CPPFLAGS="")
    assert "does not find microhttpd.h" in sentence
    for package in ("libmicrohttpd-dev", "libmicrohttpd-devel", "Arch", "Homebrew"):
        assert package in sentence


@pytest.mark.parametrize(
    ("missing", "packages"),
    [
        ("limits.h", ["libc6-dev", "glibc-devel", "musl-dev"]),
        ("Python.h", ["python3-dev", "python3-devel"]),
        ("microhttpd.h", ["libmicrohttpd-dev", "libmicrohttpd-devel"]),
    ],
)
def test_a_missing_header_is_one_sentence_with_its_package(
    tmp_path: Path, missing: str, packages: list[str]
) -> None:
    """The C library's, Python's or libmicrohttpd's, and no word of the compiler's."""
    (tmp_path / missing).write_text("#error this header is missing\n")
    sentence = build(CFLAGS=f"-I{tmp_path}", CPPFLAGS="")
    begin = f"pymhd: the C compiler does not find {missing}; install "
    assert sentence.startswith(begin)
    assert all(package in sentence for package in packages)


def test_a_missing_library_names_the_packages() -> None:
    """Its header alone is not enough."""
    sentence = build(LDFLAGS="-nostdlib -nodefaultlibs -Wl,--no-such-option")
    assert "does not link" in sentence
    assert "libmicrohttpd-dev" in sentence


def test_a_library_without_upgrade_is_refused() -> None:
    """It is configured without that function."""
    flags = os.environ.get("CFLAGS", "")
    sentence = build(CFLAGS=f"{flags} -DMHD_create_response_for_upgrade=mhd_nothing")
    assert "without HTTP Upgrade" in sentence


def test_a_header_that_is_too_old_is_refused(tmp_path: Path) -> None:
    """Before 0.9.72 the interface was another one."""
    (tmp_path / "microhttpd.h").write_text("#define MHD_VERSION 0x00097002\n")
    sentence = build(CFLAGS=f"-I{tmp_path}")
    assert "0.9.72 is needed" in sentence
    assert "0x00097002" in sentence


def test_a_missing_compiler_is_named() -> None:
    """As CC says it."""
    sentence = build(CC="no-such-compiler")
    assert "no-such-compiler" in sentence
    assert "install gcc" in sentence


@pytest.mark.parametrize("without_gil", [0, 1])
def test_one_wheel_is_for_all_that_have_a_gil(
    without_gil: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free-threaded CPython cannot load it, and must not be offered it."""
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(setuptools, "setup", lambda **options: calls.append(options))
    monkeypatch.setattr(
        sysconfig, "get_config_var", {"Py_GIL_DISABLED": without_gil}.get
    )
    runpy.run_path(str(ROOT / "setup.py"))
    for_all = {"bdist_wheel": {"py_limited_api": "cp311"}}
    assert [call["options"] for call in calls] == [{} if without_gil else for_all]


def import_with(library: str, folder: Path) -> str:
    """Import pymhd with another library in front; return the last line of errors."""
    source = folder / "library.c"
    source.write_text(library)
    soname = "libmicrohttpd.so.12"
    command = [*CC, "-shared", "-fPIC", "-w", f"-Wl,-soname,{soname}"]
    subprocess.run([*command, "-o", folder / soname, source], check=True, env=PLAIN)
    done = subprocess.run(
        [sys.executable, "-c", "import pymhd"],
        env=PLAIN | {"LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


FUNCTIONS = [
    name
    for name in dir(lib)
    if name.startswith("MHD_")
    and callable(getattr(lib, name))
    and name not in ("MHD_get_version", "MHD_response_for_upgrade")
]

under_asan = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="the extension does not load without AddressSanitizer's library",
)


@under_asan
def test_an_older_library_is_refused_at_import(tmp_path: Path) -> None:
    """Although it has every function."""
    library = "".join(f"void {name} (void) {{}}\n" for name in FUNCTIONS)
    library += 'const char *MHD_get_version (void) { return "0.9.71"; }\n'
    sentence = import_with(library, tmp_path)
    assert sentence.startswith("ImportError: pymhd was built against libmicrohttpd ")
    assert "the one that was loaded is older: 0.9.71" in sentence
    assert "libmicrohttpd12" in sentence


@under_asan
def test_a_library_that_lacks_a_function_is_refused_at_import(tmp_path: Path) -> None:
    """Not in the middle of a request."""
    sentence = import_with("void MHD_get_version (void) {}\n", tmp_path)
    assert sentence.startswith("ImportError: pymhd cannot use the libmicrohttpd of ")
    assert "undefined symbol: MHD_" in sentence
    assert "libmicrohttpd12" in sentence
