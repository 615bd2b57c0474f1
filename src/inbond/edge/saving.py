"""What a small file saves: both models in the same runtime, one after the other, round by round.

Speed is greedy decoding at batch 1, the median of rounds that take turns, so that a machine that slows down
slows both. Energy is that of the whole processor while a model reads its prompt and answers (RAPL), where it
may be read.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from inbond.edge.runner import Runner

ROUNDS: Final = 5
_POWERCAP: Final = Path("/sys/class/powercap")


@final
@dataclass(frozen=True)
class Pace:
    """Tokens a second of each round, bytes of peak memory and joules a generated token of one file; None:
    cannot be read here."""

    rounds: tuple[float, ...]
    memory_bytes: int | None
    joules_per_token: float | None

    @property
    def tokens_per_s(self) -> float:
        """The median round's."""
        return statistics.median(self.rounds)


@final
@dataclass(frozen=True)
class Speedup:
    """How many times quicker one file was than another, by rounds: the median, the least and the most."""

    median: float
    least: float
    most: float


def speedup(ours: Pace, theirs: Pace) -> Speedup:
    """Of two that took turns."""
    each = [our / their for our, their in zip(ours.rounds, theirs.rounds, strict=True)]
    return Speedup(statistics.median(each), min(each), max(each))


def paces(
    runners: Sequence[Runner], prompts: Sequence[Sequence[int]], tokens: int, *, rounds: int = ROUNDS,
    powercap: Path = _POWERCAP,
) -> list[Pace]:  # fmt: skip
    """Each runner answers its prompt with ``tokens`` tokens (at least 2), in turns. Raises InputError as
    ``Runner``."""
    speeds: list[list[float]] = [[] for _ in runners]
    joules: list[list[float]] = [[] for _ in runners]
    for number in range(rounds + 1):
        for runner, prompt, speed, energy in zip(runners, prompts, speeds, joules, strict=True):
            before = microjoules(powercap)
            steps = runner.steps(prompt, tokens, 0)
            after = microjoules(powercap)
            if number:  # the first round warms up
                # The first token is there when the prompt is read, before the clock runs.
                speed.append((len(steps.ids) - 1) / max(steps.seconds, 1e-9))
                if before is not None and after is not None and after >= before:  # else it began anew
                    energy.append((after - before) / 1e6 / len(steps.ids))
    return [
        Pace(tuple(speed), runner.peak_bytes(), statistics.median(energy) if energy else None)
        for runner, speed, energy in zip(runners, speeds, joules, strict=True)
    ]


def microjoules(powercap: Path = _POWERCAP) -> int | None:
    """What all processors took since they count; None where nobody may read it."""
    try:
        counted = [int(path.read_text()) for path in sorted(powercap.glob("intel-rapl:[0-9]/energy_uj"))]
    except (OSError, ValueError):
        return None
    return sum(counted) if counted else None
