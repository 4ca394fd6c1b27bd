# SPDX-License-Identifier: MIT
"""``stop()`` while requests come that libmicrohttpd refuses by itself.

Its own threads used to crash then (up to 0.9.77).
"""

import pytest
from live import Mode
from programs import run_program

_CYCLES = {"per-connection": 10, "1 poll": 10, "3 epoll": 12}


@pytest.mark.parametrize(("mode", "cycles"), _CYCLES.items(), ids=_CYCLES)
def test_malformed_requests_during_stop_do_no_harm(mode: Mode, cycles: int) -> None:
    """Targets that are too long, on new connections all the time."""
    code = f"""
    logging.disable()
    def flood():
        while not over.is_set():
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", port), 5) as sock:
                    sock.sendall(b"GET /" + b"x" * 40000 + b" HTTP/1.1\\r\\n\\r\\n")
    for _ in range({cycles}):
        over = threading.Event()
        with pymhd.Daemon(hello, **in_mode({mode!r})) as daemon:
            port = daemon.port
            floods = [threading.Thread(target=flood) for _ in range(4)]
            for thread in floods:
                thread.start()
            eventually(lambda: daemon.connections, "a connection")
        over.set()
        for thread in floods:
            thread.join()
    print("alive")
    """
    status, out, _ = run_program(code)
    assert (status, out) == (0, "alive\n")
