# SPDX-License-Identifier: MIT
"""``python -m pymhd demo``: a small server to try things on."""

import argparse
import errno
import html
import importlib.resources
import re
import signal
import string
import sys
from collections.abc import Callable

import pymhd
from pymhd._cli.command import command

_MORE_PORTS = 20


def _page(request: pymhd.Request) -> pymhd.Response:
    """Show what this is, with the address under which the browser came."""
    address = request.headers.get("Host", "")
    # It becomes part of a command that people paste into a shell.
    if not re.fullmatch(r"[\w.:\[\]-]+", address, re.ASCII):
        address = "127.0.0.1"
    text = (
        importlib.resources.files(__package__).joinpath("demo.html").read_text("utf-8")
    )
    url = f"http://{address}/echo"
    connect = html.escape(command("connect", url, "--protocol", "echo"))
    page = string.Template(text).substitute(command=connect)
    return pymhd.Response(
        page.encode(),
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'unsafe-inline'; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
        },
    )


def _hello(request: pymhd.Request) -> pymhd.Response:
    name = request.query.get("name", "world")
    return pymhd.Response(
        # What was no UTF-8 in the query goes back as it came.
        f"Hello, {name}\n".encode(errors="surrogateescape"),
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            # It repeats what the visitor wrote: no browser may take it for HTML.
            "X-Content-Type-Options": "nosniff",
        },
    )


def _echo(stream: pymhd.Upgraded) -> None:
    while data := stream.recv(65536):
        stream.sendall(data)


_switch = pymhd.Response.for_upgrade(_echo, "echo")


def _upgrade(request: pymhd.Request) -> pymhd.Response:
    if request.wants_upgrade("echo"):
        return _switch
    return pymhd.Response("Upgrade to echo\n", 426, {"Upgrade": "echo"})


_routes: dict[str, Callable[[pymhd.Request], pymhd.Response]] = {
    "/": _page,
    "/hello": _hello,
    "/echo": _upgrade,
}


def handler(request: pymhd.Request) -> pymhd.Response:
    """Answer one request."""
    route = _routes.get(request.path)
    if route is None:
        return pymhd.Response("Not found\n", 404)
    if request.method not in ("GET", "HEAD"):
        return pymhd.Response("Only GET and HEAD\n", 405, {"Allow": "GET, HEAD"})
    return route(request)


def _start(port: int) -> pymhd.Daemon:
    """Start on `port` or, if it is in use, on one of the next, else on any."""
    for candidate in (port, *range(port + 1, min(port + _MORE_PORTS, 65535) + 1)):
        daemon = pymhd.Daemon(handler, port=candidate)
        try:
            daemon.start()
        except pymhd.StartError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return daemon
    daemon = pymhd.Daemon(handler)
    daemon.start()
    return daemon


def _serve(port: int) -> None:
    with _start(port) as daemon:
        url = daemon.url.rstrip("/")
        print(
            f"pymhd is listening on {url}/\n"
            "Open it in a browser, or try these, and stop with Ctrl-C:\n"
            f"  curl '{url}/hello?name=you'\n"
            f"  {command('connect', url + '/echo', '--protocol', 'echo')}",
            flush=True,
        )
        daemon.wait()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    parser.add_argument(
        "--port", type=int, default=8080, help="the first to try (8080); 0: any"
    )


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit status."""
    # SIGTERM ends this in order also in the moments before wait() listens to it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _serve(options.port)
    except KeyboardInterrupt:
        pass
    except (pymhd.StartError, pymhd.DaemonError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"pymhd demo: {reason}", file=sys.stderr)
        return 1
    return 0
