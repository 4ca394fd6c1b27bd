# SPDX-License-Identifier: MIT
"""What is measured: each load is what a server does, and a client that wants it."""

from dataclasses import dataclass

from clients import Ubench, Wrk

# The pools of threads, connections and messages that are gone through.
THREADS = (1, 2, 4)
CONNECTIONS = (1, 16, 64, 256, 1000)
UPGRADED = (1, 64, 1000, 5000)
SIZES = {"64": 64, "1k": 1024, "16k": 16384}


@dataclass(frozen=True)
class Load:
    """One table of the results."""

    name: str
    title: str
    what: str
    """What a server is asked to do; servers name what they can."""
    client: Wrk | Ubench
    threads: int = 0
    """So many threads for those that have them, on all cores; 0: one core for all."""
    anchor: str = "c"
    """The server to which ratios are taken."""
    note: str = ""


def _requests() -> list[Load]:
    return [
        Load("hello", "GET, a new response each time", "hello", Wrk()),
        Load("varied", "GET, another body each time", "varied", Wrk()),
        Load("reused", "GET, the same response object each time", "reused", Wrk()),
        Load("headers", "GET, ten header fields read", "headers", Wrk(headers=10)),
        Load(
            "json",
            "POST of 1 KiB of JSON that is sent back",
            "json",
            Wrk(method="POST", body_bytes=1024),
        ),
        Load("body", "GET of 1 MiB from memory", "body", Wrk(16)),
        Load(
            "file",
            "GET of a file of 1 MiB",
            "file",
            Wrk(16),
            note="C, pymhd, granian and aiohttp have a call for it; each opens the "
            "file each time.",
        ),
        Load(
            "upload",
            "POST of 100 MiB, counted",
            "upload",
            Wrk(2, "POST", 100 << 20),
            note="pymhd gathers the body, with its limit raised; C, aiohttp, granian, "
            "socketify and uvicorn count it as it comes.",
        ),
        Load("tls", "GET over TLS, connections kept", "tls", Wrk(tls=True)),
        Load(
            "pipelined",
            "GET, a new response each time, 16 requests sent at once",
            "hello",
            Wrk(pipelined=16),
        ),
        Load(
            "slow",
            "GET, one handler of a hundred sleeps 10 ms",
            "slow",
            Wrk(),
            note="What matters is p50 and p99: how long the others wait.",
        ),
    ]


def _scaling() -> list[Load]:
    by_connections = [
        Load(
            f"connections-{count}",
            f"GET, a new response each time, {count} connections",
            "connections",
            Wrk(count),
            anchor="c-external",
            note="Ratios are to C with a loop of its own, since the epoll thread of "
            "libmicrohttpd stalls: when exactly 128 connections are ready, it waits "
            "for others before it serves them.",
        )
        for count in CONNECTIONS
    ]
    by_threads = [
        Load(
            f"{name}-{count}",
            f"GET, {title}, {count} threads or processes, not pinned",
            what,
            Wrk(),
            threads=count,
        )
        for name, title, what in (
            ("threads", "a new response each time", "threads"),
            ("blocking", "each handler sleeps 1 ms", "blocking"),
        )
        for count in THREADS
    ]
    return by_connections + by_threads


def _upgraded() -> list[Load]:
    echoes = [
        Load(
            f"echo-{count}x{size}",
            f"Upgraded echo, {count} connections, {length} bytes",
            "echo",
            Ubench(count, length),
        )
        for size, length in SIZES.items()
        for count in UPGRADED
    ]
    return [
        *echoes,
        Load(
            "handshakes",
            "Connect, upgrade, echo 64 bytes, close; 64 at a time",
            "echo",
            Ubench(churn=True),
        ),
        Load(
            "idle",
            "Memory of each of 5000 idle upgraded connections",
            "echo",
            Ubench(5000, idle=True),
        ),
    ]


LOADS = {load.name: load for load in [*_requests(), *_scaling(), *_upgraded()]}
