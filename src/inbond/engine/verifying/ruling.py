"""What a verifier says, and what every verifier can do.

A verifier never guesses: what it cannot decide is ``cannot-tell``, with the reason. An answer that counts is
one that ``passed``; the other two are kept apart, because a broken verifier must not look like a bad teacher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, final, get_args

Outcome = Literal["passed", "failed", "cannot-tell"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_FIELDS = ("outcome", "kind", "reason")

LONGEST_REASON = 300
"""Characters of a reason that are kept: what is quoted in it was written by a model."""


@final
@dataclass(frozen=True)
class Ruling:
    """What was found of one answer. ``kind`` is the reason in a few fixed words, to be counted by; ``reason``
    says it of this answer."""

    outcome: Outcome
    kind: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"outcome": self.outcome, "kind": self.kind, "reason": self.reason}


def passed(reason: str) -> Ruling:
    """The answer is right."""
    return Ruling("passed", "passed", _short(reason))


def failed(kind: str, reason: str) -> Ruling:
    """The answer is wrong."""
    return Ruling("failed", kind, _short(reason))


def cannot_tell(kind: str, reason: str) -> Ruling:
    """Nothing was found out, because of the verifier, or of what it was told to expect."""
    return Ruling("cannot-tell", kind, _short(reason))


def read(value: Any) -> Ruling | None:
    """A ruling out of what another process said: an object as ``to_json`` gives, or its values in order.
    None for anything else."""
    parts = [value.get(name) for name in _FIELDS] if isinstance(value, dict) else value
    if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(part, str) for part in parts):
        return None
    outcome, kind, reason = parts
    return Ruling(outcome, kind[:40], _short(reason)) if outcome in OUTCOMES else None


def said_by(error: BaseException) -> str:
    """An exception's text, or that it has none: to ask for it runs the code of whoever raised it."""
    try:
        return str(error)
    except BaseException:
        return "(its text cannot be had)"


def _short(text: str) -> str:
    """One line that can be stored anywhere: no half surrogates, no control characters."""
    plain = text[: 20 * LONGEST_REASON].encode("utf-8", "replace").decode("utf-8")
    line = " ".join("".join(char if char.isprintable() else " " for char in plain).split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


class Verifies(Protocol):
    """Something that rules on answers."""

    @property
    def tool(self) -> str:
        """Its name in a lineage, with its version: ``tool:math-verify@0.9.0``."""

    @property
    def at_once(self) -> int:
        """How many answers it rules on at the same time; ``check`` may be called from so many threads."""

    def check(self, completion: str, expected: Any) -> Ruling:
        """Rules on one answer. ``expected`` is what the prompt's row has to say: a value of JSON.

        Never raises for what an answer holds, nor for what is expected of it, nor when that hangs or
        crashes what runs it: these are rulings. Raises InputError when nothing can be verified any more
        (a sandbox that cannot be made, a function that cannot be loaded).
        """

    def close(self) -> None:
        """Ends what it started. It is safe to call it twice."""
