# SPDX-License-Identifier: MIT
"""``Response.for_upgrade()``: its arguments and its header."""

from typing import Any

import pytest
from live import (
    Mode,
    Serve,
    connect,
    eventually,
    read_head,
    read_to_end,
    upgrade_request,
)
from marks import each_mode
from messages import always

import pymhd


def nothing(stream: pymhd.Upgraded) -> None:
    """Serve an upgraded connection by ending it."""


async def coroutine(stream: pymhd.Upgraded) -> None:
    """Would have to be awaited."""


def test_a_response_for_an_upgrade_has_the_status_101() -> None:
    """And no body."""
    response = pymhd.Response.for_upgrade(nothing, "echo")
    assert (response.status, response.body) == (101, b"")
    assert response.get_header("Upgrade") == "echo"
    assert repr(response) == "<pymhd.Response 101>"


@pytest.mark.parametrize("target", [None, 1, "nothing", coroutine])
def test_the_target_of_an_upgrade_must_be_callable(target: Any) -> None:
    """A coroutine function would never run."""
    with pytest.raises(TypeError, match=r"must be callable|coroutine function"):
        pymhd.Response.for_upgrade(target, "echo")


@pytest.mark.parametrize("protocol", ["", " ", ",", "a b", "a/", "a\r\nb", "ä"])
def test_the_protocol_of_an_upgrade_must_be_one(protocol: str) -> None:
    """Or several with commas."""
    with pytest.raises(ValueError, match="protocol to upgrade to"):
        pymhd.Response.for_upgrade(nothing, protocol)


@pytest.mark.parametrize("protocol", [1, b"echo", ["echo"]])
def test_the_protocol_of_an_upgrade_must_be_text(protocol: Any) -> None:
    """A TypeError, as for every argument."""
    with pytest.raises(TypeError):
        pymhd.Response.for_upgrade(nothing, protocol)


@pytest.mark.parametrize("run", ["", "hub?", "THREAD", 1, True])
def test_how_an_upgrade_runs_must_be_known(run: Any) -> None:
    """The message names the choices."""
    with pytest.raises(ValueError, match='"thread", "inline" or "hub"'):
        pymhd.Response.for_upgrade(nothing, "echo", run=run)


def test_the_upgrade_field_may_be_added_later() -> None:
    """Any token list; blanks are put in order."""
    response = pymhd.Response.for_upgrade(nothing)
    response.add_header("upgrade", "a ,b/2,")
    assert response.headers.pairs() == (("upgrade", "a, b/2"),)


def test_the_upgrade_field_stands_once() -> None:
    """A second one must replace the first."""
    response = pymhd.Response.for_upgrade(nothing, "a")
    with pytest.raises(ValueError, match="stands once"):
        response.add_header("Upgrade", "b")
    response.remove_header("Upgrade")
    response.add_header("Upgrade", "b")
    assert response.get_header("Upgrade") == "b"


def test_the_upgrade_field_may_come_with_the_others() -> None:
    """In headers=."""
    response = pymhd.Response.for_upgrade(nothing, headers={"Upgrade": "a", "X": "1"})
    assert response.headers.pairs() == (("Upgrade", "a"), ("X", "1"))


@pytest.mark.parametrize("value", ["close", "Upgrade, close", "keep-alive"])
def test_an_upgrade_cannot_have_another_connection_field(value: str) -> None:
    """It would contradict the one that libmicrohttpd sends."""
    with pytest.raises(ValueError, match=r"Connection: Upgrade|of Connection only"):
        pymhd.Response.for_upgrade(nothing, "echo", headers={"Connection": value})


@each_mode
def test_connection_upgrade_is_sent_once(serve: Serve, mode: Mode) -> None:
    """Also if the caller adds it, too."""
    switch = pymhd.Response.for_upgrade(
        nothing, "echo", headers={"Connection": "upgrade", "X-Greeting": "hi"}
    )
    with connect(serve(always(switch), threads=mode)) as sock:
        sock.sendall(upgrade_request())
        head = read_head(sock)
        assert read_to_end(sock) == b""
    assert head.startswith(b"HTTP/1.1 101 ")
    assert head.count(b"Connection:") == 1
    assert head.count(b"Upgrade: echo\r\n") == 1
    assert b"\r\nX-Greeting: hi\r\n" in head


@each_mode
def test_an_upgrade_without_a_protocol_is_answered_500(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """With a line in the log that says how to name one."""
    switch = pymhd.Response.for_upgrade(nothing)
    daemon = serve(always(switch), threads=mode)
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 500 ")
    eventually(lambda: "names no protocol" in caplog.text, "the line in the log")
    switch.add_header("Upgrade", "echo")  # it has not been used
    with connect(daemon) as sock:
        sock.sendall(upgrade_request())
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        assert read_to_end(sock) == b""
