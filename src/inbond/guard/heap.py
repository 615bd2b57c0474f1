"""The memory of the process that serves: what stays in it, and what goes back to the machine."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

_MMAP_THRESHOLD: Final = -3
"""M_MMAP_THRESHOLD of glibc's malloc.h."""
_LARGE: Final = 256 * 1_024


def settle() -> None:
    """What is there now stays: the collector need not walk it, all callers and all code, over and over while
    requests wait (tens of milliseconds each time)."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """What folding a window takes for a second goes back to the machine after it: left to itself, glibc comes
    to keep large blocks. Without glibc nothing is done."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
