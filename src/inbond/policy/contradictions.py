"""What a terms file may not say although every field of it is well-formed.

A stance that contradicts its obligations, a clause that is cited but not listed, a name that means
nothing, an exception without a condition: each is refused by file and field. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from inbond.errors import InputError
from inbond.policy.obligations import ObligationKind
from inbond.policy.schema import TOPICS, Exemption, Reading, Stance, Terms

_BARE: tuple[Stance, ...] = ("express", "silent", "prohibited")
"""Stances without obligations: what has some is conditional, what is forbidden has none to keep."""
_NEEDS: Mapping[Stance, ObligationKind] = {
    "competing-only": "no-compete",
    "non-commercial": "non-commercial",
}
_NO_NAMES = ("other", "unknown", "none", "proprietary", "custom")


def check(file: str, terms: Terms) -> None:
    """Raises InputError for the first contradiction."""
    readings = list(_readings(terms))
    if not readings:
        raise InputError(
            expected=f"at least one of the fields {', '.join(TOPICS)} in {file}",
            found="none of them",
            fix="say what the text says about one of them",
        )
    _check_head(file, terms)
    numbers = {clause.number for clause in terms.clauses}
    for field, reading in readings:
        _check_stance(file, field, reading)
        _check_exemption(file, field, reading)
        for number in (reading.clause, *(obligation.clause for obligation in reading.obligations)):
            if number not in numbers:
                raise InputError(
                    expected=f"every clause that {file} cites under its field clauses",
                    found=f"field {field}: clause {number!r} is not among them",
                    fix="add the clause with a short paraphrase",
                )


def _readings(terms: Terms) -> Iterator[tuple[str, Reading]]:
    """Each position and each of its exceptions, by field."""
    for topic in TOPICS:
        position = terms.position(topic)
        if position is not None:
            yield topic, position
            for place, exemption in enumerate(position.exceptions):
                yield f"{topic}.exceptions.{place}", exemption


def _check_head(file: str, terms: Terms) -> None:
    for name in terms.names:
        if name.casefold() in _NO_NAMES:
            raise InputError(
                expected=f"names that stand for one text in {file}",
                found=f"field names: {name!r}, which cards write for many texts",
                fix="remove it: what a card calls so is reviewed",
            )
    if terms.quoted_by is not None and terms.evidence != "S":
        raise InputError(
            expected=f"quoted_by only beside evidence S in {file}",
            found=f"field quoted_by with evidence {terms.evidence}",
            fix="remove it: it counts who quotes a text that was not read itself",
        )


def _check_exemption(file: str, field: str, reading: Reading) -> None:
    if not isinstance(reading, Exemption):
        return
    if not (reading.based_on or reading.kinds or reading.uses or reading.releases):
        raise InputError(
            expected=f"every exception in {file} to say when it holds",
            found=f"field {field}: none of based_on, kinds, uses, releases",
            fix="give at least one of them, or change the position itself",
        )


def _check_stance(file: str, field: str, reading: Reading) -> None:
    kinds = {obligation.kind for obligation in reading.obligations}
    needed = _NEEDS.get(reading.stance)
    problem = None
    if reading.stance in _BARE and kinds:
        problem = f"stance {reading.stance} with obligations ({', '.join(sorted(kinds))})"
    elif reading.stance == "conditional" and not kinds:
        problem = "stance conditional without an obligation"
    elif needed and needed not in kinds:
        problem = f"stance {reading.stance} without an obligation of kind {needed}"
    else:
        for stance, kind in _NEEDS.items():
            if kind in kinds and reading.stance not in (stance, "unclear"):
                problem = f"stance {reading.stance} with an obligation of kind {kind}"
    if problem:
        raise InputError(
            expected=f"a stance that fits its obligations in {file}",
            found=f"field {field}: {problem}",
            fix="express, silent and prohibited have no obligations; conditional has some; "
            "competing-only has a no-compete, non-commercial a non-commercial one",
        )
