"""The gate of a run: from a recipe to facts, and the decision before anything is made or paid for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbond.errors import DecisionNeededError, DeniedError, InputError
from inbond.ledger import manifest
from inbond.ledger.ledger import Ledger
from inbond.policy import gate, terms, weights
from inbond.policy.decide import Decision, decide
from inbond.policy.declared import find_licence
from inbond.policy.facts import SELF_HOSTED, DataLicence, Facts, LicenceFinding
from inbond.policy.licences import of_data
from inbond.recipes.accepting import addressed, words
from inbond.recipes.recipe import Recipe
from inbond.types import ModelName, parse_model_name
from inbond.workspace import Workspace, config_folder

RESULT = "result.json"
"""In a run's folder: what the run says of itself."""


def facts_from_recipe(recipe: Recipe, workspace: Workspace) -> Facts:
    """The plan that a recipe describes, with the licences found on this machine. Raises InputError."""
    teacher = parse_model_name(recipe.teacher)
    base = parse_model_name(recipe.student.base) if recipe.student.base else None
    channel = (recipe.channel or teacher.channel).lower()
    own = tuple(DataLicence(data.file, of_data(data.licence)) for data in recipe.own_data)
    return Facts(
        teacher=recipe.teacher,
        weights=licence_of(teacher, workspace),
        base_is_teacher=recipe.student.init == "prune" or (base is not None and base == teacher),
        base=licence_of(base, workspace) if base is not None and base != teacher else None,
        channel=channel,
        host_terms=host_terms(channel),
        data=(*_prompts(recipe), *own),
        use=recipe.purpose.use,
        release=recipe.purpose.release,
        name=recipe.name,
        domains=recipe.purpose.domains,
        competes=recipe.purpose.competes,
    )


def licence_of(name: ModelName, workspace: Workspace) -> LicenceFinding:
    """A model's licence; an earlier run's student is read from its folder in this workspace."""
    if name.scheme == "run":
        name = parse_model_name(f"path:{student_folder(name, workspace)}")
    return find_licence(name, weights.shipped())


def host_terms(channel: str) -> str | None:
    """The id of the terms of a teacher's host, as the user's hosts file names it. Raises InputError."""
    if channel == SELF_HOSTED:
        return None
    from inbond.teachers.hosts import terms_of

    return terms_of(channel, config_folder(os.environ))


def student_folder(name: ModelName, workspace: Workspace) -> Path:
    """The student of the run that a ``run:`` name means. Raises InputError when there is none, saying so
    where the run's gates kept it in."""
    folder = workspace.run(name.name) / "student"
    if manifest.read(folder) is not None:
        return folder
    kept_in = _kept_in(folder.parent / RESULT)
    if kept_in:
        raise InputError(
            expected=f"a student that the run {name.name!r} handed out",
            found="its gates kept it in ("
            + ", ".join(f"{name}: {outcome}" for name, outcome in kept_in.items())
            + f"); {folder.parent / 'report.html'} says why",
            fix="change its recipe as the report advises, or, to hand the student out all the same, run its "
            f"recipe again with {words(list(kept_in))}",
        )
    raise InputError(
        expected=f"a finished run {name.name!r} in {workspace.home}",
        found=f"no complete student at {folder}",
        fix="run its recipe first, or name the workspace with --home",
    )


def _kept_in(result: Path) -> dict[str, str]:
    """The gates that stopped a run, with their outcomes; none for any other run."""
    try:
        kept = json.loads(result.read_bytes())
        return {name: str(kept["gates"][name]["outcome"]) for name in kept["stopped_by"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _prompts(recipe: Recipe) -> tuple[DataLicence, ...]:
    """Prompts shape what is learnt; those without a word on their licence are asked about by name."""
    source = recipe.prompts.file or recipe.prompts.dataset or "the recipe's own list of prompts"
    stated = recipe.prompts.licence or ("own" if recipe.prompts.items is not None else None)
    return (DataLicence(source, of_data(stated) if stated else None),)


@dataclass(frozen=True)
class Passed:
    """A gate that let a run through. ``accepted`` is the reason of the person who took a review upon
    themselves, None where none was needed."""

    facts: Facts
    decision: Decision
    accepted: str | None


def pass_gate(recipe: Recipe, workspace: Workspace, ledger: Ledger, accept: str | None) -> Passed:
    """Decides and records it.

    Raises DeniedError, or DecisionNeededError when a person must decide and none has.
    """
    facts = facts_from_recipe(recipe, workspace)
    decision = decide(facts, terms.shipped())
    body = {"run": recipe.name, **gate.decided(facts, decision)}
    if not _recorded(ledger, gate.DECIDED, body):
        ledger.record(gate.DECIDED, body)
    findings = "; ".join(reason.finding for reason in decision.verdict.reasons)
    if decision.verdict.outcome == "deny":
        raise _denied(body["question"], findings)
    if decision.verdict.outcome != "review":
        return Passed(facts, decision, None)
    earlier = [
        event.body["reason"]
        for event in ledger.events(gate.ACCEPTED)
        if event.body["facts"] == decision.verdict.facts
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
        fix="choose another teacher, use or release; a denial is lifted only by an agreement",
    )


def _hint(recipe: Recipe) -> str:
    unsaid = recipe.prompts.licence is None and recipe.prompts.items is None
    return "set prompts.licence (own: the prompts are yours); " if unsaid else ""


def _recorded(ledger: Ledger, kind: str, body: dict[str, Any]) -> bool:
    """Whether this very decision of this run is in the ledger already: a second run adds nothing."""
    return any(event.body == body for event in ledger.events(kind))
