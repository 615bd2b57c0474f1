"""From what a person typed of a plan, at ``inbond check`` or in a form, to the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from inbond.errors import InputError
from inbond.policy.facts import Competes, DataLicence, Release, StudentKind, Use
from inbond.policy.licences import of_data
from inbond.policy.places import COUNTRIES
from inbond.types import ModelName, parse_model_name

if TYPE_CHECKING:
    from inbond.recipes.plan import Plan

_MOST = 1e15


@dataclass(frozen=True)
class PlanOptions:
    """What a person typed, unread; every field is an option of ``check``."""

    teacher: str
    channel: str | None = None
    base: str | None = None
    data: Sequence[str] = ()
    use: str = "commercial"
    release: str = "weights"
    kind: str = "general"
    name: str | None = None
    domains: Sequence[str] = ()
    competes: str = "unknown"
    mau: float | None = None
    revenue: float | None = None
    territory: str | None = None
    on: str | None = None
    agreements: Sequence[Path] = ()


def read_options(options: PlanOptions) -> Plan:
    """The plan that the options describe. Raises InputError for an option that cannot be read."""
    from inbond.recipes.plan import Plan  # here: it is not light

    from_teacher, other = _base(options.base, parse_model_name(options.teacher))
    mau = _amount("--mau", options.mau, "1000000")
    return Plan(
        teacher=options.teacher,
        from_teacher=from_teacher,
        base=other,
        channel=options.channel,
        data=tuple(_data(item) for item in options.data),
        use=_one_of("--use", options.use, get_args(Use)),
        release=_one_of("--release", options.release, get_args(Release)),
        kind=_one_of("--kind", options.kind, get_args(StudentKind)),
        name=options.name,
        domains=tuple(options.domains),
        competes=_one_of("--competes", options.competes, get_args(Competes)),
        mau=None if mau is None else int(mau),
        revenue_usd=_amount("--revenue", options.revenue, "20000000"),
        territory=_country(options.territory),
        date=_date(options.on),
        agreements=tuple(options.agreements),
    )


def _base(base: str | None, teacher: ModelName) -> tuple[bool, str | None]:
    """Whether the student starts from the teacher's weights, and from which others if not."""
    if base == "teacher" or base == str(teacher) or (base is None and teacher.self_hosted):
        return True, None
    return False, base if base != "none" else None


def _data(text: str) -> DataLicence:
    uri, equals, licence = text.rpartition("=")
    if not equals or not uri or not licence:
        raise InputError(
            expected="--data URI=LICENCE",
            found=repr(text),
            fix="for example --data prompts.jsonl=MIT, or --data prompts.jsonl=own when it is yours",
        )
    return DataLicence(uri, of_data(licence))


def _one_of(option: str, value: str, allowed: Sequence[Any]) -> Any:
    if value not in allowed:
        raise InputError(
            expected=f"{option} to be one of {', '.join(allowed)}",
            found=repr(value),
            fix="choose one of them",
        )
    return value


def _amount(option: str, value: float | None, example: str) -> float | None:
    if value is not None and not 0 <= value <= _MOST:
        raise InputError(
            expected=f"{option} as a number from 0 to {_MOST:.0f}",
            found=str(value),
            fix=f"for example {option} {example}",
        )
    return value


def _country(text: str | None) -> str | None:
    if text is None or text.upper() in COUNTRIES:
        return None if text is None else text.upper()
    raise InputError(
        expected="--territory as an ISO 3166-1 code of two letters",
        found=repr(text),
        fix="name the country: JP, DE, GB (not UK); for the EU name the one you are in",
    )


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(
            expected="--date as YYYY-MM-DD", found=repr(text), fix="for example --date 2026-11-21"
        ) from error
