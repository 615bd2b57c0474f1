"""What the terms ask because of a lineage, each sentence once with all who ask for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from inbond.ledger.flow import Duty
from inbond.report.text import one_line

_WHEN = {
    "always": "always",
    "offered": "when it is offered as a service or handed out",
    "distributed": "when the weights are handed out",
}


@final
@dataclass(frozen=True)
class Owed:
    """One obligation. ``sources``: whose terms ask for it, each saying so where another model lies between:
    those terms speak to whoever made that one, and whether they reach further is for a lawyer."""

    kind: str
    text: str
    when: str
    sources: tuple[str, ...]


def owed(duties: Iterable[Duty]) -> list[Owed]:
    """The obligations in their order, those with the same words as one."""
    by_text: dict[tuple[str, str], list[Duty]] = {}
    for due in duties:
        by_text.setdefault((due.kind, due.text), []).append(due)
    return [
        Owed(
            kind,
            one_line(text),
            " / ".join(dict.fromkeys(one_line(_WHEN.get(due.when, due.when)) for due in found)),
            tuple(dict.fromkeys(map(_source, found))),
        )
        for (kind, text), found in by_text.items()
    ]


def _source(due: Duty) -> str:
    """A recorded verdict's sources name the ancestor already."""
    whose = "" if ", for " in due.source else f", for {due.ancestor}"
    between = "" if due.reach == "direct" else ", through a model in between"
    return one_line(f"{due.source}{whose}{between}")
