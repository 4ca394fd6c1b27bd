# SPDX-License-Identifier: MIT
"""Answers that come again, which csrc knows by their bytes: nobody gets another's."""

import contextlib
import http.client
import random
from collections.abc import Iterable

from live import MIB, TIMEOUT, Serve

import pymhd

Answer = tuple[int, bytes, dict[str, str]]


def check_each(serve: Serve, answers: Iterable[Answer], times: int) -> None:
    """Ask for each of them so often, in a random order, each time newly made."""
    known = list(answers)

    def handler(request: pymhd.Request) -> pymhd.Response:
        status, body, headers = known[int(request.path[1:])]
        return pymhd.Response(body, status, headers)

    asked = list(range(len(known))) * times
    random.Random(1).shuffle(asked)
    daemon = serve(handler)
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT)
    with contextlib.closing(client):
        for number in asked:
            status, body, headers = known[number]
            client.request("GET", f"/{number}")
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (status, body)
            others = ("Date", "Content-Length", "Connection")
            fields = {n: v for n, v in answer.getheaders() if n not in others}
            assert fields == headers


def test_where_the_body_ends_is_part_of_an_answer(serve: Serve) -> None:
    """csrc is given the body and then the fields: these have the same bytes."""
    check_each(
        serve,
        [
            (200, b"A\0b\0", {}),
            (200, b"", {"A": "b"}),
            (200, b"A\0b\0", {"A": "b"}),
            (200, b"A\0b\0A\0b\0", {}),
            (200, b"", {"A": "b", "C": "d"}),
            (200, b"A\0b\0", {"C": "d"}),
        ],
        6,
    )


def test_the_status_is_part_of_an_answer(serve: Serve) -> None:
    """Also if they differ in nothing else."""
    check_each(serve, [(status, b"same", {}) for status in (200, 201, 404, 500)], 6)


def test_there_may_be_more_answers_than_are_kept(serve: Serve) -> None:
    """They take each other's places."""
    check_each(serve, [(200, b"%d" % n, {"N": str(n)}) for n in range(400)], 4)


def test_long_answers_differ_in_one_byte(serve: Serve) -> None:
    """Their digests do not look at every byte."""
    for size in (9, 300, 2000, 4000, 5000, MIB):
        spots = {0, size // 3, size // 2, size - 2, size - 1}
        bodies = [b"x" * spot + b"y" + b"x" * (size - spot - 1) for spot in spots]
        check_each(serve, [(200, body, {}) for body in bodies], 4)
