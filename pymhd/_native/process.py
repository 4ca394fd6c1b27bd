# SPDX-License-Identifier: MIT
"""The process, and the children that it forks."""

import os

__all__ = ["end_in_child"]


def end_in_child(parent: int) -> None:
    """End a fork's child in which a thread of ours would return.

    What it would go on with is the parent's. If the thread just ended, and is the
    last one, that would be an exit(), which runs what other libraries in C have left
    for the parent's exit.

    Args:
        parent: The process in which the thread began.
    """
    if os.getpid() != parent:
        os._exit(0)
