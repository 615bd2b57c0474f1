"""Written agreements, read from a file (TOML, or JSON with the same fields)::

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
    domains = ["medical"]                  # fields of use that the text closes, and the agreement opens
    territories = ["DE"]                   # places that the text leaves out: countries, or EU
    thresholds = {monthly-active-users = 1_000_000_000}  # the most that each may be

What an agreement lifts is ``lifting``'s.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.policy import files
from inbond.policy.facts import Agreement, Release, Topic, Use
from inbond.policy.lifting import within
from inbond.policy.obligations import Metric, Tag
from inbond.policy.places import COUNTRIES, GROUPS
from inbond.policy.strict import Day, Strict, first_fault, values

_LIMIT_BYTES = 1 << 20
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _place(code: str) -> str:
    if code in COUNTRIES or code in GROUPS:
        return code
    raise ValueError(f"{code!r} is neither an ISO 3166-1 code of two letters nor EU")


def _different(parties: tuple[str, ...]) -> tuple[str, ...]:
    if len({" ".join(party.split()).casefold() for party in parties}) < len(parties):
        raise ValueError("the same party is named twice")
    return parties


class _Scope(Strict):
    use: Annotated[tuple[Use, ...], Field(min_length=1)]
    release: Annotated[tuple[Release, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    terms: tuple[_Text, ...] = ()
    domains: tuple[Tag, ...] = ()
    territories: tuple[Annotated[str, AfterValidator(_place)], ...] = ()
    thresholds: dict[Metric, Annotated[float, Field(gt=0, strict=True)]] = Field(default_factory=dict)


class _File(Strict):
    parties: Annotated[tuple[_Text, ...], Field(min_length=2), AfterValidator(_different)]
    teacher: _Text
    starts: Annotated[Day, Field(alias="from")]
    ends: Annotated[Day | None, Field(alias="until")] = None
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
    scope: _Scope


def read_agreement(path: Path, on: date) -> Agreement:
    """The agreement in a file, as it stands on that day. Raises InputError naming file and field."""
    return parse_agreement(str(path), files.read(path, "an agreement", _LIMIT_BYTES), on)


def parse_agreement(file: str, data: bytes, on: date) -> Agreement:
    """Reads an agreement's bytes. Raises InputError naming ``file`` and the field."""
    try:
        read = _File.model_validate(values(data))
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
        within(on, read.starts, read.ends),
        read.scope.domains,
        read.scope.territories,
        tuple(sorted(read.scope.thresholds.items())),
    )
