# SPDX-License-Identifier: MIT
"""The callables that serve upgraded connections, and the threads that they run in."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable

from pymhd._native import logs
from pymhd._native.process import end_in_child
from pymhd.upgrade import Upgraded

__all__ = ["Target", "UpgradeThreads"]

Target = Callable[[Upgraded], object]

_numbers = itertools.count(1)


class UpgradeThreads:
    """The session threads of one daemon."""

    def __init__(self) -> None:
        # Added to by the thread that runs libmicrohttpd, removed from by each thread
        # itself: single operations, which need no lock.
        self._threads: dict[threading.Thread, tuple[Target, Upgraded]] = {}
        # Those that have called stop(), which does not wait for them.
        self._stoppers: set[int] = set()

    def begin(self, target: Target, stream: Upgraded) -> None:
        """Call the target in a thread of its own; then the stream is closed.

        Raises:
            RuntimeError: There are no more threads to be had.
        """
        thread = threading.Thread(
            target=self._serve,
            args=(target, stream),
            name=f"pymhd-session-{next(_numbers)}",
            daemon=True,
        )
        self._threads[thread] = (target, stream)
        try:
            thread.start()
        except BaseException:
            del self._threads[thread]
            raise

    def _serve(self, target: Target, stream: Upgraded) -> None:
        process = os.getpid()
        try:
            target(stream)
        except BaseException as error:
            # An end by the peer or by stop() is no mistake of the target's.
            if stream._has_raised(error):
                logs.log(
                    logging.INFO,
                    f"an upgraded connection ended: {logs.describe(error)}",
                )
            else:
                logs.report(
                    f"{logs.name_of(target)}() failed; its connection is closed", error
                )
            stream.close()  # even if the target has detached it
        finally:
            stream._close_unless_detached()
            end_in_child(process)
            del self._threads[threading.current_thread()]

    def close_own(self) -> None:
        """Close the session that the calling thread serves, if it serves one."""
        own = threading.get_ident()
        for thread, (_, stream) in list(self._threads.items()):
            if thread.ident == own:
                self._stoppers.add(own)
                stream.close()

    def join(self, deadline: float) -> list[str]:
        """Wait for the threads until a time of ``time.monotonic()``.

        Those that called stop() themselves are not waited for: they wait, too.

        Returns:
            The names of the callables that have not returned.
        """
        late = []
        for thread, (target, _) in list(self._threads.items()):
            if thread.ident not in self._stoppers:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    late.append(logs.name_of(target))
        return late
