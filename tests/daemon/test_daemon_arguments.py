# SPDX-License-Identifier: MIT
"""The arguments of ``Daemon``: what is refused where it is given."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from live import Serve, hello
from messages import ask

import pymhd


async def coroutine(request: pymhd.Request) -> pymhd.Response:
    """Would have to be awaited."""
    return pymhd.Response()


class AsyncCallable:
    """Would have to be awaited, too."""

    async def __call__(self, request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response()


@pytest.mark.parametrize(
    "handler",
    [
        None,
        1,
        "hello",
        pymhd.Response(),
        coroutine,
        AsyncCallable(),
        functools.partial(coroutine),
    ],
)
def test_a_handler_must_be_callable_and_no_coroutine(handler: Any) -> None:
    """It is refused where it is given."""
    with pytest.raises(TypeError, match=r"must be callable|coroutine function"):
        pymhd.Daemon(handler)


class Callable_:
    """A handler that is an object."""

    def __call__(self, request: pymhd.Request) -> pymhd.Response:
        return pymhd.Response(b"hello")

    def method(self, request: pymhd.Request) -> pymhd.Response:
        """Do as a call does."""
        return self(request)


@pytest.mark.parametrize(
    "handler", [Callable_(), Callable_().method, functools.partial(hello)]
)
def test_a_handler_may_be_any_callable(
    serve: Serve, handler: Callable[[pymhd.Request], pymhd.Response]
) -> None:
    """An object, a method, a partial."""
    assert ask(serve(handler)).endswith(b"hello")


@pytest.mark.parametrize(
    "options",
    [
        {"host": 5},
        {"host": b"127.0.0.1"},
        {"port": "80"},
        {"port": 80.0},
        {"port": True},
        {"port": None},
        {"unix": 5},
        {"unix": b"/tmp/socket"},
        {"sock": "socket"},
        {"sock": True},
        {"sock": 1.0},
        {"threads": None},
        {"threads": "many"},
        {"threads": 1.0},
        {"threads": True},
        {"threads": [1]},
        {"limits": {}},
        {"limits": 5},
        {"limits": pymhd.Limits},
        {"no_such_option": 1},
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(options: dict[str, Any]) -> None:
    """By the constructor, before anything is opened."""
    with pytest.raises(TypeError, match=r"must be|expected"):
        pymhd.Daemon(hello, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"host": ""},
        {"port": -1},
        {"port": 65536},
        {"port": 2**64},
        {"unix": ""},
        {"unix": "/tmp/a\0b"},
        {"unix": "\0"},
        {"threads": 0},
        {"threads": -1},
        {"unix": "/tmp/socket", "sock": 0},
        {"unix": "/tmp/socket", "port": 80},
        {"unix": "/tmp/socket", "host": "localhost"},
        {"unix": "/tmp/socket", "host": None},
        {"sock": 0, "port": 80},
        {"sock": 0, "host": "::1"},
    ],
)
def test_an_argument_out_of_range_is_refused(options: dict[str, Any]) -> None:
    """By the constructor, before anything is opened."""
    name = next(iter(options))
    with pytest.raises(ValueError, match=name):
        pymhd.Daemon(hello, **options)


def test_everything_but_the_handler_is_given_by_name() -> None:
    """Nobody remembers an order of seven."""
    daemon: Any = pymhd.Daemon
    with pytest.raises(TypeError, match="positional"):
        daemon(hello, "127.0.0.1", 0)
