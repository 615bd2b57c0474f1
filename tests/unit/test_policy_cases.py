"""The case law of ``policy_cases``, decided with all that ships, as the command line would ask it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from inbond.policy.agreements import parse_agreement
from inbond.policy.decide import Decision, decide
from inbond.policy.facts import Facts, LicenceFinding
from inbond.policy.library import shipped
from inbond.policy.licences import normalise
from inbond.recipes import plan as plans
from inbond.recipes.options import PlanOptions, read_options
from inbond.workspace import Workspace
from tests.unit import policy_cases, policy_cases_edges, policy_cases_texts
from tests.unit.policy_cases import Case

TODAY = date(2026, 11, 21)
CASES = (*policy_cases.CASES, *policy_cases_texts.CASES, *policy_cases_edges.CASES)


def facts_of(case: Case) -> Facts:
    """The plan's facts. ``path:LICENCE`` stands for a folder whose card declares that licence."""
    plan = dict(case.plan)
    agreements, teacher = plan.pop("agreements", ()), plan["teacher"]
    folder = teacher.removeprefix("path:") if teacher.startswith("path:") else None
    if folder is not None:
        plan |= {"teacher": "hf:a/folder", "base": "none"}
    known = {"mau": "mau", "revenue_usd": "revenue", "date": "on"}
    options = PlanOptions(**{known.get(k, k): v for k, v in plan.items()})
    facts = plans.facts_of(read_options(options), Workspace(Path("none")), shipped())
    if folder is not None:
        found = LicenceFinding(
            teacher, normalise(folder) if folder else None, "declared" if folder else "none", "its card"
        )
        from_teacher = case.plan["base"] == "teacher"
        facts = replace(facts, teacher=teacher, weights=found, base_is_teacher=from_teacher)
    read = (parse_agreement("a.json", json.dumps(each).encode(), TODAY) for each in agreements)
    return replace(facts, agreements=tuple(read))


def said_by(decision: Decision) -> str:
    return "\n".join(reason.finding for reason in decision.verdict.reasons)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}: {case.sentence}" for i, case in enumerate(CASES)])
def test_case(case: Case) -> None:
    decision = decide(facts_of(case), shipped().terms)
    assert decision.verdict.outcome == case.outcome, said_by(decision)
    cited = [(reason.source, reason.detail["clause"]) for reason in decision.verdict.reasons]
    assert case.source is None or case.source in cited
    assert case.said in said_by(decision)
    kinds = {due.kind for due in decision.obligations}
    assert set(case.due) <= kinds
    assert not kinds & set(case.not_due)
    assert case.missing in "; ".join(decision.missing)
    assert (case.outcome == "permit") <= (not kinds)
    assert (case.outcome == "permit-with-obligations") <= bool(kinds)
    assert (case.outcome == "review") <= bool(decision.missing)
    assert (case.outcome == "review") <= ("To settle it: " in said_by(decision))


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len(CASES) >= 150
    assert len({repr(case.plan) for case in CASES}) >= 150
    assert {case.outcome for case in CASES} == {"permit", "permit-with-obligations", "review", "deny"}


@pytest.mark.parametrize(
    ("licence", "bases", "outcome"),
    [
        ("llama2", (), "permit-with-obligations"),
        ("llama2 AND MIT", (), "permit-with-obligations"),
        ("MIT", ("llama2",), "permit-with-obligations"),
        ("llama2 OR MIT", (), "deny"),
        ("MIT", (), "deny"),
        ("MIT", ("llama3",), "deny"),
        (None, (), "deny"),
        (None, ("llama2",), "review"),
    ],
)
def test_an_exception_for_a_family_needs_a_start_that_is_in_it_for_certain(
    licence: str | None, bases: tuple[str, ...], outcome: str
) -> None:
    """Llama 2 outputs may improve Llama 2 alone: what may be under another licence is not known to be it."""
    below = tuple(LicenceFinding("hf:below/it", text, "declared", "its card") for text in bases)
    start = LicenceFinding("hf:a/start", licence, "declared" if licence else "none", "its card", below)
    teacher = LicenceFinding("hf:a/teacher", "llama2", "declared", "its card")
    decision = decide(Facts("hf:a/teacher", teacher, False, start), shipped().terms)
    assert decision.verdict.outcome == outcome, said_by(decision)
