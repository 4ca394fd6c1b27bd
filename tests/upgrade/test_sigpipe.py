# SPDX-License-Identifier: MIT
"""A peer that has left ends no process, also where SIGPIPE has its default action."""

import pytest
from live import ALL_MODES, MODES, Mode
from programs import run_program

# What is sent to somebody who has left, in each way of sending.
PROGRAM = """
import io
import contextlib
from queue import SimpleQueue
import secure
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
logging.disable()
streams = SimpleQueue()
keep = pymhd.Response.for_upgrade(streams.put, "keep", run="inline")

class Flood(pymhd.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        for _ in range(64):
            self.transport.write(b"x" * 65536)
    def connection_lost(self, exc):
        lost.set()

lost = threading.Event()
flood = pymhd.Response.for_upgrade(Flood, "flood")
large = pymhd.Response(b"x" * (8 << 20))

def handler(request):
    if request.wants_upgrade("keep"):
        return keep
    return flood if request.wants_upgrade("flood") else large

def leave(sock):
    import struct
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()

def by_file(stream):
    file = stream.makefile("wb", buffering=0)
    while True:
        file.write(b"x" * 65536)

def without_end(send):
    while True:
        send(b"x" * 65536)

def exactly_once(stream):
    stream.shutdown(socket.SHUT_RD)
    without_end(stream.sendall)

ways = [
    lambda stream: without_end(stream.send),
    lambda stream: without_end(stream.sendall),
    by_file,
]
options = in_mode({mode!r})
if {tls!r}:
    options["tls"] = secure.server_tls()
with pymhd.Daemon(handler, **options) as daemon:
    stopping = False
    def loop():
        while not stopping and daemon.run(0.1):
            pass
    if options["threads"] == "external":
        runner = threading.Thread(target=loop)
        runner.start()
    for way in ways:
        sock = upgraded(daemon, "keep")
        stream = streams.get(timeout=10)
        leave(sock)
        with stream, contextlib.suppress(OSError):
            way(stream)
    sock = upgraded(daemon, "flood")
    sock.sendall(b"x")
    sock.recv(1)
    leave(sock)
    assert lost.wait(10)
    for _ in range(5):
        sock = connect(daemon)
        sock.sendall(GET * 3)
        sock.recv(1)
        leave(sock)
    eventually(lambda: daemon.connections == 0)
    stopping = True
    if options["threads"] == "external":
        runner.join()
print("still here")
"""


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_peer_that_has_left_ends_no_process(mode: Mode) -> None:
    """Whichever way is sent to it: streams, files, protocols, answers."""
    program = PROGRAM.replace("{mode!r}", repr(mode)).replace("{tls!r}", "False")
    assert run_program(program) == (0, "still here\n", "")


@pytest.mark.parametrize("mode", MODES)
def test_a_peer_that_has_left_ends_no_process_over_tls(mode: Mode) -> None:
    """Where GnuTLS sends, and a relay."""
    program = PROGRAM.replace("{mode!r}", repr(mode)).replace("{tls!r}", "True")
    assert run_program(program) == (0, "still here\n", "")
