# SPDX-License-Identifier: MIT
"""GNU libmicrohttpd for Python: an embedded HTTP server with raw HTTP Upgrade.

``pymhd.lib`` and ``pymhd.ffi`` are the raw layer: every function, type and constant of
the ``microhttpd.h`` that this was built against, under its C name, and
``MHD_response_for_upgrade``.
"""

from pymhd import files
from pymhd._native.library import ffi, lib
from pymhd.daemon import Daemon, Polling, Threads
from pymhd.errors import (
    CallError,
    DaemonError,
    IncompleteReadError,
    MHDError,
    NotSupportedError,
    StartError,
    StateError,
    StreamClosedError,
)
from pymhd.handler import Handler
from pymhd.headers import Headers, Query
from pymhd.limits import Limits
from pymhd.protocol import Protocol, Transport, broadcast
from pymhd.request import Address, Request
from pymhd.response import Response
from pymhd.tls import TLS, TLSInfo
from pymhd.upgrade import Upgraded

# pyproject.toml reads it here.
__version__ = "0.1.0"

__all__ = [
    "TLS",
    "Address",
    "CallError",
    "Daemon",
    "DaemonError",
    "Handler",
    "Headers",
    "IncompleteReadError",
    "Limits",
    "MHDError",
    "NotSupportedError",
    "Polling",
    "Protocol",
    "Query",
    "Request",
    "Response",
    "StartError",
    "StateError",
    "StreamClosedError",
    "TLSInfo",
    "Threads",
    "Transport",
    "Upgraded",
    "broadcast",
    "ffi",
    "files",
    "lib",
]
