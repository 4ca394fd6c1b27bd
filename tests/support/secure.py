# SPDX-License-Identifier: MIT
"""TLS for the tests: certificates, and a client's socket."""

import contextlib
import functools
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Self, TypeVar

import trustme

import pymhd

T = TypeVar("T")


@functools.cache
def authority() -> trustme.CA:
    """Return the authority that the clients of the tests trust."""
    return trustme.CA()


@functools.cache
def certificate() -> trustme.LeafCert:
    """Return the certificate of the daemons."""
    return authority().issue_cert("localhost", "127.0.0.1", "::1")


def chain(leaf: trustme.LeafCert) -> bytes:
    """Return a certificate with those that lead to its authority."""
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


@functools.cache
def server_tls() -> pymhd.TLS:
    """Return what the daemons show their clients."""
    leaf = certificate()
    return pymhd.TLS(chain(leaf), leaf.private_key_pem.bytes())


@functools.cache
def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return what clients need, for one version of TLS or for all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class Client:
    """A TLS client as a socket, as far as the tests use one.

    One thread may send while another receives, which ssl.SSLSocket does not allow. An
    end that is only a FIN, without a close_notify before it, is an ssl.SSLEOFError.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext | None = None
    ) -> None:
        self._timeout = sock.gettimeout()
        self._lock = threading.Lock()
        with contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            self.ssl = (context or client_context()).wrap_socket(
                sock, server_hostname="localhost", suppress_ragged_eofs=False
            )
            stack.pop_all()
        self.ssl.setblocking(False)
        for name in ("fileno", "setsockopt", "getsockname", "getpeername"):
            setattr(self, name, getattr(self.ssl, name))

    def _until_done(self, call: Callable[[], T]) -> T:
        deadline = None
        if self._timeout is not None:
            deadline = time.monotonic() + self._timeout
        while True:
            try:
                with self._lock:
                    return call()
            except ssl.SSLWantReadError:
                self._wait([self.ssl], [], deadline)
            except ssl.SSLWantWriteError:
                self._wait([], [self.ssl], deadline)

    @staticmethod
    def _wait(
        read: list[ssl.SSLSocket], write: list[ssl.SSLSocket], deadline: float | None
    ) -> None:
        # Not for long: another thread may have read what is waited for.
        select.select(read, write, [], 0.01)
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError("timed out")

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        def receive() -> bytes:
            try:
                return self.ssl.recv(size)
            except ssl.SSLZeroReturnError:
                return b""

        return self._until_done(receive)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[:65536]
            try:
                sent = self._until_done(lambda piece=piece: self.ssl.send(piece))  # type: ignore[misc]
            except ssl.SSLEOFError as error:
                raise BrokenPipeError(str(error)) from None
            view = view[sent:]

    def shutdown(self, how: int) -> None:
        """Send a FIN, without a close_notify."""
        socket.socket.shutdown(self.ssl, how)

    def say_bye(self) -> None:
        """Send a close_notify, without a FIN."""
        with self._lock, contextlib.suppress(ssl.SSLWantReadError):
            self.ssl.unwrap()

    def close(self) -> None:
        self.ssl.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
