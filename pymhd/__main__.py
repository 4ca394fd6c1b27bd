# SPDX-License-Identifier: MIT
"""The commands behind ``python -m pymhd``."""

import argparse
import sys
from collections.abc import Sequence

from pymhd import __version__
from pymhd._cli import connect, demo, serve
from pymhd._native.library import lib, to_str


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
    parser_of = commands.add_parser(
        "demo", help="start a small server to try things on"
    )
    demo.add_arguments(parser_of)
    parser_of.set_defaults(run=demo.run)
    parser_of = commands.add_parser("serve", help="serve a handler in worker processes")
    serve.add_arguments(parser_of)
    parser_of.set_defaults(run=serve.run)
    parser_of = commands.add_parser("connect", help="talk to an upgraded connection")
    connect.add_arguments(parser_of)
    parser_of.set_defaults(run=connect.run)

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
