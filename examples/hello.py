# SPDX-License-Identifier: MIT
"""Answer with a greeting.

Try it::

    python examples/hello.py 8080
    curl 'http://127.0.0.1:8080/?name=you'
"""

import sys

import pymhd


def handler(request: pymhd.Request) -> pymhd.Response:
    """Greet whom the query names."""
    name = request.query.get("name", "world")
    return pymhd.Response(f"Hello, {name}\n")


def main() -> None:
    """Serve on the port that the first argument names."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with pymhd.Daemon(handler, port=port) as daemon:
        print(daemon.url, flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
