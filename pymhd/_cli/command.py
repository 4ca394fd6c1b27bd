# SPDX-License-Identifier: MIT
"""How a shell starts ``python -m pymhd`` again: in any folder, by this very Python."""

import os
import shlex
import sys
from importlib.machinery import PathFinder

import _cffi_backend

import pymhd

__all__ = ["command"]


def command(*arguments: str) -> str:
    """Return a line for a shell, with everything quoted that needs it.

    Example:
        >>> command("connect", url)
        '/home/me/.venv/bin/python -m pymhd connect http://127.0.0.1:8080/'
    """
    words = [sys.executable or "python3", "-m", "pymhd", *arguments]
    if folders := _folders():
        words = ["env", f"PYTHONPATH={os.pathsep.join(folders)}", *words]
    return shlex.join(words)


def _folders() -> list[str]:
    """Return where that Python would not look by itself for what it needs."""
    package = os.path.dirname(os.path.abspath(pymhd.__file__))
    cffi = os.path.abspath(_cffi_backend.__file__)
    found = {"pymhd": os.path.dirname(package), "_cffi_backend": os.path.dirname(cffi)}
    return list(dict.fromkeys(found[name] for name in found if not _is_found(name)))


def _is_found(name: str) -> bool:
    """Tell whether a module is found without the working folder and PYTHONPATH."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    here = {os.path.abspath(folder) for folder in ["", *filter(None, given)]}
    path = [folder for folder in sys.path if os.path.abspath(folder) not in here]
    for finder in sys.meta_path:
        if finder is PathFinder:
            spec = PathFinder.find_spec(name, path)
        else:  # as that of an editable installation
            spec = finder.find_spec(name, None)
        if spec is not None:
            return True
    return False
