# SPDX-License-Identifier: MIT
"""Every allocation of csrc's fails once, and then all that follow it.

A program preloads an allocator of ours (tests/support/short_memory.c), serves one
client with the n-th allocation failing, and goes on to the next n until none is left to
fail. That client may hear anything; everybody else must not notice, and nothing may be
left.
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from live import Mode
from marks import each_mode, without_asan
from programs import run_program

pytestmark = without_asan  # it is an allocator, too

SWEEP = """
import ctypes
from pymhd._engine import running
MODE = {mode!r}
EVER = 1 << 40
logging.getLogger("pymhd").setLevel(logging.CRITICAL + 1)
allocator = ctypes.CDLL({library!r})
allocator.fail_from.argtypes = [ctypes.c_size_t] * 2 + [ctypes.c_long] * 2
allocator.fail_from.restype = None
allocator.fail_no_more.restype = ctypes.c_long

def code_of(library):
    # The addresses of its code.
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps if library in line]
    begin, end = next(line[0] for line in lines if "x" in line[1]).split("-")
    return int(begin, 16), int(end, 16)

CODE = code_of("/_mhd.")

def sweep(use, then):
    # Fail the n-th call; after that, the n-th and all that follow.
    for last in (0, EVER):
        for number in range(1, 1000):
            allocator.fail_from(*CODE, number, last or number)
            try:
                use()
            finally:
                count = allocator.fail_no_more()
            then()
            if count < number:
                break
        assert number > {calls}, f"only {{number}} have failed"
    print("all failed")

def in_use():
    tables = len(running.drivers()), len(running.daemons())
    kernel = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    return *kernel, *tables, pymhd.lib.pymhd_sessions_live()

def nothing_is_left():
    gc.collect()
    # A thread from before may have been on its way out.
    eventually(lambda: all(map(int.__le__, in_use(), before)), "the end of everything")

def post():
    with connect(daemon) as sock:
        sock.sendall(b"POST / HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n"
                     b"Content-Length: 20000\\r\\n\\r\\n" + b"x" * 20000)
        answers.add(read_to_end(sock)[:12])

def upgrade():
    with connect(daemon) as sock:
        sock.sendall(upgrade_request() + b"early" * 1000)
        sock.shutdown(socket.SHUT_WR)
        answers.add(read_to_end(sock)[:12])

def use_it():
    for what in (post, upgrade):
        with contextlib.suppress(OSError):
            what()

def handler(request):
    # New responses, so that these are allocated, too.
    if request.wants_upgrade():
        return pymhd.Response.for_upgrade(echo, "echo")
    return pymhd.Response(b"hello", headers=dict(a="b"))

answers = set()
"""

BESIDE_OTHERS = """
def then():
    idle.sendall(GET)
    assert read_head(idle).startswith(b"HTTP/1.1 200 ")
    assert read_exactly(idle, 5) == b"hello"
    assert_echoes(talking)
    nothing_is_left()
    eventually(lambda: (daemon.connections, daemon.upgraded) == (2, 1))
    drivers = running.drivers()
    eventually(lambda: not any(driver.dispatcher.switching for driver in drivers))

with pymhd.Daemon(handler, threads=MODE) as daemon:
    with connect(daemon) as idle, upgraded(daemon) as talking:
        use_it()
        eventually(lambda: (daemon.connections, daemon.upgraded) == (2, 1))
        before = in_use()
        then()
        sweep(use_it, then)
assert {{b"HTTP/1.1 200", b"HTTP/1.1 500", b"HTTP/1.1 101"}} <= answers, answers
"""

FROM_THE_START = """
def use():
    global daemon
    daemon = pymhd.Daemon(handler, threads=MODE)
    with contextlib.suppress(pymhd.StartError):
        daemon.start()
        use_it()

def then():
    daemon.stop()
    nothing_is_left()

before = in_use()
sweep(use, then)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the allocator."""
    source = Path(__file__).parents[1] / "support" / "short_memory.c"
    path = tmp_path_factory.mktemp("short_memory") / "short_memory.so"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    options = ["-shared", "-fPIC", "-fno-builtin"]
    subprocess.run([*compiler, *options, source, "-o", path], check=True)
    return path


@each_mode
@pytest.mark.parametrize(("what", "calls"), [(BESIDE_OTHERS, 4), (FROM_THE_START, 16)])
def test_short_memory_is_the_problem_of_whoever_needs_it(
    library: Path, mode: Mode, what: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No crash, no hang, no leak."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    code = (SWEEP + what).format(mode=mode, library=str(library), calls=calls)
    assert run_program(code, []) == (0, "all failed\n", "")
