# SPDX-License-Identifier: MIT
"""Clients that end while libmicrohttpd or Python is at their requests."""

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

from live import GET, TIMEOUT, Serve, connect, eventually, read_head, reset
from programs import run_program

import pymhd


def test_the_body_of_a_client_that_has_reset_stays_whole() -> None:
    """Its request may be on its way to the handler when libmicrohttpd ends it."""
    code = """
        os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"  # a freed body is no memory
        if "again" not in sys.argv:
            os.execv(sys.executable, [*sys.orig_argv, "again"])
        from live import reset
        from messages import post
        bodies = []
        def handler(request):
            bodies.append(request.body in (b"", b"x" * 100_000))
            return pymhd.Response(b"hello")
        def good(daemon):
            with connect(daemon) as sock:
                while time.monotonic() < end:
                    sock.sendall(GET)
                    sock.recv(4096)
        def bad(daemon):
            while time.monotonic() < end:
                sock = connect(daemon)
                sock.sendall(post(b"x" * 100_000))
                reset(sock)
        end = time.monotonic() + 1.5
        with pymhd.Daemon(handler, limits=pymhd.Limits(memory=400_000)) as daemon:
            threads = [threading.Thread(target=good, args=(daemon,)) for _ in range(9)]
            threads += [threading.Thread(target=bad, args=(daemon,)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print(all(bodies))
    """
    assert run_program(code) == (0, "True\n", "")


def test_a_client_that_has_ended_its_half_and_does_not_read_costs_nothing(
    serve: Serve,
) -> None:
    """It is watched for its end once, not again and again."""
    daemon = serve(lambda request: pymhd.Response(b"x" * 20_000_000))
    with connect(daemon) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        eventually(lambda: daemon.connections == 1)
        time.sleep(0.1)  # until the kernel has taken what it takes
        begun = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - begun < 0.15


def test_a_client_may_end_its_half_behind_pipelined_requests(serve: Serve) -> None:
    """Every one of them is answered, and then the connection ends."""
    daemon = serve(lambda request: pymhd.Response(request.body))
    with connect(daemon) as sock:
        for body in (b"1", b"2", b"3"):
            sock.sendall(
                b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n" + body
            )
        sock.shutdown(socket.SHUT_WR)
        answers = b""
        while piece := sock.recv(65536):
            answers += piece
        assert answers.count(b"HTTP/1.1 200 ") == 3


def test_a_request_whose_client_leaves_behind_slow_handlers_is_not_handled(
    serve: Serve,
) -> None:
    """Nobody would hear its answer.

    libmicrohttpd knows the connections before, so it reads what comes on two of them
    in one run: of one that it had only accepted it would read the request, too, after
    the reset, since the kernel gives out what came before that.
    """
    begun: list[str] = []
    go = threading.Semaphore(0)

    def handler(request: pymhd.Request) -> pymhd.Response:
        if request.path != "/known":
            begun.append(request.path)
            assert go.acquire(timeout=TIMEOUT)
        return pymhd.Response()

    def ask(sock: socket.socket, path: str) -> None:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())

    daemon = serve(handler)
    with contextlib.ExitStack() as stack:
        first, one, two, last = (stack.enter_context(connect(daemon)) for _ in range(4))
        for sock in (first, one, two, last):
            ask(sock, "/known")
            read_head(sock)
        ask(first, "/first")
        eventually(lambda: len(begun) == 1)
        clients = {"/one": one, "/two": two}
        for path, sock in clients.items():
            ask(sock, path)
        go.release()
        eventually(lambda: len(begun) == 2)
        del clients[begun[1]]
        _, leaves = clients.popitem()
        ends = leaves.getpeername(), leaves.getsockname()
        reset(leaves)
        eventually(lambda: not has_connection(*ends), "the reset's arrival")
        ask(last, "/last")
        go.release()
        eventually(lambda: len(begun) == 3)
        assert begun[2] == "/last"
        go.release()


def has_connection(local: tuple[str, int], peer: tuple[str, int]) -> bool:
    """Tell whether the kernel has this end of a TCP connection."""
    ends = [
        f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
        for host, port in (local, peer)
    ]
    rows = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1:3] == ends for row in rows)
