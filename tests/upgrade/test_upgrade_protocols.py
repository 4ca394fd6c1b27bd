# SPDX-License-Identifier: MIT
"""Several protocols in a response: the 101 names the one in effect (RFC 9110, 7.8)."""

import shutil
import subprocess
from queue import SimpleQueue

import pytest
import websocket
from live import (
    TIMEOUT,
    Mode,
    Serve,
    assert_echoes,
    connect,
    echo,
    read_head,
    upgrade_request,
)
from marks import every_mode, every_way, needs_curl, over_tls_too
from messages import always
from protocols import Recorder, echoing
from sessions import Run, switching
from websockets.sync.client import connect as connect_websocket

import pymhd


def chosen(daemon: pymhd.Daemon, offer: str, more: str = "") -> list[str]:
    """Return the values of the Upgrade fields of the 101, after a try of the echo."""
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol=offer, more=more))
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert_echoes(sock)
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")]
    assert [v for n, _, v in lines if n.lower() == "connection"] == ["Upgrade"]
    assert [v for n, _, v in lines if n == "X-More"] == ["1", "2"]
    return [value for name, _, value in lines if name.lower() == "upgrade"]


# What we speak, what the client offers, and what is chosen.
CHOICES = [
    ("echo, websocket", "websocket", "websocket"),
    ("echo, websocket", "echo", "echo"),
    ("echo, websocket", "WebSocket", "websocket"),
    ("Echo, WebSocket", "websocket, other", "WebSocket"),
    ("echo,websocket", "websocket, echo", "echo"),
    ("h2c/2, h2c/1, h2c", "h2c", "h2c"),
    ("h2c/2, h2c/1, h2c", "H2C/1, h2c", "h2c/1"),
    ("echo, echo", "echo", "echo"),
    (", echo ,, websocket,", " ,websocket , ", "websocket"),
    ("echo", "other, echo", "echo"),
]


@over_tls_too(every_way)
def test_the_101_names_the_protocol_in_effect_only(
    serve: Serve, mode: Mode, run: Run
) -> None:
    """Our spelling of it; one response serves clients with different ones."""
    for ours in dict.fromkeys(ours for ours, _, _ in CHOICES):
        response = switching(echo, run, ours)
        response.add_header("X-More", "1")
        response.add_header("X-More", "2")
        daemon = serve(always(response), threads=mode)
        for _ in range(2):
            for names, offer, expected in CHOICES:
                if names == ours:
                    assert chosen(daemon, offer) == [expected]
        daemon.stop()


@over_tls_too(every_mode)
def test_the_101_of_a_protocol_on_the_hub_names_it_only(
    serve: Serve, mode: Mode
) -> None:
    """The transport knows the same name."""
    made: SimpleQueue[str] = SimpleQueue()

    class Echo(Recorder):
        def __init__(self) -> None:
            super().__init__(data=echoing)

        def connection_made(self, transport: pymhd.Transport) -> None:
            super().connection_made(transport)
            made.put(transport.get_extra_info("protocol"))

    response = pymhd.Response.for_upgrade(
        Echo, "echo, websocket/13", headers=[("X-More", "1"), ("X-More", "2")]
    )
    daemon = serve(lambda request: response, threads=mode)
    for offer, expected in (("WEBSOCKET/13", "websocket/13"), ("echo", "echo")):
        assert chosen(daemon, offer) == [expected]
        assert made.get(timeout=TIMEOUT) == expected


@every_mode
def test_offers_in_several_fields_are_one_list(serve: Serve, mode: Mode) -> None:
    """RFC 9110, section 5.3."""
    response = switching(echo, "thread", "one, two")
    response.add_header("X-More", "1")
    response.add_header("X-More", "2")
    daemon = serve(lambda request: response, threads=mode)
    assert chosen(daemon, "other", more="upgrade: TWO\r\n") == ["two"]


@every_mode
def test_a_refusal_names_all_of_them(serve: Serve, mode: Mode) -> None:
    """And the response keeps what it was made of."""
    response = switching(echo, "thread", "one, two")
    daemon = serve(lambda request: response, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request(protocol="three"))
        head = read_head(sock)
        assert head.startswith(b"HTTP/1.1 426 ")
        assert b"\r\nUpgrade: one, two\r\n" in head
    assert response.headers["Upgrade"] == "one, two"


# --- real clients ---


def websocket_handler(request: pymhd.Request) -> pymhd.Response:
    """Accept a WebSocket's handshake with a response for several protocols."""
    from base64 import b64encode
    from hashlib import sha1

    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    key = request.headers.get("Sec-WebSocket-Key", "") + guid
    accept = b64encode(sha1(key.encode()).digest()).decode()
    fields = {"Sec-WebSocket-Accept": accept}
    return pymhd.Response.for_upgrade(
        lambda stream: stream.recv(1), "echo, websocket", headers=fields
    )


@every_mode
def test_websocket_clients_take_a_101_of_several_protocols(
    serve: Serve, mode: Mode
) -> None:
    """The packages websockets and websocket-client."""
    daemon = serve(websocket_handler, threads=mode)
    url = daemon.url.replace("http", "ws", 1)
    with connect_websocket(url, open_timeout=TIMEOUT):
        pass
    websocket.create_connection(url, timeout=TIMEOUT).close(timeout=TIMEOUT)


@needs_curl
@every_mode
def test_curl_takes_a_101_of_several_protocols(serve: Serve, mode: Mode) -> None:
    """And ends well, when the connection does."""
    response = pymhd.Response.for_upgrade(
        lambda stream: stream.sendall(b"hello"), "echo, websocket"
    )
    daemon = serve(lambda request: response, threads=mode)
    fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    options = [part for n, v in fields for part in ("-H", f"{n}: {v}")]
    run = subprocess.run(
        ["curl", "-sSi", "--max-time", "10", *options, daemon.url],
        capture_output=True,
        check=False,
    )
    assert b"\r\nUpgrade: websocket\r\n" in run.stdout


NODE = """
const http = require("http");
const request = http.get(process.argv[1], {headers:
    {"Connection": "Upgrade", "Upgrade": "websocket"}});
request.on("upgrade", (response, socket) => {
    console.log(response.statusCode, response.headers.upgrade);
    socket.end();
});
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_node_takes_a_101_of_several_protocols(serve: Serve) -> None:
    """Its own http module."""
    response = switching(echo, "thread", "echo, websocket")
    daemon = serve(lambda request: response)
    run = subprocess.run(
        ["node", "-e", NODE, daemon.url],
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert run.stdout == b"101 websocket\n"
