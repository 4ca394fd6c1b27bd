# SPDX-License-Identifier: MIT
"""``python -m pymhd connect``: ask for an upgrade and join it to a terminal.

The answer is read through one buffered file, and the stream goes on through the
same file. So whatever arrived together with the head is still there and comes out
first. From then on one thread sends and one receives: neither direction can stop
the other, and the standard input may be a pipe, a terminal or a regular file,
which no selector can wait for.
"""

import argparse
import contextlib
import http.client
import io
import os
import shutil
import socket
import sys
import threading
import urllib.parse
from dataclasses import dataclass
from functools import partial

from pymhd._cli.secured import Secured, secure

_CHUNK = 65536


class _Failure(Exception):
    """A sentence for the standard error; the exit status is 1."""


@dataclass(frozen=True)
class _Target:
    """Where to connect to, and what to ask for there."""

    host: str
    port: int
    path: str
    unix: str | None = None
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.unix or f"{host}:{self.port}"

    def connect(self, timeout: float) -> socket.socket:
        """Open the connection, to the UNIX socket if there is one."""
        if self.unix is None:
            return socket.create_connection((self.host, self.port), timeout)
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout)
            sock.connect(self.unix)
        except BaseException:
            sock.close()
            raise
        return sock


def _parse_unix_url(url: str) -> _Target:
    path, colon, rest = url.removeprefix("unix://").partition(":/")
    if not path.startswith("/"):
        raise ValueError("the path of the socket must be absolute")
    return _Target("localhost", 80, "/" + rest if colon else "/", path)


def _parse_url(url: str, unix: str | None) -> _Target:
    """Split a URL; `unix` connects there instead and leaves the Host header."""
    if url.startswith("unix://"):
        return _parse_unix_url(url)
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("only http://, https:// and unix:// are known")
    if not parts.hostname or parts.username is not None:
        raise ValueError(f"{parts.scheme}:// must be followed by a host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path = urllib.parse.quote(path, safe="%/:?#[]@!$&'()*+,;=~")
    tls = parts.scheme == "https"
    port = (443 if tls else 80) if parts.port is None else parts.port
    return _Target(parts.hostname, port, path, unix, tls)


def _send_request(
    sock: socket.socket, target: _Target, options: argparse.Namespace
) -> str:
    """Send the request and return the method that it has."""
    body = None if options.data is None else os.fsencode(options.data)
    method: str = options.method or ("GET" if body is None else "POST")
    names = {name.lower() for name, _ in options.header}
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    connection.putrequest(
        method, target.path, skip_host="host" in names, skip_accept_encoding=True
    )
    connection.putheader("Connection", "Upgrade")
    connection.putheader("Upgrade", options.protocol)
    for name, value in options.header:
        connection.putheader(name, os.fsencode(value))
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    # A server may refuse before it has read everything: then its answer counts, not
    # that it stopped listening.
    with contextlib.suppress(OSError):
        connection.endheaders(body)
    return method


def _read_answer(
    sock: socket.socket, target: _Target, method: str, timeout: float
) -> http.client.HTTPResponse:
    """Read the head of the answer; what follows it stays in the answer's file."""
    answer = http.client.HTTPResponse(sock, method=method)
    try:
        answer.begin()
    except TimeoutError:
        raise _Failure(f"{target} did not answer within {timeout:g} s") from None
    except ConnectionError:
        raise _Failure(f"{target} closed the connection without an answer") from None
    except OSError as error:
        raise _Failure(f"the connection was lost: {error.strerror}") from None
    except http.client.HTTPException as error:
        raise _Failure(f"{target} did not answer in HTTP: {error!r}") from None
    return answer


def _show_refusal(answer: http.client.HTTPResponse) -> None:
    """Print the status line and the body of an answer that is not 101."""
    version = f"HTTP/{answer.version // 10}.{answer.version % 10}"
    print(f"{version} {answer.status} {answer.reason}".rstrip(), file=sys.stderr)
    sys.stderr.flush()
    with contextlib.suppress(http.client.HTTPException, OSError):
        shutil.copyfileobj(answer, sys.stderr.buffer)
    sys.stderr.buffer.flush()


class _Sender(threading.Thread):
    """Copies the standard input to the socket, then says that it has ended.

    A daemon thread, because a read from a terminal cannot be interrupted; and it
    reads the bare descriptor, because a daemon thread that holds the lock of
    ``sys.stdin`` would abort the interpreter's exit.
    """

    failed = False
    """Whether the input could not be read to its end."""

    def __init__(self, sock: socket.socket, source: int | None) -> None:
        super().__init__(name="stdin", daemon=True)
        self._sock = sock
        self._source = source

    def run(self) -> None:
        # What is wrong with the connection is told by the side that receives.
        with contextlib.suppress(OSError):
            while data := self._read():
                self._sock.sendall(data)
            # A FIN, also over TLS.
            socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def _read(self) -> bytes:
        if self._source is None:
            return b""
        try:
            return os.read(self._source, _CHUNK)
        except OSError as error:
            self.failed = True
            _complain(f"cannot read the standard input: {error.strerror}")
            return b""


def _write(sink: int | None, data: bytes) -> None:
    """Write all of `data`, unbuffered: nothing is left to be lost at the exit."""
    view = memoryview(data)
    try:
        while sink is not None and view:
            view = view[os.write(sink, view) :]
    except OSError as error:
        raise _Failure(f"cannot write the output: {error.strerror}") from None


def _join(sock: socket.socket, stream: io.BufferedIOBase) -> int:
    """Copy both directions until the server closes."""
    source = sys.stdin.fileno() if sys.stdin else None
    sink = sys.stdout.fileno() if sys.stdout else None
    for descriptor in (source, sink):
        if descriptor is not None:
            # It may be shared with a program that wants it otherwise.
            os.set_blocking(descriptor, True)
    receive = partial(stream.read1, _CHUNK)
    if isinstance(sock, Secured):
        sock.share()
        receive = partial(sock.wait, receive)
    else:
        sock.settimeout(None)
    sender = _Sender(sock, source)
    sender.start()
    try:
        while data := receive():
            _write(sink, data)
    except OSError as error:
        raise _Failure(f"the connection was lost: {error.strerror}") from None
    return int(sender.failed)


def _connect(options: argparse.Namespace) -> int:
    try:
        target = _parse_url(options.url, options.unix)
    except ValueError as error:
        raise _Failure(f"bad URL {options.url!r}: {error}") from None
    try:
        sock = target.connect(options.timeout)
        if target.tls:
            sock = secure(sock, target.host, options.cacert, options.insecure)
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _Failure(f"cannot connect to {target}: {reason}") from None
    with sock:
        try:
            method = _send_request(sock, target, options)
        except (ValueError, http.client.HTTPException) as error:
            raise _Failure(f"cannot send this request: {error}") from None
        # The answer is kept until the end: it closes its file when it goes.
        answer = _read_answer(sock, target, method, options.timeout)
        if answer.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            _show_refusal(answer)
            return 1
        if "Upgrade" not in answer.headers:
            raise _Failure(f"{target} switched and did not say to what")
        return _join(sock, answer.fp)


def _complain(sentence: str) -> None:
    print(f"pymhd connect: {sentence}", file=sys.stderr)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not 'NAME: VALUE'")
    return name.strip(), value.strip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``connect``."""
    parser.add_argument(
        "url", help="http[s]://HOST[:PORT]/PATH or unix:///SOCKET:/PATH"
    )
    parser.add_argument(
        "--protocol", required=True, metavar="NAME", help="the Upgrade header"
    )
    parser.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="one more header; may be repeated",
    )
    parser.add_argument("--method", help="GET, or POST where there is --data")
    parser.add_argument("--data", metavar="TEXT", help="the body of the request")
    parser.add_argument(
        "--unix", metavar="PATH", help="connect to this UNIX socket instead"
    )
    parser.add_argument(
        "--cacert", metavar="FILE", help="PEM of the authorities to trust, for https"
    )
    parser.add_argument("--insecure", action="store_true", help="trust any certificate")
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="for connecting and for the answer, not for the stream (10)",
    )


def run(options: argparse.Namespace) -> int:
    """Connect, and return the exit status."""
    try:
        return _connect(options)
    except _Failure as failure:
        _complain(str(failure))
        return 1
    except KeyboardInterrupt:
        return 130
