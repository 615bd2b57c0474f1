"""What a roundtable adds to its slowest seat: seconds a round, with six scripted seats of known latency.

    .venv/bin/python -m benchmarks.roundtable_overhead [--sessions N]

Every session holds two rounds and is closed; transcripts are written to disk, as they always are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from inbond.roundtable import table
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Scripted

SEATS: Final = 6
LATENCY_S: Final = 0.05
QUESTION: Final = ("Is it right to distil a model without leave?", ("Yes", "No"))
_REASONS: Final = "It takes what others have paid for, and it is not theirs to give. " * 8


@final
class Voter:
    """Always votes for the same option: three claims and a reasoning of some 500 characters."""

    def __init__(self, vote: str) -> None:
        claims = [{"id": f"c{n}", "text": f"Claim {n}: {_REASONS[:120]}"} for n in (1, 2, 3)]
        value = {"reasoning": _REASONS, "claims": claims, "vote": vote, "confidence": 0.8}
        self._text = json.dumps(value)

    def __call__(self, _: Request) -> str:
        return self._text


async def overhead_s(folder: Path, seats: int = SEATS, latency_s: float = LATENCY_S) -> float:
    """Seconds that one session of two rounds took beyond the slowest seats, for each round."""
    question = Question.make(QUESTION[0], QUESTION[1], "en")
    names = [f"seat-{number}" for number in range(seats)]
    votes = [question.options[number % 2].id for number in range(seats)]
    sat = {name: Scripted(Voter(vote), latency_s=latency_s) for name, vote in zip(names, votes, strict=True)}
    began = time.perf_counter()
    held = await table.run(question, [Seat(name, f"api:none/{name}") for name in names], sat, folder)
    assert held.rounds_held == 2, "the seats differ"
    return (time.perf_counter() - began) / 2 - latency_s


def measure(sessions: int) -> Mapping[str, Any]:
    """Median and worst of so many sessions, in milliseconds a round."""
    with tempfile.TemporaryDirectory() as folder:
        taken = [asyncio.run(overhead_s(Path(folder) / str(number))) for number in range(sessions)]
    return {
        "seats": SEATS,
        "sessions": sessions,
        "latency_ms": LATENCY_S * 1e3,
        "median_ms": round(1e3 * statistics.median(taken), 1),
        "worst_ms": round(1e3 * max(taken), 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    print(json.dumps(measure(parser.parse_args(arguments).sessions)))


if __name__ == "__main__":
    main()
