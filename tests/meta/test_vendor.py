# SPDX-License-Identifier: MIT
"""The declarations in vendor/ against the microhttpd.h that pymhd was built against.

``CC``, ``CPPFLAGS`` and ``CFLAGS`` must be those of the build.
"""

import functools
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

from pymhd import ffi, lib

VENDOR = Path(__file__).parents[2] / "vendor" / "libmicrohttpd"
TOPICS = {
    "basic.h",
    "connection.h",
    "daemon.h",
    "digest.h",
    "info.h",
    "post.h",
    "response.h",
    "types.h",
    "upgrade.h",
}
# Macros with a value that is not a constant: parts of types, and configuration.
NOT_CONSTANTS = {
    "MHD_LONG_LONG",
    "MHD_LONG_LONG_PRINTF",
    "MHD_POSIX_SOCKETS",
    "MHD_SOCKET_DEFINED",
    "MHD_UNSIGNED_LONG_LONG",
    "MHD_UNSIGNED_LONG_LONG_PRINTF",
    "MHD_WINSOCK_SOCKETS",
}
OURS = {"MHD_response_for_upgrade"}
# Declared as void * throughout; const since 1.0.0.
CHANGED = "MHD_create_response_from_buffer_with_free_callback_cls"


def words(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


def pkg_config() -> list[str]:
    command = [*(words("PKG_CONFIG") or ["pkg-config"]), "--cflags", "libmicrohttpd"]
    try:
        found = subprocess.run(command, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return shlex.split(found.stdout)


def compile_c(source: str, *options: str) -> str:
    """Give the compiler microhttpd.h and that source; return what it prints."""
    compiler = words("CC") or shlex.split(sysconfig.get_config_var("CC") or "cc")
    flags = [*words("CPPFLAGS"), *words("CFLAGS"), *pkg_config()]
    return subprocess.run(
        [*compiler, *flags, *options, "-xc", "-"],
        input=f"#include <microhttpd.h>\n{source}",
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout


@functools.cache
def header() -> tuple[str, dict[str, str]]:
    """Return microhttpd.h without what it includes: its code, its macros' values."""
    code: list[str] = []
    macros: dict[str, str] = {}
    file = ""
    for line in compile_c("", "-E", "-dD").splitlines():
        if marker := re.match(r'#(?:line)? \d+ "(.*?)"', line):
            file = Path(marker[1]).name
        elif file != "microhttpd.h":
            continue
        elif macro := re.match(r"#define (MHD_\w+) +(\S.*)", line):
            macros[macro[1]] = macro[2]
        elif not line.startswith("#"):
            code.append(line)
    # With another header than the module's, the tests below would mean nothing.
    assert int(macros["MHD_VERSION"], 16) == lib.MHD_VERSION, "set CFLAGS as built"
    return "\n".join(code), macros


def functions() -> set[str]:
    return set(re.findall(r"\bextern\b[^;(]*?\b(MHD_\w+)\s*\(", header()[0]))


def callbacks() -> set[str]:
    return set(re.findall(r"\btypedef\b[^;(]*\(\s*\*\s*(MHD_\w+)\s*\)", header()[0]))


def enumerators() -> set[str]:
    bodies = re.findall(r"\benum\s+\w+\s*\{(.*?)\}", header()[0], re.DOTALL)
    return {name for body in bodies for name in re.findall(r"(?:^|,)\s*(\w+)", body)}


def constants() -> set[str]:
    names = {name for name in header()[1] if not name.startswith("MHD_HTTP_")}
    return names - NOT_CONSTANTS


def prototypes() -> str:
    """Return the functions and callback types that are declared for this release."""
    blocks: list[str] = []
    for file in VENDOR.glob("*/*.h"):
        release = "{:0>2}{:0>2}{:0>2}00".format(*file.parent.name.split("."))
        if int(release, 16) <= lib.MHD_VERSION:
            blocks += file.read_text().split("\n\n")
    return "\n".join(text for text in blocks if "(" in text and CHANGED not in text)


def known_type(name: str) -> bool:
    try:
        ffi.typeof(name)
    except ffi.error:  # type: ignore[attr-defined]  # types-cffi lacks it
        return False
    return True


def test_every_function_is_declared() -> None:
    assert set() == functions() - set(dir(lib))


def test_every_callback_type_is_declared() -> None:
    assert set() == {name for name in callbacks() if not known_type(name)}


def test_every_struct_union_and_enum_is_declared() -> None:
    tags = set(re.findall(r"\b(?:struct|union|enum) MHD_\w+", header()[0]))
    assert tags >= {"struct MHD_Daemon", "union MHD_DaemonInfo", "enum MHD_Result"}
    assert set() == {tag for tag in tags if not known_type(tag)}


def test_every_enumerator_is_declared() -> None:
    assert set() == enumerators() - set(dir(lib))


def test_every_constant_is_declared() -> None:
    assert set() == constants() - set(dir(lib))


def test_every_prototype_is_that_of_the_header() -> None:
    """The build does not see a wrong callback type or a wrong width of an integer."""
    not_macros = "".join(f"#undef {name}\n" for name in functions())
    compile_c(not_macros + prototypes(), "-fsyntax-only")


def test_this_module_finds_all_that_is_declared() -> None:
    """Without it, a header that is parsed badly would pass the tests above."""
    found = functions() | enumerators() | constants()
    declared = {name for name in dir(lib) if name.startswith("MHD_")}
    assert set() == declared - found - OURS
    typedefs = {name for name in ffi.list_types()[0] if name.startswith("MHD_")}
    assert {"MHD_socket"} == typedefs - callbacks()


def test_directories_are_named_after_releases() -> None:
    releases = []
    for directory in filter(Path.is_dir, VENDOR.iterdir()):
        # Two digits a part at most: that is how MHD_VERSION packs them.
        assert re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,2}", directory.name)
        releases.append(tuple(int(part) for part in directory.name.split(".")))
        assert directory.name == "{}.{}.{}".format(*releases[-1])
    assert min(releases) == (0, 9, 72)


def test_directories_hold_only_the_known_topics() -> None:
    files = {file.relative_to(VENDOR) for file in VENDOR.rglob("*") if file.is_file()}
    files.remove(Path("README.md"))
    assert {2} == {len(file.parts) for file in files}
    assert {file.name for file in files} == TOPICS
    assert {file.name for file in VENDOR.joinpath("0.9.72").iterdir()} == TOPICS


def test_declarations_carry_no_numbers_and_no_prose() -> None:
    for file in VENDOR.glob("*/*.h"):
        text = file.read_text()
        assert not re.search(r"=|/\*|//|#define +\w+ +(?!\.\.\.$)", text, re.M), file
