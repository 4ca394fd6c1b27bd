# SPDX-License-Identifier: MIT
"""Node as a client: its agent that keeps connections, and its event ``upgrade``."""

import subprocess

import pytest
from live import Mode, Serve, echo, hello
from marks import each_mode
from real import needs

import pymhd

pytestmark = [pytest.mark.real, needs("node")]


def run_node(code: str, daemon: pymhd.Daemon) -> str:
    """Run a script that finds the daemon's port in its argument; return its output."""
    done = subprocess.run(
        ["node", "-e", code, str(daemon.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@each_mode
def test_node_asks_again_on_one_connection(serve: Serve, mode: Mode) -> None:
    """Three answers, one peer."""
    peers: list[pymhd.Address] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        peers.append(request.client)
        return hello(request)

    code = """
        const http = require("http");
        const port = process.argv[1];
        const agent = new http.Agent({keepAlive: true, maxSockets: 1});
        const ask = left => http.get({port, agent, host: "127.0.0.1"}, response => {
            response.on("data", data => process.stdout.write(data + "\\n"));
            response.on("end", () => left > 1 ? ask(left - 1) : agent.destroy());
        });
        ask(3);
    """
    assert run_node(code, serve(handler, threads=mode)) == "hello\n" * 3
    assert len(peers) == 3
    assert len(set(peers)) == 1


@each_mode
def test_node_upgrades(serve: Serve, mode: Mode) -> None:
    """What is sent comes back, and its end ends the session."""
    switch = pymhd.Response.for_upgrade(echo, "echo")
    code = """
        const http = require("http");
        const headers = {Connection: "Upgrade", Upgrade: "echo"};
        const request = http.request(
            {port: process.argv[1], host: "127.0.0.1", headers});
        request.on("upgrade", (response, socket) => {
            socket.on("data", data => { process.stdout.write(data); socket.end(); });
            socket.write("back and forth");
        });
        request.end();
    """
    daemon = serve(lambda request: switch, threads=mode)
    assert run_node(code, daemon) == "back and forth"
