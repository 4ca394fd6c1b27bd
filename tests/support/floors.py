# SPDX-License-Identifier: MIT
"""The floors of the code, from the ground up: who may use whom.

A file uses its own folder and the floors below it. What a lower floor must tell a
higher one, it tells by a function pointer, a callable or an event that it was handed.
"""

Floors = tuple[tuple[str, ...], ...]

C_FLOORS: Floors = (
    # What Python sees: declarations alone.
    ("api",),
    # Slots, bytes, clock, wake-ups, the log: neither libmicrohttpd nor a daemon.
    ("base",),
    # The bytes of one connection.
    ("transport",),
    # One daemon of libmicrohttpd, and its clients.
    ("mhd",),
    # From the first line of a request to its completion.
    ("http",),
    # From the 101 to the end of the session.
    ("upgrade",),
    # Sessions that have protocols.
    ("hub",),
    # Who runs it all, and alone knows all of it.
    ("engine",),
)


# Of modules that lie right in pymhd each is by itself; a folder is one.
PYTHON_FLOORS: Floors = (
    # They need nothing of ours.
    ("errors", "headers", "_lock"),
    # All that knows C: the compiled module, its structures, the log.
    ("_native",),
    # What a daemon is given.
    ("limits", "tls"),
    # What a handler is given.
    ("request",),
    # Of an upgrade; of a stream; of a response's header and body.
    ("_switch", "_stream_io", "_blame"),
    ("_response_fields", "_cookies", "_bodies", "_conditions"),
    ("_response_header",),
    ("_stream",),
    ("upgrade",),
    # Upgraded connections that have protocols.
    ("_hub",),
    # What a handler gives back.
    ("protocol", "response"),
    ("handler", "files", "_upgrade_threads", "_batch"),
    # From a request to its handler and back.
    ("_dispatcher",),
    # Who runs libmicrohttpd.
    ("_engine",),
    ("daemon",),
    # The package, as it is imported.
    ("",),
    ("_cli",),
    ("__main__",),
)


def height(floors: Floors, folder: str) -> int:
    """Return the floor of a folder, 0 for the ground."""
    for number, folders in enumerate(floors):
        if folder in folders:
            return number
    raise LookupError(f"{folder!r} stands on no floor: see tests/support/floors.py")


def may_use(floors: Floors, user: str, used: str) -> bool:
    """Tell whether files of one folder may use those of another one."""
    return user == used or height(floors, used) < height(floors, user)
