# SPDX-License-Identifier: MIT
"""``python -m pymhd serve``: a handler in worker processes on one port."""

import argparse
import contextlib
import importlib
import signal
import socket
import sys
import threading
import traceback
from types import FrameType
from typing import Any, Literal

import pymhd
from pymhd._cli.workers import READY, Supervisor, WorkerError
from pymhd._engine.endpoint import reserve

__all__ = ["add_arguments", "run"]

_ENDING = (signal.SIGINT, signal.SIGTERM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    parser.add_argument("target", help="the handler: module:name, as in app:handler")
    parser.add_argument("--host", default="127.0.0.1", help="an address (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="8080; 0: any")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes (1)"
    )
    parser.add_argument(
        "--threads",
        default="1",
        metavar="N",
        help='threads in each of them (1), or "per-connection"',
    )
    parser.add_argument("--cert", metavar="PATH", help="serve HTTPS: a PEM file")
    parser.add_argument("--key", metavar="PATH", help="its private key")
    # A worker: the descriptor of its channel to the supervisor.
    parser.add_argument("--channel", type=int, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Supervise, or be a worker; return the exit status."""
    if options.channel is not None:
        return _work(options)
    try:
        return _supervise(options)
    except (pymhd.StartError, WorkerError, ValueError) as error:
        print(f"pymhd serve: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    """Return why it failed, without StartError's number in front."""
    return str(error.strerror if isinstance(error, pymhd.StartError) else error)


def _threads(text: str) -> int | Literal["per-connection"]:
    if text == "per-connection":
        return "per-connection"
    if not text.isdecimal():
        raise ValueError(f"--threads must be a number or per-connection, not {text!r}")
    return int(text)


# --- the supervisor's side ---


def _supervise(options: argparse.Namespace) -> int:
    if options.workers < 1:
        raise ValueError(f"--workers must be at least 1, not {options.workers}")
    _threads(options.threads)
    if bool(options.cert) != bool(options.key):
        raise ValueError("--cert and --key go together")
    with reserve(options.host, options.port) as port:
        command = [
            *(sys.executable, *["-P"] * sys.flags.safe_path, "-m", "pymhd", "serve"),
            *(options.target, "--host", options.host, "--port", str(port)),
            *("--threads", options.threads),
            *(["--cert", options.cert] if options.cert else []),
            *(["--key", options.key] if options.key else []),
        ]
        scheme = "https" if options.cert else "http"
        supervisor = Supervisor(command, options.workers)
        host = f"[{options.host}]" if ":" in options.host else options.host
        return supervisor.run(
            f"pymhd serves {options.target} on {scheme}://{host}:{port} "
            f"with {options.workers} worker{'s' * (options.workers > 1)}; "
            "Ctrl-C stops it"
        )


# --- a worker's side ---


class _CannotServeError(Exception):
    """The text says why, in one sentence."""


_REASONS = (_CannotServeError, pymhd.MHDError, OSError, TypeError, ValueError)


def _work(options: argparse.Namespace) -> int:
    """Serve until the channel ends: the supervisor closed it, or is no more."""
    channel = socket.socket(fileno=options.channel)
    channel.set_inheritable(False)  # the handler may start programs
    for number in _ENDING:
        signal.signal(number, _leave)
    # It breaks if the supervisor ends before we are ready.
    with channel, contextlib.suppress(ConnectionError):
        try:
            daemon = _daemon(options)
            daemon.start()
        except _REASONS as error:
            channel.sendall(_sentence(error).encode())
            return 1
        with daemon:
            channel.sendall(READY)
            threading.Thread(
                target=_stop_at_end_of, args=(channel, daemon), daemon=True
            ).start()
            try:
                daemon.wait()
            except pymhd.DaemonError:
                return 1  # which is logged; the supervisor starts another one
    return 0


def _stop_at_end_of(channel: socket.socket, daemon: pymhd.Daemon) -> None:
    with contextlib.suppress(OSError):
        while channel.recv(1):
            pass
    daemon.stop()


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _leave(number: int, frame: FrameType | None) -> None:
    for each in _ENDING:  # the end must not be cut by the next one
        signal.signal(each, _ignore)
    raise SystemExit(0)


def _daemon(options: argparse.Namespace) -> pymhd.Daemon:
    return pymhd.Daemon(
        _load(options.target),
        host=options.host,
        port=options.port,
        reuse_port=True,
        threads=_threads(options.threads),
        tls=pymhd.TLS(options.cert, options.key) if options.cert else None,
    )


def _load(target: str) -> Any:
    """Import a handler.

    Raises:
        _CannotServeError: There is none.
    """
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise _CannotServeError(f"{target!r} is not of the form module:name")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f" ({last.filename}, line {last.lineno})"
        raise _CannotServeError(
            f"cannot import {module}: {type(error).__name__}: {error}"
            f"{'' if isinstance(error, ModuleNotFoundError) else where}"
        ) from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise _CannotServeError(f"{module} has no {name}") from None
    return found
