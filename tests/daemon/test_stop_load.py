# SPDX-License-Identifier: MIT
"""SIGTERM while clients pour in: what was begun is finished, the rest is refused."""

import signal
import socket
import threading

import pytest
from live import ALL_MODES, GET, TIMEOUT, Mode, eventually, read_exactly, read_head
from programs import program

SELF_DRIVEN = [mode for mode in ALL_MODES if "external" not in str(mode)]
SIZE = 100_000
CODE = """
from live import in_mode
body = pymhd.Response(bytes({size}))
def slow(request):
    time.sleep(0.002)
    return switch if request.wants_upgrade() else body
with pymhd.Daemon(slow, **in_mode({mode!r})) as daemon:
    print(daemon.port, flush=True)
    daemon.wait()
assert pymhd.lib.pymhd_sessions_live() == 0
print("end")
"""


class Client(threading.Thread):
    """Asks until it is refused; a part of an answer is wrong."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.answers = 0
        self.refused = 0
        self.wrong = ""

    def run(self) -> None:
        address = ("127.0.0.1", self.port)
        while not self.wrong:
            try:
                with socket.create_connection(address, TIMEOUT) as sock:
                    self.ask(sock)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # nobody had accepted it

    def ask(self, sock: socket.socket) -> None:
        """Ask on one connection until it ends."""
        while True:
            try:
                sock.sendall(GET)
                first = sock.recv(1, socket.MSG_PEEK)
            except ConnectionError:
                return
            if not first:
                return
            try:
                head = read_head(sock)
                if not head.startswith(b"HTTP/1.1 200 "):
                    self.refused += 1
                    assert head.startswith(b"HTTP/1.1 503 "), head
                    return
                assert read_exactly(sock, SIZE) == bytes(SIZE)
                self.answers += 1
            except (AssertionError, OSError) as error:
                self.wrong = f"after {self.answers} answers: {error!r}"
                return


@pytest.mark.parametrize("mode", SELF_DRIVEN)
def test_no_answer_is_cut_short_by_sigterm(mode: Mode) -> None:
    """The exit code is 0, and nothing was logged."""
    with program(CODE.format(mode=mode, size=SIZE)) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        clients = [Client(port) for _ in range(8)]
        for client in clients:
            client.start()
        eventually(lambda: sum(client.answers for client in clients) > 30, "answers")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
        for client in clients:
            client.join(TIMEOUT)
    assert [client.wrong for client in clients if client.wrong] == []
    assert (process.returncode, output, errors) == (0, "end\n", "")
