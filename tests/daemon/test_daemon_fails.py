# SPDX-License-Identifier: MIT
"""A thread of the daemon's own meets an exception: the daemon says so, and ends.

Each test runs a program of its own, in which something of pymhd's is made to fail.
"""

import textwrap

import pytest
from live import ALL_MODES, Mode
from programs import run_program

THREADED: list[Mode] = [m for m in ALL_MODES if "external" not in str(m)]

# Where it may strike: in every driver's Python, in the pump's, in the hub's.
PLACES = {
    "before a turn": "pymhd._hub.hub.Hub.pump",
    "at the hub's events": "pymhd._hub.hub.Hub.deliver",
    "at what was put out": "pymhd._hub.hub.Hub.flush",
    "before it sleeps": "pymhd._hub.hub.Hub.sleep",
    "in one of them": "",
}

PROGRAM = """
import importlib, threading
MODE, PLACE = {mode!r}, {place!r}

class Records(logging.Handler):
    def emit(self, record):
        records.append(record)

records = []
logging.getLogger("pymhd").addHandler(Records())

switch = pymhd.Response.for_upgrade(echo, "echo")
daemon = pymhd.Daemon(lambda request: switch, **in_mode(MODE))
daemon.start()
waited = queue.SimpleQueue()

def wait():
    try:
        waited.put(daemon.wait())
    except pymhd.DaemonError as error:
        waited.put(error)

waiter = threading.Thread(target=wait)
waiter.start()
talking = upgraded(daemon)
assert_echoes(talking)
port = daemon.port

def break_it():
    *module, name = PLACE.split(".")
    while True:
        try:
            owner = importlib.import_module(".".join(module))
            break
        except ModuleNotFoundError:
            *module, owner_name = module
            owner = getattr(importlib.import_module(".".join(module)), owner_name)
            break
    def fail(*args, **kwargs):
        raise MemoryError("injected")
    setattr(owner, name, fail)
    for driver in daemon._drivers:
        driver._wake()  # no client's doing: the next turn fails

def break_one():
    def fail(timeout_ms):
        raise MemoryError("injected")
    driver = daemon._drivers[-1]
    driver.hub.pump = fail
    driver._wake()

break_it() if PLACE else break_one()
{then}
"""

FAILS = """
error = waited.get(timeout=10)
assert isinstance(error, pymhd.DaemonError), error
assert isinstance(error.__cause__, MemoryError), error.__cause__
assert "injected" in str(error)
waiter.join()
assert not daemon.is_running
assert "has failed" in repr(daemon)
critical = [r for r in records if r.levelno == logging.CRITICAL]
assert len(critical) >= 1, records
assert critical[0].exc_info[0] is MemoryError
# Neither clients that are there nor new ones wait for an answer.
assert read_to_end(talking) == b""
talking.close()
def is_refused():
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.sendall(GET)
            sock.recv(1)
    except OSError as error:
        assert not isinstance(error, TimeoutError)
        return True
    return False
eventually(is_refused)
for call in (daemon.start, daemon.quiesce):
    try:
        call()
    except pymhd.StateError as error:
        assert "has failed" in str(error), error
    else:
        raise AssertionError(call)
try:
    daemon.wait(0)
except pymhd.DaemonError:
    pass
daemon.stop()
daemon.stop()
assert not daemon.is_running
assert not running.drivers() and not running.daemons()
assert [t.name for t in threading.enumerate() if t.name.startswith("pymhd")] == []
assert pymhd.lib.pymhd_sessions_live() == 0
assert daemon.connections == 0
print("it says so")
"""


@pytest.mark.parametrize("mode", THREADED)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_daemon_whose_own_thread_fails_says_so(mode: Mode, place: str) -> None:
    """In the log, by its state, in wait(); and nobody is left to wait for it."""
    program = PROGRAM.format(mode=mode, place=place, then=FAILS)
    assert run_program(program, []) == (0, "it says so\n", "")


@pytest.mark.parametrize("mode", [1, 3, "per-connection"])
def test_a_failure_at_the_very_end_is_told_and_stop_returns(mode: Mode) -> None:
    """What is behind it is released all the same."""
    then = """
        daemon.stop()
        assert isinstance(waited.get(timeout=10), pymhd.DaemonError)
        waiter.join()
        assert "CRITICAL" in {r.levelname for r in records}
        assert not running.drivers() and not running.daemons()
        assert read_to_end(talking) == b""
        talking.close()
        print("it ends")
    """
    program = PROGRAM.format(
        mode=mode, place="pymhd._hub.hub.Hub.end", then=textwrap.dedent(then)
    )
    assert run_program(program, []) == (0, "it ends\n", "")


LOOP = """
PLACE, ERROR = {place!r}, {error}
logging.getLogger("pymhd").addHandler(logging.StreamHandler(sys.stdout))
switch = pymhd.Response.for_upgrade(echo, "echo")
daemon = pymhd.Daemon(lambda request: switch, **in_mode({mode!r}))
daemon.start()
port = daemon.port
owner, name = PLACE.rsplit(".", 1)
owner = eval(owner)
real = getattr(owner, name)

def broken(self, *args):
    setattr(owner, name, real)
    raise ERROR

def struck(self, *args):
    setattr(owner, name, real)
    signal.signal(signal.SIGUSR1, handler)
    signal.raise_signal(signal.SIGUSR1)
    return real(self, *args)

def handler(number, frame):
    raise ERROR

"""


@pytest.mark.parametrize("mode", ["external", "external select"])
@pytest.mark.parametrize(
    "place", ["pymhd._engine.external.External._turn", "pymhd._hub.hub.Hub.pump"]
)
def test_a_loop_of_somebodys_own_is_told_by_run(mode: Mode, place: str) -> None:
    """What has happened is raised there; from then on it is a DaemonError."""
    code = """
        setattr(owner, name, broken)
        try:
            daemon.run(0)
        except MemoryError as error:
            assert "injected" in str(error)
        assert not daemon.is_running
        for call in (daemon.run, daemon.timeout):
            try:
                call()
            except pymhd.DaemonError as error:
                assert isinstance(error.__cause__, MemoryError)
            else:
                raise AssertionError(call)
        try:
            connect(daemon)
        except ConnectionRefusedError:
            print("refused")
        daemon.stop()
        assert not running.drivers() and not running.daemons()
    """
    program = LOOP.format(mode=mode, place=place, error='MemoryError("injected")')
    status, out, errors = run_program(program + textwrap.dedent(code), [])
    assert (status, errors) == (0, "")
    assert "MemoryError: injected" in out
    assert out.endswith("refused\n")


@pytest.mark.parametrize("error", ["KeyboardInterrupt()", "TimeoutError()"])
def test_a_loop_goes_on_after_what_a_signal_handler_has_raised(error: str) -> None:
    """That is for the program, and no failure of ours."""
    code = """
        setattr(owner, name, struck)
        try:
            daemon.run(0)
        except type(ERROR):
            print("raised")
        assert daemon.is_running
        with connect(daemon) as sock:
            sock.sendall(upgrade_request())
            def switched():
                daemon.run(0.01)
                return select.select([sock], [], [], 0)[0]
            import select
            eventually(switched)
        daemon.stop()
    """
    program = LOOP.format(mode="external", place="pymhd._hub.hub.Hub.pump", error=error)
    status, out, errors = run_program(program + textwrap.dedent(code), [])
    assert (status, out, errors) == (0, "raised\n", "")


def test_a_log_thread_that_fails_says_so_and_daemons_go_on() -> None:
    """Whom they serve does not depend on what is logged."""
    code = """
        logging.getLogger("pymhd").addHandler(logging.StreamHandler(sys.stdout))
        real = pymhd._native.logs._drain
        def broken():
            raise MemoryError("injected")
        with pymhd.Daemon(hello) as daemon:
            pymhd._native.logs._drain = broken
            thread = pymhd._native.logs._thread
            def ends():
                pymhd._native.logs.report_later("a line")
                return not thread.is_alive()
            eventually(ends)
            pymhd._native.logs._drain = real
            with connect(daemon) as sock:
                sock.sendall(GET)
                assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            with pymhd.Daemon(hello):  # has one again
                assert pymhd._native.logs._thread.is_alive()
        print("end")
    """
    status, out, errors = run_program(code, [])
    assert (status, errors) == (0, "")
    assert out.count("MemoryError: injected") == 3
    assert out.endswith("end\n")


AT_AN_UPGRADE = """
logging.getLogger("pymhd").addHandler(logging.NullHandler())
gc.collect()
before = os.listdir("/proc/self/fd")
daemon = pymhd.Daemon(lambda request: switch, **in_mode({mode!r}))
daemon.start()

def broken(self, *args):
    raise MemoryError("injected")

pymhd._engine.pump.Pump._happened = broken
with connect(daemon) as sock:
    sock.sendall(upgrade_request())
    while daemon.is_running:
        if "external" in {mode!r}:
            with contextlib.suppress(MemoryError):
                daemon.run(1)
    read_to_end(sock)
daemon.stop()
assert os.listdir("/proc/self/fd") == before
assert pymhd.lib.pymhd_sessions_live() == 0
print("all closed")
"""


@pytest.mark.parametrize("mode", ["1", "3", "external", "external select"])
def test_a_connection_that_was_just_upgraded_is_closed_when_a_thread_fails(
    mode: Mode,
) -> None:
    """Its descriptor is on its way to the callable then, and nobody's."""
    code = AT_AN_UPGRADE.format(mode=mode)
    assert run_program(code, []) == (0, "all closed\n", "")


def test_a_thread_that_fails_at_its_very_beginning_fails_the_daemon() -> None:
    """Before it knows that its start was not given up."""
    code = """
        logging.getLogger("pymhd").addHandler(logging.NullHandler())
        real, raised = pymhd._engine.latch.Claim.take, []
        def take(self):
            if "pymhd-pump" in threading.current_thread().name and not raised:
                raised.append(True)
                raise MemoryError("injected")
            return real(self)
        pymhd._engine.latch.Claim.take = take
        daemon = pymhd.Daemon(both)
        daemon.start()
        try:
            daemon.wait()
        except pymhd.DaemonError:
            print("failed")
        daemon.stop()
        assert not pymhd._engine.running._drivers
    """
    assert run_program(code, []) == (0, "failed\n", "")


def test_a_daemon_that_fails_is_closed_though_a_log_handler_hangs() -> None:
    """Clients are refused meanwhile, and do not wait."""
    code = """
        goes_on = threading.Event()
        class Hangs(logging.Handler):
            def emit(self, record):
                goes_on.wait()
        logging.getLogger("pymhd").addHandler(Hangs())
        daemon = pymhd.Daemon(both)
        daemon.start()
        def fail(timeout_ms):
            raise MemoryError("injected")
        daemon._drivers[0].hub.pump = fail
        daemon._drivers[0]._wake()
        def is_refused():
            try:
                connect(daemon).close()
            except ConnectionRefusedError:
                return True
            return False
        eventually(is_refused)
        goes_on.set()
        daemon.stop()
        print("refused")
    """
    assert run_program(code, []) == (0, "refused\n", "")
