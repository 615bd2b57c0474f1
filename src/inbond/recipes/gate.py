"""The gate of a run: the decision, recorded, before anything is made or paid for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.errors import DecisionNeededError, DeniedError
from inbond.ledger.ledger import Ledger
from inbond.policy import gate
from inbond.policy.decide import Decision, decide
from inbond.policy.facts import Facts
from inbond.recipes.accepting import addressed
from inbond.recipes.plan import facts_of, my_library, plan_of
from inbond.recipes.reasoning import asked_for
from inbond.recipes.recipe import Recipe
from inbond.workspace import Workspace


@dataclass(frozen=True)
class Passed:
    """A gate that let a run through. ``accepted`` is the reason of the person who took a review upon
    themselves, None where none was needed."""

    facts: Facts
    decision: Decision
    accepted: str | None


def pass_gate(
    recipe: Recipe, folder: Path, workspace: Workspace, ledger: Ledger, accept: str | None
) -> Passed:
    """Decides and records it.

    Raises DeniedError, or DecisionNeededError when a person must decide and none has.
    """
    known = my_library()
    facts = facts_of(plan_of(recipe, folder), workspace, known)
    decision = decide(facts, known.terms)
    if recipe.generate.reasoning == "only-if-permitted":
        with_it = asked_for(facts)
        wider = decide(with_it, known.terms)
        if wider.verdict.outcome == decision.verdict.outcome:
            facts, decision = with_it, wider
    body = {"run": recipe.name, **gate.decided(facts, decision)}
    return let_through(recipe, facts, decision, body, ledger, accept)


def let_through(
    recipe: Recipe,
    facts: Facts,
    decision: Decision,
    body: dict[str, Any],
    ledger: Ledger,
    accept: str | None,
) -> Passed:
    """Records a decision, ``body`` as ``gate.decided`` has it, and what follows from it. Raises as
    ``pass_gate``."""
    if not _recorded(ledger, gate.DECIDED, body):
        ledger.record(gate.DECIDED, body)
    findings = "; ".join(reason.finding for reason in decision.verdict.reasons)
    if decision.verdict.outcome == "deny":
        raise _denied(body["question"], findings)
    if decision.verdict.outcome != "review":
        return Passed(facts, decision, None)
    accepted_findings = gate.findings(decision)
    earlier = [
        event.body["reason"]
        for event in ledger.events(gate.ACCEPTED)
        if event.body["facts"] == decision.verdict.facts and event.body.get("findings") == accepted_findings
    ]
    if accept is not None and not (earlier and addressed(accept)[0]):  # else it speaks of another gate
        accepted = gate.accepted(decision, accept)
        ledger.record(gate.ACCEPTED, accepted)
        return Passed(facts, decision, str(accepted["reason"]))
    if not earlier:
        raise DecisionNeededError(
            expected="terms that Inbond can judge, or a person's decision",
            found=findings,
            fix=f"{_hint(recipe)}settle what is missing ({'; '.join(decision.missing)}), or --accept REASON",
        )
    return Passed(facts, decision, str(earlier[-1]))


def _denied(question: str, found: str) -> DeniedError:
    return DeniedError(
        expected=f"{question}: a plan that the terms allow",
        found=found,
        fix="choose another teacher, use or release; a denial is lifted only by a written agreement "
        "(purpose.agreements)",
    )


def _hint(recipe: Recipe) -> str:
    unsaid = recipe.prompts.licence is None and recipe.prompts.items is None
    return "set prompts.licence (own: the prompts are yours); " if unsaid else ""


def _recorded(ledger: Ledger, kind: str, body: dict[str, Any]) -> bool:
    """Whether this very decision of this run is in the ledger already: a second run adds nothing."""
    return any(event.body == body for event in ledger.events(kind))
