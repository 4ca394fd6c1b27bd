# SPDX-License-Identifier: MIT
"""A signal handler, or a finalizer, writes while the hub hands over what was written.

A program of its own traces a loop of somebody's own and writes once more at each place
where the interpreter may run a signal handler: behind a call, at a function's beginning
and at a jump back.
"""

import pytest
from programs import run_program

SWEEP = """
import dis
SIZE = {size}
LOOKS = {{n for n, name in enumerate(dis.opname)
         if name.startswith(("CALL", "RESUME", "JUMP_BACKWARD"))}}
made = []

class Keeper(pymhd.Protocol):
    def connection_made(self, transport):
        made.append(transport)

class Interrupter:
    # Writes at the n-th place, once.
    def __init__(self, n, transport):
        self.left = n
        self.transport = transport
        self.looks = dict()

    def __call__(self, frame, event, argument):
        if "/pymhd/" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.trace

    def trace(self, frame, event, argument):
        if event != "opcode":
            return self.trace
        before = self.looks.get(frame)
        self.looks[frame] = frame.f_code.co_code[frame.f_lasti] in LOOKS
        if before:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                self.transport.write(b"B" * SIZE)
        return self.trace

response = pymhd.Response.for_upgrade(Keeper, "keep")
daemon = pymhd.Daemon(lambda request: response, threads="external")
daemon.start()
n = 0
struck = True
while struck:
    n += 1
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol="keep"))
        while not made:
            daemon.run(1)
        transport = made.pop()
        transport.write(b"A" * 10)
        interrupter = Interrupter(n, transport)
        sys.settrace(interrupter)
        try:
            daemon.run(0)
        finally:
            sys.settrace(None)
        interrupter.looks.clear()
        struck = interrupter.left <= 0
        transport.close()
        daemon.run(0)
        assert b" 101 " in read_head(sock)
        expected = b"A" * 10 + (b"B" * SIZE if struck else b"")
        received = read_exactly(sock, len(expected))
        assert received == expected, (n, received[:9], received[-9:])
daemon.stop()
assert n > 20, n
print("all in order")
"""


@pytest.mark.parametrize("size", [5, 20000])
def test_what_is_written_in_between_comes_behind_what_was_written_before(
    size: int,
) -> None:
    """However large it is, and the loop goes on."""
    code = SWEEP.format(size=size)
    assert run_program(code, []) == (0, "all in order\n", "")
