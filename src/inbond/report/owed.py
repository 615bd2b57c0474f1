"""What the terms ask because of a lineage, each sentence once with all who ask for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from inbond.ledger.flow import Duty
from inbond.report.text import one_line

_PASSED_ON = "passed on from one model to the next"
_CALLER = "binds whoever called the host"
_UNCLEAR = "another model lies between: whether it reaches this far is for a person to judge"


@final
@dataclass(frozen=True)
class Owed:
    """One obligation with the clauses that ask for it and the ancestors that it is because of. ``whom`` is
    empty where it plainly binds whoever hands the target out."""

    kind: str
    text: str
    when: str
    clauses: tuple[str, ...]
    because: tuple[str, ...]
    whom: str
    prescribed: str | None = None
    """The line to give word for word, where the text has one."""

    @property
    def told(self) -> str:
        """Everything but the text itself, on one line."""
        parts = (
            self.kind,
            self.when,
            ", ".join(self.clauses),
            f"because of {', '.join(self.because)}",
            self.whom,
        )
        return "; ".join(part for part in parts if part)


def owed(duties: Iterable[Duty]) -> list[Owed]:
    """The obligations in their order, those with the same words as one."""
    alike: dict[tuple[str, str, str], list[Duty]] = {}
    for due in duties:
        alike.setdefault((due.kind, due.text, _whom(due)), []).append(due)
    return [
        Owed(
            kind,
            one_line(text),
            " / ".join(dict.fromkeys(one_line(due.when) for due in found)),
            tuple(dict.fromkeys(one_line(due.source) for due in found)),
            tuple(dict.fromkeys(one_line(due.ancestor) for due in found)),
            whom,
            next((one_line(due.prescribed) for due in found if due.prescribed), None),
        )
        for (kind, text, whom), found in alike.items()
    ]


def _whom(due: Duty) -> str:
    match due.binds:
        case "caller":
            return _CALLER
        case "unclear":
            return _UNCLEAR
        case "yes":
            return "" if due.reach == "direct" else _PASSED_ON
