# SPDX-License-Identifier: MIT
"""An exception that strikes between two instructions, as a signal handler's does.

Programs of their own trace ``start()``, ``stop()``, ``wait()`` and ``run()``, and raise
at one place after the other: wherever the interpreter may run a signal handler, which
is behind a call, at a function's beginning and at a jump back. Each time a new daemon
is struck once; afterwards nothing is left, and the next one serves.
"""

import pytest
from live import Mode
from programs import run_program

SWEEP = """
from pymhd._native import logs
from striker import Striker
MODE = {mode!r}

def leftovers():
    return (
        len(running.drivers()), len(running.daemons()), len(logs._users),
        [t.name for t in threading.enumerate() if t.name.startswith("pymhd")],
        pymhd.lib.pymhd_sessions_live(), len(os.listdir("/proc/self/fd")),
    )

def serves(daemon):
    if "external" in str(MODE):
        return
    with connect(daemon) as sock:
        sock.sendall(GET)
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")

def prepare(daemon):
    {prepare}

def strike(daemon):
    {strike}

def after(daemon):
    {after}

import warnings
warnings.simplefilter("ignore", ResourceWarning)
gc.collect()
empty = leftovers()
n = {first}
while True:
    daemon = pymhd.Daemon(both, **in_mode(MODE))
    prepare(daemon)
    striker = Striker(n)
    with striker.over():
        strike(daemon)
    after(daemon)
    del daemon
    gc.collect()
    eventually(lambda: leftovers() == empty, f"after {{n}}: {{leftovers()}}, {{empty}}")
    if not striker.has_struck:
        break
    n += {step}
with pymhd.Daemon(both, **in_mode(MODE)) as daemon:
    serves(daemon)
assert n > 20, n
print("all struck")
"""

LATCH = """
from pymhd._engine.latch import Latch
from striker import Striker
MAIN = threading.main_thread()

class Late:
    # A lock that is free when the main thread asks, and has it before others do.
    def __init__(self, lock, latch):
        self.lock, self.latch = lock, latch
        self.asked, self.go = threading.Event(), threading.Event()

    def acquire(self, timeout):
        if threading.current_thread() is MAIN:
            self.latch.is_open = True
            self.lock.release()
        else:
            self.asked.set()
            assert self.go.wait(10)
        return self.lock.acquire(timeout=timeout)

    def release(self):
        self.lock.release()

n = 1
while True:
    latch = Latch()
    lock = latch._lock = Late(latch._lock, latch)
    waiter = threading.Thread(target=latch.wait, daemon=True)
    waiter.start()
    assert lock.asked.wait(10)
    striker = Striker(n)
    with striker.over():
        latch.wait(5)
    if not latch.is_open:  # it was struck before
        latch.open()
    lock.go.set()
    waiter.join(10)
    assert not waiter.is_alive(), n
    if not striker.has_struck:
        break
    n += 1
assert n > 5, n
print("all struck")
"""

# After start() has raised nobody calls stop(), unless it does run.
START = {
    "prepare": "pass",
    "strike": "daemon.start()",
    "after": "daemon.is_running and (serves(daemon), daemon.stop())",
}
STOP = {
    "prepare": "daemon.start()",
    "strike": "daemon.stop(0.2)",
    "after": "threading.Thread(target=daemon.stop).start(); daemon.stop()",
}
RUN = {
    "prepare": "daemon.start()",
    "strike": "daemon.run(0)",
    "after": "daemon.run(0); daemon.timeout(); daemon.stop()",
}
WAIT = {
    "prepare": "daemon.start()",
    "strike": "daemon.wait(0.001)",
    "after": (
        "threading.Thread(target=daemon.stop).start(); assert_over(daemon)\n"
        "def assert_over(daemon):\n"
        "    assert daemon.wait(10)\n"
        "    daemon.stop()\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
    ),
}


@pytest.mark.parametrize("mode", [1, 2, "per-connection", "external"])
@pytest.mark.parametrize("what", ["start", "stop"])
def test_wherever_an_exception_strikes_nothing_is_left_behind(
    mode: Mode, what: str
) -> None:
    """No descriptor, thread or driver; whoever waits for stop() goes on."""
    code = SWEEP.format(
        mode=mode, first=1, step=1, **{"start": START, "stop": STOP}[what]
    )
    assert run_program(code, []) == (0, "all struck\n", "")


@pytest.mark.parametrize("mode", ["external", "external select"])
def test_wherever_an_exception_strikes_in_run_it_may_be_called_again(
    mode: Mode,
) -> None:
    """And stop() does not wait for a call that has ended."""
    code = SWEEP.format(mode=mode, first=1, step=1, **RUN)
    assert run_program(code, []) == (0, "all struck\n", "")


def test_wherever_an_exception_strikes_in_wait_others_go_on() -> None:
    """And the signals have the handlers that they had."""
    code = SWEEP.format(mode=1, first=1, step=1, **WAIT)
    assert run_program(code, []) == (0, "all struck\n", "")


def test_whoever_waits_beside_one_that_is_struck_goes_on() -> None:
    """Also where that one had just been let go on."""
    assert run_program(LATCH, []) == (0, "all struck\n", "")
