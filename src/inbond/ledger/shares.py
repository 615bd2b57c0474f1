"""What part of a model's training an ancestor wrote, and what part it touched. Pure.

For a stage of training, an ancestor X, and a unit (records, or tokens of their completions):

- *authored*: the part whose own origin has the role author and the teacher X, or a file that X wrote;
- *touched*: the part where the origin of a record, or of any record that it descends from, names X as its
  teacher, or a teacher that descends from X; by role, in the role that this origin names;
- *scored*: the part that was learnt by the probabilities of X, or of a teacher that descends from X. It is
  touched as well, in no role, and it authors nothing.

``sharing`` finds them: recorded sets are counted, declared parts are added up; what was not declared leaves
a range, and a range is never shown as a number. Shares of different stages, units or roles are never added
up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from inbond.ledger.lineage import Evidence, Unit
from inbond.types import ROLES, Role

CLOSE = 1e-9
"""Parts that differ by less are the same."""


def percent(part: float, digits: int = 1) -> str:
    """A part (0..1) in words: .504 -> ``50.4%``, with at least one digit below 10%. What is not quite nothing
    or all is never said to be."""
    digits = max(digits, 1) if part < 0.0995 else digits
    text = f"{part:.{digits}%}"
    if part > 0 and not float(text[:-1]):
        return f"less than {10**-digits:.{digits}f}%"
    if part < 1 and float(text[:-1]) >= 100:
        return f"more than {100 - 10**-digits:.{digits}f}%"
    return text.replace(".0%", "%")


@final
@dataclass(frozen=True)
class Range:
    """A part (0..1) that lies somewhere from ``low`` to ``high``."""

    low: float = 0.0
    high: float = 0.0

    @property
    def exact(self) -> float | None:
        """The part, when it is established."""
        return round(self.high, 6) if self.high - self.low < CLOSE else None

    @property
    def words(self) -> str:
        """In percent, when it is established."""
        return "not established" if self.exact is None else percent(self.exact)

    def of(self, part: Range) -> Range:
        """This part of ``part``."""
        return Range(self.low * part.low, self.high * part.high)

    def beside(self, other: Range) -> Range:
        """Both, when they have nothing in common."""
        return Range(min(1.0, self.low + other.low), min(1.0, self.high + other.high))

    def over(self, other: Range) -> Range:
        """Both, when nobody knows how far they overlap."""
        if not other.high:
            return self
        return Range(max(self.low, other.low), min(1.0, self.high + other.high))


NONE, ALL, ANY = Range(), Range(1.0, 1.0), Range(0.0, 1.0)


@final
@dataclass(frozen=True)
class Touch:
    """One ancestor's part in some data, or in a stage; ``scored`` is of a stage alone."""

    authored: Range = NONE
    touched: Range = NONE
    by_role: Mapping[Role, Range] = field(default_factory=dict)
    scored: Range = NONE

    def scaled(self, part: Range) -> Touch:
        """The part in that part of the data."""
        roles = {role: found.of(part) for role, found in self.by_role.items()}
        return Touch(self.authored.of(part), self.touched.of(part), roles)

    def beside(self, other: Touch) -> Touch:
        """With its part in other data."""
        return self._with(other, Range.beside)

    def over(self, other: Touch) -> Touch:
        """With another part in the same data."""
        return self._with(other, Range.over)

    def taught(self, part: Range) -> Touch:
        """With a part of the stage that was learnt by probabilities."""
        return replace(self, touched=self.touched.over(part), scored=self.scored.over(part))

    def _with(self, other: Touch, both: Callable[[Range, Range], Range]) -> Touch:
        if not (self.touched.high and other.touched.high):
            return self if self.touched.high else other
        roles = {
            role: both(self.by_role.get(role, NONE), other.by_role.get(role, NONE))
            for role in ROLES
            if role in self.by_role or role in other.by_role
        }
        return Touch(both(self.authored, other.authored), both(self.touched, other.touched), roles)


@final
@dataclass(frozen=True)
class Stage:
    """A stage of training: the model that was trained, and the stage's name; for data, itself and ''."""

    of: str
    name: str

    @property
    def words(self) -> str:
        return f"{self.name} of {self.of}" if self.name else self.of


@final
@dataclass(frozen=True)
class Share:
    """An ancestor's part in a stage, in one unit. None: it is not established."""

    stage: Stage
    unit: Unit
    touch: Touch
    evidence: Evidence

    @property
    def whole(self) -> str:
        """What it is a part of: ``the tokens in SFT of run:demo``."""
        return f"the {self.unit} in {self.stage.words}"

    def words(self, *, of_data: bool = False, brief: bool = False) -> str:
        """``wrote 34% of the tokens in SFT of run:demo``, or ``touched 50% of ... as judge, and wrote none of
        them``; what is not established is left out, and ``""`` when nothing is. ``of_data``: the ancestor is
        data, which writes nothing. ``brief`` says ``touched 50% of SFT tokens``, for where room is little."""
        touched, authored = self.touch.touched, self.touch.authored
        if touched.exact is None:
            return ""
        where = f"{self.stage.name} {self.unit}".strip() if brief else self.whole
        if of_data:
            return f"is behind {touched.words} of {where}"
        if not touched.high:
            return f"touched none of {where}"
        scored = "through probabilities" if self.touch.scored.high else ""
        if authored.exact == touched.exact:
            return f"wrote {touched.words} of {where}" + (f", and taught {scored}" if scored else "")
        roles = [role for role, found in self.touch.by_role.items() if found.high > 0]
        as_ = f" as {' and '.join(roles)}" if roles else ""
        only = self.touch.scored == touched and not roles
        how = (" and " if roles else " " if only else " in part ") + scored if scored else ""
        told = f"{'taught' if only else 'touched'} {touched.words} of {where}{as_}{how}"
        if brief or authored.exact is None:
            return told
        return f"{told}, and wrote {authored.words if authored.high else 'none of them'}"

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage.name,
            "of": self.stage.of,
            "unit": self.unit,
            "authored": self.touch.authored.exact,
            "touched": self.touch.touched.exact,
            "by_role": {role: found.exact for role, found in self.touch.by_role.items()},
            "scored": self.touch.scored.exact,
            "evidence": self.evidence,
        }
