"""Terms as data: one TOML file a text, read strictly.

A file says what a text is (id, version, dates, how sure we are) and what it says about three things:
training on a model's outputs (``outputs``), models made from its weights (``derived_weights``), and
training on the text itself as data (``training_data``). A thing the file does not speak of is
reviewed. ``silent`` and ``express`` are different stances and stay so. Nothing here does I/O but
``shipped``, which reads the files in this package.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from inbond.digest import Digest, of_value
from inbond.errors import InputError

Stance = Literal[
    "express", "silent", "unclear", "conditional", "competing-only", "non-commercial", "prohibited"
]
ObligationKind = Literal[
    "name-prefix",
    "display",
    "notice",
    "change-notice",
    "licence-copy",
    "pass-through",
    "threshold",
    "territory",
    "field-of-use",
    "non-commercial",
    "no-compete",
    "register",
]
When = Literal["always", "offered", "distributed"]
Topic = Literal["outputs", "derived_weights", "training_data"]

_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Hash = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

_BARE: tuple[Stance, ...] = ("express", "silent", "prohibited")
"""Stances without obligations: what has some is conditional, what is forbidden has none to keep."""
_NEEDS: Mapping[Stance, ObligationKind] = {
    "competing-only": "no-compete",
    "non-commercial": "non-commercial",
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clause(_Strict):
    """A clause's number and a short paraphrase in our words."""

    number: _Text
    paraphrase: _Text


class Obligation(_Strict):
    """Something to do. ``when``: always, once the model is offered as a service or handed out
    (``offered``), or once its weights are handed out (``distributed``)."""

    kind: ObligationKind
    text: _Text
    when: When
    clause: _Text


class Position(_Strict):
    """What a text says about one topic; ``finding`` is the sentence that a verdict prints."""

    stance: Stance
    clause: _Text
    finding: _Text
    obligations: tuple[Obligation, ...] = ()


class Terms(_Strict):
    """One text: a licence, or a service's terms. ``evidence``: F the text itself was read, D an
    excerpt of the primary page, S quoted by others, R recalled. ``text_digest`` is that of the text
    at ``source``, where we hold it."""

    id: _Text
    kind: Literal["licence", "service"]
    title: _Text
    version: _Text
    effective: date | None = None
    read_on: date
    evidence: Literal["F", "D", "S", "R"]
    source: _Text
    text_digest: _Hash | None = None
    clauses: tuple[Clause, ...]
    outputs: Position | None = None
    derived_weights: Position | None = None
    training_data: Position | None = None

    def position(self, topic: Topic) -> Position | None:
        found: Position | None = getattr(self, topic)
        return found


@dataclass(frozen=True)
class Catalogue:
    """All terms by id. Its digest is part of who decided."""

    terms: Mapping[str, Terms]
    digest: Digest

    def get(self, id_: str) -> Terms | None:
        return self.terms.get(id_)


def parse_terms(file: str, data: bytes) -> Terms:
    """Reads one terms file. Raises InputError that names ``file`` and the field."""
    try:
        terms = Terms.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            expected=f"a TOML file in UTF-8 at {file}", found=str(error), fix="correct the file at that place"
        ) from error
    except ValidationError as error:
        raise _refusal(file, error) from error
    _check(file, terms)
    return terms


def catalogue_of(files: Iterable[tuple[str, bytes]]) -> Catalogue:
    """Builds a catalogue from (file name, bytes). Raises InputError as ``parse_terms`` does, and when
    two files claim one id."""
    terms: dict[str, Terms] = {}
    owner: dict[str, str] = {}
    for file, data in files:
        read = parse_terms(file, data)
        if read.id in terms:
            raise InputError(
                expected=f"one file for the terms {read.id}",
                found=f"field id: both {owner[read.id]} and {file} claim it",
                fix="give one of them an id of its own, or remove it",
            )
        terms[read.id], owner[read.id] = read, file
    digest = of_value({id_: item.model_dump(mode="json") for id_, item in terms.items()})
    return Catalogue(terms, digest)


@lru_cache(maxsize=1)
def shipped() -> Catalogue:
    """The terms that come with Inbond."""
    folder = resources.files("inbond.policy") / "terms"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda i: i.name)
    return catalogue_of((item.name, item.read_bytes()) for item in files)


def _refusal(file: str, error: ValidationError) -> InputError:
    first: Any = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    unknown = first["type"] == "extra_forbidden"
    return InputError(
        expected=f"only fields of a terms file in {file}" if unknown else f"a valid field {field} in {file}",
        found=f"unknown field {field}" if unknown else f"{first['msg']} (field {field})",
        fix="remove it, or correct its spelling" if unknown else "docs/check.md shows a terms file",
    )


def _check(file: str, terms: Terms) -> None:
    topics: tuple[Topic, ...] = ("outputs", "derived_weights", "training_data")
    if not any(terms.position(topic) for topic in topics):
        raise InputError(
            expected=f"at least one of the fields {', '.join(topics)} in {file}",
            found="none of them",
            fix="say what the text says about one of them",
        )
    numbers = {clause.number for clause in terms.clauses}
    for topic in topics:
        position = terms.position(topic)
        if position is None:
            continue
        _check_stance(file, topic, position)
        cited = [position.clause, *(obligation.clause for obligation in position.obligations)]
        for number in cited:
            if number not in numbers:
                raise InputError(
                    expected=f"every clause that {file} cites under its field clauses",
                    found=f"field {topic}: clause {number!r} is not among them",
                    fix="add the clause with a short paraphrase",
                )


def _check_stance(file: str, topic: Topic, position: Position) -> None:
    kinds = {obligation.kind for obligation in position.obligations}
    needed = _NEEDS.get(position.stance)
    problem = None
    if position.stance in _BARE and kinds:
        problem = f"stance {position.stance} with obligations ({', '.join(sorted(kinds))})"
    elif position.stance == "conditional" and not kinds:
        problem = "stance conditional without an obligation"
    elif needed and needed not in kinds:
        problem = f"stance {position.stance} without an obligation of kind {needed}"
    else:
        for stance, kind in _NEEDS.items():
            if kind in kinds and position.stance not in (stance, "unclear"):
                problem = f"stance {position.stance} with an obligation of kind {kind}"
    if problem:
        raise InputError(
            expected=f"a stance that fits its obligations in {file}",
            found=f"field {topic}: {problem}",
            fix="express, silent and prohibited have no obligations; conditional has some; "
            "competing-only has a no-compete, non-commercial a non-commercial one",
        )
