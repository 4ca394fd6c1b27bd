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

MANY = 1_000_000

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
    most_connections: int = MANY
    """Loads with more are not for it."""


def _what(load: Load) -> str:
    return "hello" if load.what in ("tls", "threads", "connections") else load.what


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


def _pymhd(*options: str, run: str = "hub") -> Callable[[Load], list[str]]:
    def command(load: Load) -> list[str]:
        script = str(HERE / "servers" / "with_pymhd.py")
        words = [sys.executable, script, "PORT", _what(load), *options]
        if load.what == "tls":
            words += [f"cert={CERT}", f"key={KEY}"]
        if load.what == "file":
            words.append(f"file={FILE}")
        if load.what == "echo":
            words.append(f"run={run}")
        if load.threads:
            words.append(f"threads={load.threads}")
        return words

    return command


def _workers(load: Load) -> list[str]:
    return [
        *("env", f"PYTHONPATH={HERE / 'servers'}"),
        *(sys.executable, "-m", "pymhd", "serve", f"with_pymhd:{_what(load)}"),
        *("--port", "PORT", "--workers", str(load.threads)),
    ]


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


def _ours() -> list[Server]:
    requests = REQUESTS | {"reused", "tls", "slow", "file"}
    scaling = frozenset({"threads", "blocking"})
    connections = frozenset({"connections"})
    pool = f"pool={pymhd.Limits().memory}"
    by_c = requests | connections | scaling | ECHO
    return [
        Server("c", by_c, _c()),
        Server("c-pool", by_c, _c(pool)),
        Server("c-external", connections | {"hello"}, _c("threads=0")),
        Server("pymhd", requests | connections | scaling | ECHO, _pymhd()),
        Server("pymhd-2", requests | connections | ECHO, _pymhd("threads=2")),
        Server(
            "pymhd-per-connection",
            requests | connections | ECHO,
            _pymhd("threads=per-connection", run="thread"),
            most_connections=1000,
        ),
        Server("pymhd-external", requests | ECHO, _pymhd("threads=external")),
        *(
            Server(f"pymhd-{way}", requests, _pymhd(f"polling={way}"), "raw", most)
            for way, most in (("select", 500), ("poll", MANY), ("epoll", MANY))
        ),
        Server("pymhd-inline", ECHO, _pymhd(run="inline")),
        Server("pymhd-thread", ECHO, _pymhd(run="thread"), most_connections=1000),
        Server("pymhd-workers", scaling, _workers),
    ]


def _peers() -> list[Server]:
    return [
        Server("bjoern", REQUESTS | {"connections"}, _peer("bjoern")),
        Server("fastwsgi", REQUESTS | {"connections"}, _peer("fastwsgi")),
        Server("uvloop", ECHO, _peer("asyncio", "uvloop")),
        Server("asyncio", ECHO, _peer("asyncio", "asyncio")),
        Server(
            "socketify",
            REQUESTS | ECHO | {"tls", "connections"},
            _peer("socketify"),
            "ws",
        ),
        Server("granian", REQUESTS | ECHO | {"tls", "file"}, _peer("granian"), "ws"),
        Server("picows", ECHO, _peer("picows"), "ws"),
        Server("uvicorn", REQUESTS | ECHO | {"tls"}, _peer("uvicorn"), "ws"),
        Server("aiohttp", REQUESTS | ECHO | {"tls", "file"}, _peer("aiohttp"), "ws"),
        Server("websockets", ECHO, _peer("websockets"), "ws"),
    ]


SERVERS = {server.name: server for server in _ours() + _peers()}


def for_load(load: Load, only: Sequence[str] = ()) -> list[Server]:
    """Return the servers that can do what a load asks for."""
    return [
        server
        for server in SERVERS.values()
        if load.what in server.can
        and load.client.connections <= server.most_connections
        and (not only or server.name in only)
    ]
