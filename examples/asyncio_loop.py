# SPDX-License-Identifier: MIT
"""Serve from an asyncio loop, without a thread.

Handlers run on the loop's thread, between its other callbacks, so they may start tasks.
An upgraded connection becomes a pair of asyncio streams. Try it::

    python examples/asyncio_loop.py 8080
    python -m pymhd connect http://127.0.0.1:8080/ --protocol shout
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys

import pymhd


class Loop:
    """Runs a daemon when its descriptor is readable, or its time has come."""

    def __init__(self, daemon: pymhd.Daemon) -> None:
        self._daemon = daemon
        self._fd = daemon.fileno()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._fd, self._turn)
        self._turn()

    def _turn(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._daemon.run():
            self._loop.remove_reader(self._fd)
            return
        seconds = self._daemon.timeout()
        self._timer = None
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._turn)

    async def stop(self) -> None:
        """Stop the daemon while the loop's tasks say goodbye to their clients."""
        await asyncio.to_thread(self._daemon.stop)
        self._loop.remove_reader(self._fd)
        if self._timer is not None:
            self._timer.cancel()


tasks: set[asyncio.Task[None]] = set()
"""Whom asyncio would forget otherwise."""


async def shout(stream: pymhd.Upgraded) -> None:
    """Send every line back in capitals."""
    # asyncio closes what it is given, so it gets a duplicate.
    sock = socket.socket(fileno=os.dup(stream.fileno()))
    sock.setblocking(False)
    with stream, contextlib.suppress(ConnectionError):
        early = stream.recv(stream.pending()) if stream.pending() else b""
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(early.upper())
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()


def begin(stream: pymhd.Upgraded) -> None:
    """Give an upgraded connection to a task."""
    task = asyncio.ensure_future(shout(stream))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


switch = pymhd.Response.for_upgrade(begin, "shout", run="inline")


def handler(request: pymhd.Request) -> pymhd.Response:
    """Switch, or greet."""
    if request.wants_upgrade("shout"):
        return switch
    return pymhd.Response("Upgrade to shout\n", 426, {"Upgrade": "shout"})


async def main(port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with pymhd.Daemon(handler, port=port, threads="external") as daemon:
        loop = Loop(daemon)
        print(daemon.url, flush=True)
        await ended.wait()
        await loop.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8080))
