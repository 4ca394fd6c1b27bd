# SPDX-License-Identifier: MIT
r"""Run commands over an upgraded connection, as ``docker exec`` does.

Try it::

    python examples/docker_exec.py /tmp/exec.sock
    python -m pymhd connect unix:///tmp/exec.sock:/exec/1/start --protocol tcp \
        --data '{"Cmd": ["tr", "a-z", "A-Z"]}'

The end of the client's input is the end of the command's; the rest of the output
still arrives. Who can open the socket can run anything, so only its owner can.
"""

import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pymhd

GRACE_SECONDS = 1.0
"""How long a command may go on once its client has gone."""


def send_input(stream: pymhd.Upgraded, process: subprocess.Popen[bytes]) -> None:
    """Copy what the client sends to the command, then the end of it."""
    assert process.stdin is not None
    with contextlib.suppress(OSError), process.stdin:
        while data := stream.recv(65536):
            process.stdin.write(data)
            process.stdin.flush()


def send_output(stream: pymhd.Upgraded, process: subprocess.Popen[bytes]) -> None:
    """Copy what the command prints to the client, then hang up."""
    assert process.stdout is not None
    with contextlib.suppress(OSError), process.stdout:
        while data := os.read(process.stdout.fileno(), 65536):
            stream.sendall(data)
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def attach(command: list[str], stream: pymhd.Upgraded) -> None:
    """Join the stream to a new process until both are done."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        pumps = [
            threading.Thread(target=pump, args=(stream, process), daemon=True)
            for pump in (send_output, send_input)
        ]
        for pump in pumps:
            pump.start()
        try:
            # Asked for nothing, poll reports only the end of both directions: the
            # output is over, the client has gone or the daemon stops. Half a close
            # does not wake it.
            poll = select.poll()
            poll.register(stream.fileno(), 0)
            poll.poll()
            pumps[0].join(GRACE_SECONDS)
        finally:
            # Nobody has waited for it yet, so the number cannot be another's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for pump in pumps:
                pump.join(GRACE_SECONDS)


def command_of(body: bytes) -> list[str]:
    """Return the ``Cmd`` of a request's body, or raise ValueError."""
    match json.loads(body):
        case {"Cmd": [str(name), *arguments]} if shutil.which(name):
            command = [name, *map(str, arguments)]
            if "\0" not in "".join(command):
                return command
    raise ValueError('send {"Cmd": ["cat"]}, with a command that exists')


def handler(request: pymhd.Request) -> pymhd.Response:
    """Start a command at ``POST /exec/<id>/start``."""
    if not re.fullmatch(r"/exec/[\w.-]+/start", request.path):
        return pymhd.Response("Not found\n", status=404)
    if request.method != "POST":
        return pymhd.Response("Use POST\n", status=405, headers={"Allow": "POST"})
    if not request.wants_upgrade("tcp"):
        return pymhd.Response("Use tcp\n", status=426, headers={"Upgrade": "tcp"})
    try:
        command = command_of(request.body)
    except ValueError as error:
        return pymhd.Response(f"{error}\n", status=400)
    return pymhd.Response.for_upgrade(functools.partial(attach, command), "tcp")


def main() -> None:
    """Serve on the UNIX socket whose path is the first argument."""
    mask = os.umask(0o077)
    with pymhd.Daemon(handler, unix=sys.argv[1]) as daemon:
        os.umask(mask)
        print(f"unix://{sys.argv[1]}:/exec/1/start", flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
