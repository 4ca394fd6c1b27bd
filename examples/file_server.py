# SPDX-License-Identifier: MIT
"""Serve a folder: clients may go on with a download, and seek in a video.

Try it::

    python examples/file_server.py 8080 .
    curl -o part -r 0-99 http://127.0.0.1:8080/README.md
    curl -o part -C - http://127.0.0.1:8080/README.md

The kernel sends the files; a browser that plays one asks for its parts.
"""

import sys

import pymhd


def main() -> None:
    """Serve on the port, and the folder, that the arguments name."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    folder = sys.argv[2] if len(sys.argv) > 2 else "."
    handler = pymhd.files.Directory(folder)
    with pymhd.Daemon(handler, port=port) as daemon:
        print(daemon.url, flush=True)
        daemon.wait()


if __name__ == "__main__":
    main()
