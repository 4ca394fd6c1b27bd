# SPDX-License-Identifier: MIT
"""Marks: in which modes a test runs, and what it needs."""

import contextlib
import os
import shutil
import socket

import pytest
from live import ALL_MODES, MODES, is_served
from sessions import RUNS

from pymhd import lib

_FIXTURES = ("pair", "transport")

each_mode = pytest.mark.parametrize("mode", MODES)
every_mode = pytest.mark.parametrize("mode", ALL_MODES)
each_way = pytest.mark.parametrize(
    ("mode", "run"), [(mode, run) for mode in MODES for run in RUNS]
)
each_pair = pytest.mark.parametrize("pair", MODES, indirect=True)
"""For tests with the fixture ``pair``: each_mode for its daemon."""
every_pair = pytest.mark.parametrize("pair", ALL_MODES, indirect=True)
every_way = pytest.mark.parametrize(
    ("mode", "run"), [(mode, run) for mode in ALL_MODES for run in RUNS]
)


def over_tls_too(mark: pytest.MarkDecorator) -> pytest.MarkDecorator:
    """Return a mark of the above with which a test also runs over TLS.

    There the pump is the same for every way of polling, so MODES will do.
    """
    names, values = mark.args
    names = (names,) if isinstance(names, str) else names
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    plain = [(*row, "plain") for row in rows]
    tls = [(*row, "tls") for row in rows if row[0] in MODES]
    return pytest.mark.parametrize(
        (*names, "transport"),
        plain + tls,
        indirect=[name for name in (*names, "transport") if name in _FIXTURES],
    )


def has_ipv6() -> bool:
    """Tell whether the loopback has IPv6."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=10):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_own_threads = pytest.mark.skipif(
    not is_served("per-connection"),
    reason="without a GIL, threads that libmicrohttpd starts are refused",
)
mends_chunks = pytest.mark.skipif(
    lib.MHD_VERSION < 0x00097400,
    reason="0.9.72 takes a last chunk for complete before its LF has come",
)
without_asan = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""),
    reason="AddressSanitizer's allocator does not behave as the system's",
)
