# SPDX-License-Identifier: MIT
"""A signal handler, or a finalizer, writes while the hub hands over what was written.

A program of its own traces a loop of somebody's own and writes once more at each place
where the interpreter may run a signal handler: behind a call, at a function's beginning
and at a jump back.
"""

import pytest
from programs import run_program

SWEEP = """
from striker import Striker
SIZE = {size}
made = []

class Keeper(pymhd.Protocol):
    def connection_made(self, transport):
        made.append(transport)

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
        striker = Striker(n, lambda: transport.write(b"B" * SIZE))
        with striker.over():
            daemon.run(0)
        struck = striker.has_struck
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
