# SPDX-License-Identifier: MIT
"""pymhd/layouts.py against the compiled module, and on machines of other kinds."""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from pymhd import ffi, lib
from pymhd._native import layouts

ROOT = Path(__file__).parents[2]
CC = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"request": "q", "shared": "q"}, "too short"),
        ({"shared": "q", "request": "q"}, "in another order"),
        ({"request": "q", "shared": "q", "other": "16x"}, "a member that is not there"),
        ({"request": "q", "shared": "q", "status": "Q", "padding": "8x"}, "a hole"),
    ],
    ids=str,
)
def test_a_layout_that_does_not_fit_is_an_import_error(
    fields: dict[str, str], why: str
) -> None:
    """Which says what to do; a batch read wrongly would be memory read wrongly."""
    with pytest.raises(ImportError, match=r"struct pymhd_answer .* install"):
        layouts.layout("struct pymhd_answer", fields)


def test_a_structure_or_number_that_is_missing_is_an_import_error() -> None:
    """As in a module that was compiled from older source."""
    with pytest.raises(ImportError, match="struct pymhd_other"):
        layouts.layout("struct pymhd_other", {"kind": "q"})
    with pytest.raises(ImportError, match="PYMHD_OTHER"):
        layouts.number("PYMHD_OTHER")


def test_what_is_packed_is_what_c_reads() -> None:
    """Each member in its place, with its sign and its width."""
    packed = layouts.pack_answer(-1, -2, 2**32 - 1, 200, 7)
    answer: Any = ffi.cast("struct pymhd_answer *", ffi.from_buffer(packed))
    assert (answer.request, answer.shared) == (-1, -2)
    assert (answer.status, answer.body_size, answer.fields_size) == (2**32 - 1, 200, 7)
    event: Any = ffi.new("struct pymhd_event *")
    event.kind, event.request, event.text_end, event.body, event.fd = 1, 2, 3, -4, -5
    assert layouts.EVENT.unpack(ffi.buffer(event)[:]) == (1, 2, 3, -4, -5)
    assert (event.session, event.body_size) == (-4, -5)
    hub_event: Any = ffi.new("struct pymhd_hub_event *", [1, 2, 3, -4])
    assert layouts.HUB_EVENT.unpack(ffi.buffer(hub_event)[:]) == (1, 2, 3, -4)


def test_no_structure_is_packed_elsewhere() -> None:
    """One module knows them."""
    for module in (ROOT / "pymhd").rglob("*.py"):
        if module.name != "layouts.py":
            assert "from struct" not in module.read_text("utf-8"), module
            assert "import struct" not in module.read_text("utf-8"), module


def compiles(*flags: str) -> bool:
    """Tell whether csrc's own statements about the layouts hold."""
    command = [*CC, "-std=gnu11", "-ffreestanding", "-fsyntax-only", *flags]
    file = str(ROOT / "csrc" / "engine" / "layouts.c")
    done = subprocess.run(
        [*command, f"-I{ROOT / 'csrc'}", file], capture_output=True, check=False
    )
    return done.returncode == 0


def test_the_layouts_hold_where_this_compiler_can_tell() -> None:
    """Here, and where 64 bits are aligned to 4 bytes (i386), if it knows that."""
    assert compiles()
    probe = [*CC, "-m32", "-ffreestanding", "-fsyntax-only", "-xc", os.devnull]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        assert compiles("-m32")


def test_the_hubs_marks_are_asyncios() -> None:
    """Protocols that were written for it know no others."""
    assert (lib.PYMHD_HUB_LOW_WATER, lib.PYMHD_HUB_HIGH_WATER) == (16384, 65536)
