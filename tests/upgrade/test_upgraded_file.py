# SPDX-License-Identifier: MIT
"""``Upgraded`` as a file: ``makefile()``."""

import io
import socket
import threading
from queue import SimpleQueue
from typing import Any, cast

import pytest
from live import TIMEOUT, read_exactly
from sessions import Pair

import pymhd


@pytest.mark.parametrize("buffering", [-1, 0, 1, 2, 4096])
def test_a_binary_file_reads_early_bytes_first(pair: Pair, buffering: int) -> None:
    """Line by line, across the border between early and late."""
    stream, sock = pair(b"one\ntw")
    sock.sendall(b"o\nthree")
    sock.shutdown(socket.SHUT_WR)
    file = cast("io.BufferedReader", stream.makefile("rb", buffering))
    assert file.readable()
    assert not file.writable()
    assert file.fileno() == stream.fileno()
    assert list(file) == [b"one\n", b"two\n", b"three"]
    file.close()
    stream.sendall(b"still open")
    assert read_exactly(sock, 10) == b"still open"


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_binary_file_writes(pair: Pair, buffering: int) -> None:
    """At the latest when it is closed, which leaves the connection open."""
    stream, sock = pair()
    with cast("io.BufferedWriter", stream.makefile("wb", buffering)) as file:
        assert file.writable()
        assert not file.readable()
        file.write(b"hello")
    assert read_exactly(sock, 5) == b"hello"
    assert not stream.closed


def test_a_big_write_to_a_file_arrives_in_full(pair: Pair) -> None:
    """Although the kernel takes it in pieces."""
    stream, sock = pair()
    data = bytes(range(256)) * 20_000
    got: SimpleQueue[bytes] = SimpleQueue()
    reader = threading.Thread(target=lambda: got.put(read_exactly(sock, len(data))))
    reader.start()
    with cast("io.BufferedWriter", stream.makefile("wb")) as file:
        file.write(data)
    assert got.get(timeout=TIMEOUT) == data
    reader.join(TIMEOUT)


@pytest.mark.parametrize("kind", ["rw", "wr", "rwb", "brw"])
def test_a_file_for_both_directions_talks(pair: Pair, kind: str) -> None:
    """Text or bytes, by the letter b."""
    stream, sock = pair(b"h\xc3\xa9 ")
    sock.sendall(b"llo\r\n")
    with cast("Any", stream.makefile(kind)) as file:
        line = file.readline()
        answer = "w\u00f6rld\n"
        if "b" in kind:
            assert isinstance(file, io.BufferedRWPair)
            assert line == b"h\xc3\xa9 llo\r\n"
            file.write(answer.encode())
        else:
            assert isinstance(file, io.TextIOWrapper)
            assert line == "h\u00e9 llo\n"
            file.write(answer)
        file.flush()
        assert read_exactly(sock, 7) == answer.encode()
        sock.sendall(b"next\n")
        assert file.readline() in ("next\n", b"next\n")


@pytest.mark.parametrize("kind", ["r", "w"])
def test_a_text_file_has_an_encoding_and_newlines(pair: Pair, kind: str) -> None:
    """As open() has them."""
    stream, sock = pair()
    file = stream.makefile(kind, encoding="latin-1", errors="replace", newline="\r\n")
    text = cast("io.TextIOWrapper", file)
    if kind == "r":
        sock.sendall(b"\xe4\nb\r\nc")
        sock.shutdown(socket.SHUT_WR)
        assert list(text) == ["\u00e4\nb\r\n", "c"]
    else:
        text.write("\u00e4\u20ac\n")
    text.close()
    if kind == "w":
        assert read_exactly(sock, 4) == b"\xe4?\r\n"


@pytest.mark.parametrize("kind", ["", "b", "a", "r+", "x", "rt"])
def test_other_modes_are_refused(pair: Pair, kind: str) -> None:
    """The message names those that there are."""
    stream, _ = pair()
    with pytest.raises(ValueError, match="mode must be of"):
        stream.makefile(kind)


def test_text_without_a_buffer_is_refused(pair: Pair) -> None:
    """As open() refuses it."""
    stream, _ = pair()
    with pytest.raises(ValueError, match="buffer"):
        stream.makefile("r", 0)


def test_a_file_whose_stream_was_closed_raises_state_error(pair: Pair) -> None:
    """Not some error about a descriptor."""
    stream, _ = pair()
    file = cast("io.BufferedReader", stream.makefile("rb"))
    stream.close()
    with pytest.raises(pymhd.StateError):
        file.read(1)
    file.close()
