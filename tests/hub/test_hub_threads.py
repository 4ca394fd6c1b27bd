# SPDX-License-Identifier: MIT
"""Transports in the hands of other threads than the protocol's."""

import socket
import threading
from collections.abc import Callable

import pytest
from live import (
    TIMEOUT,
    Serve,
    at_once,
    eventually,
    read_exactly,
    read_to_end,
)
from protocols import Hub, Recorder, echoing

import pymhd


def test_a_write_wakes_the_pump(serve: Serve) -> None:
    """Nothing else happens on the connection."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        for number in range(100):
            protocol.transport.write(b"%04d" % number)
            assert read_exactly(sock, 4) == b"%04d" % number


def test_many_threads_write(serve: Serve) -> None:
    """What one of them writes stays in order, and whole."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):

        def writer(number: int) -> None:
            for count in range(500):
                protocol.transport.write(b"%d %03d\n" % (number, count))

        threads = [threading.Thread(target=writer, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        lines = read_exactly(sock, 8 * 500 * 6).splitlines()
        for thread in threads:
            thread.join(TIMEOUT)
    for number in range(8):
        own = [line for line in lines if line.startswith(b"%d " % number)]
        assert own == [b"%d %03d" % (number, count) for count in range(500)]


@pytest.mark.parametrize("size", [1, 20_000])
def test_what_the_protocol_wrote_comes_before_what_it_has_caused(
    serve: Serve, size: int
) -> None:
    """Also if another thread writes at once, and the protocol has not returned."""
    written, caused = threading.Event(), threading.Event()

    def write(protocol: Recorder, data: bytes) -> None:
        protocol.transport.write(b"1" * size)
        written.set()
        assert caused.wait(TIMEOUT)
        protocol.transport.write(b"3" * size)

    hub = Hub(serve, data=write)
    with hub.connect() as (protocol, sock):
        sock.sendall(b"x")
        assert written.wait(TIMEOUT)
        protocol.transport.write(b"2" * size)
        pymhd.broadcast([protocol.transport], b"b" * size)
        caused.set()
        expected = b"1" * size + b"2" * size + b"b" * size + b"3" * size
        assert read_exactly(sock, 4 * size) == expected


def busy(transport: pymhd.Transport, sock: socket.socket) -> list[Callable[[], object]]:
    """Return what threads do at once with a connection."""

    def write() -> None:
        for _ in range(100):
            transport.write(b"x" * 100)

    def look() -> None:
        for _ in range(50):
            transport.get_write_buffer_size()
            transport.get_extra_info("sockname")

    def pause() -> None:
        for _ in range(50):
            transport.pause_reading()
            transport.resume_reading()

    def end() -> None:
        transport.close()
        transport.abort()

    return [write, look, pause, end, sock.close]


def test_every_method_may_be_called_anywhere_at_any_time(serve: Serve) -> None:
    """Here on connections that end meanwhile."""
    hub = Hub(serve, data=echoing)
    for _ in range(20):
        with hub.connect(b"x" * 1000) as (protocol, sock):
            at_once(*busy(protocol.transport, sock))
            protocol.end()
            ends = ("lost", "ConnectionResetError", "BrokenPipeError")
            assert protocol.calls[-1] in ends
    eventually(lambda: hub.daemon.upgraded == 0, "the end")


def test_who_resumes_last_is_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although what another thread's pause has ordered comes behind it."""
    hub = Hub(serve)
    with hub.connect() as (protocol, sock):
        transport = protocol.transport
        order = transport._hub.order

        def overtaken(run: Callable[[], None], size: int = 0) -> None:
            monkeypatch.undo()
            transport.resume_reading()
            order(run, size)

        monkeypatch.setattr(transport._hub, "order", overtaken)
        transport.pause_reading()
        assert transport.is_reading()
        # Not before the orders have been carried out.
        transport.write(b"now")
        assert read_exactly(sock, 3) == b"now"
        sock.sendall(b"data")
        protocol.wait_for_data(4)


def test_threads_get_one_descriptor(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if each of them has made one; all go with the connection."""
    hub = Hub(serve)
    with hub.connect() as (protocol, _):
        make, both = socket.socket, threading.Barrier(2)

        def slowly(fileno: int) -> socket.socket:
            both.wait(TIMEOUT)
            return make(fileno=fileno)

        descriptors: list[int] = []
        ask = lambda: descriptors.append(protocol.transport.fileno())  # noqa: E731
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", slowly)
            at_once(ask, ask)
        assert descriptors == [protocol.transport.fileno()] * 2


@pytest.mark.parametrize("threads", [1, 3])
def test_a_broadcast_reaches_everybody(serve: Serve, threads: int) -> None:
    """Closed ones are left out; those that do not read get it later, whole."""
    big = bytes(range(256)) * 40_000
    hub = Hub(serve, mode=threads)
    made = [hub.connect() for _ in range(9)]
    pairs = [one.__enter__() for one in made]
    transports = [protocol.transport for protocol, _ in pairs]
    transports[0].close()
    transports[1].write_eof()
    assert read_to_end(pairs[0][1]) == read_to_end(pairs[1][1]) == b""
    pairs[0][0].end()
    pymhd.broadcast(transports, b"one")
    pymhd.broadcast(iter(transports), bytearray(big))
    for transport in transports[2:]:
        transport.write(b"two")
    for protocol, sock in pairs[2:]:
        protocol.wait_for("pause")
        assert read_exactly(sock, 6 + len(big)) == b"one" + big + b"two"
        protocol.wait_for("resume")
    for one in made:
        one.__exit__(None, None, None)


def test_a_broadcast_is_kept_once(serve: Serve) -> None:
    """However many connections have not taken it yet."""
    hub = Hub(serve, limits=pymhd.Limits(output=64 << 20))
    made = [hub.connect() for _ in range(20)]
    protocols = [one.__enter__()[0] for one in made]
    before = resident()
    pymhd.broadcast([p.transport for p in protocols], bytes(32 << 20))
    for protocol in protocols:
        protocol.wait_for("pause")
    # 20 copies would be 640 MiB; the bytes object itself may not be gone yet.
    assert resident() - before < 150 << 20
    for one in made:
        one.__exit__(None, None, None)


def resident() -> int:
    """Return how much memory this process has, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
