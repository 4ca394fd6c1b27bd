# SPDX-License-Identifier: MIT
"""Signals in a program that waits: ``wait()``, ``stop()``, KeyboardInterrupt."""

import signal

import pytest
from live import Mode, eventually
from marks import each_mode
from programs import program, run_program


@each_mode
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_wait_and_the_program_ends_well(
    mode: Mode, number: signal.Signals
) -> None:
    """The exit code is 0, and sessions are closed in order."""
    code = f"""
        with pymhd.Daemon(both, **in_mode({mode!r})) as daemon:
            sock = upgraded(daemon)
            before = signal.getsignal({number:d})
            print("ready", flush=True)
            print(daemon.wait())
            assert signal.getsignal({number:d}) is before
            assert daemon.is_running
        assert read_to_end(sock) == b""
        sock.close()
        print("end")
    """
    with program(code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        eventually(lambda: _catches(process.pid, number), "wait()")
        process.send_signal(number)
        assert process.communicate() == ("True\nend\n", "")
        assert process.returncode == 0


def _catches(pid: int, number: int) -> bool:
    """Tell whether a process has a signal handler and sleeps: it is in wait()."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/wchan") as file:
        asleep = file.read() != "0"
    return asleep and bool(int(status["SigCgt"], 16) & 1 << (number - 1))


@each_mode
def test_a_signal_handler_may_stop_a_daemon_that_is_waited_for(mode: Mode) -> None:
    """It runs on the thread that waits, in the middle of wait()."""
    code = f"""
        for number in range(180):
            daemon = pymhd.Daemon(both, **in_mode({mode!r}))
            daemon.start()
            signal.signal(signal.SIGALRM, lambda *args: daemon.stop())
            signal.setitimer(signal.ITIMER_REAL, 0.00005 + number % 60 * 0.00001)
            assert daemon.wait(5)
            assert not daemon.is_running
    """
    assert run_program(code) == (0, "", "")


@each_mode
def test_a_keyboard_interrupt_in_a_with_block_stops_the_daemon(mode: Mode) -> None:
    """And goes on to whoever is outside."""
    code = f"""
        try:
            with pymhd.Daemon(both, **in_mode({mode!r})) as daemon:
                sock = upgraded(daemon)
                signal.raise_signal(signal.SIGINT)
                time.sleep(5)
        except KeyboardInterrupt:
            print("interrupted", daemon.is_running, read_to_end(sock))
        sock.close()
    """
    assert run_program(code) == (0, "interrupted False b''\n", "")


def test_the_process_is_gone_after_a_kill_by_the_default_action() -> None:
    """SIGTERM outside wait() ends the program as it always does."""
    code = """
        daemon = pymhd.Daemon(both)
        daemon.start()
        signal.raise_signal(signal.SIGTERM)
    """
    status, _, _ = run_program(code)
    assert status == -signal.SIGTERM
