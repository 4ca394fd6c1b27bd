# SPDX-License-Identifier: MIT
"""HTTP/1.1 as h11 understands it: requests in what was sent, responses in what came."""

from collections.abc import Sequence
from typing import NamedTuple

import h11

ProtocolError = h11.RemoteProtocolError


class Request(NamedTuple):
    """What a server sees of a request."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes


class Answer(NamedTuple):
    """What a client sees of a response."""

    status: int
    closes: bool
    """It says ``Connection: close``."""


def answers(received: bytes, methods: Sequence[str] = ()) -> list[Answer]:
    """Return the final responses in all that a server has sent.

    Args:
        received: The bytes up to its end of the connection.
        methods: What was asked, one for each response; GET if there are more.

    Raises:
        ProtocolError: They are no responses, or the last one is not complete.
    """
    found: list[Answer] = []
    client = h11.Connection(h11.CLIENT)
    client.receive_data(received)
    client.receive_data(b"")
    while received and client.trailing_data[0]:
        # It insists on having asked.
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        client.send(h11.EndOfMessage())
        event = client.next_event()
        while not isinstance(event, h11.EndOfMessage):
            if isinstance(event, h11.Response):
                closes = (b"connection", b"close") in list(event.headers)
                found.append(Answer(event.status_code, closes))
            event = client.next_event()
        if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
            break
        client.start_next_cycle()
    if client.trailing_data[0]:
        raise ProtocolError("bytes behind the last response")
    return found


def requests(
    sent: bytes, empty: tuple[bytes, ...] = (b"\r\n", b"\n")
) -> tuple[list[Request], str]:
    """Return the complete requests in all that a client has sent, and what follows.

    Lines that begin so are nothing in front of a request; an empty one, at least (RFC
    9112, section 2.2), of which h11 knows nothing.

    The latter is "end", "more" if a request is not complete, "close" if its connection
    ends with the last one, or why h11 refuses it.
    """
    found: list[Request] = []
    while True:
        while sent.startswith(empty):
            sent = sent.partition(b"\n")[2]
        server = h11.Connection(h11.SERVER)
        server.receive_data(sent)
        try:
            request = _next_request(server)
        except ProtocolError as error:
            return found, str(error)
        if request is None:
            return found, "more" if sent else "end"
        found.append(request)
        if server.their_state is not h11.DONE:
            return found, "close"  # or it asks for another protocol
        sent = server.trailing_data[0]


def _next_request(server: h11.Connection) -> Request | None:
    """Return the request that the bytes begin with, None if it is not complete."""
    event = server.next_event()
    if not isinstance(event, h11.Request):
        return None
    head, body = event, b""
    while not isinstance(event, h11.EndOfMessage):
        event = server.next_event()
        if isinstance(event, h11.Data):
            body += event.data
        elif event is h11.NEED_DATA or event is h11.PAUSED:
            return None
    return _request(head, body)


def _request(head: h11.Request, body: bytes) -> Request:
    return Request(
        head.method.decode("latin-1"),
        head.target.decode("latin-1"),
        tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers),
        body,
    )
