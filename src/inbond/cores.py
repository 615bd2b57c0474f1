"""How many processor cores this process may use: fewer than the machine has, where others share it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MINE = Path("/proc/self/cgroup")


def available() -> int:
    """Cores that the scheduler lets this process run on, and no more than its control groups pay for; at
    least 1."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cores = os.cpu_count() or 1
    paid = _paid(_MINE, _CGROUPS)
    return max(1, cores if paid is None else min(cores, ceil(paid)))


def threads(environment: Mapping[str, str]) -> int:
    """One thread a core, or as OMP_NUM_THREADS says: on cores that others use too, fewer are faster."""
    told = environment.get("OMP_NUM_THREADS", "")
    return min(available(), int(told)) if told.isascii() and told.isdigit() and int(told) else available()


def _paid(mine: Path, cgroups: Path) -> float | None:
    """The cores' worth of time that a container gets, by version 2 or 1 of control groups; None without a
    limit, or where nothing tells."""
    try:
        lines = [line.split(":", 2) for line in mine.read_text().splitlines()]
    except OSError:
        return None
    found: list[float] = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        root = cgroups if not controllers else cgroups / "cpu"
        if controllers and "cpu" not in controllers.split(","):
            continue
        place = root / path.lstrip("/")
        # A container often sees its own group as the root, under the path that it has outside.
        for folder in dict.fromkeys((place, *place.parents, root)):
            if folder == root or root in folder.parents:
                found += _limit(folder)
    return min(found, default=None)


def _limit(folder: Path) -> list[float]:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period, *_ = " ".join((folder / name).read_text() for name in names).split()
            if quota not in ("max", "-1"):
                return [int(quota) / int(period)]
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return []
