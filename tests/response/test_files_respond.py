# SPDX-License-Identifier: MIT
"""files.respond(): ranges, conditions, and what a file is called."""

import os
import re
import time
from email.utils import formatdate
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import pytest
import secure
from live import MODES, Mode, Serve, connect, read_to_end
from marks import every_mode
from messages import body_of

import pymhd

BODY = bytes(range(256)) * 40  # 10,240 bytes
CHANGED = 1_700_000_000
SAID = formatdate(CHANGED, usegmt=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that was changed a while ago."""
    path = tmp_path / "file.bin"
    path.write_bytes(BODY)
    os.utime(path, (CHANGED, CHANGED))
    return path


class Client:
    """Asks one daemon on one connection, which has to stay in step."""

    def __init__(self, daemon: pymhd.Daemon) -> None:
        self._connection = HTTPConnection("127.0.0.1", daemon.port, timeout=10)

    def __call__(
        self, *fields: tuple[str, str], method: str = "GET", target: str = "/"
    ) -> tuple[int, HTTPMessage, bytes]:
        """Return the status, the header and the body of an answer."""
        self._connection.putrequest(method, target)
        for name, value in fields:
            self._connection.putheader(name, value)
        self._connection.endheaders()
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@pytest.fixture
def asked(serve: Serve, path: Path) -> Any:
    """Give a client of a daemon that answers with the file."""
    client = Client(serve(lambda request: pymhd.files.respond(request, path)))
    yield client
    client.close()


@every_mode
def test_a_file_has_what_clients_ask_again_with(
    serve: Serve, mode: Mode, path: Path
) -> None:
    """In every mode, and in one range, several, none, and to HEAD."""
    handler = lambda request: pymhd.files.respond(request, path)  # noqa: E731
    client = Client(serve(handler, threads=mode))
    status, header, body = client()
    assert (status, body) == (200, BODY)
    assert header["Last-Modified"] == SAID
    assert header["Content-Type"] == "application/octet-stream"
    assert header["Accept-Ranges"] == "bytes"
    status, head, body = client(method="HEAD")
    assert (status, body, head["Content-Length"]) == (200, b"", "10240")
    assert head["ETag"] == header["ETag"]
    status, again, body = client(("If-None-Match", header["ETag"]))
    assert (status, body, again["ETag"]) == (304, b"", header["ETag"])
    assert again["Content-Length"] in (None, "10240")
    status, part, body = client(("Range", "bytes=5-9"))
    assert (status, body) == (206, BODY[5:10])
    assert part["Content-Range"] == "bytes 5-9/10240"
    status, _, _ = client(("Range", "bytes=0-0,-1"))
    assert status == 206
    assert client(("Range", "bytes=10240-"))[0] == 416
    client.close()


@pytest.mark.parametrize("mode", MODES)
def test_ranges_are_sent_over_tls(serve: Serve, mode: Mode, path: Path) -> None:
    """Where files are read in pieces."""
    handler = lambda request: pymhd.files.respond(request, path)  # noqa: E731
    daemon = serve(handler, threads=mode, tls=secure.server_tls())
    with connect(daemon) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=-7\r\n\r\n"
        )
        assert body_of(read_to_end(client)) == BODY[-7:]


@pytest.mark.parametrize(
    ("field", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 10240),
        ("bytes=10239-", 10239, 10240),
        ("bytes=5-99999999999999999999999", 5, 10240),
        ("bytes=-1", 10239, 10240),
        ("bytes=-99999", 0, 10240),
        ("BYTES=1-2", 1, 3),
        ("bytes= 1-2 , , 20480-", 1, 3),
    ],
)
def test_a_range_is_sent(asked: Any, field: str, start: int, stop: int) -> None:
    """RFC 9110, section 14.1.2."""
    status, header, body = asked(("Range", field))
    assert (status, body) == (206, BODY[start:stop])
    assert header["Content-Range"] == f"bytes {start}-{stop - 1}/10240"


@pytest.mark.parametrize(
    "field",
    [
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=1-2;3-4",
        "bytes=1--2",
        "bytes=0-1,x",
        "bytes=\u00b2-",
        "lines=0-1",
        "bytes=0-,0-,0-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(17)),
        "bytes=" + ",".join(["0-0"] * 1000),
    ],
)
def test_a_range_that_is_none_is_ignored(asked: Any, field: str) -> None:
    """And one that only keeps us busy; everything is sent."""
    assert asked(("Range", field))[::2] == (200, BODY)


def test_two_range_fields_are_ignored(asked: Any) -> None:
    """Nobody can tell which one is meant."""
    fields = [("Range", "bytes=0-0"), ("Range", "bytes=1-1")]
    assert asked(*fields)[::2] == (200, BODY)


def test_only_get_has_ranges(asked: Any) -> None:
    """RFC 9110, section 14.2."""
    status, header, _ = asked(("Range", "bytes=0-0"), method="HEAD")
    assert (status, header["Content-Length"]) == (200, "10240")


@pytest.mark.parametrize("field", ["bytes=10240-", "bytes=99999-,10240-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(asked: Any, field: str) -> None:
    """With the length that there is."""
    status, header, _ = asked(("Range", field))
    assert (status, header["Content-Range"]) == (416, "bytes */10240")


@pytest.mark.parametrize(
    ("field", "status"), [("bytes=0-", 416), ("bytes=-5", 200), ("bytes=0-0", 416)]
)
def test_an_empty_file_has_no_ranges(
    asked: Any, path: Path, field: str, status: int
) -> None:
    """All of it is nothing."""
    path.write_bytes(b"")
    assert asked(("Range", field))[0] == status


def test_several_ranges_are_parts_of_one_answer(asked: Any) -> None:
    """RFC 9110, section 14.6."""
    status, header, body = asked(("Range", "bytes=0-1, 100-199, -3"))
    assert status == 206
    assert header["Content-Range"] is None
    boundary = header["Content-Type"].removeprefix("multipart/byteranges; boundary=")
    parts = body.split(b"--" + boundary.encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    found = [part.partition(b"\r\n\r\n") for part in parts[1:-1]]
    assert [content for _, _, content in found] == [
        BODY[start:stop] + b"\r\n" for start, stop in [(0, 2), (100, 200), (-3, None)]
    ]
    assert b"\r\nContent-Range: bytes 100-199/10240" in found[1][0]


def test_several_ranges_that_are_large_are_not_gathered(asked: Any, path: Path) -> None:
    """The whole file goes out without being in memory."""
    os.truncate(path, 3 << 20)
    status, _, body = asked(("Range", "bytes=0-1048575,1048577-2097152"))
    assert (status, len(body)) == (200, 3 << 20)


OLDER = formatdate(CHANGED - 1, usegmt=True)
NEWER = formatdate(CHANGED + 1, usegmt=True)
TAG = "the file's"
OTHER = '"other"'


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("If-Match", TAG)], 200),
        ([("If-Match", "*")], 200),
        ([("If-Match", OTHER), ("If-Match", TAG)], 200),
        ([("If-Match", OTHER)], 412),
        ([("If-Match", "W/" + TAG)], 412),
        ([("If-Match", "nonsense")], 412),
        ([("If-Match", TAG), ("If-Unmodified-Since", OLDER)], 200),
        ([("If-Unmodified-Since", OLDER)], 412),
        ([("If-Unmodified-Since", SAID)], 200),
        ([("If-Unmodified-Since", "yesterday")], 200),
        ([("If-Match", OTHER), ("If-None-Match", TAG)], 412),
        ([("If-None-Match", TAG)], 304),
        ([("If-None-Match", "W/" + TAG)], 304),
        ([("If-None-Match", f"{OTHER}, W/{TAG}")], 304),
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", OTHER)], 200),
        ([("If-None-Match", OTHER), ("If-Modified-Since", NEWER)], 200),
        ([("If-None-Match", TAG), ("If-Modified-Since", OLDER)], 304),
        ([("If-None-Match", TAG), ("Range", "bytes=0-0")], 304),
        ([("If-Modified-Since", SAID)], 304),
        ([("If-Modified-Since", NEWER)], 304),
        ([("If-Modified-Since", OLDER)], 200),
        ([("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], 200),
        ([("If-Modified-Since", "Tue Nov 14 22:13:20 2023")], 304),
        ([("If-Modified-Since", "Fri, 99 Foo 99999 99:99:99 GMT")], 200),
        ([("If-Range", TAG), ("Range", "bytes=0-0")], 206),
        ([("If-Range", "W/" + TAG), ("Range", "bytes=0-0")], 200),
        ([("If-Range", OTHER), ("Range", "bytes=0-0")], 200),
        ([("If-Range", SAID), ("Range", "bytes=0-0")], 206),
        ([("If-Range", NEWER), ("Range", "bytes=0-0")], 200),
        ([("If-Range", "x"), ("Range", "bytes=0-0")], 200),
        ([("If-Range", OTHER), ("Range", "bytes=10240-")], 200),
        ([("If-Range", SAID)], 200),
    ],
)
def test_conditions_are_kept_in_their_order(
    asked: Any, fields: list[tuple[str, str]], status: int
) -> None:
    """RFC 9110, section 13.2.2."""
    tag = asked()[1]["ETag"]
    sent = [(name, value.replace(TAG, tag)) for name, value in fields]
    assert asked(*sent)[0] == status


def test_a_date_of_this_second_is_no_proof(asked: Any, path: Path) -> None:
    """The file may change once more before it is over."""
    later = time.time() + 5
    os.utime(path, (later, later))
    date = asked()[1]["Last-Modified"]
    assert asked(("If-Range", date), ("Range", "bytes=0-0"))[0] == 200


def test_a_change_within_a_second_changes_the_tag(asked: Any, path: Path) -> None:
    """Dates would be the same."""
    before = asked()[1]["ETag"]
    os.utime(path, ns=(CHANGED * 10**9 + 1, CHANGED * 10**9 + 1))
    assert asked()[1]["ETag"] != before
    assert re.fullmatch(r'"[!-~]+"', before)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(asked: Any, method: str) -> None:
    """With those that are allowed."""
    status, header, _ = asked(method=method)
    assert (status, header["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a", "application/octet-stream"),
        ("a.unknown-to-all", "application/octet-stream"),
    ],
)
def test_the_type_is_that_of_the_name(
    serve: Serve, tmp_path: Path, name: str, content_type: str
) -> None:
    """A compressed file is one; clients are not to unpack it."""
    (tmp_path / name).write_bytes(b"x")
    client = Client(
        serve(lambda request: pymhd.files.respond(request, tmp_path / name))
    )
    _, header, _ = client()
    client.close()
    assert header["Content-Type"] == content_type
    assert header["Content-Encoding"] is None


@pytest.mark.parametrize(
    ("download", "sent"),
    [
        (True, 'attachment; filename="file.bin"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        (
            "\u20ac.txt",
            "attachment; filename=\"_.txt\"; filename*=UTF-8''%E2%82%AC.txt",
        ),
        ('a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("../a\\b\r\nX: y", 'attachment; filename=".._a_b__X: y"'),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        (None, None),
        (False, None),
    ],
)
def test_a_download_has_a_name(
    serve: Serve, path: Path, download: Any, sent: str | None
) -> None:
    """RFC 6266, and no way out of the folder or the header."""
    client = Client(
        serve(lambda request: pymhd.files.respond(request, path, download=download))
    )
    assert client()[1]["Content-Disposition"] == sent
    client.close()


def test_a_type_and_an_age_may_be_given(serve: Serve, path: Path) -> None:
    """The age also with a 304."""

    def handler(request: pymhd.Request) -> pymhd.Response:
        return pymhd.files.respond(request, path, content_type="x/y", max_age=60)

    client = Client(serve(handler))
    _, header, _ = client()
    assert (header["Content-Type"], header["Cache-Control"]) == ("x/y", "max-age=60")
    status, header, _ = client(("If-None-Match", header["ETag"]))
    assert (status, header["Cache-Control"]) == (304, "max-age=60")
    assert header["Content-Type"] is None
    client.close()


def test_a_file_that_is_not_there_is_the_programs_business(
    serve: Serve, tmp_path: Path
) -> None:
    """It has named it."""
    raised: list[Exception] = []

    def handler(request: pymhd.Request) -> pymhd.Response:
        for name in ("none", "."):
            try:
                pymhd.files.respond(request, tmp_path / name)
            except OSError as error:
                raised.append(error)
        return pymhd.Response()

    client = Client(serve(handler))
    client()
    client.close()
    assert [type(error) for error in raised] == [FileNotFoundError, IsADirectoryError]
