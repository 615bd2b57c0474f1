"""What forensic tests found of a model, as the ledger keeps it: event ``finding.reported``. Pure.

The body, format ``inbond.finding/1``, is {format, suspect: {name, digest or null}, at, alpha or null, report,
findings: [{test, question, null, outcome, log10_p, adjusted_log10_p, size, unit, about}]}. ``report`` is the
digest of the whole report (``inbond.forensics-report/1``), which stays where its maker put it: no text that
was tested and no fact of a test enters the ledger. How tests work is the business of the room ``forensics``;
here a report is JSON.

A finding is evidence of its own kind. It is no edge of a lineage; ``comparing`` holds it against one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.ledger.events import Event, refuse_secrets
from inbond.ledger.formats import refuse_newer
from inbond.ledger.p_value import p_words
from inbond.policy.strict import first_fault

FINDING_REPORTED: Final = "finding.reported"
REPORT: Final = "inbond.forensics-report/1"
FORMAT: Final = "inbond.finding/1"
MOST, LONGEST = 1_000, 1_000
"""Findings of one report, and characters of one text in it."""
_ROUNDING: Final = 1e-6

Outcome = Literal["consistent-with", "no-evidence", "cannot-tell"]
OUTCOMES: Final[Mapping[Outcome, str]] = {
    "consistent-with": "consistent with", "no-evidence": "no evidence of", "cannot-tell": "cannot tell",
}  # fmt: skip


def _sayable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("give printable characters")
    return text


_Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(_sayable)]
_Log10 = Annotated[float, Field(le=_ROUNDING)]
_Level = Annotated[float, Field(gt=0, lt=1)]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_Time = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$", max_length=40)
]
_READ = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)
_KEPT = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class _Found(BaseModel):
    model_config = _KEPT

    test: _Text
    question: _Text
    null: _Text
    outcome: Outcome
    log10_p: _Log10 | None
    adjusted_log10_p: _Log10 | None
    size: Annotated[int, Field(ge=0, lt=2**53)]
    unit: _Text
    about: Annotated[dict[_Text, _Text], Field(max_length=8)]

    @model_validator(mode="after")
    def _fits(self) -> _Found:
        p, adjusted = self.log10_p, self.adjusted_log10_p
        if p is None and (adjusted is not None or self.outcome != "cannot-tell"):
            raise ValueError("a score, which has no p-value, decides nothing")
        if p is not None and adjusted is not None and adjusted < p - _ROUNDING:
            raise ValueError("an adjusted p-value is no smaller than the p-value")
        return self


class _Verdict(BaseModel):
    model_config = _READ

    outcome: Outcome


class _Told(BaseModel):
    """A finding as a report has it, of which some is kept."""

    model_config = _READ

    verdict: _Verdict


class _Suspect(BaseModel):
    model_config = _READ

    name: _Text
    digest: _Digest | None


class _Report(BaseModel):
    model_config = _READ

    format: Literal["inbond.forensics-report/1"]
    suspect: _Suspect
    at: _Time
    alpha: _Level | None = None
    findings: Annotated[list[dict[str, Any]], Field(max_length=MOST)]


class _Body(BaseModel):
    model_config = _KEPT

    format: Literal["inbond.finding/1"]
    suspect: _Suspect
    at: _Time
    alpha: _Level | None
    report: _Digest
    findings: Annotated[list[_Found], Field(max_length=MOST)]


def body_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the event that records a report. Raises InputError, naming the field, for what is no
    report of this format, or holds what looks like a credential in what would be kept; NewerFormatError."""
    if not isinstance(report, Mapping):
        raise _malformed(f"{report!r:.80}")
    refuse_newer(report.get("format"), REPORT, "a report")
    try:
        read = _Report.model_validate(dict(report))
        found = [_kept(number, item) for number, item in enumerate(read.findings)]
    except (ValidationError, RecursionError) as error:
        raise _malformed(first_fault(error)[:300]) from error
    body = {
        "format": FORMAT,
        "suspect": {"name": read.suspect.name, "digest": read.suspect.digest},
        "at": read.at,
        "alpha": read.alpha,
        "report": of_value(dict(report)),
        "findings": found,
    }
    refuse_secrets(body, FINDING_REPORTED)
    return body


def _kept(number: int, item: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of one finding. Raises InputError."""
    try:
        outcome = _Told.model_validate(dict(item)).verdict.outcome
        wanted = {name: item[name] for name in _Found.model_fields if name in item}
        return _Found.model_validate({**wanted, "outcome": outcome}).model_dump()
    except ValidationError as error:
        raise _malformed(f"findings.{number}.{first_fault(error)}"[:300]) from error


def _malformed(found: str) -> InputError:
    return InputError(
        expected=f"a report of format {REPORT}",
        found=found,
        fix="give a report as inbond forensics test --json makes it, unchanged",
    )


# As it is read back ---------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Finding:
    """One test of a report. ``question`` is what was asked, ``null`` what the p-value supposes; ``log10_p``
    is None for a score; ``about`` what a positive finding speaks of."""

    test: str
    question: str
    null: str
    outcome: Outcome
    log10_p: float | None
    adjusted_log10_p: float | None
    size: int
    unit: str
    about: Mapping[str, str]

    @property
    def words(self) -> str:
        """The outcome, for a person."""
        if self.log10_p is None:
            return f"a score, which alone decides nothing: {self.question}"
        return f"{OUTCOMES[self.outcome]}: {self.question}"

    @property
    def numbers(self) -> str:
        """The p-values and what they are over, for a person."""
        counted = f"{self.size:,} {self.unit}"
        if self.log10_p is None:
            return counted
        p, adjusted = p_words(self.log10_p), p_words(self.adjusted_log10_p)
        alone = self.adjusted_log10_p is None or adjusted == p
        return f"p {p}, {counted}" if alone else f"p {p}, {adjusted} adjusted, {counted}"


@final
@dataclass(frozen=True)
class Report:
    """One recorded report. ``event`` is how messages speak of its event; ``at`` the time of the tests as the
    report has it, ``alpha`` the level below which it let an adjusted p-value count, None where it does not
    say; ``digest`` that of the whole report."""

    event: str
    at: str
    alpha: float | None
    digest: Digest
    suspect: str
    suspect_digest: Digest | None
    findings: tuple[Finding, ...]


@final
@dataclass(frozen=True)
class Filed:
    """All reports of a ledger, each once, in its order. ``unread`` names events that cannot be read."""

    reports: tuple[Report, ...] = ()
    unread: tuple[str, ...] = ()

    @cached_property
    def suspects(self) -> dict[tuple[str, Digest | None], list[Report]]:
        """The reports by their suspect's name and digest."""
        found: dict[tuple[str, Digest | None], list[Report]] = {}
        for report in self.reports:
            found.setdefault((report.suspect, report.suspect_digest), []).append(report)
        return found


def from_body(body: Mapping[str, Any], event: str) -> Report:
    """Reads an event's body. Raises InputError when it is none, NewerFormatError."""
    refuse_newer(body.get("format"), FORMAT, "a finding")
    try:
        read = _Body.model_validate(dict(body))
    except (ValidationError, RecursionError) as error:
        raise InputError(
            expected=f"{event} to hold findings of format {FORMAT}",
            found=first_fault(error)[:300],
            fix="inbond verify says whether it was changed",
        ) from error
    suspect = read.suspect
    digest = None if suspect.digest is None else Digest(suspect.digest)
    return Report(
        event, read.at, read.alpha, Digest(read.report), suspect.name, digest,
        tuple(Finding(**item.model_dump()) for item in read.findings),
    )  # fmt: skip


def read(events: Iterable[Event]) -> Filed:
    """The findings among a ledger's events, in order. An event that cannot be read stops nobody who asks
    about lineage: it is named, and whether it was changed is for ``verify`` to say."""
    reports: dict[tuple[Digest, str, Digest | None], Report] = {}
    unread = []
    for event in events:
        if event.kind != FINDING_REPORTED:
            continue
        try:
            report = from_body(event.body, event.name)
        except InputError as error:
            unread.append(f"{event.name} cannot be read: {error.found}")
            continue
        reports.setdefault((report.digest, report.suspect, report.suspect_digest), report)
    return Filed(tuple(reports.values()), tuple(unread))
