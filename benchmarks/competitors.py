# SPDX-License-Identifier: MIT
"""Who is measured: how each server is started, and what it can do."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clients import BUILT, HERE
from loads import Load

import pymhd

PEERS_PYTHON = BUILT / "venv" / "bin" / "python"
CERT, KEY = BUILT / "cert.pem", BUILT / "key.pem"
FILE = BUILT / "file"

REQUESTS = frozenset({"hello", "varied", "headers", "json", "body", "upload"})
ECHO = frozenset({"echo"})


@dataclass(frozen=True)
class Server:
    """One row of the tables."""

    name: str
    can: frozenset[str]
    """What it can do, of what loads ask for."""
    command: Callable[[Load], list[str]]
    speaks: str = "raw"
    """What its upgraded connections speak: "raw" bytes, or "ws", WebSocket."""


def _what(load: Load) -> str:
    return "hello" if load.what in ("tls", "threads") else load.what


def _c(*options: str) -> Callable[[Load], list[str]]:
    def command(load: Load) -> list[str]:
        words = [str(BUILT / "hello"), "PORT", _what(load), *options]
        if load.what == "tls":
            words += [f"cert={CERT}", f"key={KEY}"]
        if load.what == "file":
            words.append(f"file={FILE}")
        if load.threads:
            words.append(f"threads={load.threads}")
        if load.what == "echo":
            words = [str(BUILT / "echo"), "PORT"]
            words += [option.partition("=")[2] for option in options]
        return words

    return command


def _pymhd(*options: str) -> Callable[[Load], list[str]]:
    def command(load: Load) -> list[str]:
        script = str(HERE / "servers" / "with_pymhd.py")
        words = [sys.executable, script, "PORT", _what(load), *options]
        if load.what == "tls":
            words += [f"cert={CERT}", f"key={KEY}"]
        if load.threads:
            words.append(f"threads={load.threads}")
        return words

    return command


def _peer(script: str, *options: str) -> Callable[[Load], list[str]]:
    def command(load: Load) -> list[str]:
        path = str(HERE / "servers" / f"with_{script}.py")
        words = [str(PEERS_PYTHON), path, "PORT", *(options or (_what(load),))]
        if load.what == "tls":
            words += [str(CERT), str(KEY)]
        if load.what == "file":
            words.append(str(FILE))
        return words

    return command


def _servers() -> list[Server]:
    everything = REQUESTS | ECHO | {"reused", "tls"}
    by_pymhd = REQUESTS | {"reused", "tls"}
    pool = f"pool={pymhd.Limits().memory}"
    return [
        Server("c", everything | {"file", "threads"}, _c()),
        Server("c-pool", everything | {"file", "threads"}, _c(pool)),
        Server("pymhd", by_pymhd | {"threads"}, _pymhd()),
        Server("pymhd-2", by_pymhd, _pymhd("threads=2")),
        Server("pymhd-per-connection", by_pymhd, _pymhd("threads=per-connection")),
        Server("pymhd-hub", ECHO, _pymhd("run=hub")),
        Server("pymhd-inline", ECHO, _pymhd("run=inline")),
        Server("pymhd-thread", ECHO, _pymhd("run=thread")),
        Server("bjoern", REQUESTS, _peer("bjoern")),
        Server("fastwsgi", REQUESTS, _peer("fastwsgi")),
        Server("uvloop", ECHO, _peer("asyncio", "uvloop")),
        Server("asyncio", ECHO, _peer("asyncio", "asyncio")),
        Server("socketify", REQUESTS | ECHO | {"tls"}, _peer("socketify"), "ws"),
        Server("granian", REQUESTS | ECHO | {"tls", "file"}, _peer("granian"), "ws"),
        Server("picows", ECHO, _peer("picows"), "ws"),
        Server("uvicorn", REQUESTS | ECHO | {"tls"}, _peer("uvicorn"), "ws"),
        Server("aiohttp", REQUESTS | ECHO | {"tls", "file"}, _peer("aiohttp"), "ws"),
        Server("websockets", ECHO, _peer("websockets"), "ws"),
    ]


SERVERS = {server.name: server for server in _servers()}


def for_load(load: Load, only: Sequence[str] = ()) -> list[Server]:
    """Return the servers that can do what a load asks for."""
    return [
        server
        for server in SERVERS.values()
        if load.what in server.can and (not only or server.name in only)
    ]
