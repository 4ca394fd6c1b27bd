# SPDX-License-Identifier: MIT
"""``TLS(...)``: what it takes, and the sentences about what it does not."""

import datetime
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import secure
import trustme
from live import hello
from programs import run_program

import pymhd


def pem(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
    """Return the certificate and the key."""
    return secure.chain(leaf), leaf.private_key_pem.bytes()


@pytest.fixture(name="cert")
def _cert() -> bytes:
    return pem(secure.certificate())[0]


@pytest.fixture(name="key")
def _key() -> bytes:
    return pem(secure.certificate())[1]


def encrypted(key: bytes, password: str) -> bytes:
    """Return the key, encrypted."""
    command = ["openssl", "pkcs8", "-topk8", "-passout", f"pass:{password}"]
    return subprocess.run(command, input=key, capture_output=True, check=True).stdout


@pytest.mark.parametrize("kind", [str, Path, bytes])
def test_a_certificate_is_a_path_or_bytes(
    cert: bytes, key: bytes, tmp_path: Path, kind: Any
) -> None:
    """As it is more convenient."""
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(key)
    if kind is bytes:
        pymhd.TLS(cert, key)
    else:
        pymhd.TLS(kind(tmp_path / "cert.pem"), kind(tmp_path / "key.pem"))


def test_an_encrypted_key_needs_its_password(cert: bytes, key: bytes) -> None:
    """The sentences tell none from a wrong one."""
    locked = encrypted(key, "sesame")
    pymhd.TLS(cert, locked, "sesame")
    with pytest.raises(ValueError, match="is encrypted: give its password"):
        pymhd.TLS(cert, locked)
    with pytest.raises(ValueError, match="the password is wrong"):
        pymhd.TLS(cert, locked, "open")


def test_a_key_of_another_certificate_is_refused(cert: bytes) -> None:
    """At once, and not in the first handshake."""
    other = pem(secure.authority().issue_cert("elsewhere"))[1]
    with pytest.raises(ValueError, match="key does not belong to cert"):
        pymhd.TLS(cert, other)


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ({"not_after": -1}, r"has expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC: renew it"),
        (
            {"not_before": 1, "not_after": 2},
            "is not valid before .* UTC: is this machine",
        ),
    ],
)
def test_a_certificate_that_is_not_valid_now_is_refused(
    days: dict[str, int], sentence: str
) -> None:
    """No client would take it; nor one whose authority's is not."""
    now = datetime.datetime.now(datetime.UTC)
    times: dict[str, Any] = {
        name: now + datetime.timedelta(days=day) for name, day in days.items()
    }
    cert, key = pem(secure.authority().issue_cert("localhost", **times))
    with pytest.raises(ValueError, match=sentence):
        pymhd.TLS(cert, key)
    good, good_key = pem(secure.certificate())
    with pytest.raises(ValueError, match=sentence):
        pymhd.TLS(good + cert, good_key)


def test_a_chain_begins_with_the_servers_own_certificate(key: bytes) -> None:
    """Else the key does not fit, and the sentence says what comes first."""
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    blobs = [blob.bytes() for blob in leaf.cert_chain_pems]
    own = leaf.private_key_pem.bytes()
    pymhd.TLS(b"".join(blobs), own)
    with pytest.raises(ValueError, match="first certificate must be the server's own"):
        pymhd.TLS(b"".join(reversed(blobs)), own)


def test_a_file_that_is_missing_is_named(key: bytes, tmp_path: Path) -> None:
    """It is the system's own error."""
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere.pem")):
        pymhd.TLS(tmp_path / "nowhere.pem", key)


@pytest.mark.parametrize("path", ["", "a\0b", b"", "-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_path_is_refused(cert: bytes, key: bytes, path: Any) -> None:
    """In a sentence that names the argument."""
    with pytest.raises(ValueError, match=r"^cert(=''|='a.*| is PEM|, given as bytes,)"):
        pymhd.TLS(path, key)
    with pytest.raises(ValueError, match=r"^key(=''|='a.*| is PEM|, given as bytes,)"):
        pymhd.TLS(cert, path)


def test_a_folder_is_refused(cert: bytes, key: bytes, tmp_path: Path) -> None:
    """In a sentence that names the argument."""
    with pytest.raises(IsADirectoryError, match=r"cert is a folder: .*PEM"):
        pymhd.TLS(tmp_path, key)
    with pytest.raises(IsADirectoryError, match=r"key is a folder: .*PEM"):
        pymhd.TLS(cert, tmp_path)


def test_what_is_not_pem_is_refused(cert: bytes, key: bytes, tmp_path: Path) -> None:
    """DER, the other one's file, or something else."""
    (tmp_path / "der").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match=r"cert='.*der' is not PEM"):
        pymhd.TLS(str(tmp_path / "der"), key)
    with pytest.raises(ValueError, match="key, given as bytes, is not PEM"):
        pymhd.TLS(cert, cert)
    broken = cert.replace(b"M", b"!")
    with pytest.raises(ValueError, match="GnuTLS cannot use cert and key"):
        pymhd.TLS(broken, key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cert": 1},
        {"key": None},
        {"password": b"bytes"},
        {"client_ca": 3},
        {"priorities": b"NORMAL"},
    ],
)
def test_wrong_types_are_type_errors(
    cert: bytes, key: bytes, wrong: dict[str, Any]
) -> None:
    """The argument is named."""
    arguments: dict[str, Any] = {"cert": cert, "key": key} | wrong
    with pytest.raises(TypeError, match=next(iter(wrong))):
        pymhd.TLS(**arguments)


def test_priorities_are_checked(cert: bytes, key: bytes) -> None:
    """The sentence says where GnuTLS stops to understand."""
    pymhd.TLS(cert, key, priorities="NORMAL:-VERS-ALL:+VERS-TLS1.3")
    with pytest.raises(ValueError, match=r"from '\+NO-SUCH' on"):
        pymhd.TLS(cert, key, priorities="NORMAL:+NO-SUCH")


def test_client_ca_must_hold_certificates(cert: bytes, key: bytes) -> None:
    """A key is none."""
    with pytest.raises(ValueError, match="client_ca, given as bytes, is not PEM"):
        pymhd.TLS(cert, key, client_ca=key)
    empty = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
    with pytest.raises(ValueError, match="GnuTLS cannot use client_ca"):
        pymhd.TLS(cert, key, client_ca=empty)


def test_a_daemon_takes_a_tls_and_nothing_else() -> None:
    """Neither a context of the ssl module nor a pair of paths."""
    with pytest.raises(TypeError, match=r"tls must be a pymhd\.TLS"):
        pymhd.Daemon(hello, tls=("cert.pem", "key.pem"))  # type: ignore[arg-type]


def test_the_key_is_not_in_the_repr(cert: bytes, key: bytes) -> None:
    """Since that may get into a log."""
    assert repr(pymhd.TLS(cert, key)) == "<pymhd.TLS>"


def test_without_tls_in_the_library_the_error_says_so() -> None:
    """A libmicrohttpd may be configured without it."""
    code = """
        from pymhd import tls
        class Without:
            def __getattr__(self, name):
                if name == "pymhd_tls_supported":
                    return lambda: 0
                return getattr(pymhd.lib, name)
        tls.lib = Without()
        try:
            pymhd.TLS(b"", b"")
        except pymhd.NotSupportedError as error:
            print(error)
    """
    status, output, errors = run_program(code)
    assert (status, errors) == (0, "")
    assert "was configured without TLS" in output
