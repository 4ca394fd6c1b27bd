# SPDX-License-Identifier: MIT
"""TLS: what a daemon shows its clients, and what is known of a connection.

Everything is checked when it is given, by the GnuTLS that will use it: a daemon whose
certificate is no good would otherwise only fail handshakes, one after the other.
"""

import errno
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from pymhd._native.library import ffi, lib, to_str
from pymhd.errors import NotSupportedError

__all__ = ["TLS", "TLSInfo"]

# RFC 9325, and the same as OpenSSL's servers offer: TLS 1.2 and 1.3, keys that are
# forgotten afterwards, authenticated encryption, and no signature with SHA-1. What is
# newer than TLS 1.2 comes with NORMAL.
DEFAULT_PRIORITIES = (
    "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA"
    ":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM"
    ":-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"
)

# GnuTLS's errors that have a remedy of their own.
_DECRYPTION_FAILED = -24
_KEY_MISMATCH = -60
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


@final
@dataclass(frozen=True, slots=True)
class TLSInfo:
    """How a connection is encrypted."""

    version: str
    """Of the protocol: ``"TLSv1.3"``."""

    cipher: str
    """As GnuTLS names it: ``"AES-256-GCM"``."""


@final
class TLS:
    """A certificate and its key, for ``Daemon(tls=)``.

    Args:
        cert: The certificate, behind it those that lead to its authority: the path of
            a PEM file, or its bytes.
        key: Its private key, likewise.
        password: Of an encrypted key.
        client_ca: Authorities, likewise. Clients must then have a certificate of one of
            these: without, the handshake fails.
        priorities: Which protocols and ciphers there may be, as GnuTLS spells it:
            ``"NORMAL:-VERS-ALL:+VERS-TLS1.3"``, or ``"@SYSTEM"`` for what the system's
            policy says. None: TLS 1.2 and 1.3 with AES-GCM or ChaCha20-Poly1305 and
            ECDHE, which is what RFC 8996 and RFC 9325 leave.

    Raises:
        TypeError, ValueError: Something cannot be used, as a certificate that has
            expired; it says what to do.
        OSError: A file cannot be read.
        NotSupportedError: This libmicrohttpd has no TLS.

    A handshake that fails is no error of the daemon's: the client gets the alert of RFC
    8446, section 6.2, and the log a line at INFO with the reason and its address.

    Wraps ``MHD_OPTION_HTTPS_MEM_CERT`` and its like.
    """

    __slots__ = ("_cert", "_client_ca", "_key", "_password", "_priorities")

    def __init__(
        self,
        cert: "str | os.PathLike[str] | bytes",
        key: "str | os.PathLike[str] | bytes",
        password: str | None = None,
        *,
        client_ca: "str | os.PathLike[str] | bytes | None" = None,
        priorities: str | None = None,
    ) -> None:
        _require_tls()
        self._cert = _read(cert, "cert", b"CERTIFICATE-----")
        self._key = _read(key, "key", b"PRIVATE KEY-----")
        self._password = None if password is None else _text(password, "password")
        self._client_ca = None
        _check_pair(self._cert, self._key, self._password)
        _check_validity(self._cert)
        if client_ca is not None:
            self._client_ca = _read(client_ca, "client_ca", b"CERTIFICATE-----")
            _check_ca(self._client_ca)
        if priorities is None:
            priorities = DEFAULT_PRIORITIES
        self._priorities = _text(priorities, "priorities")
        _check_priorities(self._priorities)

    def __repr__(self) -> str:
        return "<pymhd.TLS>"  # nothing of the key gets into a log


def _require_tls() -> None:
    if not lib.pymhd_tls_supported():
        version = to_str(lib.MHD_get_version())
        raise NotSupportedError(
            f"this libmicrohttpd ({version}) was configured without TLS, or its GnuTLS "
            "is older than 3.4.6: install another one, or put a proxy that speaks TLS "
            "in front"
        )


def _text(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} must not contain a NUL")
    return value.encode()


def _read(source: object, name: str, marker: bytes) -> bytes:
    """Return PEM, from a file or as it was given."""
    if isinstance(source, bytes):
        pem, where = source, f"{name}, given as bytes,"
    elif isinstance(source, str | os.PathLike):
        pem, where = _read_file(os.fspath(source), name), f"{name}={str(source)!r}"
    else:
        raise TypeError(
            f"{name} must be a path or PEM bytes, not {type(source).__name__}"
        )
    if b"-----BEGIN " not in pem or marker not in pem or b"\0" in pem:
        raise ValueError(
            f"{where} is not PEM: a line '-----BEGIN ... {marker.decode()}' is "
            "missing; openssl x509 and openssl pkey convert DER with -inform DER"
        )
    return pem


def _read_file(path: str | bytes, name: str) -> bytes:
    text = os.fsdecode(path)
    if "-----BEGIN " in text:
        raise ValueError(f"{name} is PEM, not the path of a file: give it as bytes")
    if not text or "\0" in text:
        raise ValueError(f"{name}={text!r} is no path of a PEM file")
    if os.path.isdir(text):
        raise IsADirectoryError(
            errno.EISDIR, f"{name} is a folder: give the path of a PEM file in it", text
        )
    return Path(text).read_bytes()


def _check_pair(cert: bytes, key: bytes, password: bytes | None) -> None:
    encrypted = any(mark in key for mark in _ENCRYPTED)
    if encrypted and password is None:
        raise ValueError("key is encrypted: give its password")
    error = lib.pymhd_tls_check_pair(cert, key, password or ffi.NULL)
    if error >= 0:
        return
    if error == _KEY_MISMATCH:
        raise ValueError(
            "key does not belong to cert, whose first certificate must be the server's "
            "own: give the two that were made together"
        )
    if error == _DECRYPTION_FAILED and encrypted:
        raise ValueError("key cannot be decrypted: the password is wrong")
    raise ValueError(f"GnuTLS cannot use cert and key: {_words(error)}")


def _check_validity(cert: bytes) -> None:
    """Refuse what every client would refuse."""
    times = ffi.new("int64_t[2]")
    error = lib.pymhd_tls_validity(cert, times, times + 1)
    if error < 0:
        raise ValueError(f"GnuTLS cannot use cert: {_words(error)}")
    begin, end = (int(seconds) for seconds in times)
    now = time.time()
    if now > end:
        raise ValueError(
            f"cert, or one of those behind it, has expired on {_date(end)}: renew it"
        )
    if now < begin:
        raise ValueError(
            f"cert, or one of those behind it, is not valid before {_date(begin)}: is "
            "this machine's clock right?"
        )


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _check_ca(ca: bytes) -> None:
    count = lib.pymhd_tls_check_ca(ca)
    if count <= 0:
        why = _words(count) if count else "it holds no certificate"
        raise ValueError(f"GnuTLS cannot use client_ca: {why}")


def _check_priorities(priorities: bytes) -> None:
    at = lib.pymhd_tls_check_priorities(priorities)
    if at == lib.PYMHD_PRIORITIES_EMPTY:
        raise ValueError(
            f"priorities={priorities.decode()!r} leave no cipher suite for any version "
            "of TLS, so no client could connect: begin with 'NORMAL' and take away"
        )
    if at >= 0:
        raise ValueError(
            f"GnuTLS does not understand priorities={priorities.decode()!r} from "
            f"{priorities[at:].decode('utf-8', 'replace')!r} on: see "
            "gnutls.org/manual, Priority Strings"
        )


def _words(error: int) -> str:
    return to_str(lib.pymhd_tls_error(error))


def parts_of(tls: TLS) -> dict[str, bytes | None]:
    """Return what csrc is given, by the members of struct pymhd_settings."""
    return {slot[1:]: getattr(tls, slot) for slot in tls.__slots__}
