"""What a terms file may not say although every field of it is well-formed.

A stance that contradicts its obligations, a clause that is cited but not listed, a name that means
nothing, an exception without a condition: each is refused by file and field. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from inbond.errors import InputError
from inbond.policy.facts import COMPETES, KINDS, RELEASES, USES
from inbond.policy.obligations import Display, ObligationKind
from inbond.policy.schema import TOPICS, Exemption, Position, Reading, Stance, Terms

_BARE: tuple[Stance, ...] = ("express", "silent", "prohibited")
"""Stances without obligations: what has some is conditional, what is forbidden has none to keep."""
_NEEDS: Mapping[Stance, ObligationKind] = {
    "competing-only": "no-compete",
    "non-commercial": "non-commercial",
}
_ALL: tuple[tuple[str, ...], ...] = (KINDS, USES, RELEASES, COMPETES)
"""Every value of what an exception may turn on, in the order of ``_lists``."""
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
    _check_clauses(file, terms)
    numbers = {clause.number for clause in terms.clauses}
    for field, reading in readings:
        _check_stance(file, field, reading)
        _check_display(file, field, reading)
        _check_exemption(file, field, reading)
        for number in (reading.clause, *(obligation.clause for obligation in reading.obligations)):
            if number not in numbers:
                raise InputError(
                    expected=f"every clause that {file} cites under its field clauses",
                    found=f"field {field}: clause {number!r} is not among them",
                    fix="add the clause with a short paraphrase",
                )
    _check_exceptions(file, terms)


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


def _check_clauses(file: str, terms: Terms) -> None:
    numbers = [clause.number for clause in terms.clauses]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(
                expected=f"every clause once in {file}",
                found=f"field clauses: {number!r} twice",
                fix="join the two, or number them apart",
            )
    if (terms.text_digest is None) != (terms.text_at is None):
        raise InputError(
            expected=f"text_digest and text_at together in {file}",
            found="one of them without the other",
            fix="say where the text lies that the digest is of, or remove both",
        )


def _check_exceptions(file: str, terms: Terms) -> None:
    """An exception for every plan there is would stand instead of what the text says."""
    for topic in TOPICS:
        position = terms.position(topic)
        for place, item in enumerate(position.exceptions if position is not None else ()):
            whole = all(
                not given or set(given) == set(every) for given, every in zip(_lists(item), _ALL, strict=True)
            )
            if whole and not item.based_on:
                found = f"field {topic}.exceptions.{place}: its lists name everything there is"
                raise _no_exception(file, found)
        if position is not None and position.exceptions and not any(map(_unexcepted(position), _plans())):
            raise _no_exception(file, f"field {topic}: its exceptions together leave no plan to it")


def _no_exception(file: str, found: str) -> InputError:
    return InputError(
        expected=f"exceptions in {file} that leave some plans to the position itself",
        found=found,
        fix="change the position itself, or give fewer values",
    )


def _plans() -> Iterator[tuple[str, ...]]:
    return product(*_ALL)


def _unexcepted(position: Position) -> Callable[[tuple[str, ...]], bool]:
    bare = [item for item in position.exceptions if not item.based_on]

    def holds(plan: tuple[str, ...]) -> bool:
        return not any(
            all(not given or value in given for given, value in zip(_lists(item), plan, strict=True))
            for item in bare
        )

    return holds


def _lists(item: Exemption) -> tuple[tuple[str, ...], ...]:
    return item.kinds, item.uses, item.releases, item.competes


def _check_display(file: str, field: str, reading: Reading) -> None:
    for item in reading.obligations:
        unsaid = [line for line in item.show if line not in item.text] if isinstance(item, Display) else []
        if unsaid:
            raise InputError(
                expected=f"a text in {file} that quotes what is to be shown",
                found=f"field {field}: {unsaid[0]!r} is under show and not in the text of {item.clause}",
                fix="write it into text: that is the sentence which people read",
            )


def _check_exemption(file: str, field: str, reading: Reading) -> None:
    if not isinstance(reading, Exemption):
        return
    if not (reading.based_on or reading.kinds or reading.uses or reading.releases or reading.competes):
        raise InputError(
            expected=f"every exception in {file} to say when it holds",
            found=f"field {field}: none of based_on, kinds, uses, releases, competes",
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
