# SPDX-License-Identifier: MIT
"""pymhd. Usage: with_pymhd.py PORT WHAT [threads=N] [polling=poll] [run=hub] [...]

The rest is cert=PATH key=PATH, for TLS, and file=PATH, what to answer with.
"""

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymhd

BODY = b"x" * (1 << 20)
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
visitors = itertools.count()
same = pymhd.Response(b"Hello, world\n", headers=TEXT)
Handler = Callable[[pymhd.Request], pymhd.Response]


def hello(request: pymhd.Request) -> pymhd.Response:
    """Answer the same to everybody."""
    return pymhd.Response(b"Hello, world\n", headers=TEXT)


def varied(request: pymhd.Request) -> pymhd.Response:
    """Answer each time with another body."""
    return pymhd.Response(b"Hello, visitor %d\n" % next(visitors), headers=TEXT)


def work(request: pymhd.Request) -> pymhd.Response:
    """Compute for some 50 us before the answer."""
    sum_ = 0
    for number in range(600):
        sum_ += number
    return pymhd.Response(b"%d\n" % sum_, headers=TEXT)


def reused(request: pymhd.Request) -> pymhd.Response:
    """Answer with the very same object."""
    return same


def headers(request: pymhd.Request) -> pymhd.Response:
    """Read ten fields of the header."""
    size = sum(len(request.headers.get(f"X-Bench-{i}", "")) for i in range(10))
    return pymhd.Response(b"%d\n" % size, headers=TEXT)


def json(request: pymhd.Request) -> pymhd.Response:
    """Send a body back."""
    return pymhd.Response(request.body, headers=JSON)


def body(request: pymhd.Request) -> pymhd.Response:
    """Answer with 1 MiB."""
    return pymhd.Response(BODY, headers=TEXT)


def sending(path: Path) -> Handler:
    """Return the handler that answers with a file, opened each time."""
    return lambda request: pymhd.Response.from_file(path, headers=TEXT)


def upload(request: pymhd.Request) -> pymhd.Response:
    """Count what has come."""
    return pymhd.Response(b"%d\n" % len(request.body), headers=TEXT)


def slow(request: pymhd.Request) -> pymhd.Response:
    """Hold the thread now and then."""
    if next(visitors) % 100 == 0:
        time.sleep(0.01)
    return hello(request)


def blocking(request: pymhd.Request) -> pymhd.Response:
    """Hold the thread each time."""
    time.sleep(0.001)
    return hello(request)


def echo_blocking(stream: pymhd.Upgraded) -> None:
    """Send back what comes, in a thread of its own."""
    while data := stream.recv(65536):
        stream.sendall(data)


class EchoProtocol(pymhd.Protocol):
    """Send back what comes, in the shape of asyncio.Protocol."""

    def connection_made(self, transport: pymhd.Transport) -> None:
        """Keep what writes."""
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._write(data)


def echo_selecting() -> Callable[[pymhd.Upgraded], None]:
    """Return what hands each connection to a thread with one selector for all."""
    from selecting import Selecting

    return Selecting().add


def switching(run: str) -> Handler:
    """Return the handler that upgrades everybody."""
    makers: dict[str, Callable[[], Any]] = {
        "hub": lambda: EchoProtocol,
        "thread": lambda: echo_blocking,
        "inline": echo_selecting,
    }
    switch = pymhd.Response.for_upgrade(makers[run](), "raw", run=run)  # type: ignore[arg-type]
    return lambda request: switch


def main() -> None:
    """Serve until a signal comes."""
    port, what, *words = sys.argv[1:]
    options = dict(word.split("=", 1) for word in words)
    settings: dict[str, Any] = {"limits": pymhd.Limits(body=1 << 28)}
    threads = options.get("threads", "1")
    settings["threads"] = int(threads) if threads.isdigit() else threads
    if "polling" in options:
        settings["polling"] = options["polling"]
    if "cert" in options:
        settings["tls"] = pymhd.TLS(options["cert"], options["key"])
    if what == "echo":
        handler = switching(options["run"])
    elif what == "file":
        handler = sending(Path(options["file"]))
    else:
        handler = globals()[what]
    with pymhd.Daemon(handler, port=int(port), **settings) as daemon:
        if threads == "external":
            while daemon.run(1.0):
                pass
        else:
            daemon.wait()


if __name__ == "__main__":
    main()
