# SPDX-License-Identifier: MIT
"""The daemon: its options, its start, and its end.

``stop()`` always returns, and the state moves only forward: new, running, stopping,
stopped; or failed, when a thread of its own has met an exception.
"""

import enum
import errno
import logging
import math
import os
import socket
import threading
import time
from typing import Literal, Self, cast, final

from pymhd._dispatcher import Dispatcher
from pymhd._engine import callbacks, running
from pymhd._engine.driver import Driver, OwnThreads, Settings
from pymhd._engine.endpoint import DEFAULT_HOST, Endpoint
from pymhd._engine.external import External
from pymhd._engine.green import check_threads
from pymhd._engine.latch import Claim, Latch, clamped
from pymhd._engine.loop import Loop
from pymhd._engine.modes import choose
from pymhd._engine.quota import Quota
from pymhd._engine.signals import Interrupted, interrupting_signals
from pymhd._lock import RLock
from pymhd._native import logs
from pymhd._native.library import lib
from pymhd._upgrade_threads import UpgradeThreads
from pymhd.errors import CallError, DaemonError, StartError, StateError
from pymhd.handler import Handler, check_handler
from pymhd.limits import Limits, default_connections
from pymhd.tls import TLS

__all__ = ["Daemon", "Polling", "Threads"]

Threads = int | Literal["per-connection", "external"]
"""Who serves the connections: see :class:`Daemon`."""

Polling = Literal["select", "poll", "epoll", "auto"]
"""How threads of libmicrohttpd's own wait: see :class:`Daemon`."""

assert callbacks  # imported for the functions that it registers

_STACK_BYTES = 8 << 20
# Descriptors of an upgraded connection: libmicrohttpd's and our duplicate; over TLS
# each of them has a socket pair instead.
_DESCRIPTORS = 2
_DESCRIPTORS_OVER_TLS = 5
# How long stop() may go on beyond its timeout where something is stuck.
_STOP_MARGIN_SECONDS = 0.5


class _State(enum.Enum):
    NEW = "has not been started"
    RUNNING = "is running"
    STOPPING = "is being stopped"
    STOPPED = "has been stopped"
    FAILED = "has failed"


@final
class Daemon(Loop):
    """An HTTP server.

    It is a context manager: ``with`` starts it, unless it runs already, and stops it.
    A running daemon keeps itself alive until :meth:`stop` or the interpreter's exit.

    Args:
        handler: Called with a :class:`Request` for each request, complete with its
            body; returns a :class:`Response`. It runs on the thread that serves the
            connection, where others wait for it: with ``threads=1`` it must not block.
        host: The address to listen on, or a name: then it is all that it has, with
            the same port, but for those that this machine does not have. None for
            every address, IPv4 and IPv6.
        port: 0 for any that is free; :attr:`port` tells which.
        unix: The path of a UNIX socket to listen on instead of a host and a port. One
            that nobody listens on is replaced; it is removed at the end.
        sock: A socket, or its descriptor, that listens already. It is duplicated, and
            stays the caller's to close, but does not block any more.
        reuse_port: Share the port with other daemons of the same user that do so, in
            any process: the kernel divides new connections among them
            (``SO_REUSEPORT``).
        threads: 1; a number of threads to serve the connections; or
            ``"per-connection"``, a thread for each; or ``"external"``, none: the
            application's event loop calls :meth:`run`. A free-threaded CPython without
            its GIL is refused every thread that libmicrohttpd starts:
            ``"per-connection"``, and, but for TLS, a number with ``polling``.
        polling: None: Python's threads run libmicrohttpd, except with
            ``"per-connection"``. ``"select"``, ``"poll"``, ``"epoll"`` or ``"auto"``:
            libmicrohttpd has threads of its own that wait in this way, as many as
            ``threads`` says; ``"per-connection"`` has no ``"epoll"``, and
            ``"external"`` no ``"poll"``. With ``"select"`` there is no connection
            whose descriptor is 1024 or more. With ``"epoll"`` and ``"auto"`` a thread
            of libmicrohttpd's that finds exactly 128 connections ready waits for one
            more event before it serves them.
        tls: A :class:`TLS`, for HTTPS. Then libmicrohttpd has threads of its own with
            ``"per-connection"`` alone; else Python's wait by epoll, or by ``"select"``.
        limits: What clients are granted.

    Raises:
        TypeError, ValueError: An argument cannot be used.
        NotSupportedError: It cannot be used on this CPython, which has no GIL.

    Wraps ``MHD_start_daemon``.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        host: str | None = DEFAULT_HOST,
        port: int = 0,
        unix: "str | os.PathLike[str] | None" = None,
        sock: socket.socket | int | None = None,
        reuse_port: bool = False,
        threads: Threads = 1,
        polling: Polling | None = None,
        tls: TLS | None = None,
        limits: Limits | None = None,
    ) -> None:
        check_handler(handler)
        if tls is not None and not isinstance(tls, TLS):
            raise TypeError(f"tls must be a pymhd.TLS, not {tls!r}")
        self._mode = choose(threads, polling, tls is not None)
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be a pymhd.Limits, not {limits!r}")
        self._handler = handler
        self._tls = tls
        scheme = "https" if tls else "http"
        self._endpoint = Endpoint(host, port, unix, sock, reuse_port, scheme)
        self._limits = limits or Limits()
        # One start() at a time; reentrant, because a signal handler may call stop()
        # while the same thread is in here. It is held while libmicrohttpd is called:
        # no callback takes it.
        self._lock = RLock()
        self._state = _State.NEW
        self._starting = False
        self._stopper = Claim()
        self._stopped = Latch()  # stop() is through
        self._over = Latch()  # wait() has nothing to wait for any more
        # What has ended one of the drivers, the first of these alone.
        self._failure: dict[str, BaseException] = {}
        self._drivers: list[Driver] = []
        self._upgrade_threads = UpgradeThreads()
        self._quota = Quota(self._limits.upgraded)

    # --- start ---

    def start(self) -> None:
        """Begin to listen and to serve; if it runs already, nothing happens.

        If it raises, nothing is left behind, and it may be called again.

        Raises:
            StartError: It could not listen, or libmicrohttpd could not start.
            StateError: It has been stopped, or has failed: make another one.
            NotSupportedError: gevent or eventlet has put its own threads in the place
                of the system's.
        """
        check_threads()
        with self._lock:
            if self._state is _State.RUNNING:
                return
            if self._state is not _State.NEW or self._starting:
                state = "is being started" if self._starting else self._state.value
                raise StateError(
                    f"this daemon {state} and cannot start again: make another one"
                )
            try:
                self._begin()
            except CallError as error:
                self._give_up_start()
                raise StartError(errno.ENOMEM, str(error)) from None
            except BaseException:
                self._give_up_start()
                raise

    def _begin(self) -> None:
        self._starting = True
        running.began(self, self._forked)
        logs.start(self)
        sockets = self._endpoint.listen()
        for connections in self._shares():
            # Known to _give_up_start() before it has acquired anything.
            driver = self._make_driver(sockets, connections)
            self._drivers.append(driver)
            driver.open()
        for driver in self._drivers:
            driver.begin()
        if self._state is not _State.NEW:  # stopped by a signal handler meanwhile
            self._give_up_start()
            return
        self._state = _State.RUNNING
        self._starting = False
        if self._failure:  # before it was running
            self._state = _State.FAILED

    def _give_up_start(self) -> None:
        """Release everything; once more does no harm."""
        if self._state is _State.RUNNING:
            self._state = _State.NEW
        for driver in self._drivers:
            driver.abort()
        self._drivers.clear()
        self._failure.clear()
        self._endpoint.close()
        running.ended(self)
        logs.stop(self)
        self._starting = False

    def _shares(self) -> list[int]:
        """Divide the connections among the drivers: as many, or fewer, as threads."""
        connections = self._limits.connections or default_connections(
            _DESCRIPTORS_OVER_TLS if self._tls else _DESCRIPTORS,
            bool(self._mode.flags & lib.MHD_USE_THREAD_PER_CONNECTION),
        )
        count = min(self._mode.drivers, connections)
        return [(connections + number) // count for number in range(count)]

    def _make_driver(self, sockets: list[socket.socket], connections: int) -> Driver:
        limits = self._limits
        mode = self._mode
        log = logs.report_later if mode.driver is OwnThreads else logs.report
        dispatcher = Dispatcher(
            self._handler,
            self._upgrade_threads,
            log,
            self._quota.report,
            limits.idle_timeout,
        )
        settings = Settings(
            listen_fds=[sock.fileno() for sock in sockets],
            flags=mode.flags,
            pool=min(mode.pool, connections),
            connections=connections,
            connections_per_ip=limits.connections_per_ip,
            timeout_seconds=math.ceil(limits.timeout),
            header_ms=math.ceil(limits.header_timeout * 1000),
            body_ms=math.ceil(limits.body_timeout * 1000),
            body_rate=limits.body_rate,
            memory=limits.memory,
            stack=_STACK_BYTES,
            body=limits.body,
            output=limits.output,
            close_ms=math.ceil(limits.close_timeout * 1000),
            quota=self._quota.counts,
            tls=self._tls,
        )
        return mode.driver(dispatcher, settings, self._fail)

    def _external(self) -> External | None:
        if self._mode.driver is not External:
            raise StateError(
                "this daemon has threads of its own: only with "
                'threads="external" the application runs it'
            )
        if self._state is _State.NEW:
            raise StateError(f"this daemon {self._state.value}: start() it before")
        self._check_failure()
        if self._state is not _State.RUNNING:
            return None
        return cast("External", self._drivers[0])

    # --- what it is ---

    @property
    def is_running(self) -> bool:
        """True from :meth:`start` until :meth:`stop`, or until it has failed."""
        return self._state is _State.RUNNING

    @property
    def port(self) -> int:
        """The TCP port that it listens on.

        Raises:
            StateError: It has not been started, or listens on a UNIX socket.
        """
        return self._endpoint.port

    @property
    def url(self) -> str:
        """Where it is reached: ``https://127.0.0.1:8080``, ``unix:///run/my.sock``.

        Raises:
            StateError: It has not been started.
        """
        return self._endpoint.url

    @property
    def connections(self) -> int:
        """How many connections are open, upgraded ones included."""
        return sum(driver.connections for driver in self._drivers)

    @property
    def upgraded(self) -> int:
        """How many upgraded connections are open."""
        return sum(driver.upgraded for driver in self._drivers)

    def __repr__(self) -> str:
        where = f" {self.url}" if self._endpoint.is_known else ""
        return f"<pymhd.Daemon{where}, {self._state.value}>"

    # --- end ---

    def quiesce(self) -> None:
        """Stop listening, and go on serving the connections that there are.

        Raises:
            StateError: It is not running.

        Wraps ``MHD_quiesce_daemon``.
        """
        if self._state is not _State.RUNNING:
            raise StateError(f"this daemon {self._state.value}")
        for driver in self._drivers:
            driver.quiesce()
        self._endpoint.end()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop in order; it always returns, at most a second after the timeout.

        It stops listening, answers new requests with 503, wakes the sessions of
        upgraded connections with an end of input, and waits for requests and sessions
        to end. What has not ended within the timeout is cut and named in the log. If
        the caller serves an upgraded connection, that one is closed first. Further
        calls wait for the first one; before :meth:`start` there is nothing to do.

        With ``threads="external"`` it does what :meth:`run` would on the calling
        thread, and answers 503 where a handler has not been called yet. Upgraded
        connections that this very thread serves cannot say goodbye meanwhile: call it
        on another one, or with a timeout of 0. Called inside run(), by a handler or a
        signal's, it is put off until run() is through.

        Args:
            timeout: Seconds to wait for what is under way.

        Raises:
            TypeError, ValueError: The timeout is no number of seconds.
            StateError: Called from a handler, which it would wait for (not with
                ``threads="external"``).

        Wraps ``MHD_stop_daemon``.
        """
        seconds = clamped(timeout)
        if any(driver.runs_here() for driver in self._drivers):
            self._put_off(seconds)
            return
        deadline = time.monotonic() + seconds
        self._upgrade_threads.close_own()
        with self._lock:
            if self._state is _State.NEW:
                self._end(_State.STOPPED)
                return
        try:
            if self._stopper.take():
                if not self._stopped.is_open:
                    self._stop(deadline)
            else:
                self._stopped.wait(max(0.0, deadline - time.monotonic()))
        except BaseException:
            # Raised by a signal handler, often for a second Ctrl-C: end at once.
            if self._stopper.is_own:
                self._stop(time.monotonic())
            raise

    def _put_off(self, seconds: float) -> None:
        for driver in self._drivers:
            if isinstance(driver, External):
                self._stop_after_run = seconds
                driver.leave()
                return
        raise StateError(
            "stop() was called from a handler and would wait for itself: call it from "
            "another thread, or let wait() return"
        )

    def _stop(self, deadline: float) -> None:
        """Stop; once more does no harm."""
        if self._state is _State.RUNNING:
            self._state = _State.STOPPING
        for driver in self._drivers:
            driver.begin_stop(deadline)
        # Now, since what is under way may take all the time there is.
        self._endpoint.close()
        margin = deadline + _STOP_MARGIN_SECONDS
        stuck = sum(not driver.join(margin) for driver in self._drivers)
        sessions = self._upgrade_threads.join(margin)
        self._report(stuck, sessions)
        self._end(_State.FAILED if self._failure else _State.STOPPED)

    def _end(self, state: _State) -> None:
        """Be through; once more does no harm."""
        self._endpoint.close()
        self._state = state
        running.ended(self)
        self._over.open()
        self._stopped.open()
        logs.stop(self)

    def _fail(self, error: BaseException) -> None:
        """End everything, since one of the drivers has ended: on its thread."""
        self._failure.setdefault("first", error)
        if self._state is _State.RUNNING:
            self._state = _State.FAILED
        try:
            for driver in self._drivers:
                driver.begin_stop(time.monotonic())
        finally:
            self._endpoint.close()
            try:  # only now, since a log handler of the program's may hang
                message = f"{self!r}: a thread of its own failed; it serves no more"
                logs.log(logging.CRITICAL, message, error)
            finally:
                self._over.open()

    def _report(self, stuck: int, sessions: list[str]) -> None:
        if stuck:
            logs.log(
                logging.WARNING,
                f"stop(): {stuck} of {len(self._drivers)} threads that serve "
                f"connections did not end in time: a handler blocks, "
                f"{logs.name_of(self._handler)}(); libmicrohttpd is stopped when it "
                "returns",
            )
        if sessions:
            logs.log(
                logging.WARNING,
                f"stop(): {len(sessions)} upgraded connections were cut, because "
                f"{', '.join(f'{name}()' for name in sorted(set(sessions)))} did not "
                "return in time",
            )

    def _forked(self) -> None:
        """In a fork's child: this daemon is the parent's."""
        self._lock = RLock()
        self._starting = False
        self._failure.clear()
        self._state = _State.STOPPED
        self._stopped, self._over = Latch(), Latch()
        self._stopped.open()
        self._over.open()
        self._endpoint.forget()

    # --- wait ---

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until :meth:`stop`; in the main thread also until SIGINT or SIGTERM.

        A signal for which the program has a handler of its own is left to that. The
        daemon still runs when a signal has ended the wait: ``with`` stops it then.

        Args:
            timeout: Seconds to wait; None for ever.

        Returns:
            False if the timeout passed.

        Raises:
            DaemonError: It has failed: a thread of its own has met an exception,
                as where memory is short.
            StateError: It has not been started, or has ``threads="external"``.
        """
        if self._state is _State.NEW:
            raise StateError(f"this daemon {self._state.value}: start() it before")
        if self._mode.driver is External:
            raise StateError('with threads="external" run() does it: call that instead')
        timeout = None if timeout is None else clamped(timeout)
        if not self._wait(timeout):
            return False
        self._check_failure()
        return True

    def _wait(self, timeout: float | None) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return self._over.wait(timeout)
        try:
            with interrupting_signals():
                return self._over.wait(timeout)
        except Interrupted:
            return True

    def _check_failure(self) -> None:
        """Raise DaemonError if it has failed."""
        if failure := self._failure.get("first"):
            raise DaemonError(f"this daemon has failed: {failure!r}") from failure

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
