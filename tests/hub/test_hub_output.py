# SPDX-License-Identifier: MIT
"""Peers that do not take what is sent to them: what waits for them is bounded."""

import contextlib
import errno
import re
import threading
from pathlib import Path

import pytest
from live import MIB, TIMEOUT, Mode, Serve, eventually, read_to_end
from marks import every_mode, over_tls_too, without_asan
from programs import run_program
from protocols import Hub, Recorder

import pymhd

SMALL = pymhd.Limits(output=MIB)
README = Path(__file__).resolve().parents[2] / "README.md"


def fill(protocol: Recorder) -> None:
    """Write, whatever is said, until that has no effect any more."""
    for _ in range(1000):
        protocol.transport.write(bytes(100_000))


@over_tls_too(every_mode)
def test_who_takes_nothing_is_aborted_at_the_limit(
    serve: Serve, mode: Mode, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The protocol and the log are told why."""
    hub = Hub(serve, mode=mode, limits=SMALL, made=fill)
    with hub.connect() as (protocol, sock):
        error = protocol.end()
        assert isinstance(error, ConnectionAbortedError)
        assert error.errno == errno.ECONNABORTED
        assert f"more than {MIB} bytes" in str(error)
        assert "Limits.output" in str(error)
        (line,) = caplog.messages
        assert line.startswith(f"the connection of 127.0.0.1 port {port_of(sock)} is ")
        assert str(error.strerror) in line
        assert protocol.transport.get_write_buffer_size() == 0


def port_of(sock: object) -> int:
    return int(sock.getsockname()[1])  # type: ignore[attr-defined]


def test_one_write_may_be_too_much(serve: Serve) -> None:
    """It never blocks, so there is no way to have it wait."""
    hub = Hub(serve, limits=SMALL, made=lambda p: p.transport.write(bytes(40 * MIB)))
    with hub.connect() as (protocol, _):
        assert isinstance(protocol.end(), ConnectionAbortedError)


def test_no_limit_is_a_choice(serve: Serve) -> None:
    hub = Hub(
        serve,
        limits=pymhd.Limits(output=0),
        made=lambda p: p.transport.write(bytes(40 * MIB)),
    )
    with hub.connect() as (protocol, sock):
        protocol.transport.close()
        assert len(read_to_end(sock)) == 40 * MIB
        assert protocol.end() is None


@pytest.mark.parametrize("way", ["write", "broadcast"])
@every_mode
def test_what_waits_in_python_counts(serve: Serve, mode: Mode, way: str) -> None:
    """While the thread that would carry it out is busy elsewhere."""
    busy, go_on = threading.Event(), threading.Event()

    def be_busy(protocol: Recorder, data: bytes) -> None:
        busy.set()
        assert go_on.wait(TIMEOUT)

    hub = Hub(serve, mode=mode, limits=SMALL, data=be_busy)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        sock.sendall(b"x")
        assert busy.wait(TIMEOUT)
        try:
            for _ in range(100):
                if way == "write":
                    transport.write(bytes(100_000))
                else:
                    pymhd.broadcast([transport], bytes(100_000))
            assert transport.is_closing()
            assert transport.get_write_buffer_size() < MIB + 100_001
        finally:
            go_on.set()
        assert isinstance(protocol.end(), ConnectionAbortedError)


def test_broadcasts_count_for_each_of_their_receivers(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads goes on, and who does not is let go."""
    hub = Hub(serve, limits=SMALL)
    with hub.connect() as (reads, sock), hub.connect() as (does_not, _):
        received = bytearray()

        def read() -> None:
            with contextlib.suppress(OSError):
                while piece := sock.recv(1 << 20):
                    received.extend(piece)

        reader = threading.Thread(target=read)
        reader.start()
        for count in range(1, 101):
            pymhd.broadcast([reads.transport, does_not.transport], bytes(100_000))
            size = count * 100_000
            eventually(lambda size=size: len(received) == size)  # type: ignore[misc]
        assert isinstance(does_not.end(), ConnectionAbortedError)
        assert len(caplog.messages) == 1
        reads.transport.close()
        reader.join(TIMEOUT)
        assert len(received) == 100 * 100_000


# --- close() ---

HASTY = pymhd.Limits(close_timeout=0.2)


def fill_and_close(protocol: Recorder) -> None:
    protocol.transport.write(bytes(10 * MIB))
    protocol.transport.close()


@over_tls_too(every_mode)
def test_close_does_not_wait_for_ever(
    serve: Serve, mode: Mode, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For a peer that takes nothing of what waits for it."""
    hub = Hub(serve, mode=mode, limits=HASTY, made=fill_and_close)
    with hub.connect() as (protocol, _):
        error = protocol.end()
        assert isinstance(error, TimeoutError)
        assert error.errno == errno.ETIMEDOUT
        assert "Limits.close_timeout" in str(error)
        (line,) = caplog.messages
        assert "127.0.0.1 port" in line
        assert str(error.strerror) in line


def test_close_waits_for_who_takes_something_in_time(serve: Serve) -> None:
    """However long the whole may take."""
    limits = pymhd.Limits(close_timeout=2)
    hub = Hub(serve, limits=limits, made=fill_and_close)
    with hub.connect() as (protocol, sock):
        size = 0
        while piece := sock.recv(1 << 18):
            size += len(piece)
        assert size == 10 * MIB
        assert protocol.end() is None


def test_close_may_wait_for_ever(serve: Serve) -> None:
    hub = Hub(serve, limits=pymhd.Limits(close_timeout=0), made=fill_and_close)
    with hub.connect() as (protocol, sock):
        assert len(read_to_end(sock)) == 10 * MIB
        assert protocol.end() is None


# --- README ---


def echo_of_the_readme() -> str:
    """Return the protocol that README shows, as it stands there."""
    found = re.search(
        r"```python\n(class Echo\(.*?)\n\n\npymhd", README.read_text(), re.S
    )
    assert found
    return found[1]


@without_asan
def test_the_echo_of_the_readme_does_not_grow() -> None:
    """For a peer that sends, and never reads; nor for ten of them."""
    code = f"""
from live import MIB
{echo_of_the_readme()}
switch = pymhd.Response.for_upgrade(Echo, "echo")
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
with pymhd.Daemon(lambda request: switch) as daemon:
    socks = [upgraded(daemon) for _ in range(10)]
    for sock in socks:
        sock.settimeout(0.3)
    before = resident()
    sent = 0
    for sock in socks:
        with contextlib.suppress(TimeoutError):
            for _ in range(100):  # as much as nobody would take in that time
                sock.sendall(bytes(MIB))
                sent += 1
    assert sent < 500, sent
    print(resident() - before < 16 * MIB)
    print(daemon.upgraded)
    for sock in socks:
        sock.close()
"""
    assert run_program(code) == (0, "True\n10\n", "")
