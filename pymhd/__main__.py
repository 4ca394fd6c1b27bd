# SPDX-License-Identifier: MIT
"""The commands behind ``python -m pymhd``."""

import argparse
import sys
from collections.abc import Sequence

from pymhd import __version__, _connect, _demo, _serve
from pymhd._library import lib, to_str


def _versions() -> str:
    library = to_str(lib.MHD_get_version())
    return f"pymhd {__version__} (libmicrohttpd {library})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pymhd",
        description="An HTTP server with a real protocol switch, on libmicrohttpd.",
    )
    parser.add_argument("--version", action="store_true", help="print the versions")
    commands = parser.add_subparsers(title="commands")
    demo = commands.add_parser("demo", help="start a small server to try things on")
    _demo.add_arguments(demo)
    demo.set_defaults(run=_demo.run)
    serve = commands.add_parser("serve", help="serve a handler in worker processes")
    _serve.add_arguments(serve)
    serve.set_defaults(run=_serve.run)
    connect = commands.add_parser("connect", help="talk to an upgraded connection")
    _connect.add_arguments(connect)
    connect.set_defaults(run=_connect.run)

    options = parser.parse_args(arguments)
    if options.version:
        print(_versions())
        return 0
    if "run" not in options:
        parser.print_help(sys.stderr)
        return 2
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
