# SPDX-License-Identifier: MIT
"""Large bodies are sent from where they are, and let go when they have been sent."""

import sys

from live import GET, MIB, Mode, Serve, at_once, connect, eventually
from marks import every_mode
from messages import ask, body_of
from programs import run_program

import pymhd
from pymhd._native import zero_copy

BODY = bytes(range(256)) * 4096  # 1 MiB


def uses() -> int:
    """Tell how many refer to the body."""
    return sys.getrefcount(BODY)


def stop(daemon: pymhd.Daemon, before: int) -> None:
    """Stop it, after which the body is let go at the latest."""
    daemon.stop()
    eventually(lambda: uses() == before, "the end of what uses the body")


def large(request: pymhd.Request) -> pymhd.Response:
    """Answer with a response of its own."""
    return pymhd.Response(BODY)


@every_mode
def test_each_client_gets_all_of_it(serve: Serve, mode: Mode) -> None:
    """Many at once, all from the same memory."""
    before = uses()
    daemon = serve(large, threads=mode)
    wrong: list[bytes] = []

    def client() -> None:
        for _ in range(5):
            if body_of(ask(daemon)) != BODY:
                wrong.append(b"another body")

    at_once(*[client] * 8)
    assert wrong == []
    stop(daemon, before)


def test_it_is_not_copied(serve: Serve) -> None:
    """Its address is lent, not a copy's; and while it is sent it is kept."""
    before = uses()
    daemon = serve(large)
    with connect(daemon) as client:
        client.sendall(GET)
        client.recv(1000)
        assert zero_copy.count() == 1
        assert uses() > before
    stop(daemon, before)


def test_it_is_let_go_without_another_request(serve: Serve) -> None:
    """The pump takes it back when it has been sent."""
    before = uses()
    daemon = serve(large)
    assert body_of(ask(daemon)) == BODY
    eventually(lambda: uses() == before, "the end of the response")
    assert zero_copy.count() == 0


@every_mode
def test_it_is_let_go_at_the_next_request(serve: Serve, mode: Mode) -> None:
    """Also by threads that are libmicrohttpd's own."""
    before = uses()
    daemon = serve(large, threads=mode)
    for _ in range(20):
        assert body_of(ask(daemon)) == BODY
    assert uses() <= before + 4
    stop(daemon, before)


@every_mode
def test_clients_that_leave_give_it_back(serve: Serve, mode: Mode) -> None:
    """In the middle of the body, with a reset."""
    before = uses()
    daemon = serve(large, threads=mode)
    for _ in range(10):
        with connect(daemon) as client:
            client.sendall(GET)
            client.recv(1000)
    assert body_of(ask(daemon)) == BODY
    stop(daemon, before)


def test_a_response_that_is_never_sent_gives_it_back() -> None:
    """Its object goes, and another one is built."""
    before = uses()
    pymhd.Response(BODY)._pointer()
    pymhd.Response(b"x" * MIB)._pointer()
    with pymhd.Daemon(large) as daemon:
        assert body_of(ask(daemon)) == BODY
    assert uses() == before


def test_a_forks_child_lets_go_of_its_own_and_of_its_parents() -> None:
    """Each body that was lent has its note, before and after the fork."""
    code = """
        from messages import ask, body_of
        from pymhd._native import zero_copy
        inherited = pymhd.Response(bytes(100_000))
        inherited._pointer()
        if pid := os.fork():
            assert os.waitpid(pid, 0)[1] == 0
        else:
            answers = [inherited, pymhd.Response(bytes(200_000))]
            del inherited
            with pymhd.Daemon(lambda request: answers.pop(0)) as daemon:
                assert len(body_of(ask(daemon))) == 100_000
                assert len(body_of(ask(daemon))) == 200_000
            assert zero_copy.count() == 0, zero_copy.count()
            os._exit(0)
    """
    assert run_program(code) == (0, "", "")
