# SPDX-License-Identifier: MIT
"""files.Directory: it serves a folder, and never leaves it."""

import os
from pathlib import Path

import pytest
from live import Mode, Serve
from marks import every_mode
from messages import ask, body_of, head, status_of

import pymhd


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder beside a secret, with ways to it."""
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a b.txt").write_text("a")
    (root / "sub" / "index.html").write_text("index")
    (root / "sub" / "x").write_text("x")
    (root / "sub" / "\u00e4:1").mkdir()
    (root / "...").write_text("dots")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "secret").write_text("secret")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "inside").symlink_to("sub/x")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    return root


def answer(daemon: pymhd.Daemon, target: str, method: str = "GET") -> bytes:
    """Return the answer to a request for a target, as it stands."""
    return ask(daemon, head(f"{method} {target} HTTP/1.1".encode("latin-1")))


@every_mode
def test_files_are_served(serve: Serve, mode: Mode, root: Path) -> None:
    """Those of folders, their index, and what has a strange name."""
    daemon = serve(pymhd.files.Directory(root), threads=mode)
    for target, body in [
        ("/a%20b.txt", b"a"),
        ("/sub/x?a=b", b"x"),
        ("/sub/", b"index"),
        ("/...", b"dots"),
        ("http://any/sub/x", b"x"),
        ("/%73ub/%78", b"x"),
    ]:
        got = answer(daemon, target)
        assert (status_of(got), body_of(got)) == (200, body), target
    got = answer(daemon, "/sub/x", "HEAD")
    assert (status_of(got), body_of(got)) == (200, b"")


@pytest.mark.parametrize(
    "target",
    [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/.%2e/secret",
        "/%2E./secret",
        "/..%2fsecret",
        "/sub%2fx",
        "/%2e%2e%2fsecret",
        "/sub/./x",
        "/.",
        "/..",
        "/../root-2/secret",
        "//secret",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/%2Fetc%2Fpasswd",
        "/sub//x",
        "/a%00b",
        "/sub/x%00.txt",
        "/link",
        "/up/secret",
        "/up/",
        "/up",
        "/inside",
        "/loop",
        "/loop/",
        "/fifo",
        "/SUB/x",
        "/sub/x/",
        "/sub/x/y",
        "/none",
        "/",
        "/sub/deep/",
        "/" + "a" * 300,
        "/%ff",
        "/..\\secret",
        "/..%5csecret",
        "http://any",
        "http://any/../secret",
        "http://any//etc/passwd",
    ],
)
def test_nothing_else_is_there(serve: Serve, root: Path, target: str) -> None:
    """Whatever the target looks like, and wherever links lead."""
    got = answer(serve(pymhd.files.Directory(root)), target)
    assert b"secret" not in got
    assert b"root:" not in got
    assert status_of(got) in (400, 404)


def test_a_folder_is_redirected_to_its_slash(serve: Serve, root: Path) -> None:
    """To this host, whatever the name is."""
    daemon = serve(pymhd.files.Directory(root))
    for target, location in [
        ("/sub", "/sub/"),
        ("/sub?a=b&c=%20", "/sub/?a=b&c=%20"),
        ("/sub/%C3%A4%3a1", "/sub/%C3%A4%3A1/"),
        ("http://evil.example/sub", "/sub/"),
    ]:
        got = answer(daemon, target)
        assert status_of(got) == 301
        assert f"\r\nLocation: {location}\r\n".encode() in got


def test_other_methods_are_refused(serve: Serve, root: Path) -> None:
    """Wherever they go."""
    daemon = serve(pymhd.files.Directory(root))
    for target in ("/sub/x", "/none"):
        got = answer(daemon, target, "DELETE")
        assert status_of(got) == 405
        assert b"\r\nAllow: GET, HEAD\r\n" in got


def test_a_root_may_be_a_link_that_is_moved(serve: Serve, root: Path) -> None:
    """As a release that takes the place of another."""
    current = root.parent / "current"
    current.symlink_to("root")
    daemon = serve(pymhd.files.Directory(current, index="x", max_age=5))
    got = answer(daemon, "/sub/")
    assert body_of(got) == b"x"
    assert b"\r\nCache-Control: max-age=5\r\n" in got
    current.unlink()
    assert status_of(answer(daemon, "/sub/")) == 404
    current.symlink_to("root-2")
    assert body_of(answer(daemon, "/secret")) == b"secret"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_not_there(serve: Serve, root: Path) -> None:
    """Nobody is told that it is."""
    (root / "sub" / "x").chmod(0)
    daemon = serve(pymhd.files.Directory(root))
    assert status_of(answer(daemon, "/sub/x")) == 404


def test_a_root_that_is_no_folder_is_refused(root: Path) -> None:
    """When the handler is made."""
    with pytest.raises(FileNotFoundError):
        pymhd.files.Directory(root / "none")
    with pytest.raises(NotADirectoryError):
        pymhd.files.Directory(root / "a b.txt")


@pytest.mark.parametrize("index", ["", ".", "..", "a/b", "../x", "a\0"])
def test_an_index_is_the_name_of_a_file(root: Path, index: str) -> None:
    """And nothing else."""
    with pytest.raises(ValueError, match="index must be"):
        pymhd.files.Directory(root, index=index)
