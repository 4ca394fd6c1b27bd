# SPDX-License-Identifier: MIT
"""Who forks, and how: handlers, sessions, multiprocessing, in the midst of clients.

Every test runs a program of its own.
"""

import pytest
from forking import GOOD, run_forking
from live import Mode
from marks import each_mode, without_asan


# Threads that run libmicrohttpd allocate without the GIL, so a fork may find
# AddressSanitizer's allocator locked, which, unlike glibc's, stays so in the child.
@without_asan
@each_mode
def test_many_forks_while_clients_come_and_go_do_no_harm(mode: Mode) -> None:
    """Whatever lock or table a fork meets in the middle."""
    code = """
        def pour():
            while not enough.is_set():
                with connect(daemon) as sock:
                    answers(sock)
                with upgraded(daemon) as sock:
                    assert_echoes(sock)
                    streams.get(timeout=5)
        def child():
            with pymhd.Daemon(hello, **in_mode(MODE)) as own, connect(own) as sock:
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
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_handler_may_fork(mode: Mode) -> None:
    """As one that uses subprocess or multiprocessing does; the child leaves."""
    code = """
        def forking(request):
            in_child(lambda: None)
            return pymhd.Response(b"hello")
        with pymhd.Daemon(forking, **in_mode(MODE)) as other:
            with connect(other) as sock:
                answers(sock)
                answers(sock)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_that_returns_from_the_handler_answers_nobody(mode: Mode) -> None:
    """It ends, and not by an abort; the client hears the parent only."""
    code = """
        pids = queue.SimpleQueue()
        def forking(request):
            pid = os.fork()
            if not pid:
                signal.alarm(5)
                return pymhd.Response("child\\n")
            pids.put(pid)
            return pymhd.Response(b"hello")
        with pymhd.Daemon(forking, **in_mode(MODE)) as other:
            with connect(other) as sock:
                answers(sock)
            status = os.waitpid(pids.get(timeout=5), 0)[1]
            assert not os.WIFSIGNALED(status), os.WTERMSIG(status)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_that_returns_runs_nothing_that_the_parent_runs_at_its_exit(
    mode: Mode,
) -> None:
    """Other libraries' atexit handlers in C are the parent's, as their state is."""
    code = """
        import atexit, ctypes
        libc = ctypes.CDLL(None)
        assert not libc.__cxa_atexit(libc.abort, None, None)
        def leave():  # before the parent does it, too
            sys.stdout.flush()
            os._exit(0)
        atexit.register(leave)
        pids = queue.SimpleQueue()
        def fork():
            pid = os.fork()
            if pid:
                pids.put(pid)
            else:
                signal.alarm(5)
            return pid
        def forking(request):
            fork()
            return pymhd.Response(b"hello")
        def session(stream):
            if fork():
                stream.sendall(b"session")
        switches = dict(
            thread=pymhd.Response.for_upgrade(session, "thread"),
            inline=pymhd.Response.for_upgrade(session, "inline", run="inline"),
        )
        def either(request):
            return switches.get(request.headers.get("Upgrade")) or forking(request)
        def child_ends():
            status = os.waitpid(pids.get(timeout=5), 0)[1]
            assert not os.WIFSIGNALED(status), os.WTERMSIG(status)
        with pymhd.Daemon(either, **in_mode(MODE)) as other:
            with connect(other) as sock:
                answers(sock)
            child_ends()
            for run in switches:
                with upgraded(other, run) as sock:
                    assert read_exactly(sock, 7) == b"session"
                child_ends()
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_session_may_fork(mode: Mode) -> None:
    """A child that speaks to the client on its own copy, and closes it."""
    code = """
        def forking(stream):
            def child():
                stream.sendall(b"child, ")
                stream.close()
            in_child(child)
            stream.sendall(b"parent")
        switch = pymhd.Response.for_upgrade(forking, "echo")
        with pymhd.Daemon(lambda request: switch, **in_mode(MODE)) as other:
            with upgraded(other) as sock:
                assert read_to_end(sock) == b"child, parent"
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_that_returns_from_a_protocol_ends(mode: Mode) -> None:
    """Although there is more to be read than it was given, and time for that."""
    code = """
        pymhd._hub.hub._BATCH_SECONDS = 60
        all_sent, pids = threading.Event(), queue.SimpleQueue()
        class Forking(pymhd.Protocol):
            def connection_made(self, transport):
                self.transport = transport
            def data_received(self, data):
                if not all_sent.is_set():  # what comes next is more than has room
                    all_sent.wait(5)
                    return
                if pids.qsize() or os.getpid() != parent:
                    return
                pid = os.fork()
                if pid:
                    pids.put(pid)
                else:
                    signal.alarm(5)
        parent = os.getpid()
        switch = pymhd.Response.for_upgrade(Forking, "echo")
        with pymhd.Daemon(lambda request: switch, **in_mode(MODE)) as other:
            with contextlib.ExitStack() as stack:
                socks = [stack.enter_context(upgraded(other)) for _ in range(20)]
                for sock in socks:
                    sock.sendall(bytes(60000))
                all_sent.set()
                status = os.waitpid(pids.get(timeout=5), 0)[1]
                assert not os.WIFSIGNALED(status), os.WTERMSIG(status)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_that_returns_from_an_inline_session_ends(mode: Mode) -> None:
    """It waits for nobody, although a connection's own thread would in the parent."""
    code = """
        pids = queue.SimpleQueue()
        def forking(stream):
            pid = os.fork()
            if not pid:
                signal.alarm(5)
                return
            pids.put(pid)
            with stream:
                stream.sendall(b"parent")
        switch = pymhd.Response.for_upgrade(forking, "echo", run="inline")
        with pymhd.Daemon(lambda request: switch, **in_mode(MODE)) as other:
            with upgraded(other) as sock:
                assert read_to_end(sock) == b"parent"
            status = os.waitpid(pids.get(timeout=5), 0)[1]
            assert not os.WIFSIGNALED(status), os.WTERMSIG(status)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_beside_a_daemon(mode: Mode, method: str) -> None:
    """Its children take nothing with them and leave nothing behind."""
    code = f"""
        context = multiprocessing.get_context({method!r})
        with context.Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        if {method!r} == "forkserver":
            from multiprocessing import forkserver
            forkserver._forkserver._stop()
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_subprocess_inherits_no_descriptor(mode: Mode) -> None:
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
    assert run_forking(mode, code) == GOOD
