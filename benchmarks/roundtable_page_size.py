"""How many bytes the page of a session of six seats takes, whose seats say as much as they are asked for."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from roundtable_world import told

from inbond.report.roundtable_page import render_roundtable_page
from inbond.roundtable import table
from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat, Session
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Answer, Scripted

SEATS: Final = 6
GOAL_BYTES: Final = 200_000
_WORDS: Final = {
    "en": ("Is it right to distil a model without leave?", ("Yes", "No"), "what others have paid for "),
    "ja": ("AIに対する蒸留攻撃は許されるか", ("はい", "いいえ"), "他者が費用をかけて作り上げたものを"),
}
_REASONING: Final = 900
"""Characters, some 150 words; a claim has a fifth of it."""


class Talker:
    """Votes so that the seats differ, and quotes and rebuts three claims of others in the second round."""

    def __init__(self, number: int, phrase: str) -> None:
        self._number = number
        self._long = "".join(f"{phrase}{number + each}. " for each in range(_REASONING))

    def __call__(self, request: Request) -> Answer:
        data = told(request)
        if "discussion" in data:
            return self._summary(data)
        claims = [{"id": f"c{n}", "text": f"{n}: {self._long[n : _REASONING // 5]}"} for n in (1, 2, 3)]
        answers = data.get("answers", [])
        influences = [
            {"seat": each["seat"], "claim": "c1", "quote": each["claims"][0]["text"], "effect": effect}
            for each, effect in zip(answers[:3], ("adopted", "rebutted", "unmoved"), strict=False)
        ]
        moved = "your_answer" in data and self._number == 0
        options = sorted(data["options"], key=lambda each: str(each["id"]))
        return json.dumps(
            {
                "reasoning": self._long[:_REASONING],
                "claims": claims,
                "influenced_by": influences,
                "rebuttal": {"seat": answers[0]["seat"], "claim": "c1", "text": self._long[:300]}
                if answers
                else {},
                "vote": options[(self._number + moved) % 2]["id"],
                "confidence": 0.8,
                "would_change_if": self._long[:200],
            },
            ensure_ascii=False,
        )

    def _summary(self, data: dict[str, Any]) -> str:
        cites = [{"seat": each["seat"], "round": each["round"], "claim": "c1"} for each in data["discussion"]]
        sentences = [{"text": self._long[:250], "cites": [cite]} for cite in cites[:6]]
        return json.dumps({"sentences": sentences}, ensure_ascii=False)


async def held(language: str, folder: Path) -> Session:
    """A whole session in this language, summed up by a writer."""
    text, labels, phrase = _WORDS[language]
    talkers = {f"seat-{n + 1}": Scripted(Talker(n, phrase), identity=f"seat-{n + 1}") for n in range(SEATS)}
    seats = [Seat(name, f"api:127.0.0.1:1/{name}") for name in talkers]
    writer = Scripted(Talker(SEATS, phrase), identity="writer")
    question = Question.make(text, labels, language)
    return await table.run(question, seats, talkers, folder, writer=("writer", writer))


def measure() -> dict[str, Any]:
    """Bytes of the pages, by language."""
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for language in _WORDS:
            session = asyncio.run(held(language, Path(folder) / language))
            assert session.rounds_held == 2, "the seats differ"
            sizes[language] = len(render_roundtable_page(session).encode())
    return {"seats": SEATS, "bytes": sizes, "goal_bytes": GOAL_BYTES}


def lines(found: dict[str, Any]) -> list[str]:
    """The goal for each language."""
    return [
        f"goal {'met' if size < GOAL_BYTES else 'MISSED'}: a page of {SEATS} seats and two rounds, "
        f"{language}: {size:,} bytes (wanted: under {GOAL_BYTES:,})"
        for language, size in found["bytes"].items()
    ]
