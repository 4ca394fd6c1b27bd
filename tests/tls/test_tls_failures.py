# SPDX-License-Identifier: MIT
"""Handshakes that fail: the client gets the alert, and the log tells the reason."""

import contextlib
import datetime
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import secure
import trustme
from live import TIMEOUT, Mode, Serve, eventually, hello, read_to_end, reset
from marks import every_mode

import pymhd
from pymhd import lib

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = [TLS12, TLS13]
GET = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def connected(daemon: pymhd.Daemon) -> Iterator[socket.socket]:
    """Connect without TLS."""
    address = ("127.0.0.1", daemon.port)
    with socket.create_connection(address, TIMEOUT) as sock:
        yield sock


def alert(
    daemon: pymhd.Daemon, context: ssl.SSLContext, name: str = "localhost"
) -> str | None:
    """Send a request; return the alert that came instead of an answer."""
    with connected(daemon) as sock:
        try:
            with context.wrap_socket(sock, server_hostname=name) as secured:
                secured.sendall(GET)
                assert secured.recv(100).startswith(b"HTTP/1.1 200 ")
        except ssl.SSLError as error:
            return error.reason
    return None


def answer(daemon: pymhd.Daemon, data: bytes) -> bytes:
    """Send bytes that are no handshake; return what comes."""
    with connected(daemon) as sock:
        sock.sendall(data)
        return read_to_end(sock)


def context(version: ssl.TLSVersion = TLS12, **changes: Any) -> ssl.SSLContext:
    """Return a client's that differs from the usual one."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    secure.authority().configure_trust(made)
    made.check_hostname = False
    if version not in VERSIONS:
        made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = made.maximum_version = version
    if "ciphers" in changes:
        made.set_ciphers(changes["ciphers"])
    if "cert" in changes:
        changes["cert"].configure_cert(made)
    return made


class Reasons:
    """What the log says about handshakes, without the client's address."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog
        caplog.set_level("INFO", "pymhd")

    def get(self) -> list[str]:
        """Return the reasons; there is nothing else in the log."""
        reasons = []
        for record in list(self.caplog.records):
            begin, _, reason = record.getMessage().partition(" failed: ")
            assert begin.startswith("the TLS handshake with 127.0.0.1:"), begin
            assert record.levelname == "INFO"
            reasons.append(reason)
        return reasons

    def next(self) -> str:
        """Wait for one reason, and forget it."""
        eventually(lambda: bool(self.get()), "the line in the log")
        (reason,) = self.get()
        self.caplog.clear()
        return reason


@pytest.fixture(name="reasons")
def _reasons(caplog: pytest.LogCaptureFixture) -> Reasons:
    return Reasons(caplog)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@every_mode
def test_a_hello_that_cannot_be_accepted_gets_its_alert(
    serve: Serve, mode: Mode, reasons: Reasons
) -> None:
    """A version that is too old, ciphers, and a name with a port in it."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    old = context(ssl.TLSVersion.TLSv1_1)
    assert alert(daemon, old) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert "no version of TLS that priorities= allows" in reasons.next()
    weak = context(ciphers="AES128-SHA:@SECLEVEL=0")
    assert alert(daemon, weak) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert "no cipher suite, group or signature" in reasons.next()
    for version in VERSIONS:
        port = alert(daemon, context(version), "localhost:8443")
        assert port == "SSLV3_ALERT_ILLEGAL_PARAMETER"
        assert "neither a port nor" in reasons.next()
    assert alert(daemon, context()) is None
    assert reasons.get() == []


@every_mode
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_the_certificate_gets_its_alert(
    serve: Serve, mode: Mode, version: ssl.TLSVersion, reasons: Reasons
) -> None:
    """None, one of another authority, one that has expired; then the right one."""
    authority = secure.authority()
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    daemon = serve(hello, threads=mode, tls=asking())
    missing = {
        TLS12: "SSLV3_ALERT_HANDSHAKE_FAILURE",
        TLS13: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
    assert alert(daemon, context(version)) == missing[version]
    assert reasons.next() == "it has no certificate, which client_ca requires"
    foreign = context(version, cert=trustme.CA().issue_cert("client"))
    assert alert(daemon, foreign) == "TLSV1_ALERT_UNKNOWN_CA"
    assert reasons.next() == "its certificate is not of an authority in client_ca"
    expired = context(version, cert=authority.issue_cert("client", not_after=past))
    assert alert(daemon, expired) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    assert reasons.next() == "its certificate has expired"
    good = context(version, cert=authority.issue_cert("client"))
    assert alert(daemon, good) is None
    assert reasons.get() == []


def asking() -> pymhd.TLS:
    """Return a TLS that wants certificates of the clients."""
    leaf = secure.certificate()
    ca = secure.authority().cert_pem.bytes()
    key = leaf.private_key_pem.bytes()
    return pymhd.TLS(secure.chain(leaf), key, client_ca=ca)


@every_mode
def test_what_is_not_tls_gets_an_answer(
    serve: Serve, mode: Mode, reasons: Reasons
) -> None:
    """A browser with http:// one that it shows, everybody else an alert."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    for request in [GET, b"POST /x HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"]:
        page = answer(daemon, request)
        assert page.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert page.endswith(
            b"\r\n\r\nThis port speaks TLS: use https:// instead of http://"
        )
        assert b"\r\nContent-Length: 53\r\n" in page
        assert "must begin with https://" in reasons.next()
    for noise in [
        b"SSH-2.0-client\r\n",
        bytes(100),
        b"\xff" * 5000,
        b"\x80\x2e\x01\x00\x02" + bytes(60),
    ]:
        assert answer(daemon, noise)[:1] == b"\x15"
        assert reasons.next() == "what it sends is not TLS"
    assert answer(daemon, b"\x16\x03\x01\x7f\xff" + bytes(5000))[-2:] == b"\x02\x16"
    assert "invalid length" in reasons.next()


@pytest.mark.skipif(
    lib.MHD_VERSION < 0x00097400,
    reason="0.9.72 may close at the client's FIN, before GnuTLS has read the alert",
)
@every_mode
def test_a_client_that_does_not_trust_us_is_quoted(
    serve: Serve, mode: Mode, reasons: Reasons
) -> None:
    """It is the operator who has something to do."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    for version in VERSIONS:
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        stranger.minimum_version = stranger.maximum_version = version
        assert alert(daemon, stranger) == "CERTIFICATE_VERIFY_FAILED"
        assert "does not know the authority of our certificate" in reasons.next()


@every_mode
def test_a_client_that_leaves_gets_no_blame_unless_in_the_middle(
    serve: Serve, mode: Mode, reasons: Reasons
) -> None:
    """Who looks whether the port is open connects and leaves."""
    daemon = serve(hello, threads=mode, tls=secure.server_tls())
    for _ in range(3):
        with connected(daemon):
            pass
        with connected(daemon) as sock:
            reset(sock)
    eventually(lambda: daemon.connections == 0, "their end")
    assert reasons.get() == []
    with connected(daemon) as sock:
        sock.sendall(b"\x16\x03\x01\x02")
    assert reasons.next() == "it has left in the middle"


def test_the_log_is_not_flooded(serve: Serve, reasons: Reasons) -> None:
    """Ten lines at once; what is left out is counted, and told with the next."""
    daemon = serve(hello, tls=secure.server_tls())
    for _ in range(30):
        answer(daemon, b"no TLS")
    eventually(lambda: len(reasons.get()) >= 10, "ten lines")
    first = len(reasons.get())
    assert first < 20

    def next_line() -> bool:
        answer(daemon, b"no TLS")
        return len(reasons.get()) > first

    eventually(next_line, "the next line")
    assert "more, not logged)" in reasons.get()[-1]


def test_others_are_served_meanwhile(serve: Serve, reasons: Reasons) -> None:
    """Of two connections on one thread the one that fails is the one that is told."""
    daemon = serve(hello, tls=secure.server_tls())
    good = secure.client_context().wrap_bio(
        incoming := ssl.MemoryBIO(),
        outgoing := ssl.MemoryBIO(),
        server_hostname="localhost",
    )
    with contextlib.suppress(ssl.SSLWantReadError):
        good.do_handshake()
    with connected(daemon) as sock:
        sock.sendall(outgoing.read())  # and no more for now
        assert answer(daemon, b"no TLS at all")[:1] == b"\x15"
        while good.version() is None:
            incoming.write(sock.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                good.do_handshake()
        good.write(GET)
        sock.sendall(outgoing.read())
        incoming.write(read_to_end(sock))
        assert good.read(1000).startswith(b"HTTP/1.1 200 ")
    assert reasons.next() == "what it sends is not TLS"
