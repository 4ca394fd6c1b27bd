# SPDX-License-Identifier: MIT
"""Which versions of TLS and which ciphers a daemon offers: RFC 8996 and RFC 9325."""

import re
import subprocess

import pytest
import secure
import trustme
from live import Serve, hello
from marks import every_mode

import pymhd

GOOD = [
    ("-tls1_3", "TLS_AES_128_GCM_SHA256"),
    ("-tls1_3", "TLS_AES_256_GCM_SHA384"),
    ("-tls1_3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "ECDHE-KEY-AES128-GCM-SHA256"),
    ("-tls1_2", "ECDHE-KEY-AES256-GCM-SHA384"),
    ("-tls1_2", "ECDHE-KEY-CHACHA20-POLY1305"),
]
OLD_VERSIONS = [("-tls1", "ALL"), ("-tls1_1", "ALL")]
OLD_CIPHERS = [
    # CBC, with either hash; keys that are not forgotten; DHE; CCM.
    "ECDHE-KEY-AES128-SHA",
    "ECDHE-KEY-AES256-SHA",
    "ECDHE-KEY-AES128-SHA256",
    "ECDHE-KEY-AES256-SHA384",
    "ECDHE-KEY-CAMELLIA256-SHA384",
    "AES128-SHA",
    "AES256-SHA256",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-CCM",
    "AES128-CCM",
    "ADH-AES128-GCM-SHA256",
    "AECDH-AES128-SHA",
    "NULL-SHA256",
    "PSK-AES128-GCM-SHA256",
]
KEYS = {"RSA": trustme.KeyType.RSA, "ECDSA": trustme.KeyType.ECDSA}


def with_key(kind: str, **options: str) -> pymhd.TLS:
    """Return a certificate with a key of a kind."""
    leaf = secure.authority().issue_cert("localhost", key_type=KEYS[kind])
    return pymhd.TLS(secure.chain(leaf), leaf.private_key_pem.bytes(), **options)


def openssl(daemon: pymhd.Daemon, version: str, cipher: str, *more: str) -> str:
    """Connect once, whatever OpenSSL thinks of that; return what it prints."""
    option = "-ciphersuites" if version == "-tls1_3" else "-cipher"
    if option == "-cipher":
        cipher += ":@SECLEVEL=0"
    line = ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", version]
    done = subprocess.run(
        [*line, option, cipher, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return done.stdout.decode()


def agreed(output: str) -> str | None:
    """Return the cipher that was agreed on."""
    found = re.search(r"^New, \S+, Cipher is ([A-Z]\S+)$", output, re.M)
    return found and found[1]


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_good_today_is_accepted(serve: Serve, kind: str) -> None:
    """With either kind of key, each by itself."""
    daemon = serve(hello, tls=with_key(kind))
    for version, cipher in GOOD:
        cipher = cipher.replace("KEY", kind)
        assert agreed(openssl(daemon, version, cipher)) == cipher


@pytest.mark.parametrize("kind", KEYS)
def test_old_versions_and_ciphers_are_refused(serve: Serve, kind: str) -> None:
    """And the client is told why: protocol_version or handshake_failure."""
    daemon = serve(hello, tls=with_key(kind))
    for version, cipher in OLD_VERSIONS:
        output = openssl(daemon, version, cipher)
        assert agreed(output) is None
        assert "SSL alert number 70" in output
    for cipher in OLD_CIPHERS:
        output = openssl(daemon, "-tls1_2", cipher.replace("KEY", kind))
        assert agreed(output) is None
        assert "SSL alert number 40" in output or "no cipher" in output


def test_signatures_with_sha1_are_not_made(serve: Serve) -> None:
    """A client of TLS 1.2 that knows nothing else is refused."""
    daemon = serve(hello, tls=with_key("RSA"))
    cipher = "ECDHE-RSA-AES128-GCM-SHA256"
    output = openssl(daemon, "-tls1_2", cipher, "-sigalgs", "RSA+SHA1")
    assert agreed(output) is None
    assert agreed(openssl(daemon, "-tls1_2", cipher, "-sigalgs", "RSA+SHA256"))


@every_mode
def test_every_mode_refuses_what_is_old(serve: Serve, mode: object) -> None:
    """They all give libmicrohttpd the same priorities."""
    daemon = serve(hello, threads=mode, tls=with_key("RSA"))
    assert agreed(openssl(daemon, "-tls1_1", "ALL")) is None
    assert agreed(openssl(daemon, "-tls1_2", "AES128-SHA")) is None
    assert agreed(openssl(daemon, "-tls1_2", "ECDHE-RSA-AES128-SHA")) is None
    assert agreed(openssl(daemon, "-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256"))


def test_priorities_of_the_users_replace_ours(serve: Serve) -> None:
    """Who must serve what is old can, and who wants less gets less."""
    old = with_key("RSA", priorities="NORMAL:+VERS-TLS1.1:%COMPAT")
    daemon = serve(hello, tls=old)
    assert agreed(openssl(daemon, "-tls1_1", "AES128-SHA"))
    new = with_key("RSA", priorities="NORMAL:-VERS-ALL:+VERS-TLS1.3")
    daemon = serve(hello, tls=new)
    assert agreed(openssl(daemon, "-tls1_2", "ALL")) is None
    assert agreed(openssl(daemon, "-tls1_3", "TLS_AES_128_GCM_SHA256"))


@pytest.mark.parametrize(
    "useless",
    ["", "NONE", "NORMAL:-VERS-ALL", "NORMAL:-CIPHER-ALL", "NONE:+VERS-TLS1.2"],
)
def test_priorities_that_leave_nothing_are_refused(useless: str) -> None:
    """At once, and not by the handshakes of all clients."""
    with pytest.raises(ValueError, match=r"leave no cipher suite|does not understand"):
        with_key("RSA", priorities=useless)
