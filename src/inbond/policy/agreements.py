"""Written agreements: read from a file, and matched against what they are to lift.

An agreement lifts a denial, or a review of terms that are known, only for its teacher, from its party,
within its scope and its dates. It never stands in for terms that nobody has read. The file (TOML, or
JSON with the same fields)::

    parties = ["Example Inc.", "Our Company"]
    teacher = "api:api.example.com/model-x"
    from = 2026-01-01
    until = 2027-01-01                     # may be left out
    digest = "sha256:..."                  # of the signed document
    [scope]
    use = ["internal", "commercial"]
    release = ["weights"]
    topics = ["outputs"]                   # outputs, derived_weights, training_data
    terms = []                             # ids, where several texts apply to the teacher
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.policy.facts import Agreement, Facts, Release, Topic, Use
from inbond.policy.faults import first_fault
from inbond.policy.judgement import Question
from inbond.policy.schema import Terms

_LIMIT_BYTES = 1 << 20
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Scope(_Strict):
    use: Annotated[tuple[Use, ...], Field(min_length=1)]
    release: Annotated[tuple[Release, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    terms: tuple[_Text, ...] = ()


class _File(_Strict):
    parties: Annotated[tuple[_Text, ...], Field(min_length=2)]
    teacher: _Text
    starts: Annotated[date, Field(alias="from")]
    ends: Annotated[date | None, Field(alias="until")] = None
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    scope: _Scope


def read_agreement(path: Path, on: date) -> Agreement:
    """The agreement in a file, as it stands on that day. Raises InputError naming file and field."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT_BYTES)
    except OSError as error:
        raise InputError(
            expected=f"an agreement that can be read at {path}", found=str(error), fix="correct the path"
        ) from error
    return parse_agreement(str(path), data, on)


def parse_agreement(file: str, data: bytes, on: date) -> Agreement:
    """Reads an agreement's bytes. Raises InputError naming ``file`` and the field."""
    try:
        read = _File.model_validate(_values(data))
    except (ValueError, RecursionError) as error:
        raise InputError(
            expected=f"an agreement in {file}: parties, teacher, from, digest and a scope of use, release "
            "and topics, in TOML or JSON",
            found=first_fault(error),
            fix="correct that field; docs/terms.md shows an agreement",
        ) from error
    if read.ends is not None and read.ends < read.starts:
        raise InputError(
            expected=f"an agreement that ends after it starts in {file}",
            found=f"from {read.starts} until {read.ends}",
            fix="correct the dates",
        )
    return Agreement(
        read.parties,
        read.teacher,
        read.scope.use,
        read.scope.release,
        read.scope.topics,
        read.scope.terms,
        read.starts.isoformat(),
        read.ends.isoformat() if read.ends else None,
        Digest(read.digest),
        _within(on, read.starts, read.ends),
    )


def why_not(agreement: Agreement, facts: Facts, terms: Terms, question: Question) -> str | None:
    """Why an agreement does not lift what these terms say; None when it does."""
    dates = f"it is in force from {agreement.starts}" + (f" to {agreement.ends}" if agreement.ends else "")
    refusals = (
        (agreement.teacher != question.artifact, f"it is about {agreement.teacher}"),
        (not _with_provider(agreement, terms), f"{terms.provider} is none of its parties"),
        (not _about(agreement, terms, question), f"it does not stand in for {terms.id}"),
        (not _in_force(agreement, facts), f"{dates}, and the plan is not within that time"),
        (question.topic not in agreement.topics, f"it is about {', '.join(agreement.topics)}"),
        (facts.use not in agreement.uses, f"it covers {', '.join(agreement.uses)} use"),
        (facts.release not in agreement.releases, f"it covers release: {', '.join(agreement.releases)}"),
    )
    return next((reason for refused, reason in refusals if refused), None)


def _with_provider(agreement: Agreement, terms: Terms) -> bool:
    if terms.provider is None:
        return True
    whole_word = re.compile(rf"(?<!\w){re.escape(terms.provider)}(?!\w)", re.IGNORECASE)
    return any(whole_word.search(party) for party in agreement.parties)


def _about(agreement: Agreement, terms: Terms, question: Question) -> bool:
    return terms.id in agreement.terms if agreement.terms else question.sole


def _in_force(agreement: Agreement, facts: Facts) -> bool:
    """The reader of the file looked at the day; a plan that names its own day is held to that too."""
    if not agreement.in_force or facts.date is None:
        return agreement.in_force
    try:
        ends = date.fromisoformat(agreement.ends) if agreement.ends else None
        return _within(date.fromisoformat(facts.date), date.fromisoformat(agreement.starts), ends)
    except ValueError:
        return False


def _within(day: date, starts: date, ends: date | None) -> bool:
    return starts <= day and (ends is None or day <= ends)


def _values(data: bytes) -> Any:
    text = data.decode("utf-8-sig")
    return json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
