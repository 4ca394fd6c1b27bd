# SPDX-License-Identifier: MIT
"""A protocol gets the same calls on the hub as on asyncio."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    eventually,
    read_exactly,
    read_to_end,
    reset,
    upgraded,
)
from marks import every_mode
from protocols import Hub, Recorder, echoing

import pymhd
from pymhd._hub import hub as module

Scenario = Callable[[Recorder, socket.socket], object]


def polite(protocol: Recorder, sock: socket.socket) -> None:
    """Send, and end."""
    assert_echoes(sock)
    sock.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == b""


def half_open(protocol: Recorder, sock: socket.socket) -> None:
    """End, and listen to the rest."""
    sock.sendall(b"question")
    sock.shutdown(socket.SHUT_WR)
    assert read_to_end(sock) == b"questionanswer"


def vanishing(protocol: Recorder, sock: socket.socket) -> None:
    """Leave with an RST."""
    assert_echoes(sock)
    reset(sock)


def only_listening(protocol: Recorder, sock: socket.socket) -> None:
    """Wait for the server's end."""
    assert read_to_end(sock) == b"bye"


def asking(protocol: Recorder, sock: socket.socket) -> None:
    """Ask, and see how it ends."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"x")
        assert read_to_end(sock) in (b"", b"bye")


def not_reading(protocol: Recorder, sock: socket.socket) -> None:
    """Read only when the server has had to pause."""
    protocol.wait_for("pause")
    assert len(read_exactly(sock, 8 << 20)) == 8 << 20


def answer_and_close(protocol: Recorder) -> bool:
    protocol.transport.write(b"answer")
    protocol.transport.close()
    return True


def say_bye(protocol: Recorder, data: bytes = b"") -> None:
    protocol.transport.write(b"bye")
    protocol.transport.close()
    protocol.transport.close()


def shut(protocol: Recorder, data: bytes = b"") -> None:
    protocol.transport.write(b"bye")
    protocol.transport.write_eof()


def abort(protocol: Recorder, data: bytes = b"") -> None:
    protocol.transport.abort()


def flood(protocol: Recorder) -> None:
    protocol.transport.write(bytes(8 << 20))


def close(protocol: Recorder) -> None:
    protocol.transport.close()


SCENARIOS: dict[str, tuple[Scenario, dict[str, Any], list[str]]] = {
    "echo": (polite, {"data": echoing}, ["made", "data", "eof", "lost"]),
    "half open": (
        half_open,
        {"data": echoing, "eof": answer_and_close},
        ["made", "data", "eof", "lost"],
    ),
    "reset": (vanishing, {"data": echoing}, ["made", "data", "ConnectionResetError"]),
    "close at once": (only_listening, {"made": say_bye}, ["made", "lost"]),
    "abort at once": (asking, {"made": abort}, ["made", "lost"]),
    "close at data": (asking, {"data": say_bye}, ["made", "data", "lost"]),
    "abort at data": (asking, {"data": abort}, ["made", "data", "lost"]),
    "write_eof": (only_listening, {"made": shut}, ["made", "eof", "lost"]),
    "flood": (
        not_reading,
        {"made": flood, "resume": close},
        ["made", "pause", "resume", "lost"],
    ),
}


def on_the_hub(hub: Hub, scenario: Scenario) -> list[str]:
    """Return the calls of a protocol under pymhd."""
    with hub.connect() as (protocol, sock):
        scenario(protocol, sock)
        sock.close()
        protocol.end()
    return protocol.calls


def on_asyncio(scenario: Scenario, does: dict[str, Any]) -> list[str]:
    """Return the calls of a protocol under asyncio."""
    made: SimpleQueue[Recorder] = SimpleQueue()

    def factory() -> Any:
        protocol = Recorder(**does)
        made.put(protocol)
        return protocol

    def client(port: int) -> Recorder:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock:
            protocol = made.get(timeout=TIMEOUT)
            scenario(protocol, sock)
            sock.close()
            protocol.end()
        return protocol

    async def main() -> Recorder:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await loop.run_in_executor(None, client, port)

    return asyncio.run(main()).calls


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_protocol_gets_its_calls_from_asyncio(name: str) -> None:
    scenario, does, calls = SCENARIOS[name]
    assert on_asyncio(scenario, does) == calls


@every_mode
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_protocol_gets_the_same_calls_from_the_hub(
    serve: Serve, name: str, mode: Mode
) -> None:
    scenario, does, calls = SCENARIOS[name]
    assert on_the_hub(Hub(serve, mode=mode, **does), scenario) == calls


def test_a_class_with_connection_made_is_served_by_the_hub(serve: Serve) -> None:
    """Without run=; it is called without arguments."""

    class Echo(pymhd.Protocol):
        def connection_made(self, transport: pymhd.Transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    switch = pymhd.Response.for_upgrade(Echo, "echo")
    daemon = serve(lambda request: switch)
    before = threading.active_count()
    with upgraded(daemon, early=b"early") as sock:
        assert read_exactly(sock, 5) == b"early"
        assert_echoes(sock, bytes(300_000))
        assert daemon.upgraded == 1
        assert threading.active_count() == before
    eventually(lambda: daemon.upgraded == 0, "the end")


def test_a_protocol_of_asyncios_does_as_well(serve: Serve) -> None:
    """And a base class that does nothing."""

    class Last(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            ends.put(data)

    ends: SimpleQueue[bytes] = SimpleQueue()
    switch = pymhd.Response.for_upgrade(Last, "echo")
    with upgraded(serve(lambda request: switch)) as sock:
        sock.sendall(b"x")
        assert ends.get(timeout=TIMEOUT) == b"x"
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""


@pytest.mark.parametrize("size", [0, 1, 65536])
def test_what_came_early_comes_first(serve: Serve, size: int) -> None:
    """In the same order, and not a byte less."""
    early = bytes(range(256)) * (size // 256) or b"e" * size
    hub = Hub(serve)
    with hub.connect(early) as (protocol, sock):
        sock.sendall(b"late")
        protocol.wait_for_data(size + 4)
        assert protocol.data == early + b"late"
        assert protocol.calls == ["made", "data"]


def test_more_early_bytes_than_a_batch_has_room_for(serve: Serve) -> None:
    """From many connections at once."""
    limits = pymhd.Limits(memory=1 << 20)
    hub = Hub(serve, limits=limits, data=echoing)
    early = bytes(range(256)) * 700
    with hub.connect(early) as (_, one), hub.connect(early) as (_, two):
        assert read_exactly(one, len(early)) == early
        assert read_exactly(two, len(early)) == early


def test_a_connection_that_ends_with_the_upgrade_is_made_and_lost(
    serve: Serve,
) -> None:
    """The client sends its last bytes and its FIN with the request."""
    hub = Hub(serve)
    with hub.connect(b"all") as (protocol, sock):
        sock.shutdown(socket.SHUT_WR)
        assert protocol.end() is None
    assert (protocol.calls, protocol.data) == (["made", "data", "eof", "lost"], b"all")


def test_csrc_tells_of_an_end_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of a connection is given to another one when that has been told."""
    told: list[int] = []
    lose = module.Hub._lose

    def counting(hub: Any, transport: Any, place: int, error: Any) -> None:
        told.append(place)
        lose(hub, transport, place, error)

    monkeypatch.setattr("pymhd._hub.hub.Hub._lose", counting)
    hub = Hub(serve, data=echoing)
    for number in range(1, 11):
        with hub.connect() as (protocol, sock):
            assert_echoes(sock)
            reset(sock)
            assert isinstance(protocol.end(), ConnectionResetError)
        eventually(lambda: hub.daemon.upgraded == 0, "the end")
        assert len(told) == number
