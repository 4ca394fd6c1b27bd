# SPDX-License-Identifier: MIT
"""``os.fork()`` while a daemon serves: the child cannot hurt its parent.

Every test runs a program of its own; what the child does is the test.
"""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from live import TIMEOUT, without_asan

PROGRAM = """
import contextlib, gc, multiprocessing, os, queue, signal, socket, sys, threading, time
sys.path.insert(0, "tests")
import pymhd
from live import connect, echo, eventually, read_exactly, read_to_end, read_head
from live import upgrade_request, upgraded

MODE = {mode}
GET = b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n"
streams = queue.SimpleQueue()

def session(stream):
    streams.put(stream)
    echo(stream)

def keep(stream):
    streams.put(stream)

def hello(request):
    return pymhd.Response("hello\\n")

thread_switch = pymhd.Response.for_upgrade(session, "echo")
inline_switch = pymhd.Response.for_upgrade(keep, "inline", run="inline")

def handler(request):
    if request.wants_upgrade("echo"):
        return thread_switch
    return inline_switch if request.wants_upgrade("inline") else hello(request)

def echoes(sock):
    sock.sendall(b"hello")
    assert read_exactly(sock, 5) == b"hello"

def answers(sock):
    sock.sendall(GET)
    assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert read_exactly(sock, 6) == b"hello\\n"

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

daemon = pymhd.Daemon(handler, threads=MODE)
daemon.start()
idle = connect(daemon)
answers(idle)
talking = upgraded(daemon)
echoes(talking)
blocked = streams.get(timeout=5)
eventually(lambda: blocked._users == 1)
quiet = upgraded(daemon, "inline")
kept = streams.get(timeout=5)

def parent_goes_on():
    answers(idle)
    echoes(talking)
    kept.sendall(b"parent")
    assert read_exactly(quiet, 6) == b"parent"
    with connect(daemon) as sock:
        answers(sock)
    with upgraded(daemon) as sock:
        echoes(sock)
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

each_mode = pytest.mark.parametrize("mode", ["1", "3", "'per-connection'"])


def run(mode: str, code: str, *options: str) -> tuple[int, str, str]:
    """Run a program with this in its middle: exit code, output, errors."""
    text = PROGRAM.format(mode=mode, code=textwrap.dedent(code))
    command = [sys.executable, *options, "-c", text]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        watchdog = threading.Timer(2 * TIMEOUT, _kill, (process.pid,))
        watchdog.start()
        try:
            output, errors = process.communicate()
        finally:
            watchdog.cancel()
        return process.returncode, output, errors


def _kill(group: int) -> None:
    subprocess.run(["kill", f"-{int(signal.SIGKILL)}", "--", f"-{group}"], check=False)


GOOD = (0, "the parent ends well\n", "")


@each_mode
@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_child_may_exit_at_once(mode: str, leave: str) -> None:
    """With or without the functions that run at exit."""
    assert run(mode, f"in_child(lambda: None, {leave})") == GOOD


@each_mode
def test_a_child_may_use_and_close_its_copy_of_a_stream(mode: str) -> None:
    """It speaks on the parent's connection, and its close ends nothing there."""
    code = """
        def child():
            kept.sendall(b"child")
            kept.close()
            assert kept.closed
        in_child(child)
        assert read_exactly(quiet, 5) == b"child"
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_may_close_a_stream_that_a_thread_of_its_parent_uses(
    mode: str,
) -> None:
    """There is no such thread in the child, and the parent's is not disturbed."""
    assert run(mode, "in_child(blocked.close)") == GOOD


@each_mode
def test_a_child_may_close_a_stream_whose_lock_another_thread_held(
    mode: str,
) -> None:
    """That thread is not there to release it."""
    code = """
        def hold():
            with kept._lock:
                held.set()
                release.wait(10)
        held, release = threading.Event(), threading.Event()
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        in_child(kept.close)
        release.set()
        holder.join()
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_may_stop_the_daemon_of_its_parent_in_vain(mode: str) -> None:
    """It has none of its threads; what it sees is a daemon that has stopped."""
    code = """
        def child():
            assert not daemon.is_running
            daemon.stop()
            assert daemon.wait(5)
            daemon.__exit__(None, None, None)
            try:
                daemon.start()
            except pymhd.StateError:
                pass
            else:
                raise AssertionError("started")
        in_child(child)
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_may_start_a_daemon_of_its_own(mode: str) -> None:
    """Requests, sessions and stop() work in it, with new and with old responses."""
    code = """
        def child():
            with pymhd.Daemon(handler, threads=MODE) as own:
                with upgraded(own) as sock:
                    echoes(sock)
                with connect(own) as sock:
                    answers(sock)
                live = upgraded(own)
                echoes(live)
                begun = time.monotonic()
            assert time.monotonic() - begun < 2.5
            assert read_to_end(live) == b""
        in_child(child)
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_may_leave_a_daemon_of_its_own_running(mode: str) -> None:
    """It is stopped at the child's exit."""
    code = """
        def child():
            own = pymhd.Daemon(handler, threads=MODE)
            own.start()
            global live
            live = upgraded(own)
            echoes(live)
        in_child(child, sys.exit)
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_may_make_a_response_although_another_thread_was_making_one(
    mode: str,
) -> None:
    """Locks that the parent's threads held are made anew."""
    code = """
        from pymhd import response
        def hold():
            with response._lock:
                held.set()
                release.wait(10)
        held, release = threading.Event(), threading.Event()
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        in_child(lambda: pymhd.Response("x", headers={"X": "y"})._pointer())
        release.set()
        holder.join()
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_of_a_busy_parent_may_collect_everything(mode: str) -> None:
    """Finalizers of the parent's objects do nothing to the parent."""
    code = """
        def child():
            global daemon, kept, blocked, streams, thread_switch, inline_switch
            del daemon, kept, blocked, streams, thread_switch, inline_switch
            for _ in range(3):
                gc.collect()
        import warnings
        warnings.simplefilter("ignore")
        in_child(child)
    """
    assert run(mode, code) == GOOD


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "3",
        # libmicrohttpd's threads allocate without the GIL, so a fork may find
        # AddressSanitizer's allocator locked, which, unlike glibc's, stays so.
        pytest.param("'per-connection'", marks=without_asan),
    ],
)
def test_many_forks_while_clients_come_and_go_do_no_harm(mode: str) -> None:
    """Whatever lock or table a fork meets in the middle."""
    code = """
        def pour():
            while not enough.is_set():
                with connect(daemon) as sock:
                    answers(sock)
                with upgraded(daemon) as sock:
                    echoes(sock)
                    streams.get(timeout=5)
        def child():
            with pymhd.Daemon(hello, threads=MODE) as own, connect(own) as sock:
                answers(sock)
        enough = threading.Event()
        pourers = [threading.Thread(target=pour) for _ in range(3)]
        for pourer in pourers:
            pourer.start()
        for _ in range(15):
            in_child(child)
        enough.set()
        for pourer in pourers:
            pourer.join()
    """
    assert run(mode, code) == GOOD


@each_mode
def test_the_descriptors_of_the_parent_are_closed_in_the_child(mode: str) -> None:
    """A client's connection ends with the parent's end of it, not with the child's."""
    code = """
        read_end, write_end = os.pipe()
        pid = os.fork()
        if not pid:
            signal.alarm(5)
            os.close(write_end)
            os.read(read_end, 1)  # lives as long as the parent wants
            os._exit(0)
        kept.close()
        assert read_to_end(quiet) == b""
        quiet.close()
        eventually(lambda: daemon.upgraded == 1)
        with connect(daemon) as sock:
            sock.sendall(GET.replace(b"Host", b"Connection: close\\r\\nHost", 1))
            assert read_to_end(sock).endswith(b"hello\\n")
        daemon.stop()
        for sock in (idle, talking):
            assert read_to_end(sock) == b""
            sock.close()
        os.close(write_end)
        assert os.waitpid(pid, 0)[1] == 0
        print("the parent ends well")
        sys.exit()
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_handler_may_fork(mode: str) -> None:
    """As one that uses subprocess or multiprocessing does; the child leaves."""
    code = """
        def forking(request):
            in_child(lambda: None)
            return pymhd.Response("hello\\n")
        with pymhd.Daemon(forking, threads=MODE) as other:
            with connect(other) as sock:
                answers(sock)
                answers(sock)
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_child_that_returns_from_the_handler_answers_nobody(mode: str) -> None:
    """It ends, and not by an abort; the client hears the parent only."""
    code = """
        pids = queue.SimpleQueue()
        def forking(request):
            pid = os.fork()
            if not pid:
                signal.alarm(5)
                return pymhd.Response("child\\n")
            pids.put(pid)
            return pymhd.Response("hello\\n")
        with pymhd.Daemon(forking, threads=MODE) as other:
            with connect(other) as sock:
                answers(sock)
            status = os.waitpid(pids.get(timeout=5), 0)[1]
            assert not os.WIFSIGNALED(status), os.WTERMSIG(status)
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_session_may_fork(mode: str) -> None:
    """A child that speaks to the client on its own copy, and closes it."""
    code = """
        def forking(stream):
            def child():
                stream.sendall(b"child, ")
                stream.close()
            in_child(child)
            stream.sendall(b"parent")
        switch = pymhd.Response.for_upgrade(forking, "echo")
        with pymhd.Daemon(lambda request: switch, threads=MODE) as other:
            with upgraded(other) as sock:
                assert read_to_end(sock) == b"child, parent"
    """
    assert run(mode, code) == GOOD


@each_mode
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_beside_a_daemon(mode: str, method: str) -> None:
    """Its children take nothing with them and leave nothing behind."""
    code = f"""
        context = multiprocessing.get_context({method!r})
        with context.Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        if {method!r} == "forkserver":
            from multiprocessing import forkserver
            forkserver._forkserver._stop()
    """
    assert run(mode, code) == GOOD


@each_mode
def test_a_subprocess_inherits_no_descriptor(mode: str) -> None:
    """Neither a connection nor a stream, also with close_fds=False."""
    code = """
        import subprocess, textwrap
        listing = '''
        import os
        for name in os.listdir("/proc/self/fd"):
            try:
                print(os.readlink("/proc/self/fd/" + name))
            except OSError:
                pass
        '''
        result = subprocess.run([sys.executable, "-S", "-c",
                                 textwrap.dedent(listing)], close_fds=False,
                                capture_output=True, text=True, check=True)
        assert "socket" not in result.stdout, result.stdout
        assert "anon" not in result.stdout, result.stdout
    """
    assert run(mode, code) == GOOD
