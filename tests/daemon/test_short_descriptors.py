# SPDX-License-Identifier: MIT
"""No descriptor is left to accept with: clients wait, everybody else goes on."""

import pytest
from live import ALL_MODES, Mode
from programs import run_program

SELF_DRIVEN = [mode for mode in ALL_MODES if "external" not in str(mode)]


@pytest.mark.parametrize("mode", SELF_DRIVEN)
def test_clients_are_accepted_as_soon_as_there_are_descriptors_again(
    mode: Mode,
) -> None:
    """Meanwhile the connections that there are go on."""
    code = f"""
        from live import in_mode
        def answered(sock):
            sock.sendall(GET)
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            assert read_exactly(sock, 5) == b"hello"
        logging.getLogger("pymhd").setLevel(logging.CRITICAL)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with pymhd.Daemon(both, **in_mode({mode!r})) as daemon:
            socks = [connect(daemon) for _ in range(4)]
            for sock in socks:
                answered(sock)
            with upgraded(daemon) as talking:
                assert_echoes(talking)
                waiting = [socket.socket() for _ in range(3)]
                used = max(int(fd) for fd in os.listdir("/proc/self/fd"))
                files = [os.open("/dev/null", os.O_RDONLY) for _ in range(used + 1)]
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1, hard))
                for sock in waiting:
                    sock.settimeout(10)
                    sock.connect(("127.0.0.1", daemon.port))
                    sock.sendall(GET)
                before = time.process_time()
                time.sleep(0.3)
                spent = time.process_time() - before
                assert_echoes(talking)
                for sock in socks:
                    answered(sock)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for fd in files:
                    os.close(fd)
                for sock in socks:
                    sock.close()
                for sock in waiting:
                    assert read_head(sock).startswith(b"HTTP/1.1 200 ")
                    sock.close()
                assert_echoes(talking)
        assert pymhd.lib.pymhd_sessions_live() == 0
        assert spent < 0.2, spent
    """
    assert run_program(code, []) == (0, "", "")


@pytest.mark.parametrize("mode", [1, 3, "per-connection"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_descriptors_for_a_moment_too_few_leave_nobody_waiting(
    mode: Mode, transport: str
) -> None:
    """Also where no connection ends meanwhile, as upgraded ones may not."""
    code = f"""
        import secure
        from live import in_mode
        logging.getLogger("pymhd").setLevel(logging.CRITICAL)
        options = in_mode({mode!r})
        if {transport!r} == "tls":
            options["tls"] = secure.server_tls()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with pymhd.Daemon(both, **options) as daemon, contextlib.ExitStack() as stack:
            talking = [stack.enter_context(upgraded(daemon)) for _ in range(6)]
            for sock in talking:
                assert_echoes(sock)
            waiting = [stack.enter_context(socket.socket()) for _ in range(3)]
            used = max(int(fd) for fd in os.listdir("/proc/self/fd"))
            files = [os.open("/dev/null", os.O_RDONLY) for _ in range(used + 1)]
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1, hard))
            for sock in waiting:
                sock.connect(("127.0.0.1", daemon.port))
            time.sleep(0.3)  # now they are not accepted
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in files:
                os.close(fd)
            for sock in waiting:
                sock.settimeout(10)
                if {transport!r} == "tls":
                    sock = stack.enter_context(secure.Client(sock))
                sock.sendall(GET)
                assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            for sock in talking:
                assert_echoes(sock)
            assert daemon.upgraded == 6
            eventually(lambda: daemon.connections == 9)
        assert pymhd.lib.pymhd_sessions_live() == 0
    """
    assert run_program(code, []) == (0, "", "")
