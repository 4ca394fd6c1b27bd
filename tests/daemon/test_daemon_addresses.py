# SPDX-License-Identifier: MIT
"""A host with several addresses: the daemon listens on all of them."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from addresses import ADDRESSES, NAME, connect_at, resolved
from live import (
    ALL_MODES,
    GET,
    Mode,
    Serve,
    assert_echoes,
    echo,
    eventually,
    hello,
    is_silent,
    read_head,
    read_to_end,
    upgrade_request,
)
from marks import each_mode, every_mode, over_tls_too
from messages import LAST_GET, get
from programs import run_program

import pymhd

SELF_DRIVEN = [mode for mode in ALL_MODES if "external" not in str(mode)]


class Echo(asyncio.Protocol):
    """What the hub serves."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.fixture(autouse=True)
def several() -> Iterator[None]:
    """Have a name with several addresses."""
    with resolved():
        yield


def is_refused(address: str, port: int) -> bool:
    """Tell whether nobody listens there."""
    try:
        connect_at(address, port).close()
    except ConnectionRefusedError:
        return True
    return False


@over_tls_too(every_mode)
def test_every_address_of_a_host_is_listened_on(
    serve: Serve, mode: Mode, transport: str
) -> None:
    """With one port, for several connections at each, and each knows its client."""
    daemon = serve(lambda r: pymhd.Response(r.client[0]), threads=mode, host=NAME)
    assert daemon.url == f"http{'s' * (transport == 'tls')}://127.0.0.1:{daemon.port}"
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(
                    connect_at(address, daemon.port, transport == "tls")
                )
                for address in ADDRESSES * 2
            ]
            for sock in clients + clients:
                assert get(sock).decode() == sock.getpeername()[0].replace(
                    "127.0.0.2", "127.0.0.1"
                )
    eventually(lambda: daemon.connections == 0, "the end of all connections")


@over_tls_too(every_mode)
@pytest.mark.parametrize("run", ["thread", "hub"])
def test_a_connection_at_any_address_is_upgraded(
    serve: Serve, mode: Mode, transport: str, run: str
) -> None:
    """It is like all the others."""
    switch = (
        pymhd.Response.for_upgrade(echo, "echo")
        if run == "thread"
        else pymhd.Response.for_upgrade(Echo, "echo", run="hub")
    )
    daemon = serve(lambda request: switch, threads=mode, host=NAME)
    for address in ADDRESSES:
        with connect_at(address, daemon.port, transport == "tls") as sock:
            sock.sendall(upgrade_request())
            assert read_head(sock).startswith(b"HTTP/1.1 101 ")
            assert_echoes(sock)


@every_mode
def test_the_limit_of_connections_is_one_for_all_addresses(
    serve: Serve, mode: Mode
) -> None:
    """Who comes then waits, as long as nobody leaves."""
    limits = pymhd.Limits(connections=3)
    daemon = serve(hello, threads=mode, host=NAME, limits=limits)
    with contextlib.ExitStack() as stack:

        def client(number: int) -> Any:
            address = ADDRESSES[number % len(ADDRESSES)]
            return stack.enter_context(connect_at(address, daemon.port))

        served = [client(number) for number in range(3)]
        for sock in served:
            assert get(sock) == b"hello"
        waiting = [client(number) for number in range(12)]
        for sock in waiting:
            sock.sendall(LAST_GET)
        assert all(is_silent(sock, 0.02) for sock in waiting)
        assert daemon.connections == 3
        for sock in served:
            assert get(sock) == b"hello"
        served[0].close()
        for sock in waiting:  # one after the other, for each closes at its end
            assert read_to_end(sock).endswith(b"hello")
        assert get(served[1]) == b"hello"


@each_mode
def test_many_that_come_at_once_never_exceed_the_limit(
    serve: Serve, mode: Mode
) -> None:
    """Nor does one of them get no answer."""
    limits = pymhd.Limits(connections=4)
    counts = []

    def count(request: pymhd.Request) -> pymhd.Response:
        counts.append(daemon.connections)
        return pymhd.Response(b"hello")

    daemon = serve(count, threads=mode, host=NAME, limits=limits)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(connect_at(address, daemon.port))
            for address in ADDRESSES * 40
        ]
        for sock in clients:
            sock.sendall(LAST_GET)
        for sock in clients:
            assert read_to_end(sock).endswith(b"hello")
    assert max(counts) <= 4


@pytest.mark.parametrize("mode", [1, "1 select", "per-connection"])
def test_the_limit_of_one_client_is_one_for_all_addresses(
    serve: Serve, mode: Mode
) -> None:
    """Wherever it connects to."""
    limits = pymhd.Limits(connections_per_ip=2)
    daemon = serve(hello, threads=mode, host=NAME, limits=limits)
    with (
        connect_at("127.0.0.1", daemon.port) as first,
        connect_at("127.0.0.2", daemon.port) as second,
    ):
        assert get(first) == b"hello"
        assert get(second) == b"hello"
        with (
            connect_at("127.0.0.2", daemon.port) as third,
            contextlib.suppress(ConnectionError),
        ):
            third.sendall(GET)
            assert third.recv(1) == b""


@every_mode
def test_quiesce_ends_the_listening_on_every_address(serve: Serve, mode: Mode) -> None:
    """The connections that there are go on."""
    daemon = serve(hello, threads=mode, host=NAME)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(connect_at(address, daemon.port))
            for address in ADDRESSES
        ]
        for sock in clients:
            assert get(sock) == b"hello"
        daemon.quiesce()
        for address in ADDRESSES:
            eventually(lambda at=address: is_refused(at, daemon.port))  # type: ignore[misc]
        for sock in clients:
            assert get(sock) == b"hello"


@every_mode
def test_a_stopped_daemon_leaves_every_address(serve: Serve, mode: Mode) -> None:
    """Another one has them, with the same port, at once."""
    for _ in range(2):
        daemon = serve(hello, threads=mode, host=NAME)
        first = daemon.port
        daemon.stop()
        assert all(is_refused(address, first) for address in ADDRESSES)
        daemon = serve(hello, threads=mode, host=NAME, port=first)
        assert daemon.port == first
        daemon.stop()


@pytest.mark.parametrize("mode", SELF_DRIVEN)
def test_clients_wait_at_every_address_while_descriptors_are_short(mode: Mode) -> None:
    """Which costs no time, and hurts nobody who is there."""
    code = f"""
        from addresses import ADDRESSES, NAME, connect_at, resolved
        logging.getLogger("pymhd").setLevel(logging.CRITICAL)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with (
            resolved(),
            pymhd.Daemon(both, host=NAME, **in_mode({mode!r})) as daemon,
            upgraded(daemon) as talking,
            contextlib.ExitStack() as stack,
        ):
            assert_echoes(talking)
            families = [10 if ":" in at else 2 for at in ADDRESSES]
            waiting = [stack.enter_context(socket.socket(n)) for n in families]
            used = max(int(fd) for fd in os.listdir("/proc/self/fd"))
            files = [os.open("/dev/null", os.O_RDONLY) for _ in range(used + 1)]
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1, hard))
            for sock, address in zip(waiting, ADDRESSES):
                sock.settimeout(10)
                sock.connect((address, daemon.port))
                sock.sendall(GET)
            before = time.process_time()
            time.sleep(0.3)
            spent = time.process_time() - before
            assert_echoes(talking)
            assert daemon.connections == 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in files:
                os.close(fd)
            for sock in waiting:
                assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            assert_echoes(talking)
        assert pymhd.lib.pymhd_sessions_live() == 0
        assert spent < 0.2, spent
    """
    assert run_program(code, []) == (0, "", "")


@pytest.mark.parametrize("mode", SELF_DRIVEN)
def test_a_daemon_that_fails_leaves_every_address(mode: Mode) -> None:
    """Nobody who comes waits for it."""
    code = f"""
        from addresses import ADDRESSES, NAME, connect_at, resolved
        logging.getLogger("pymhd").setLevel(logging.CRITICAL + 1)
        def fail(timeout_ms):
            raise MemoryError("injected")
        def is_refused(address):
            try:
                connect_at(address, port).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                return False  # it has just been closed
        with resolved(), pymhd.Daemon(hello, host=NAME, **in_mode({mode!r})) as daemon:
            port = daemon.port
            driver = daemon._drivers[-1]
            driver.hub.pump = fail
            driver._wake()
            for address in ADDRESSES:
                eventually(lambda: is_refused(address))
            assert not daemon.is_running
        print("it ends")
    """
    assert run_program(code, []) == (0, "it ends\n", "")


@each_mode
def test_a_forks_child_listens_nowhere(mode: Mode) -> None:
    """The addresses are free when the parent has left them, and it hurts no parent."""
    code = f"""
        from addresses import ADDRESSES, NAME, connect_at, resolved
        def answers(address):
            with connect_at(address, daemon.port) as sock:
                sock.sendall(GET)
                assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        with resolved(), pymhd.Daemon(hello, host=NAME, **in_mode({mode!r})) as daemon:
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if not pid:
                theirs.send(b"x")
                ours.close()
                theirs.recv(1)
                os._exit(0)
            theirs.close()
            ours.recv(1)
            for address in ADDRESSES:
                answers(address)
            daemon.stop()
            for address in ADDRESSES:
                try:
                    connect_at(address, daemon.port)
                except ConnectionRefusedError:
                    print("refused")
            ours.close()
            assert os.waitpid(pid, 0)[1] == 0
    """
    assert run_program(code, []) == (0, "refused\n" * len(ADDRESSES), "")


def test_a_port_that_is_free_is_free_on_every_address(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If somebody has it on another one the next is tried."""
    real = socket.socket.bind
    taken: list[socket.socket] = []

    def bind(sock: socket.socket, address: tuple[str, int]) -> None:
        real(sock, address)
        if len(taken) < 3 and address == ("127.0.0.1", 0):
            other = socket.create_server(("127.0.0.2", sock.getsockname()[1]))
            taken.append(other)

    monkeypatch.setattr(socket.socket, "bind", bind)
    daemon = serve(hello, host=NAME)
    assert len(taken) == 3
    assert daemon.port not in [sock.getsockname()[1] for sock in taken]
    for sock in taken:
        sock.close()


def test_a_port_that_one_address_does_not_have_free_is_refused() -> None:
    """And none of the others is listened on."""
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        daemon = pymhd.Daemon(hello, host=NAME, port=port)
        with pytest.raises(pymhd.StartError, match=f"port {port} of {NAME}") as caught:
            daemon.start()
        assert caught.value.errno == errno.EADDRINUSE
        assert is_refused("127.0.0.1", port)


def test_an_address_that_this_machine_lacks_is_left_out(serve: Serve) -> None:
    """As that of IPv6 is, where a name has one and the machine does not."""
    with resolved("2001:db8::1", "127.0.0.2", "192.0.2.55"):
        daemon = serve(hello, host=NAME)
    assert daemon.url == f"http://127.0.0.2:{daemon.port}"
    with connect_at("127.0.0.2", daemon.port) as sock:
        assert get(sock) == b"hello"


def test_a_host_of_which_this_machine_has_no_address_is_refused() -> None:
    """With the errno of that."""
    with resolved("192.0.2.54", "192.0.2.55"):
        daemon = pymhd.Daemon(hello, host=NAME)
        with pytest.raises(pymhd.StartError, match="address of this machine") as caught:
            daemon.start()
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_a_name_may_mean_every_address_of_both_kinds(serve: Serve) -> None:
    """IPv6 leaves IPv4 to the other one."""
    if "::1" not in ADDRESSES:
        pytest.skip("needs IPv6")
    with resolved("0.0.0.0", "::"):
        daemon = serve(hello, host=NAME)
    for address in ADDRESSES:
        with connect_at(address, daemon.port) as sock:
            assert get(sock) == b"hello"


def test_an_address_that_is_named_twice_is_listened_on_once(serve: Serve) -> None:
    """A resolver may repeat itself."""
    with resolved("127.0.0.1", "127.0.0.1", "127.0.0.2"):
        daemon = serve(hello, host=NAME)
    assert len(daemon._endpoint._listening) == 2


def test_daemons_that_share_a_port_share_it_on_every_address(serve: Serve) -> None:
    """Whichever of them gets a connection."""
    first = serve(lambda r: pymhd.Response(b"1"), host=NAME, reuse_port=True)
    second = serve(
        lambda r: pymhd.Response(b"2"), host=NAME, port=first.port, reuse_port=True
    )
    for address in ADDRESSES:
        answers: set[bytes] = set()

        def ask(at: str = address, answers: set[bytes] = answers) -> bool:
            with connect_at(at, second.port) as sock:
                answers.add(get(sock))
            return len(answers) == 2

        eventually(ask, "an answer of each")
