# SPDX-License-Identifier: MIT
"""Switch to a protocol of your own: here, all bytes come back.

Try it::

    python examples/echo.py 8080
    python -m pymhd connect http://127.0.0.1:8080/ --protocol echo
"""

import sys

import pymhd


def echo(stream: pymhd.Upgraded) -> None:
    """Send back what comes, in a thread of its own."""
    while data := stream.recv(65536):
        stream.sendall(data)


switch = pymhd.Response.for_upgrade(echo, "echo")
switch.add_header("X-Greeting", "hi")


def handler(request: pymhd.Request) -> pymhd.Response:
    """Switch if the client asks for it; one response serves any number of them."""
    if not request.wants_upgrade("echo"):
        return pymhd.Response(
            "Upgrade to echo\n", status=426, headers={"Upgrade": "echo"}
        )
    return switch


def main() -> None:
    """Serve on the port that the first argument names."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with pymhd.Daemon(handler, port=port) as daemon:
        print(daemon.url, flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
