"""Whether work grows faster than what it is given: CPU time at one size beside that at another."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

_TIMES = 3
_LEAST_S = 0.01


def cpu_ratio(work: Callable[[int], object], size: int, times: int = 8) -> float:
    """How much longer ``work`` takes at ``times`` the size: about ``times`` where it is linear, its square
    where it is quadratic. Of several tries the shortest, without Python's collector, which looks at all that
    other tests left."""
    work(size // 10)
    return _seconds(work, size * times) / max(_seconds(work, size), _LEAST_S)


def _seconds(work: Callable[[int], object], size: int) -> float:
    found = []
    collects = gc.isenabled()
    for _ in range(_TIMES):
        gc.disable()
        began = time.process_time()
        try:
            work(size)
            found.append(time.process_time() - began)
        finally:
            if collects:
                gc.enable()
    return min(found)
