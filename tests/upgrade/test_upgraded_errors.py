# SPDX-License-Identifier: MIT
"""What ends or limits an ``Upgraded`` is an OSError, as of any socket."""

import contextlib
import copy
import errno
import pickle
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest
from live import (
    TIMEOUT,
    Mode,
    Serve,
    connect_to,
    echo,
    logged_errors,
    read_exactly,
    read_to_end,
    upgraded,
)
from marks import each_pair, every_mode, over_tls_too
from sessions import Pair, until_blocked

import pymhd


@over_tls_too(each_pair)
def test_after_close_every_call_raises_an_os_error_with_ebadf(pair: Pair) -> None:
    """As a socket's do; it is a StateError, too."""
    stream, _ = pair()
    stream.close()
    for call in (stream.pending, stream.fileno, lambda: stream.recv(1)):
        with pytest.raises(OSError, match="has been closed") as caught:
            call()
        assert isinstance(caught.value, pymhd.StateError)
        assert caught.value.errno == errno.EBADF


@over_tls_too(each_pair)
def test_a_blocked_call_that_another_thread_ends_raises_an_os_error(
    pair: Pair,
) -> None:
    """A recv() when the callable has returned."""
    stream, _ = pair()
    raised: SimpleQueue[BaseException] = SimpleQueue()

    def receive() -> None:
        try:
            stream.recv(1)
        except OSError as error:
            raised.put(error)

    thread = threading.Thread(target=receive)
    until_blocked([thread], stream)
    stream.close()
    error = raised.get(timeout=TIMEOUT)
    thread.join(TIMEOUT)
    assert isinstance(error, pymhd.StreamClosedError)


def test_a_transport_that_has_ended_has_no_descriptor_but_an_os_error(
    serve: Serve,
) -> None:
    """As asyncio's sockets raise one."""
    ended: SimpleQueue[BaseException] = SimpleQueue()

    class Ending(pymhd.Protocol):
        def connection_made(self, transport: pymhd.Transport) -> None:
            self.transport = transport
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            try:
                self.transport.fileno()
            except OSError as error:
                ended.put(error)

    response = pymhd.Response.for_upgrade(Ending, "echo")
    with upgraded(serve(lambda request: response)) as sock:
        assert read_to_end(sock) == b""
    assert isinstance(ended.get(timeout=TIMEOUT), pymhd.StreamClosedError)


@pytest.mark.parametrize(
    "error",
    [
        pymhd.StreamClosedError("closed", errno.ECONNABORTED),
        pymhd.IncompleteReadError(b"par", 7),
    ],
)
def test_the_errors_of_streams_can_be_copied_and_pickled(error: Exception) -> None:
    """With all that they say."""
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)
        if isinstance(error, OSError) and isinstance(other, OSError):
            assert (other.errno, other.strerror) == (error.errno, error.strerror)


# --- a tunnel ---


def pump(
    receive: Callable[[int], bytes],
    send: Callable[[bytes], object],
    end: Callable[[int], object],
) -> None:
    """Carry one direction to its end, as one writes it for sockets."""
    with contextlib.suppress(OSError):
        while data := receive(65536):
            send(data)
    with contextlib.suppress(OSError):
        end(socket.SHUT_WR)


def tunnel_to(address: object) -> Callable[[pymhd.Upgraded], None]:
    """Return a callable that joins its stream and a server."""

    def tunnel(stream: pymhd.Upgraded) -> None:
        with connect_to(address, socket.AF_INET) as server:
            up = threading.Thread(
                target=pump, args=(stream.recv, server.sendall, server.shutdown)
            )
            up.start()
            pump(server.recv, stream.sendall, stream.shutdown)
            if stream.request.tls is not None:
                stream.close()  # for TLS, where this half cannot end alone
            up.join(TIMEOUT)

    return tunnel


@over_tls_too(every_mode)
def test_a_tunnel_carries_both_directions_to_their_ends(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client sends, half-closes, and hears all that comes back."""
    data = bytes(range(256)) * 4000
    inner = pymhd.Response.for_upgrade(echo, "echo")

    def handler(request: pymhd.Request) -> pymhd.Response:
        return outer if request.wants_upgrade("tunnel") else inner

    with socket.create_server(("127.0.0.1", 0)) as listener:
        outer = pymhd.Response.for_upgrade(tunnel_to(listener.getsockname()), "tunnel")
        daemon = serve(handler, threads=mode)
        with upgraded(daemon, "tunnel") as client:
            server, _ = listener.accept()
            with server:
                server.settimeout(TIMEOUT)
                sender = threading.Thread(target=client.sendall, args=(data,))
                sender.start()
                assert read_exactly(server, len(data)) == data
                sender.join(TIMEOUT)
                server.sendall(data)
                assert read_exactly(client, len(data)) == data
                client.shutdown(socket.SHUT_WR)
                assert server.recv(1) == b""
                server.sendall(b"the last words")
                server.shutdown(socket.SHUT_WR)
                assert read_to_end(client) == b"the last words"
    daemon.stop()
    assert logged_errors(caplog) == []


@over_tls_too(every_mode)
def test_a_tunnel_whose_server_ends_first_leaves_no_traceback(
    serve: Serve, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread that still receives from the client is woken by an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        response = pymhd.Response.for_upgrade(tunnel_to(listener.getsockname()), "echo")
        daemon = serve(lambda request: response, threads=mode)
        with upgraded(daemon) as client:
            server, _ = listener.accept()
            with server:
                server.sendall(b"goodbye")
            assert read_to_end(client) == b"goodbye"
    daemon.stop()
    assert logged_errors(caplog) == []
