# SPDX-License-Identifier: MIT
"""What the child of a fork may do: nothing that it does hurts its parent.

Every test runs a program of its own.
"""

import pytest
from forking import GOOD, run_forking
from live import Mode
from marks import each_mode


@each_mode
def test_a_child_may_close_its_copies_beside_sessions_of_its_own(mode: Mode) -> None:
    """The numbers by which csrc knows sessions begin anew in the child."""
    code = """
        def child():
            with pymhd.Daemon(handler, **in_mode(MODE)) as own, upgraded(own) as sock:
                streams.get(timeout=5)
                kept.close()
                blocked.close()
                assert_echoes(sock)
        in_child(child)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_child_may_exit_at_once(mode: Mode, leave: str) -> None:
    """With or without the functions that run at exit."""
    assert run_forking(mode, f"in_child(lambda: None, {leave})") == GOOD


@each_mode
def test_a_child_may_use_and_close_its_copy_of_a_stream(mode: Mode) -> None:
    """It speaks on the parent's connection, and its close ends nothing there."""
    code = """
        def child():
            kept.sendall(b"child")
            kept.close()
            assert kept.closed
        in_child(child)
        assert read_exactly(quiet, 5) == b"child"
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_may_close_a_stream_that_a_thread_of_its_parent_uses(
    mode: Mode,
) -> None:
    """There is no such thread in the child, and the parent's is not disturbed."""
    assert run_forking(mode, "in_child(blocked.close)") == GOOD


@each_mode
def test_a_child_may_close_a_stream_whose_lock_another_thread_held(
    mode: Mode,
) -> None:
    """That thread is not there to release it."""
    code = "in_child_while_held(kept._lock, kept.close)"
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_may_stop_the_daemon_of_its_parent_in_vain(mode: Mode) -> None:
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
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_may_start_a_daemon_of_its_own(mode: Mode) -> None:
    """Requests, sessions and stop() work in it, with new and with old responses."""
    code = """
        def child():
            with pymhd.Daemon(handler, **in_mode(MODE)) as own:
                with upgraded(own) as sock:
                    assert_echoes(sock)
                with connect(own) as sock:
                    answers(sock)
                live = upgraded(own)
                assert_echoes(live)
                begun = time.monotonic()
            assert time.monotonic() - begun < 2.5
            assert read_to_end(live) == b""
        in_child(child)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_may_leave_a_daemon_of_its_own_running(mode: Mode) -> None:
    """It is stopped at the child's exit."""
    code = """
        def child():
            own = pymhd.Daemon(handler, **in_mode(MODE))
            own.start()
            global live
            live = upgraded(own)
            assert_echoes(live)
        in_child(child, sys.exit)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_may_make_a_response_although_another_thread_was_making_one(
    mode: Mode,
) -> None:
    """Locks that the parent's threads held are made anew."""
    code = """
        from pymhd import _response_header
        def child():
            pymhd.Response("x", headers={"X": "y"})._pointer()
        in_child_while_held(_response_header.lock, child)
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_of_a_busy_parent_may_collect_everything(mode: Mode) -> None:
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
    assert run_forking(mode, code) == GOOD


@each_mode
def test_the_descriptors_of_the_parent_are_closed_in_the_child(mode: Mode) -> None:
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
        quiet.shutdown(socket.SHUT_WR)  # the child has the client's socket, too
        quiet.close()
        eventually(lambda: daemon.upgraded == 1)
        with connect(daemon) as sock:
            sock.sendall(GET.replace(b"Host", b"Connection: close\\r\\nHost", 1))
            assert read_to_end(sock).endswith(b"hello")
        daemon.stop()
        for sock in (idle, talking):
            assert read_to_end(sock) == b""
            sock.close()
        os.close(write_end)
        assert os.waitpid(pid, 0)[1] == 0
        print("the parent ends well")
        sys.exit()
    """
    assert run_forking(mode, code) == GOOD


@each_mode
def test_a_child_keeps_what_has_the_numbers_of_a_stopped_daemon(mode: Mode) -> None:
    """Its descriptors are closed, and belong to somebody else by now."""
    code = """
        with pymhd.Daemon(hello, **in_mode(MODE)) as other, connect(other) as sock:
            answers(sock)
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
        def look():
            for file in files:
                os.fstat(file)
        in_child(look)
        for file in files:
            os.close(file)
    """
    assert run_forking(mode, code) == GOOD
