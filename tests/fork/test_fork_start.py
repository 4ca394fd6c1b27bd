# SPDX-License-Identifier: MIT
"""A program forks while a daemon is being started, at one place after the other.

As another thread may at any time: what there is of the daemon is the parent's.
"""

import pytest
from live import ALL_MODES, Mode
from programs import run_program

PROGRAM = """
from striker import Striker
MODE = {mode!r}
children = []

def strike():
    pid = os.fork()
    if not pid:
        leave()
    children.append(pid)

def leave():
    # What the child does ends the same, however far its parent's start() had come.
    try:
        signal.alarm(5)
        assert not daemon.is_running
        assert not running.drivers() and not running.daemons()
        daemon.stop()
        gc.collect()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)

n = 1
while True:
    daemon = pymhd.Daemon(hello, **in_mode(MODE))
    striker = Striker(n, strike)
    with striker.over():
        daemon.start()
    if "external" not in str(MODE):
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    daemon.stop()
    if not striker.has_struck:
        break
    assert os.waitpid(children.pop(), 0)[1] == 0, f"the child at {{n}}"
    n += {step}
assert n > 20, n
print("all forked")
"""


@pytest.mark.parametrize("mode", ALL_MODES)
def test_wherever_a_start_is_forked_the_child_ends_well(mode: Mode) -> None:
    """It says nothing, has nothing running, and the parent serves."""
    code = PROGRAM.format(mode=mode, step=1 if mode == 1 else 7)
    assert run_program(code, []) == (0, "all forked\n", "")
