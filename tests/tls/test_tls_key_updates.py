# SPDX-License-Identifier: MIT
"""Key updates, which the peer may ask for as often as it likes (RFC 8446, 4.6.3)."""

import contextlib
import subprocess

import secure
from live import Mode, Serve, assert_echoes, echo, eventually, upgrade_request, upgraded
from marks import each_mode

import pymhd


@each_mode
def test_who_does_nothing_else_is_cut_off(serve: Serve, mode: Mode) -> None:
    """And the others do not notice."""
    response = pymhd.Response.for_upgrade(echo, "echo")
    daemon = serve(lambda request: response, threads=mode, tls=secure.server_tls())
    command = f"openssl s_client -tls1_3 -connect 127.0.0.1:{daemon.port}"
    with (
        upgraded(daemon) as other,
        subprocess.Popen(
            command.split(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as client,
    ):
        assert client.stdin is not None
        client.stdin.write(upgrade_request())
        client.stdin.flush()
        eventually(lambda: daemon.upgraded == 2, "its upgrade")

        def ask_until_cut() -> bool:
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(b"K\n")  # type: ignore[union-attr]
                client.stdin.flush()  # type: ignore[union-attr]
            assert_echoes(other)
            return daemon.upgraded == 1

        eventually(ask_until_cut, "its end")
        assert_echoes(other)
        client.kill()
        with contextlib.suppress(BrokenPipeError):
            client.stdin.close()
