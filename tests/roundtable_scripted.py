"""Seats that answer as a test says: by reading the request that they are sent, as a model would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inbond.roundtable.question import Question
from inbond.roundtable.session import Seat
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Answer, Scripted

Answers = Callable[[Request], Answer]


def prompt_of(request: Request) -> str:
    """All that a seat is told."""
    assert not isinstance(request.prompt, str)
    return "\n".join(message.content for message in request.prompt)


def data_of(request: Request) -> dict[str, Any]:
    """What stands in the fence of a request."""
    found = re.search(r"<<<(\w+)\n(.*)\n\1>>>", prompt_of(request), re.DOTALL)
    assert found is not None, "every request has a fence"
    value = json.loads(found[2])
    assert isinstance(value, dict)
    return value


def round_of(request: Request) -> str:
    """first, second or writer."""
    data = data_of(request)
    return "writer" if "discussion" in data else "second" if "answers" in data else "first"


def ballot(vote: str, **more: Any) -> str:
    """A reply of either round, as JSON."""
    value = {
        "reasoning": f"I weighed it with care and I hold {vote} to be right.",
        "claims": [{"id": "c1", "text": f"What speaks for {vote} can be checked by anybody."}],
        "vote": vote,
        "abstain_reason": "I cannot tell." if vote == "abstain" else "",
        "confidence": 0.75,
        "would_change_if": "A counterexample.",
        "question_is_sound": True,
        "ill_posed": "",
    }
    return json.dumps({**value, **more}, ensure_ascii=False)


def voting(question: Question, first: str, second: str | None = None, **more: Any) -> Answers:
    """Votes for the option of this label, and for another in round 2, adopting the first answer for it."""

    def answer(request: Request) -> Answer:
        kind = round_of(request)
        if kind == "writer":
            return summary(request)
        if kind == "first" or second is None:
            return ballot(id_of(question, first), **more)
        wanted = id_of(question, second)
        return ballot(wanted, influenced_by=adopting(request, wanted))

    return answer


def adopting(request: Request, vote: str) -> list[dict[str, str]]:
    """The first claim, word for word, of the first answer that a seat is shown for ``vote``."""
    for each in data_of(request)["answers"]:
        if each["vote"] == vote and each["claims"]:
            claim = each["claims"][0]
            return [{"seat": each["seat"], "claim": claim["id"], "quote": claim["text"], "effect": "adopted"}]
    return []


def summary(request: Request) -> str:
    """What a writer might say: a sentence for each seat that it is shown."""
    spoken = data_of(request)["discussion"][:3]
    sentences = [
        {
            "text": f"{each['seat']} holds that {each['claims'][0]['text']}",
            "cites": [{"seat": each["seat"], "round": each["round"], "claim": each["claims"][0]["id"]}],
        }
        for each in spoken
    ]
    return json.dumps({"sentences": sentences}, ensure_ascii=False)


def id_of(question: Question, label: str) -> str:
    """An option's id by its label; "abstain" is its own."""
    return next((option.id for option in question.options if option.label == label), label)


def seats(*names: str) -> tuple[Seat, ...]:
    """Seats of these names."""
    return tuple(Seat(name, f"api:127.0.0.1:1/{name}", f"scripted:{name}") for name in names)


def teachers(answers: Mapping[str, Answers | Sequence[Answer]]) -> dict[str, Scripted]:
    """A teacher for each seat."""
    return {name: Scripted(answer, identity=f"scripted:{name}") for name, answer in answers.items()}
