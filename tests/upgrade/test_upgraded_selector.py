# SPDX-License-Identifier: MIT
"""``Upgraded`` in a selector: any number of streams on one thread."""

import contextlib
import os
import selectors
import socket
import threading
from queue import SimpleQueue
from typing import cast

from live import TIMEOUT, Serve, eventually, read_exactly, upgraded
from marks import each_pair, over_tls_too
from sessions import Pair

import pymhd


@over_tls_too(each_pair)
def test_a_selector_may_wait_for_it(pair: Pair) -> None:
    """By its descriptor, which is not one of libmicrohttpd's."""
    stream, sock = pair()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        assert selector.select(0) == []
        sock.sendall(b"x")
        ((key, _),) = selector.select(TIMEOUT)
        assert key.fileobj is stream
        assert stream.recv(1) == b"x"
        assert selector.select(0) == []
    assert os.get_inheritable(stream.fileno()) is False


class SelectorThread:
    """Serves any number of streams on one thread: what a C program would do."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._arrived: SimpleQueue[pymhd.Upgraded] = SimpleQueue()
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._going = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def begin(self, stream: pymhd.Upgraded) -> None:
        """Take a stream over: the target of the response."""
        self._arrived.put(stream)
        self._wake_out.send(b"s")

    def stop(self) -> None:
        """End the thread."""
        self._wake_out.send(b"q")
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _run(self) -> None:
        while self._going:
            for key, _ in self._selector.select(TIMEOUT):
                if key.fileobj is self._wake_in:
                    self._woken()
                else:
                    self._read(cast("pymhd.Upgraded", key.fileobj))

    def _woken(self) -> None:
        signs = self._wake_in.recv(100)
        self._going = b"q" not in signs
        for _ in range(signs.count(b"s")):
            stream = self._arrived.get()
            self._selector.register(stream, selectors.EVENT_READ)
            if stream.pending():
                self._read(stream)

    def _read(self, stream: pymhd.Upgraded) -> None:
        if data := stream.recv(65536):
            stream.sendall(data)
            return
        self._selector.unregister(stream)
        stream.close()


def test_one_selector_thread_serves_two_hundred_inline_connections(
    serve: Serve,
) -> None:
    """The C contract: a callable that receives the upgraded descriptor."""
    server = SelectorThread()
    switch = pymhd.Response.for_upgrade(server.begin, "echo", run="inline")
    daemon = serve(lambda request: switch)
    with contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(upgraded(daemon, early=b"%03d" % number))
            for number in range(200)
        ]
        eventually(lambda: daemon.upgraded == 200, "all sessions")
        for sock in socks:
            sock.sendall(b" and more")
        for number, sock in enumerate(socks):
            assert read_exactly(sock, 12) == b"%03d and more" % number
    eventually(lambda: daemon.upgraded == 0, "the end of the sessions")
    server.stop()
