# SPDX-License-Identifier: MIT
"""Clients that misbehave at every state of a connection, and what they leave behind.

    ./dev faults
    ./dev faults --cycles 100000 --threads per-connection --seed 7

Each cycle picks a behaviour at random: an orderly echo, a reset or a farewell in the
request, after it, in the 101, in the echo, a half-close, a slow reader, a sender that
does not read. Orderly cycles check every byte. Prints one line of JSON; the exit status
is 1 if an orderly client lost a byte, or a descriptor, thread or session was left.
"""

import argparse
import collections
import gc
import json
import multiprocessing
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from soak import REQUEST, descriptors, echo, heap_bytes, tasks, tasks_beyond

import pymhd

TIMEOUT = 20
Behaviour = Callable[[socket.socket, random.Random], None]


def reset(sock: socket.socket) -> None:
    """Close with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def leave(sock: socket.socket, dice: random.Random) -> None:
    """Go, one way or the other."""
    dice.choice([reset, socket.socket.close])(sock)


def upgrade(sock: socket.socket) -> bytes:
    """Upgrade; return what came behind the head."""
    sock.sendall(REQUEST)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(4096)
        if not piece:
            raise ValueError(f"the connection ended within {head!r}")
        head += piece
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ValueError(f"refused: {head!r}")
    return head.partition(b"\r\n\r\n")[2]


def expect(sock: socket.socket, payload: bytes) -> None:
    """Read exactly this."""
    got = bytearray()
    while len(got) < len(payload):
        piece = sock.recv(min(65536, len(payload) - len(got)))
        if not piece:
            raise ValueError(f"{len(got)} of {len(payload)} bytes came back")
        got += piece
    if got != payload:
        raise ValueError("other bytes came back")


def orderly(sock: socket.socket, dice: random.Random) -> None:
    """Echo some bytes, end our half, and see the other one end."""
    upgrade(sock)
    payload = dice.randbytes(dice.choice([1, 100, 5_000, 100_000]))
    sender = threading.Thread(target=sock.sendall, args=(payload,))
    sender.start()
    expect(sock, payload)
    sender.join()
    sock.shutdown(socket.SHUT_WR)
    if sock.recv(1):
        raise ValueError("there was more")


def in_the_request(sock: socket.socket, dice: random.Random) -> None:
    """Leave before the request is whole."""
    sock.sendall(REQUEST[: dice.randrange(len(REQUEST))])


def after_the_request(sock: socket.socket, dice: random.Random) -> None:
    """Leave without waiting for the 101."""
    sock.sendall(REQUEST + dice.randbytes(dice.choice([0, 1, 70_000])))


def in_the_101(sock: socket.socket, dice: random.Random) -> None:
    """Leave with a part of the 101 unread."""
    sock.sendall(REQUEST)
    sock.recv(dice.randrange(1, 50))


def in_the_echo(sock: socket.socket, dice: random.Random) -> None:
    """Leave with bytes under way in both directions."""
    upgrade(sock)
    sock.sendall(dice.randbytes(50_000))
    sock.recv(dice.randrange(1, 5_000))


def half_closed(sock: socket.socket, dice: random.Random) -> None:
    """End our half at once, and leave before the other one ends."""
    upgrade(sock)
    sock.shutdown(socket.SHUT_WR)


def deaf(sock: socket.socket, dice: random.Random) -> None:
    """Send without reading until nothing goes any more."""
    upgrade(sock)
    sock.settimeout(0.02)
    for _ in range(200):
        sock.send(b"x" * 65536)


def slow(sock: socket.socket, dice: random.Random) -> None:
    """Read with pauses; every byte must come."""
    upgrade(sock)
    payload = dice.randbytes(30_000)
    sock.sendall(payload)
    for at in range(0, len(payload), 10_000):
        time.sleep(0.002)
        expect(sock, payload[at : at + 10_000])


BEHAVIOURS: dict[Behaviour, int] = {
    orderly: 6,
    in_the_request: 2,
    after_the_request: 2,
    in_the_101: 2,
    in_the_echo: 2,
    half_closed: 2,
    deaf: 1,
    slow: 1,
}


def client(port: int, cycles: int, seed: int, results: "multiprocessing.Queue") -> None:  # type: ignore[type-arg]
    """Be one client process; report how often each behaviour went wrong."""
    dice = random.Random(seed)
    wrong: collections.Counter[str] = collections.Counter()
    for _ in range(cycles):
        (behaviour,) = dice.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))
        sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        try:
            behaviour(sock, dice)
        except (OSError, ValueError) as error:
            if behaviour in (orderly, slow):
                wrong[f"{behaviour.__name__}: {error}"] += 1
        leave(sock, dice)
    results.put(wrong)


def run_clients(port: int, cycles: int, processes: int, seed: int) -> dict[str, int]:
    """Run the client processes; return what went wrong in them."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    share = cycles // processes
    clients = [
        context.Process(target=client, args=(port, share, seed + number, results))
        for number in range(processes)
    ]
    for process in clients:
        process.start()
    wrong: collections.Counter[str] = collections.Counter()
    for _ in clients:
        wrong += results.get()
    for process in clients:
        process.join()
    results.close()
    results.join_thread()
    return dict(wrong)


def serve(arguments: argparse.Namespace) -> dict[str, object]:
    """Serve the load; return what was measured."""
    run_clients(1, 0, 1, 0)  # multiprocessing keeps a descriptor and a process
    before = descriptors(), tasks()
    threads = arguments.threads
    switch = pymhd.Response.for_upgrade(echo, "echo")
    with pymhd.Daemon(
        lambda request: switch, threads=int(threads) if threads.isdigit() else threads
    ) as daemon:
        run_clients(daemon.port, 500, arguments.processes, arguments.seed)
        heap, begun = heap_bytes(), time.monotonic()
        wrong = run_clients(
            daemon.port, arguments.cycles, arguments.processes, arguments.seed
        )
        seconds = time.monotonic() - begun
        while daemon.connections and time.monotonic() - begun - seconds < TIMEOUT:
            time.sleep(0.05)
        connections, upgraded = daemon.connections, daemon.upgraded
        heap_grown = heap_bytes() - heap
    gc.collect()
    return {
        "threads": threads,
        "cycles": arguments.cycles,
        "seconds": round(seconds, 1),
        "wrong": wrong,
        "connections_left": connections,
        "upgraded_left": upgraded,
        "descriptors_left": descriptors() - before[0],
        "threads_left": tasks_beyond(before[1]),
        "sessions_left": pymhd.lib.pymhd_sessions_live(),
        "heap_grown_bytes": heap_grown,
    }


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=10_000, metavar="N")
    parser.add_argument("--processes", type=int, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--threads", default="1", help='1, N or "per-connection"')
    result = serve(parser.parse_args())
    print(json.dumps(result))
    left = [value for name, value in result.items() if name.endswith("_left")]
    return int(any(left) or bool(result["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
