# SPDX-License-Identifier: MIT
"""Peers that send as fast as they can: each is read as much as the others."""

from collections import Counter

import pytest
from live import MIB, Mode, Serve, eventually
from marks import every_mode, over_tls_too
from programs import program
from protocols import Hub, Recorder

PIECE = bytes(128 * 1024)
ENOUGH = 32 * MIB
"""What one thread reads, of all that it serves, before they are compared."""


class Meter:
    """What each of a hub's protocols has read, once all of them have been read."""

    def __init__(self) -> None:
        self.begun = self.done = False
        self.read: Counter[Recorder] = Counter()

    def count(self, protocol: Recorder, data: bytes) -> None:
        if self.done:
            return
        self.read[protocol] += len(data)
        if not self.begun and min(self.read.values()) >= len(PIECE):
            self.begun = True
            for one in self.read:
                self.read[one] = 0
        self.done = self.begun and sum(self.read.values()) >= ENOUGH


# A process of its own, which does not wait for this one's GIL: it sends on whichever of
# its connections takes something, until this process has it end.
SENDERS = """
import selectors, ssl, sys
from live import connect_to, read_head, upgrade_request
port, count, tls = {port}, {count}, {tls}
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
selector = selectors.DefaultSelector()
for _ in range(count):
    sock = connect_to(("127.0.0.1", port), socket.AF_INET)
    if tls:
        sock = context.wrap_socket(sock)
    sock.sendall(upgrade_request())
    assert read_head(sock).startswith(b"HTTP/1.1 101 ")
    sock.setblocking(False)
    selector.register(sock, selectors.EVENT_WRITE)
while True:
    for key, _ in selector.select():
        with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
            key.fileobj.send(bytes({piece}))
"""


def shares(
    serve: Serve, mode: Mode, senders: int, tls: bool = False
) -> list[list[int]]:
    """Return what was read of each sender, for each of the threads that read."""
    meters: dict[object, Meter] = {}

    def begin(protocol: Recorder) -> None:
        meter = meters.setdefault(protocol.transport._hub, Meter())
        meter.read[protocol] = 0
        protocol.transport.pause_reading()

    def count(protocol: Recorder, data: bytes) -> None:
        protocol.data = b""
        meters[protocol.transport._hub].count(protocol, data)

    hub = Hub(serve, mode=mode, made=begin, data=count)
    code = SENDERS.format(
        port=hub.daemon.port, count=senders, tls=tls, piece=len(PIECE)
    )
    with program(code) as process:
        protocols = hub.protocols(senders)
        for protocol in protocols:
            protocol.transport.resume_reading()
        eventually(lambda: all(meter.done for meter in meters.values()), "reading")
        process.kill()
    return [sorted(meter.read.values()) for meter in meters.values()]


@over_tls_too(every_mode)
def test_nobody_is_read_twice_as_much_as_another(
    serve: Serve, mode: Mode, transport: str
) -> None:
    """Of those whom the same thread serves.

    Who comes too late for one batch is the first of the next.
    """
    for read in shares(serve, mode, 5, transport == "tls"):
        assert read[-1] <= 2 * read[0], read


@pytest.mark.parametrize("senders", [2, 10, 100])
def test_few_and_many_senders_are_read_alike(serve: Serve, senders: int) -> None:
    """With as many as one batch has room for, and with many times more."""
    (read,) = shares(serve, 1, senders)
    assert read[-1] <= 2 * read[0], read
