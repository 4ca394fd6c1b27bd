# SPDX-License-Identifier: MIT
"""Something happens between two instructions of pymhd's, at one place after the other.

The places are those where the interpreter may run a signal handler: as the last thing
that a call does, and behind a jump back.
"""

import contextlib
import dis
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pymhd

_OURS = os.path.dirname(pymhd.__file__) + os.sep
# Behind these the interpreter looks whether there is something to handle.
_LOOKS = {
    number
    for number, name in enumerate(dis.opname)
    if name.startswith(("CALL", "RESUME", "JUMP_BACKWARD"))
}


class Struck(BaseException):
    """What strikes, unless a test says otherwise."""


def _raise() -> None:
    raise Struck


class Striker:
    """Strikes at the n-th place, once."""

    def __init__(self, n: int, strike: Callable[[], None] = _raise) -> None:
        self.left = n
        self._strike = strike
        self._looks: dict[FrameType, bool] = {}

    @contextlib.contextmanager
    def over(self) -> Iterator[None]:
        """Strike somewhere in what this thread does meanwhile."""
        # CPython 3.12 follows instructions only if a frame has asked for it before.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._begin)
        sys.setprofile(self._profile)
        try:
            yield
        except Struck:
            pass
        finally:
            self._end()

    @property
    def has_struck(self) -> bool:
        """True unless there were fewer places."""
        return self.left <= 0

    def _begin(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace = self._trace  # from CPython 3.13 on, only then does this count:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._trace

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event != "opcode":
            return self._trace
        before = self._looks.get(frame)
        self._looks[frame] = frame.f_code.co_code[frame.f_lasti] in _LOOKS
        if before:
            self._count()
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        # What is raised here belongs to the call, not to what is behind it: as of a
        # signal handler, which CPython runs as the last thing that a call of C does.
        if event == "c_return" and frame.f_code.co_filename.startswith(_OURS):
            self._looks[frame] = False
            self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._end()
            self._strike()

    def _end(self) -> None:
        sys.setprofile(None)
        sys.settrace(None)
        self._looks.clear()
