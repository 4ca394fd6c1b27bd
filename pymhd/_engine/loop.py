# SPDX-License-Identifier: MIT
"""What a daemon with ``threads="external"`` has for the loop that runs it."""

import threading

from pymhd._engine.external import External
from pymhd._engine.latch import clamped
from pymhd.errors import StateError

__all__ = ["Loop"]


class Loop:
    """The methods of ``Daemon`` for the application's event loop."""

    # The timeout of a stop() that was called inside run(): run() stops when it returns.
    _stop_after_run: float | None = None

    def _external(self) -> External | None:
        """Return what is to be run, None after stop(); else it is a StateError."""
        raise NotImplementedError

    def stop(self, timeout: float = 5.0) -> None:
        """See ``Daemon``."""
        raise NotImplementedError

    def run(self, timeout: float | None = 0.0) -> bool:
        """Deal with what is ready; with ``threads="external"`` only.

        Handlers and protocols run inside, on the calling thread; a KeyboardInterrupt
        or SystemExit of theirs is raised here. It waits for something to do, and may
        return before. If a signal handler raises meanwhile, in none of them, requests
        may be answered 503, and the connections of protocols aborted. Any other
        exception here means that the daemon has failed: it serves no more.

        Args:
            timeout: Seconds to wait at most; None: without a limit.

        Returns:
            False once :meth:`stop` has been called: then it is not to be called again.

        Raises:
            TypeError, ValueError: The timeout is no number of seconds.
            DaemonError: It has failed before.
            StateError: It has not been started, is run by threads, or another call of
                run() is under way.

        Wraps ``MHD_run``; with ``polling="select"`` ``MHD_run_from_select``.
        """
        seconds = clamped(threading.TIMEOUT_MAX if timeout is None else timeout)
        external = self._external()
        going = external is not None and external.run(seconds)
        if self._stop_after_run is not None:
            seconds, self._stop_after_run = self._stop_after_run, None
            self.stop(seconds)
            return False
        return going

    def timeout(self) -> float | None:
        """Return in how many seconds :meth:`run` is to be called at the latest.

        It is to be asked after each call of run(). None: there is no need until
        something happens.

        Raises:
            StateError: It has not been started, or is run by threads.

        Wraps ``MHD_get_timeout``.
        """
        external = self._external()
        return 0.0 if external is None else external.timeout()

    def fileno(self) -> int:
        """Return the descriptor that is readable when :meth:`run` has something to do.

        It is libmicrohttpd's and ours: to be watched, level-triggered, and no more.
        :meth:`stop` closes it, and no loop hears of that: if another thread than the
        loop's calls stop(), the program must wake the loop by itself.

        Raises:
            StateError: It does not run, is run by threads, or has ``polling="select"``,
                where :meth:`fdset` tells what to watch.

        Wraps ``MHD_DAEMON_INFO_EPOLL_FD``.
        """
        external = self._external()
        if external is None:
            raise StateError("this daemon has been stopped: nothing is to be watched")
        return external.fileno()

    def fdset(self) -> tuple[list[int], list[int], list[int]]:
        """Return the descriptors to watch, as :func:`select.select` takes them.

        They change with every call of :meth:`run`. All of them are below 1024.

        Returns:
            Those to be readable, to be writable, and with exceptions.

        Raises:
            StateError: It does not run, is run by threads, has another ``polling`` than
                ``"select"``, or run() is under way.

        Wraps ``MHD_get_fdset``.
        """
        external = self._external()
        if external is None:
            raise StateError("this daemon has been stopped: nothing is to be watched")
        return external.fdset()
