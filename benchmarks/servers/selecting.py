# SPDX-License-Identifier: MIT
"""One thread and one selector for all connections: what run="inline" is for."""

import select
import threading

import pymhd


class Selecting:
    """Send back what comes on any number of upgraded connections."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, pymhd.Upgraded] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, stream: pymhd.Upgraded) -> None:
        """Take a connection over; the daemon's thread calls this."""
        self._streams[stream.fileno()] = stream
        self._epoll.register(stream.fileno(), select.EPOLLIN)

    def _run(self) -> None:
        while True:
            for fd, _ in self._epoll.poll():
                self._serve(fd)

    def _serve(self, fd: int) -> None:
        stream = self._streams[fd]
        try:
            if data := stream.recv(65536):
                stream.sendall(data)
                return
        except OSError:
            pass  # it was reset
        self._epoll.unregister(fd)
        del self._streams[fd]
        stream.close()
