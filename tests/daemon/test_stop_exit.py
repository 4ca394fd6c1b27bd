# SPDX-License-Identifier: MIT
"""A program may end without ``stop()``, whatever goes on."""

import time

import pytest
from live import Mode
from marks import each_mode
from programs import run_program


@each_mode
@pytest.mark.parametrize(
    ("end", "exit_code", "last_line"),
    [
        ("pass", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise LookupError('on purpose')", 1, "LookupError: on purpose"),
        ("os._exit(4)", 4, ""),
    ],
)
def test_a_program_may_end_without_stop(
    mode: Mode, end: str, exit_code: int, last_line: str
) -> None:
    """With live sessions: it ends at once and makes no noise."""
    code = f"""
        daemon = pymhd.Daemon(both, **in_mode({mode!r}))
        daemon.start()
        socks = [upgraded(daemon) for _ in range(3)]
        busy = upgraded(daemon)
        busy.sendall(b"x" * 100_000)
        idle = connect(daemon)
        import atexit
        @atexit.register
        def close():
            for sock in [*socks, busy, idle]:
                sock.close()
        print("done", flush=True)
        {end}
    """
    begun = time.monotonic()
    status, output, errors = run_program(code)
    assert (status, output) == (exit_code, "done\n")
    assert errors.strip().splitlines()[-1:] == [last_line][: len(last_line)]
    assert not last_line or errors.count("Traceback") == 1
    assert time.monotonic() - begun < 4


@each_mode
def test_a_program_may_end_while_other_threads_wait(mode: Mode) -> None:
    """One that has started the daemon and waits for it, and one that talks."""
    code = f"""
        daemons = queue.SimpleQueue()
        def serve():
            with pymhd.Daemon(both, **in_mode({mode!r})) as daemon:
                daemons.put(daemon)
                daemon.wait()
        def talk(sock):
            try:
                while True:
                    assert_echoes(sock)
            except (OSError, AssertionError):
                pass
        threading.Thread(target=serve, daemon=True).start()
        sock = upgraded(daemons.get(timeout=10))
        threading.Thread(target=talk, args=(sock,), daemon=True).start()
    """
    status, output, errors = run_program(code)
    assert (status, output) == (0, "")
    assert "Traceback (" not in errors
    assert "Fatal" not in errors


@each_mode
@pytest.mark.parametrize("where", ["handler", "session"])
def test_a_program_may_end_although_something_never_returns(
    mode: Mode, where: str
) -> None:
    """Neither a handler nor a session that blocks for ever keeps a process alive."""
    code = f"""
        entered = threading.Event()
        def block(_):
            entered.set()
            threading.Event().wait()
        stuck = pymhd.Response.for_upgrade(block, "stuck")
        handler = block if {where!r} == "handler" else lambda request: stuck
        daemon = pymhd.Daemon(handler, **in_mode({mode!r}))
        daemon.start()
        sock = connect(daemon)
        sock.sendall(upgrade_request(protocol="stuck"))
        assert entered.wait(10)
        daemon.stop(timeout=0.1)
        sock.close()
    """
    status, output, errors = run_program(code)
    assert (status, output) == (0, "")
    assert "Traceback" not in errors
    assert "Fatal" not in errors


def test_finalizers_run_when_daemons_have_been_stopped() -> None:
    """Sessions have some: none begins or ends while Python goes through them."""
    code = """
        import weakref
        daemon = pymhd.Daemon(both)
        daemon.start()
        weakref.finalize(both, lambda: print(daemon.is_running))
    """
    assert run_program(code) == (0, "False\n", "")


@each_mode
def test_a_program_may_end_while_requests_pour_in(mode: Mode) -> None:
    """Handlers and sessions run until the very end."""
    code = f"""
        daemon = pymhd.Daemon(both, **in_mode({mode!r}))
        daemon.start()
        def pour():
            try:
                while True:
                    with connect(daemon) as sock:
                        sock.sendall(GET)
                        sock.recv(1000)
                    upgraded(daemon).close()
            except (OSError, AssertionError):
                pass
        for _ in range(4):
            threading.Thread(target=pour, daemon=True).start()
        time.sleep(0.2)
    """
    status, output, errors = run_program(code)
    assert (status, output) == (0, "")
    # The clients' sockets are warned of.
    assert "Traceback (" not in errors
    assert "Fatal" not in errors
