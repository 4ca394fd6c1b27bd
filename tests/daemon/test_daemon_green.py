# SPDX-License-Identifier: MIT
"""gevent and eventlet, which put threads of their own in the place of the system's."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest
from live import TIMEOUT
from programs import run_program

PATCHES = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all({})",
    "eventlet": "import eventlet; eventlet.monkey_patch({})",
}
QUIET = ["-W", "ignore"]


def patch(package: str, options: str = "") -> str:
    """Return a statement that patches Python's modules, if the package is there."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    return PATCHES[package].format(options)


@pytest.mark.parametrize("package", PATCHES)
@pytest.mark.parametrize("threads", [1, 3, "per-connection", "external"])
@pytest.mark.parametrize("first", ["pymhd", "patch"])
def test_a_start_on_threads_that_are_none_is_refused(
    package: str, threads: int | str, first: str
) -> None:
    """With advice, whether pymhd has been imported before or is imported after."""
    lines = ["import pymhd", patch(package)]
    code = f"""
daemon = pymhd.Daemon(lambda request: None, threads={threads!r})
try:
    daemon.start()
except pymhd.NotSupportedError as error:
    print(error)
assert not daemon.is_running
daemon.stop()
"""
    program = "\n".join([*(lines if first == "pymhd" else lines[::-1]), code])
    done = subprocess.run(
        [sys.executable, "-P", *QUIET, "-c", program],
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{package} has replaced the threads")
    assert "(thread=False)" in done.stdout


@pytest.mark.parametrize("package", PATCHES)
def test_a_daemon_that_runs_already_is_served_and_stopped(package: str) -> None:
    """Its threads are real, whatever comes after them."""
    code = f"""
        daemon = pymhd.Daemon(both)
        daemon.start()
        {patch(package)}
        with connect(daemon) as sock:
            sock.sendall(GET)
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        daemon.stop()
        assert not daemon.is_running
        print("stopped")
    """
    # Python complains of every thread that is older than the patch.
    status, out, _ = run_program(textwrap.dedent(code), QUIET)
    assert (status, out) == (0, "stopped\n")


@pytest.mark.parametrize("package", PATCHES)
def test_the_advice_works(package: str) -> None:
    """Everything but threads may be patched."""
    code = f"""
        {patch(package, "thread=False")}
        with pymhd.Daemon(both) as daemon:
            with connect(daemon) as sock:
                sock.sendall(GET)
                assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            with upgraded(daemon) as sock:
                assert_echoes(sock)
        print("served")
    """
    status, out, err = run_program(textwrap.dedent(code), QUIET)
    assert (status, out) == (0, "served\n"), err
