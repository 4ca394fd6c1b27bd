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
import dis
from pymhd._native import logs
MODE = {mode!r}
# Behind these the interpreter looks whether there is something to handle.
LOOKS = {{n for n, name in enumerate(dis.opname)
         if name.startswith(("CALL", "RESUME", "JUMP_BACKWARD"))}}

class Struck(BaseException):
    pass

class Striker:
    # Raises at the n-th place, once.
    def __init__(self, n):
        self.left = n
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
                self.looks.clear()
                sys.settrace(None)
                raise Struck
        return self.trace

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
    sys.settrace(striker)
    try:
        strike(daemon)
    except Struck:
        pass
    finally:
        sys.settrace(None)
    striker.looks.clear()
    struck = striker.left <= 0
    after(daemon)
    del daemon
    gc.collect()
    eventually(lambda: leftovers() == empty, f"after {{n}}: {{leftovers()}}, {{empty}}")
    if not struck:
        break
    n += {step}
with pymhd.Daemon(both, **in_mode(MODE)) as daemon:
    serves(daemon)
assert n > 20, n
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
