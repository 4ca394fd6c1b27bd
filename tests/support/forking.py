# SPDX-License-Identifier: MIT
"""A program that forks beside its daemon, in whatever way a test wants it to.

Idle, upgraded and inline connections are open; after the fork each must go on.
"""

import textwrap

from live import Mode
from programs import run_program

PROGRAM = """
MODE = {mode!r}
streams = queue.SimpleQueue()

def session(stream):
    streams.put(stream)
    echo(stream)

def keep(stream):
    streams.put(stream)

thread_switch = pymhd.Response.for_upgrade(session, "echo")
inline_switch = pymhd.Response.for_upgrade(keep, "inline", run="inline")

def handler(request):
    if request.wants_upgrade("echo"):
        return thread_switch
    return inline_switch if request.wants_upgrade("inline") else hello(request)

def answers(sock):
    sock.sendall(GET)
    assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert read_exactly(sock, 5) == b"hello"

def in_child(what, leave=os._exit):
    # Runs it in a child; fails unless that ends well and soon.
    pid = os.fork()
    if not pid:
        try:
            signal.alarm(5)
            what()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        leave(0)
    assert os.waitpid(pid, 0)[1] == 0, "the child did not end well"

def in_child_while_held(lock, what):
    # Runs it in a child of which the parent has a thread that holds a lock.
    def hold():
        with lock:
            held.set()
            release.wait(10)
    held, release = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    in_child(what)
    release.set()
    holder.join()

daemon = pymhd.Daemon(handler, **in_mode(MODE))
daemon.start()
idle = connect(daemon)
answers(idle)
talking = upgraded(daemon)
assert_echoes(talking)
blocked = streams.get(timeout=5)
eventually(lambda: blocked._users == 1)
quiet = upgraded(daemon, "inline")
kept = streams.get(timeout=5)

def parent_goes_on():
    answers(idle)
    assert_echoes(talking)
    kept.sendall(b"parent")
    assert read_exactly(quiet, 6) == b"parent"
    with connect(daemon) as sock:
        answers(sock)
    with upgraded(daemon) as sock:
        assert_echoes(sock)
        streams.get(timeout=5)

{code}

parent_goes_on()
quiet.shutdown(socket.SHUT_WR)
kept.close()
begun = time.monotonic()
daemon.stop()
assert time.monotonic() - begun < 3
for sock in (idle, talking, quiet):
    assert read_to_end(sock) == b""
    sock.close()
assert pymhd.lib.pymhd_sessions_live() == 0
print("the parent ends well")
"""

GOOD = (0, "the parent ends well\n", "")


def run_forking(mode: Mode, code: str) -> tuple[int, str, str]:
    """Run the program with this in its middle: exit code, output, errors."""
    # Not in development mode: Python warns of a fork beside threads.
    return run_program(PROGRAM.format(mode=mode, code=textwrap.dedent(code)), [])
