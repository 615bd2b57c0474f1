"""A gate's verdict as pages show it: out of what ``inbond check --json`` prints, or of a ledger that may come
from anybody says. What has not its form is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from inbond.policy.facts import plan_words


@final
@dataclass(frozen=True)
class VerdictShown:
    """``plan`` is what was asked for, "" where that was not said; ``reasons`` and ``obligations`` are each
    (what is said, where it comes from)."""

    outcome: str
    question: str
    plan: str
    reasons: tuple[tuple[str, str], ...]
    obligations: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def of(verdict: Any, question: object = "", plan: object = None) -> VerdictShown | None:
    """None for what is no verdict."""
    if not isinstance(verdict, Mapping) or not verdict:
        return None
    reasons = tuple(
        (_text(each, "finding"), _joined(each, "edge", "stance", "source", "clause"))
        for each in _each(verdict, "reasons")
    )
    owed = (
        (_text(each, "text"), _joined(each, "kind", "when", "from")) for each in _each(verdict, "obligations")
    )
    due = tuple(dict.fromkeys(owed))  # several ancestors may ask for the same
    missing = verdict.get("missing")
    return VerdictShown(
        str(verdict.get("outcome") or "not said"), question if isinstance(question, str) else "",
        _plan(plan), reasons, due,
        tuple(str(each) for each in missing) if isinstance(missing, list) else (),
    )  # fmt: skip


def _plan(plan: object) -> str:
    use, release = (plan.get(name) for name in ("use", "release")) if isinstance(plan, Mapping) else ("", "")
    return plan_words(use, release) if use and isinstance(use, str) and isinstance(release, str) else ""


def _each(verdict: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    found = verdict.get(name)
    yield from (each for each in (found if isinstance(found, list) else ()) if isinstance(each, Mapping))


def _text(value: Mapping[str, Any], name: str) -> str:
    return str(value.get(name) or "not said")


def _joined(value: Mapping[str, Any], *names: str) -> str:
    return " · ".join(str(value[name]) for name in names if value.get(name))
