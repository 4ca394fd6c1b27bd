# SPDX-License-Identifier: MIT
"""A loop's threads that use transports beside whoever is in ``run()`` or ``stop()``."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from marks import without_asan
from programs import run_program

pytestmark = without_asan  # what is preloaded comes before it

PROGRAM = """
import ctypes
from protocols import Recorder
LIBRARY = {library!r}
made = []
def echoing(protocol, data):
    protocol.transport.write(data)
def make():
    made.append(Recorder(data=echoing))
    return made[-1]
hub = pymhd.Response.for_upgrade(make, "echo", run="hub")
daemon = pymhd.Daemon(lambda request: hub, threads="external", polling={polling!r})
daemon.start()

def client():
    # It sends what is echoed, and reads everything.
    with upgraded(daemon) as sock:
        sock.settimeout(None)
        def read():
            with contextlib.suppress(OSError):
                while sock.recv(1 << 20):
                    pass
        reader = threading.Thread(target=read)
        reader.start()
        with contextlib.suppress(OSError):
            while not over.is_set():
                sock.sendall(bytes(40_000))
        reader.join()
over = threading.Event()
clients = [threading.Thread(target=client) for _ in range(2)]
for one in clients:
    one.start()
while len(made) < 2 or not all(one.data for one in made):
    daemon.run(0.01)

def run():
    while not over.is_set():
        with contextlib.suppress(pymhd.StateError):  # the other one is inside
            daemon.run(0)
        time.sleep(0.0005)  # for the other one to come in
    daemon.stop(0.5)
runner = threading.Thread(target=run)
runner.start()
for number in range(40):
    while True:
        with contextlib.suppress(pymhd.StateError):
            daemon.run(0)
            break
    for one in made:
        transport = one.transport
        transport.write(bytes(20_000))
        {more}
over.set()
for one in made:
    one.transport.write(bytes(20_000))
runner.join()
for one in clients:
    one.join()
counts = (ctypes.c_int * 2)()
ctypes.CDLL(LIBRARY).count_sends(counts)
print(counts[0] > 30, counts[1])
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of what is preloaded."""
    source = Path(__file__).parents[1] / "support" / "one_thread.c"
    path = tmp_path_factory.mktemp("one_thread") / "one_thread.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, "-shared", "-fPIC", "-o", str(path), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return str(path)


@pytest.mark.parametrize("polling", [None, "select"])
@pytest.mark.parametrize(
    "more",
    [
        "pass",
        "transport.pause_reading(); transport.resume_reading()",
        "pymhd.broadcast([each.transport for each in made], bytes(20_000))",
    ],
    ids=["write", "pause", "broadcast"],
)
def test_only_who_is_inside_sends(
    library: str, polling: str | None, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the loop's thread asks for between two of its own calls."""
    monkeypatch.setenv("LD_PRELOAD", library)
    code = PROGRAM.format(library=library, polling=polling, more=more)
    assert run_program(code) == (0, "True 0\n", "")
