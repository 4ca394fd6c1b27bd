# SPDX-License-Identifier: MIT
"""Real proxies in front of a daemon: each listens on a UNIX socket of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from live import TIMEOUT, connect_to, eventually

import pymhd

NGINX = """
{user}
daemon off;
error_log stderr warn;
pid {dir}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {dir}/bodies;
    proxy_temp_path {dir}/answers;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 0;
    map $http_upgrade $asks {{ default upgrade; "" ""; }}
    upstream daemon {{ server 127.0.0.1:{port}; keepalive 4; }}
    server {{
        listen unix:{dir}/socket;
        location / {{
            proxy_pass http://daemon;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $asks;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect {seconds}s
    timeout client {seconds}s
    timeout server {seconds}s
    timeout tunnel {seconds}s
frontend clients
    bind unix@{dir}/socket
    http-request deny if {{ path_beg /evil }}
    default_backend daemon
backend daemon
    http-reuse always
    server daemon 127.0.0.1:{port}
"""


class Proxy(Protocol):
    """Connect to a proxy that has a daemon behind it."""

    def __call__(self) -> socket.socket: ...


def needs(program: str) -> pytest.MarkDecorator:
    """Return a mark that skips tests where a program is not installed."""
    return pytest.mark.skipif(not shutil.which(program), reason=f"needs {program}")


@contextlib.contextmanager
def nginx(daemon: pymhd.Daemon) -> Iterator[Proxy]:
    """Run nginx in front of a daemon."""

    def command(directory: str) -> list[str]:
        return ["nginx", "-p", directory, "-c", f"{directory}/conf"]

    with _running(NGINX, command, daemon) as proxy:
        yield proxy


@contextlib.contextmanager
def haproxy(daemon: pymhd.Daemon) -> Iterator[Proxy]:
    """Run HAProxy in front of a daemon; it refuses paths that begin with /evil."""

    def command(directory: str) -> list[str]:
        return ["haproxy", "-q", "-db", "-f", f"{directory}/conf"]

    with _running(HAPROXY, command, daemon) as proxy:
        yield proxy


@contextlib.contextmanager
def _running(
    conf: str, command: Callable[[str], list[str]], daemon: pymhd.Daemon
) -> Iterator[Proxy]:
    # Not pytest's directory, whose name is too long for a socket's.
    with tempfile.TemporaryDirectory() as directory:
        user = "" if os.getuid() else "user root;"  # who may read the directory
        text = conf.format(
            dir=directory, port=daemon.port, user=user, seconds=int(TIMEOUT)
        )
        Path(directory, "conf").write_text(text)

        def connect() -> socket.socket:
            return connect_to(f"{directory}/socket")

        def is_up() -> bool:
            assert process.poll() is None, "the proxy has not started"
            with contextlib.suppress(OSError):
                connect().close()
                return True
            return False

        with subprocess.Popen(command(directory), start_new_session=True) as process:
            try:
                eventually(is_up, "the proxy's start")
                yield connect
            finally:
                os.killpg(process.pid, signal.SIGTERM)
