# SPDX-License-Identifier: MIT
"""What Python and csrc write for each other as bytes, and the numbers they share.

Whole batches are packed and unpacked in one call, which needs the layouts of C's
structures as strings. They stand here only, and are compared with the compiled module
when this is imported; ``csrc/engine/layouts.c`` says that they hold on every machine.
"""

from struct import Struct, calcsize

from pymhd._native.library import ffi, lib

__all__ = [
    "ALONG",
    "CLIENT",
    "COLLECTED",
    "EVENT",
    "FIELDS",
    "HIGH_WATER",
    "HUB_EVENT",
    "LOG_LINE",
    "LOW_WATER",
    "METHOD",
    "TARGET",
    "VERSION",
    "layout",
    "number",
    "pack_answer",
]


def _misfit(name: str) -> ImportError:
    return ImportError(
        f"pymhd's compiled module does not fit its Python: it has another {name} than "
        "pymhd/_native/layouts.py. They are of two versions: install pymhd-cffi again, "
        "or build it again (pip install --force-reinstall --no-cache-dir pymhd-cffi)"
    )


def layout(name: str, fields: dict[str, str]) -> Struct:
    """Return the layout of a structure.

    Args:
        name: Of the structure in C.
        fields: Its members with their formats, as :mod:`struct` has them, in order.

    Raises:
        ImportError: The compiled module has another layout.
    """
    sizes = [calcsize(f"={code}") for code in fields.values()]
    offsets = [sum(sizes[:number]) for number in range(len(sizes))]
    try:
        fits = offsets == [ffi.offsetof(name, field) for field in fields]
        fits = fits and sum(sizes) == ffi.sizeof(name)
    except Exception:  # there is no such structure, or no such member
        fits = False
    if not fits:
        raise _misfit(name)
    return Struct("=" + "".join(fields.values()))


def number(name: str) -> int:
    """Return a constant of csrc's.

    Raises:
        ImportError: The compiled module does not have it.
    """
    value = getattr(lib, name, None)
    if not isinstance(value, int):
        raise _misfit(name)
    return value


EVENT = layout(
    "struct pymhd_event",
    {"kind": "q", "request": "q", "text_end": "q", "body": "q", "body_size": "q"},
)
pack_answer = layout(
    "struct pymhd_answer",
    {
        "request": "q",
        "shared": "q",
        "status": "I",
        "body_size": "I",
        "fields_size": "I",
        "padding": "4x",
    },
).pack
HUB_EVENT = layout(
    "struct pymhd_hub_event",
    {"kind": "q", "connection": "q", "first": "q", "second": "q"},
)

# Numbers of lines in a request's head. From FIELDS on names and values alternate.
TARGET = number("PYMHD_HEAD_TARGET")
METHOD = number("PYMHD_HEAD_METHOD")
VERSION = number("PYMHD_HEAD_VERSION")
CLIENT = number("PYMHD_HEAD_CLIENT")
FIELDS = number("PYMHD_HEAD_FIELDS")

# Bytes of a body, of a request or an answer, up to which it goes along with the rest; a
# larger one stays where it is.
ALONG = number("PYMHD_ALONG")
# Between these a protocol's writing is paused and resumed, unless it says otherwise.
HIGH_WATER = number("PYMHD_HUB_HIGH_WATER")
LOW_WATER = number("PYMHD_HUB_LOW_WATER")
# When so many bytes have been written they are sent; less waits for the batch's end.
COLLECTED = number("PYMHD_HUB_COLLECTED")
# Bytes of the longest line of the log, with the NUL at its end.
LOG_LINE = number("PYMHD_LOG_LINE")
