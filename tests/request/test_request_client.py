# SPDX-License-Identifier: MIT
"""``Request.client``: the peer's address, of every family."""

import contextlib
import socket
from pathlib import Path

import pytest
from live import Mode, Serve, connect, connect_to, read_to_end
from marks import each_mode, every_mode, needs_ipv6
from messages import head

import pymhd


@each_mode
def test_the_client_is_the_peers_address(serve: Serve, mode: Mode) -> None:
    """As the client's own socket names it."""
    found: list[pymhd.request.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(request.client)
        return pymhd.Response()

    with connect(serve(handler, threads=mode)) as sock:
        sock.sendall(head())
        read_to_end(sock)
        assert found == [sock.getsockname()]


@needs_ipv6
@each_mode
def test_the_client_over_ipv6_has_four_parts(serve: Serve, mode: Mode) -> None:
    """Host, port, flow and scope, as the socket module has them."""
    found: list[pymhd.request.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(request.client)
        return pymhd.Response()

    port = serve(handler, threads=mode, host="::1").port
    with connect_to(("::1", port), socket.AF_INET6) as sock:
        sock.sendall(head())
        read_to_end(sock)
        assert found == [sock.getsockname()]


@needs_ipv6
@every_mode
@pytest.mark.parametrize("given", ["host", "sock"])
def test_a_client_over_ipv4_has_an_ipv4_address_on_a_socket_for_both(
    serve: Serve, mode: Mode, given: str
) -> None:
    """Not "::ffff:127.0.0.1", which matches nobody's list of addresses."""
    found: list[pymhd.request.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        found.append(request.client)
        return pymhd.Response()

    with contextlib.ExitStack() as stack:
        if given == "host":
            daemon = serve(handler, host=None, threads=mode)
        else:
            sock = socket.create_server(
                ("", 0), family=socket.AF_INET6, dualstack_ipv6=True
            )
            daemon = serve(handler, sock=stack.enter_context(sock), threads=mode)
        client = stack.enter_context(connect_to(("127.0.0.1", daemon.port), 2))
        client.sendall(head())
        read_to_end(client)
        assert found == [client.getsockname()]


@each_mode
def test_the_client_of_a_unix_socket_has_no_address(
    serve: Serve, tmp_path: Path, mode: Mode
) -> None:
    """An empty string, as getpeername() gives it."""
    path = str(tmp_path / "socket")
    serve(lambda r: pymhd.Response(repr(r.client)), threads=mode, unix=path)
    with connect_to(path) as sock:
        sock.sendall(head())
        assert read_to_end(sock).endswith(b"\r\n\r\n''")
