# SPDX-License-Identifier: MIT
"""TLS for ``python -m pymhd connect``, which sends and receives at the same time."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Secured", "secure"]

T = TypeVar("T")


class Secured(ssl.SSLSocket):
    """A TLS socket with which one thread may send while another receives.

    Before Python 3.13 two calls at the same time break its state.
    """

    def share(self) -> None:
        """Begin with that: no call blocks within OpenSSL any more."""
        self.setblocking(False)
        self._guard = threading.Lock()

    def sendall(self, data: Any, flags: int = 0) -> None:
        if not hasattr(self, "_guard"):
            return super().sendall(data, flags)
        view = memoryview(data)
        while view:
            view = view[self.wait(lambda rest=view: self.send(rest)) :]  # type: ignore[misc]
        return None

    def wait(self, call: Callable[[], T]) -> T:
        """Make a call as soon as it can be made; return what it returns."""
        while True:
            try:
                with self._guard:
                    return call()
            except ssl.SSLWantReadError:
                # Not for long: the other thread may take what comes.
                select.select([self], [], [], 0.05)
            except ssl.SSLWantWriteError:
                select.select([], [self], [], 0.05)


def secure(
    sock: socket.socket, host: str, cacert: str | None, insecure: bool
) -> Secured:
    """Do the handshake of TLS, within the socket's timeout.

    Raises:
        OSError: It failed, or there is no such file.
    """
    context = ssl.create_default_context(cafile=cacert)
    context.sslsocket_class = Secured
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    secured = context.wrap_socket(sock, server_hostname=host)
    assert isinstance(secured, Secured)
    return secured
