# SPDX-License-Identifier: MIT
"""``Upgraded`` as an object: what it knows, and what it is after ``close()``."""

import contextlib
import socket
from collections.abc import Callable

import pytest
from live import read_to_end
from marks import each_pair, over_tls_too
from sessions import Pair

import pymhd


@over_tls_too(each_pair)
def test_it_knows_its_request_its_protocol_and_its_client(pair: Pair) -> None:
    """The request is a copy, which does not end with the handler."""
    stream, sock = pair()
    assert stream.request.method == "GET"
    assert stream.request.target == "/path?a=b"
    assert dict(stream.request.query) == {"a": "b"}
    assert stream.request.headers["upgrade"] == "echo"
    assert stream.protocol == "echo"
    assert stream.client == sock.getsockname()
    assert repr(stream) == "<pymhd.Upgraded echo open>"


def test_what_it_is_can_be_asked_after_the_close(pair: Pair) -> None:
    """For a log line at the end."""
    stream, sock = pair()
    assert not stream.closed
    stream.close()
    assert stream.closed
    assert stream.request.path == "/path"
    assert stream.protocol == "echo"
    assert stream.client == sock.getsockname()
    assert repr(stream) == "<pymhd.Upgraded echo closed>"


def test_it_cannot_be_constructed() -> None:
    """The message says who makes them."""
    with pytest.raises(TypeError, match="for_upgrade"):
        pymhd.Upgraded()


def test_it_takes_no_other_attributes(pair: Pair) -> None:
    """A misspelt name is a mistake, not an attribute."""
    stream, _ = pair()
    with pytest.raises(AttributeError):
        stream.timeout = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "call",
    [
        lambda stream: stream.recv(1),
        lambda stream: stream.recv(0),
        lambda stream: stream.recv_into(bytearray(1)),
        lambda stream: stream.recv_into(bytearray(0)),
        lambda stream: stream.send(b"x"),
        lambda stream: stream.sendall(b"x"),
        lambda stream: stream.sendall(b""),
        lambda stream: stream.shutdown(socket.SHUT_WR),
        lambda stream: stream.settimeout(1),
        lambda stream: stream.fileno(),
        lambda stream: stream.pending(),
        lambda stream: stream.makefile(),
        lambda stream: stream.cork().__enter__(),
        lambda stream: stream.__enter__(),
    ],
)
@pytest.mark.parametrize("early", [b"", b"early"])
def test_after_close_every_call_raises_state_error(
    pair: Pair, call: Callable[[pymhd.Upgraded], object], early: bytes
) -> None:
    """Early bytes or not; only close() may be called again."""
    stream, _ = pair(early)
    stream.close()
    stream.close()
    with pytest.raises(pymhd.StateError, match="closed"):
        call(stream)


def test_leaving_the_with_statement_closes(pair: Pair) -> None:
    """Also with an exception, which goes on."""
    stream, sock = pair()
    with contextlib.suppress(LookupError), stream as same:
        assert same is stream
        raise LookupError
    assert stream.closed
    assert read_to_end(sock) == b""
