# SPDX-License-Identifier: MIT
"""Many upgrades, one after another and at the same time, and what they leave behind.

    ./dev soak
    ./dev soak --sequential 100000 --simultaneous 2000 --threads per-connection

Each connection upgrades, sends bytes, must get the very same ones back, and closes. The
client is a process of its own, so that what is counted here is the server's. Prints one
line of JSON; the exit status is 1 if a byte, descriptor, thread or session was lost, or
if memory grew.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pymhd

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
)
# What may be in use on the heap beyond what was after a first run of the same load:
# less than a byte for each connection of the default load is noise.
GROWTH_BYTES = 256 * 1024


def echo(stream: pymhd.Upgraded) -> None:
    """Send back what comes, until it ends."""
    while data := stream.recv(65536):
        stream.sendall(data)


async def talk(port: int, payload: bytes) -> None:
    """Upgrade once, and compare what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ValueError(f"refused: {head!r}")
        writer.write(payload)
        if await reader.readexactly(len(payload)) != payload:
            raise ValueError("other bytes came back")
    finally:
        writer.close()
        await writer.wait_closed()


async def client(port: int, sequential: int, simultaneous: int, size: int) -> None:
    """Be the client process."""
    for number in range(sequential):
        await talk(port, number.to_bytes(4) * (size // 4))
    if simultaneous:
        ready = asyncio.Barrier(simultaneous)

        async def together(number: int) -> None:
            await ready.wait()
            await talk(port, number.to_bytes(4) * (size // 4))

        await asyncio.gather(*(together(number) for number in range(simultaneous)))


def run_client(port: int, sequential: int, simultaneous: int, size: int) -> float:
    """Run the client process; return the seconds that it took."""
    numbers = [str(number) for number in (port, sequential, simultaneous, size)]
    begun = time.monotonic()
    subprocess.run([sys.executable, __file__, "--client", *numbers], check=True)
    return time.monotonic() - begun


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def tasks() -> int:
    """Return how many threads the process has, C's included."""
    return len(os.listdir("/proc/self/task"))


def tasks_beyond(before: int) -> int:
    """Return how many threads there are beyond so many.

    One that Python has joined may still be on its way out of the kernel.
    """
    deadline = time.monotonic() + 1
    while tasks() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    return tasks() - before


class MallInfo(ctypes.Structure):
    """struct mallinfo2 of glibc"""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def heap_bytes() -> int:
    """Return how many bytes are in use, after the free ones went back to the system.

    Of the resident memory much is what threads' arenas keep for the next ones.
    """
    gc.collect()
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = MallInfo
    libc.malloc_trim(0)
    used: int = libc.mallinfo2().uordblks
    return used


def resident_kib() -> int:
    """Return the resident memory in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def soak(arguments: argparse.Namespace) -> dict[str, object]:
    """Serve both loads; return what was measured."""
    before = descriptors(), tasks()
    size: int = arguments.bytes
    threads = arguments.threads
    switch = pymhd.Response.for_upgrade(echo, "echo")
    with pymhd.Daemon(
        lambda request: switch, threads=int(threads) if threads.isdigit() else threads
    ) as daemon:
        run_client(daemon.port, arguments.sequential, arguments.simultaneous, size)
        heap, resident = heap_bytes(), resident_kib()
        one = run_client(daemon.port, arguments.sequential, 0, size)
        many = run_client(daemon.port, 0, arguments.simultaneous, size)
        heap_grown, resident_grown = heap_bytes() - heap, resident_kib() - resident
    return {
        "threads": threads,
        "sequential": arguments.sequential,
        "sequential_per_s": round(arguments.sequential / one),
        "simultaneous": arguments.simultaneous,
        "simultaneous_s": round(many, 2),
        "bytes_each": size,
        "descriptors_left": descriptors() - before[0],
        "threads_left": tasks_beyond(before[1]),
        "sessions_left": pymhd.lib.pymhd_sessions_live(),
        "heap_grown_bytes": heap_grown,
        "resident_kib": resident,
        "resident_grown_kib": resident_grown,
    }


def main() -> int:
    """Parse the command line and run."""
    if sys.argv[1:2] == ["--client"]:
        asyncio.run(client(*map(int, sys.argv[2:])))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sequential", type=int, default=10_000, metavar="N")
    parser.add_argument("--simultaneous", type=int, default=1_000, metavar="N")
    parser.add_argument("--bytes", type=int, default=65_536, metavar="N")
    parser.add_argument("--threads", default="1", help='1, N or "per-connection"')
    result = soak(parser.parse_args())
    print(json.dumps(result))
    left = [result[f"{what}_left"] for what in ("descriptors", "threads", "sessions")]
    grown = int(str(result["heap_grown_bytes"]))
    return int(left != [0, 0, 0] or grown > GROWTH_BYTES)


if __name__ == "__main__":
    sys.exit(main())
