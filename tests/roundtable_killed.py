"""A session that takes a while, so that it can be killed in the middle, and gone on with."""

from __future__ import annotations

from pathlib import Path

from inbond.roundtable import table
from inbond.roundtable.question import Question
from inbond.roundtable.session import Session
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Answer, Scripted
from tests import roundtable_scripted as scripted

NAMES = ("ada", "bob", "cyd", "dov", "eve", "fay")


async def hold(folder: Path, log: Path, *, again: bool = False) -> Session:
    """Six seats, two rounds; every call that is made is noted in ``log`` as seat and round."""
    question = Question.make("Is it right?", ["Yes", "No"], "en")

    def noting(name: str) -> Scripted:
        votes = scripted.voting(question, "Yes" if name in ("ada", "bob") else "No")

        def answer(request: Request) -> Answer:
            with log.open("a") as file:
                file.write(f"{name} {scripted.round_of(request)}\n")
            return votes(request)

        slow = 0.05 + 0.03 * NAMES.index(name)
        return Scripted(answer, identity=name, latency_s=slow)

    sat = {name: noting(name) for name in NAMES}
    if again:
        return await table.resume(folder, sat)
    return await table.run(question, scripted.seats(*NAMES), sat, folder)
