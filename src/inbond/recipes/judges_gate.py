"""The gate for judges: what they say shapes what is learnt, so their terms are judged as a teacher's are.

Before anything is asked. The run's own teacher, which may judge as well, has passed its gate already.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from inbond.digest import Digest
from inbond.errors import DecisionNeededError, DeniedError
from inbond.ledger.ledger import Ledger
from inbond.policy import gate
from inbond.policy.decide import Decision, decide
from inbond.policy.facts import Facts
from inbond.recipes.plan import facts_of, my_library, plan_of
from inbond.recipes.recipe import Recipe
from inbond.workspace import Workspace


def pass_judges(
    recipe: Recipe, folder: Path, workspace: Workspace, ledger: Ledger, accept: str | None
) -> dict[str, Digest]:
    """The digest of the facts that each judge was allowed by, by its name; none where nobody judges.

    Raises DeniedError, or DecisionNeededError when a person must decide and none has, naming the judge.
    """
    section = recipe.preferences
    if section is None:
        return {}
    known, plan = my_library(), plan_of(recipe, folder)
    found = {}
    for name, uri in section.judges.items():
        own = replace(plan, teacher=uri, channel=None, from_teacher=False, base=None)
        facts = facts_of(plan if uri == recipe.teacher else own, workspace, known)
        decision = decide(facts, known.terms)
        if uri != recipe.teacher:
            _pass(recipe.name, name, facts, decision, ledger, accept)
        found[name] = decision.verdict.facts
    return found


def _pass(run: str, name: str, facts: Facts, decision: Decision, ledger: Ledger, accept: str | None) -> None:
    body: dict[str, Any] = {"judge": name, "judges_for": run, **gate.decided(facts, decision)}
    if not any(event.body == body for event in ledger.events(gate.DECIDED)):
        ledger.record(gate.DECIDED, body)
    findings = "; ".join(reason.finding for reason in decision.verdict.reasons)
    who = f"the judge {name} ({facts.teacher})"
    if decision.verdict.outcome == "deny":
        raise DeniedError(
            expected=f"terms of {who} that allow a student to learn from its judgements",
            found=findings,
            fix=f"leave {name} out of preferences.judges, or name another model",
        )
    if decision.verdict.outcome != "review" or _accepted(ledger, decision):
        return
    if accept is None:
        raise DecisionNeededError(
            expected=f"terms of {who} that Inbond can judge, or a person's decision",
            found=findings,
            fix=f"settle what is missing ({'; '.join(decision.missing)}), or --accept REASON",
        )
    ledger.record(gate.ACCEPTED, gate.accepted(decision, accept))


def _accepted(ledger: Ledger, decision: Decision) -> bool:
    findings = gate.findings(decision)
    return any(
        event.body["facts"] == decision.verdict.facts and event.body.get("findings") == findings
        for event in ledger.events(gate.ACCEPTED)
    )
