# SPDX-License-Identifier: MIT
"""Responses: what may stand in one, how it goes over the wire, how long it lives."""

import contextlib
import enum
import gc
import http
import http.client
import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import (
    MODES,
    TIMEOUT,
    Mode,
    Serve,
    connect,
    eventually,
    read_head,
    read_to_end,
    upgrade_request,
    without_asan,
)

import pymhd

MIB = 1024 * 1024
TEXT = "text/plain; charset=utf-8"
GET = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"

in_every_mode = pytest.mark.parametrize("mode", MODES)


def ask(daemon: pymhd.Daemon) -> bytes:
    """Return a whole answer, as it came over the wire."""
    with connect(daemon) as sock:
        sock.sendall(GET)
        return read_to_end(sock)


def fields_of(answer: bytes) -> list[str]:
    """Return the header fields that the handler has asked for, in their order."""
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    ours = ("Date:", "Connection:", "Content-Length:")
    return [line for line in lines if not line.startswith(ours)]


def body_of(answer: bytes) -> bytes:
    """Return what stands behind the header."""
    return answer.partition(b"\r\n\r\n")[2]


def always(response: Any) -> Callable[[pymhd.Request], Any]:
    """Return a handler that gives the same response every time."""
    return lambda request: response


def used(serve: Serve, response: pymhd.Response) -> pymhd.Response:
    """Return the response after it has been sent once."""
    assert ask(serve(always(response))).startswith(b"HTTP/1.1 ")
    return response


def resident_bytes() -> int:
    """Return how much memory the process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


# --- bodies ---


@in_every_mode
@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("", b""),
        ("hellö €", "hellö €".encode()),
        (b"", b""),
        (b"a\0b\r\n\r\nc\xff", b"a\0b\r\n\r\nc\xff"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"abcd").cast("I"), b"abcd"),
    ],
)
def test_a_body_is_sent_as_it_is(
    serve: Serve, mode: Mode, body: Any, sent: bytes
) -> None:
    """Text as UTF-8; the length is set by libmicrohttpd."""
    response = pymhd.Response(body)
    answer = ask(serve(always(response), threads=mode))
    assert body_of(answer) == sent
    assert b"\r\nContent-Length: %d\r\n" % len(sent) in answer
    assert response.body == sent


def test_a_body_is_copied_when_the_response_is_made(serve: Serve) -> None:
    """What becomes of a buffer afterwards does not matter."""
    buffer = bytearray(b"before")
    response = pymhd.Response(buffer)  # type: ignore[arg-type,unused-ignore]
    buffer[:] = b"after!"
    assert body_of(ask(serve(always(response)))) == b"before"


@pytest.mark.parametrize("body", [None, 1, 1.5, ["a"], object(), b"a".hex])
def test_a_body_of_another_type_is_refused(body: Any) -> None:
    """Where it is made, not when it is sent."""
    with pytest.raises(TypeError, match="body must be"):
        pymhd.Response(body)


def test_text_that_cannot_be_encoded_is_refused() -> None:
    """A lone surrogate that stands for no byte is no UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        pymhd.Response("\ud800")


@pytest.mark.parametrize(
    ("body", "headers", "content_type"),
    [
        ("text", None, [TEXT]),
        ("text", {"content-type": "text/html"}, ["text/html"]),
        ("text", {"X": "y"}, [TEXT]),
        (b"bytes", None, []),
        (b"bytes", {"Content-Type": "image/png"}, ["image/png"]),
        ("", None, []),
    ],
)
def test_only_text_has_a_content_type_by_itself(
    serve: Serve, body: Any, headers: Any, content_type: list[str]
) -> None:
    """And only where the caller gives no other."""
    response = pymhd.Response(body, headers=headers)
    assert response.headers.get_all("Content-Type") == content_type
    lines = [f for f in fields_of(ask(serve(always(response)))) if f[:3] != "X: "]
    assert [line.partition(": ")[2] for line in lines] == content_type


@in_every_mode
def test_a_large_body_reaches_a_slow_reader(serve: Serve, mode: Mode) -> None:
    """Meanwhile another client is served, by the same thread."""
    body = bytes(range(256)) * (8 * MIB // 256)
    daemon = serve(always(pymhd.Response(body)), threads=mode)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(TIMEOUT)
        slow.connect(("127.0.0.1", daemon.port))
        slow.sendall(GET)
        read_head(slow)
        assert body_of(ask(daemon)) == body
        assert read_to_end(slow) == body


# --- status ---


@in_every_mode
@pytest.mark.parametrize("status", [200, 203, 299, 418, 451, 500, 599])
def test_the_status_is_sent(serve: Serve, mode: Mode, status: int) -> None:
    """Also one that has no name."""
    response = pymhd.Response("x", status)
    assert response.status == status
    answer = ask(serve(always(response), threads=mode))
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_the_status_may_be_an_enumerator(serve: Serve) -> None:
    """``http.HTTPStatus`` and any other IntEnum."""
    other = enum.IntEnum("other", {"TEAPOT": 418})
    assert pymhd.Response("x", http.HTTPStatus.NOT_FOUND).status == 404
    answer = ask(serve(always(pymhd.Response("x", other.TEAPOT))))
    assert answer.startswith(b"HTTP/1.1 418 ")


@pytest.mark.parametrize("status", [0, -1, 1, 99, 100, 102, 199, 600, 999, 2**40])
def test_a_status_that_is_no_answers_is_refused(status: int) -> None:
    """1xx are not final, the others not HTTP."""
    with pytest.raises(ValueError, match="from 200 to 599"):
        pymhd.Response("x", status)


@pytest.mark.parametrize("status", ["200", 200.0, None, True, b"200"])
def test_a_status_that_is_no_int_is_refused(status: Any) -> None:
    """A TypeError, raised at once."""
    with pytest.raises(TypeError, match="status must be an int"):
        pymhd.Response("x", status)


def test_101_is_left_to_for_upgrade() -> None:
    """The message says so."""
    with pytest.raises(ValueError, match="for_upgrade"):
        pymhd.Response("", 101)


@in_every_mode
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_header(
    serve: Serve, mode: Mode, status: int
) -> None:
    """And the connection goes on."""
    daemon = serve(always(pymhd.Response(b"", status)), threads=mode)
    with connect(daemon) as sock:
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            head = read_head(sock)
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert b"Transfer-Encoding" not in head


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_cannot_have_one(status: int) -> None:
    """RFC 9110, sections 15.3.5 and 15.4.5."""
    with pytest.raises(ValueError, match="has no body"):
        pymhd.Response("x", status)


@in_every_mode
def test_head_has_the_header_of_get_and_no_body(serve: Serve, mode: Mode) -> None:
    """Its length, too; and the connection goes on."""
    daemon = serve(always(pymhd.Response("hello", headers={"X": "y"})), threads=mode)
    with connect(daemon) as sock:
        for _ in range(2):
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n")
            head = read_head(sock)
            assert b"\r\nContent-Length: 5\r\n" in head
            assert b"\r\nX: y\r\n" in head
        sock.sendall(GET)
        assert body_of(read_to_end(sock)) == b"hello"


# --- header ---


@in_every_mode
def test_the_fields_are_sent_in_their_order(serve: Serve, mode: Mode) -> None:
    """In their spelling, repeated ones where they were added."""
    pairs = [
        ("b", "1"),
        ("Set-Cookie", "x=1; Path=/"),
        ("A", "2"),
        ("Set-Cookie", "y=2"),
        ("B", "3"),
        ("set-cookie", "z=3"),
    ]
    response = pymhd.Response(b"", headers=pairs)
    response.add_header("Last", "caf\xe9 \xff")
    answer = ask(serve(always(response), threads=mode))
    expected = [*pairs, ("Last", "caf\xe9 \xff")]
    assert fields_of(answer) == [f"{name}: {value}" for name, value in expected]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1", "X-B": "2"},
        [("X-A", "1"), ("X-B", "2")],
        (pair for pair in [("X-A", "1"), ("X-B", "2")]),
        http.client.HTTPMessage(),
    ],
    ids=["mapping", "pairs", "generator", "message"],
)
def test_headers_are_a_mapping_or_pairs(headers: Any) -> None:
    """Any iterable of them."""
    if isinstance(headers, http.client.HTTPMessage):
        headers["X-A"], headers["X-B"] = "1", "2"
        headers = headers.items()
    response = pymhd.Response(b"", headers=headers)
    assert response.headers.pairs() == (("X-A", "1"), ("X-B", "2"))


@pytest.mark.parametrize("headers", ["X: y", b"X: y", 1, [1], [("a", 1)]])
def test_headers_of_another_type_are_refused(headers: Any) -> None:
    """A str would be an iterable of pairs for whom does not look."""
    with pytest.raises(TypeError):
        pymhd.Response(b"", headers=headers)


@pytest.mark.parametrize("headers", ["ab", ["abc"], [("a", "b", "c")]])
def test_what_is_no_pair_is_refused(headers: Any) -> None:
    """Also a str, which is an iterable."""
    with pytest.raises((TypeError, ValueError)):
        pymhd.Response(b"", headers=headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: b=c"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\0b"),
        ("X", "a\x7fb"),
        ("X", "€"),
        ("X", ""),
        ("X", " \t"),
        ("", "a"),
        ("X\r\nY", "a"),
        ("X:", "a"),
        ("X ", "a"),
        ("Ü", "a"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused(name: str, value: str) -> None:
    """Where it is given, and the response stays as it was."""
    with pytest.raises(ValueError, match=r"RFC 9110|without a value"):
        pymhd.Response(b"", headers={name: value})
    response = pymhd.Response(b"", headers={"Y": "z"})
    with pytest.raises(ValueError, match=r"RFC 9110|without a value"):
        response.add_header(name, value)
    assert response.headers.pairs() == (("Y", "z"),)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_what_the_body_decides_is_not_the_callers(name: str) -> None:
    """A wrong length would split the answers."""
    with pytest.raises(ValueError, match="libmicrohttpd sets"):
        pymhd.Response("x", headers={name: "1"})


@pytest.mark.parametrize(
    "values",
    [
        ["keep-alive"],
        ["Keep-Alive"],
        ["keep-alive, close"],
        ["close", "keep-alive"],
        ["close", "close"],
        [","],
        ["Upgrade"],
        ["x", "y, close"],
    ],
)
def test_a_connection_field_is_sent_or_refused_at_once(
    serve: Serve, values: list[str]
) -> None:
    """Nothing that was accepted fails later, in each of the requests."""
    try:
        response = pymhd.Response(
            "x", headers=[("Connection", value) for value in values]
        )
    except ValueError:
        return
    assert ask(serve(always(response))).startswith(b"HTTP/1.1 200 ")


def test_connection_close_closes(serve: Serve) -> None:
    """After the answer, although the client did not ask for it."""
    daemon = serve(always(pymhd.Response("bye", headers={"Connection": "close"})))
    with connect(daemon) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert body_of(read_to_end(sock)) == b"bye"


def test_every_field_that_is_accepted_can_be_sent(serve: Serve) -> None:
    """None makes libmicrohttpd refuse the response when it is built."""
    name = st.sampled_from(
        ["X", "Connection", "Date", "Server", "Upgrade", "Keep-Alive", "Trailer"]
    )
    token = st.sampled_from(
        ["a", "close", "keep-alive", "Upgrade", ",", " ", "\t", ";"]
    )
    value = st.lists(token, max_size=4).map("".join)
    current = pymhd.Response()
    daemon = serve(lambda request: current)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(name, value), max_size=4))
    def check(headers: list[tuple[str, str]]) -> None:
        nonlocal current
        try:
            current = pymhd.Response("x", headers=headers)
        except ValueError:
            return
        assert ask(daemon).startswith(b"HTTP/1.1 200 ")

    check()


def test_get_header_finds_the_first_without_regard_to_case() -> None:
    """None if there is none."""
    response = pymhd.Response(b"", headers=[("X", "1"), ("x", "2")])
    assert response.get_header("x") == "1"
    assert response.get_header("Y") is None


def test_remove_header_removes_every_field_of_the_name(serve: Serve) -> None:
    """Without regard to case; it tells whether there was one."""
    response = pymhd.Response(b"", headers=[("X", "1"), ("Y", "2"), ("x", "3")])
    assert response.remove_header("x") is True
    assert response.remove_header("X") is False
    assert fields_of(ask(serve(always(response)))) == ["Y: 2"]


def test_the_headers_are_a_copy() -> None:
    """What was taken before does not change."""
    response = pymhd.Response(b"", headers={"X": "1"})
    before = response.headers
    response.add_header("Y", "2")
    assert before.pairs() == (("X", "1"),)


# --- reuse ---


@in_every_mode
def test_a_response_may_be_returned_again_and_again(serve: Serve, mode: Mode) -> None:
    """On one connection and on many."""
    daemon = serve(always(pymhd.Response("again")), threads=mode)
    for _ in range(3):
        client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
        with contextlib.closing(client):
            for _ in range(20):
                client.request("GET", "/")
                assert client.getresponse().read() == b"again"


def test_a_response_is_shared_by_daemons_and_threads(serve: Serve) -> None:
    """It is built once, whoever comes first."""
    response = pymhd.Response("shared" * 1000)
    daemons = [serve(always(response), threads=mode) for mode in MODES for _ in (1, 2)]
    wrong: list[bytes] = []
    start = threading.Barrier(len(daemons))

    def client(daemon: pymhd.Daemon) -> None:
        start.wait(TIMEOUT)
        for _ in range(20):
            body = body_of(ask(daemon))
            if body != response.body:
                wrong.append(body)

    threads = [threading.Thread(target=client, args=[d]) for d in daemons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert wrong == []


@in_every_mode
def test_a_response_outlives_its_daemon(serve: Serve, mode: Mode) -> None:
    """It belongs to none of them."""
    response = pymhd.Response("still here")
    for _ in range(2):
        daemon = serve(always(response), threads=mode)
        assert body_of(ask(daemon)) == b"still here"
        daemon.stop()


def test_a_used_response_is_frozen(serve: Serve) -> None:
    """Its header cannot change any more; reading it still works."""
    response = used(serve, pymhd.Response(b"", headers={"X": "1"}))
    with pytest.raises(pymhd.StateError, match="has been used"):
        response.add_header("Y", "2")
    with pytest.raises(pymhd.StateError, match="has been used"):
        response.remove_header("X")
    with pytest.raises(pymhd.StateError, match="make another one"):
        response.remove_header("not there")
    assert response.get_header("X") == "1"


def test_a_response_that_was_not_sent_is_not_frozen() -> None:
    """Only its use freezes it."""
    response = pymhd.Response("x")
    for number in range(100):
        response.add_header("X", str(number))
    assert len(response.headers.get_all("X")) == 100


def test_the_repr_shows_the_status() -> None:
    """And does not show a body of megabytes."""
    assert repr(pymhd.Response(bytes(MIB), 404)) == "<pymhd.Response 404>"


# --- lifetime ---


def test_a_response_that_was_never_sent_dies() -> None:
    """With the last reference to it."""
    response = pymhd.Response("x")
    gone = weakref.ref(response)
    del response
    assert gone() is None


@in_every_mode
def test_a_response_dies_when_nobody_holds_it(serve: Serve, mode: Mode) -> None:
    """A daemon that has nothing to do keeps none."""
    made: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(bytes(MIB))
        made.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    for _ in range(5):
        assert len(body_of(ask(daemon))) == MIB
    assert len(made) == 5
    eventually(lambda: all(r() is None for r in made), "the end of the responses")


@without_asan
@in_every_mode
def test_the_memory_of_used_responses_is_freed(serve: Serve, mode: Mode) -> None:
    """The copies in C go, too, while the daemon runs."""
    body = bytes(MIB)
    daemon = serve(lambda request: pymhd.Response(body), threads=mode)
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        before = resident_bytes()
        for _ in range(64):
            client.request("GET", "/")
            assert len(client.getresponse().read()) == MIB
        gc.collect()
        assert resident_bytes() - before < 32 * MIB


@in_every_mode
def test_a_response_may_be_dropped_while_it_is_sent(serve: Serve, mode: Mode) -> None:
    """C holds what it still needs."""
    made: list[weakref.ref[pymhd.Response]] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(b"0123456789abcdef" * (MIB // 2))
        made.append(weakref.ref(response))
        return response

    daemon = serve(handler, threads=mode)
    with connect(daemon) as sock:
        sock.sendall(GET)
        read_head(sock)
        eventually(lambda: made[0]() is None, "the end of the response")
        assert read_to_end(sock) == b"0123456789abcdef" * (MIB // 2)


# --- for_upgrade ---


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
    with pytest.raises(ValueError, match='"thread" or "inline"'):
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


@in_every_mode
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


@in_every_mode
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


def test_a_response_is_built_while_another_thread_changes_it(serve: Serve) -> None:
    """A change is either sent or refused."""
    responses: list[pymhd.Response] = []
    added: list[str] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        response = pymhd.Response(b"")
        responses.append(response)
        started.set()
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        return response

    def change() -> None:
        assert started.wait(TIMEOUT)
        with contextlib.suppress(pymhd.StateError):
            for number in range(10**6):
                responses[-1].add_header("X", str(number))
                added.append(f"X: {number}")

    daemon = serve(handler, limits=pymhd.Limits(memory=1024 * 1024))
    started = threading.Event()
    thread = threading.Thread(target=change)
    thread.start()
    answer = ask(daemon)
    thread.join(TIMEOUT)
    assert fields_of(answer) == added
