# SPDX-License-Identifier: MIT
"""Build ``pymhd._native._mhd``: the header's version, and the declarations that fit it.

``CC``, ``CPPFLAGS``, ``CFLAGS``, ``LDFLAGS`` and ``PKG_CONFIG_PATH`` choose another
copy of the library: here, as in setuptools, flags stand before those of pkg-config.
"""

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import NoReturn

from cffi import FFI

ROOT = Path(__file__).parent
FLOOR = "0.9.72"
INSTALL_CC = (
    "install gcc and libc6-dev (Debian, Ubuntu), gcc and glibc-devel (Fedora), gcc and "
    "musl-dev (Alpine) or gcc (Arch)"
)
INSTALL_PYTHON = (
    "install python3-dev (Debian, Ubuntu, Alpine) or python3-devel (Fedora), of the "
    f"Python that builds this, {sysconfig.get_python_version()}"
)
INSTALL = (
    "install libmicrohttpd-dev (Debian, Ubuntu, Alpine), libmicrohttpd-devel (Fedora) "
    "or libmicrohttpd (Arch, Homebrew)"
)


def words(variable: str, default: str = "") -> list[str]:
    return shlex.split(os.environ.get(variable) or default)


CC = words("CC", sysconfig.get_config_var("CC") or "cc")
CFLAGS = words("CPPFLAGS") + words("CFLAGS")
# A wrong declaration is only a warning unless these are errors (for clang, the unknown
# discarded-qualifiers is within incompatible-pointer-types); deprecated names are fine.
FLAGS = shlex.split(
    "-std=gnu11 -pthread -fvisibility=hidden -DMHD_NO_DEPRECATION "
    "-Wall -Wno-unknown-warning-option "
    "-Werror=incompatible-pointer-types -Werror=discarded-qualifiers "
    "-Werror=implicit-function-declaration -Werror=int-conversion"
)


def fail(sentence: str) -> NoReturn:
    # Not a traceback: this becomes the last line of what pip shows of a failed build.
    raise SystemExit(f"pymhd: {sentence}.")


def run(command: list[str], source: str = "", stderr: int | None = None) -> str | None:
    """Return what the command prints, None if it fails."""
    done = subprocess.run(command, input=source, stdout=PIPE, stderr=stderr, text=True)
    return done.stdout if done.returncode == 0 else None


def pkg_config(option: str, default: str) -> list[str]:
    command = [*words("PKG_CONFIG", "pkg-config"), option, "libmicrohttpd"]
    known = shutil.which(command[0]) and run(command, stderr=DEVNULL)
    return shlex.split(known or default)


def check_compiler() -> None:
    """Ask for what every extension needs, which is packaged apart from Python."""
    if not shutil.which(CC[0]):
        fail(f"there is no C compiler {CC[0]!r}; {INSTALL_CC}, or name one in CC")
    includes = [f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
    preprocess = [*CC, *CFLAGS, *includes, "-E", "-xc", "-"]
    for header, install in ("limits.h", INSTALL_CC), ("Python.h", INSTALL_PYTHON):
        # An #error or another header that is missing counts as much.
        if run(preprocess, f"#include <{header}>\n") is None:
            fail(f"the C compiler does not find {header}; {install}")


def header_version(cflags: list[str]) -> int:
    """Return MHD_VERSION without running what was compiled."""
    source = "#include <microhttpd.h>\nMHD_VERSION\n"
    if (text := run([*CC, *CFLAGS, *cflags, "-E", "-xc", "-"], source)) is None:
        fail(f"the C compiler does not find microhttpd.h; {INSTALL}")
    return int(text.split()[-1], 16)


def links(function: str, flags: list[str]) -> bool:
    # volatile: else the compiler drops the comparison, and nobody asks the linker.
    source = f"""#include <microhttpd.h>
        void (*volatile probe) (void) = (void (*) (void)) {function};
        int main (void) {{ return ! probe; }}"""
    with tempfile.TemporaryDirectory() as scratch:
        command = [*CC, *CFLAGS, "-o", f"{scratch}/probe", "-xc", "-", "-xnone"]
        return run([*command, *words("LDFLAGS"), *flags], source) is not None


def packed(release: str) -> int:
    """Return MHD_VERSION of a release: 0x00097200 for "0.9.72"."""
    return int("{:0>2}{:0>2}{:0>2}00".format(*release.split(".")), 16)


def declarations(version: int) -> list[Path]:
    """Return the files for that MHD_VERSION: oldest release first, its types first."""
    files = ROOT.glob("vendor/libmicrohttpd/[0-9]*/*.h")
    fit = [file for file in files if packed(file.parent.name) <= version]
    return sorted(fit, key=lambda f: (packed(f.parent.name), f.stem != "types", f.name))


def ours(pattern: str) -> list[str]:
    """Return files as setuptools wants them, relative to setup.py."""
    return sorted(str(file.relative_to(ROOT)) for file in ROOT.glob(pattern))


def bare(header: str) -> str:
    """Return a header's declarations: cffi has no preprocessor, and gets them all."""
    return re.sub(r"^#(pragma|include).*", "", (ROOT / header).read_text(), flags=re.M)


def build() -> FFI:
    cflags, libs = pkg_config("--cflags", ""), pkg_config("--libs", "-lmicrohttpd")
    check_compiler()
    version = header_version(cflags)
    if version < packed(FLOOR):
        fail(f"libmicrohttpd {FLOOR} is needed, but MHD_VERSION is {version:#010x}")
    if not links("MHD_get_version", cflags + libs):
        fail(f"libmicrohttpd does not link, although its header is there; {INSTALL}")
    if not links("MHD_create_response_for_upgrade", cflags + libs):
        fail("this libmicrohttpd was built without HTTP Upgrade; install another")

    ffi = FFI()
    for file in declarations(version):
        ffi.cdef(file.read_text())
    offered, called = ours("csrc/api/*.h"), ours("csrc/api/callbacks/*.h")
    for header in offered:
        ffi.cdef(bare(header))
    for header in called:
        ffi.cdef('extern "Python+C" {' + bare(header) + "}")
    ffi.set_source(
        "pymhd._native._mhd",
        "".join(
            f'#include "{header.removeprefix("csrc/")}"\n'
            for header in [*offered, *called]
        ),
        sources=ours("csrc/**/*.c"),
        depends=ours("csrc/**/*.h"),
        include_dirs=["csrc"],
        extra_compile_args=FLAGS + cflags,
        extra_link_args=["-pthread", *libs, "-ldl"],
    )
    return ffi


ffi = build()
