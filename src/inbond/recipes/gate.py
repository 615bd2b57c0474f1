"""The gate of a run: from a recipe to facts, and the decision before anything is made or paid for."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from inbond.errors import DecisionNeededError, DeniedError, InputError
from inbond.ledger import manifest
from inbond.ledger.ledger import Ledger
from inbond.policy import gate, library
from inbond.policy.agreements import read_agreement
from inbond.policy.decide import Decision, decide
from inbond.policy.declared import find_licence
from inbond.policy.facts import SELF_HOSTED, Agreement, DataLicence, Facts, LicenceFinding
from inbond.policy.library import Library
from inbond.policy.licences import of_data
from inbond.policy.weights import Registry
from inbond.recipes.accepting import addressed, words
from inbond.recipes.behind import with_descent
from inbond.recipes.recipe import Recipe
from inbond.types import ModelName, parse_model_name
from inbond.workspace import Workspace, config_folder

RESULT = "result.json"
"""In a run's folder: what the run says of itself."""


def facts_from_recipe(recipe: Recipe, folder: Path, workspace: Workspace) -> Facts:
    """The plan that a recipe describes, with the licences found on this machine and what its sources
    descend from. Its agreements' paths start at ``folder``. Raises InputError, TamperedError as
    ``with_descent``."""
    teacher = parse_model_name(recipe.teacher)
    base = parse_model_name(recipe.student.base) if recipe.student.base else None
    own = tuple(DataLicence(data.file, of_data(data.licence)) for data in recipe.own_data)
    known, purpose = my_library(), recipe.purpose
    channel = channel_of(recipe.channel or teacher.channel, known)
    facts = Facts(
        teacher=recipe.teacher,
        weights=licence_of(teacher, workspace, known.models),
        base_is_teacher=recipe.student.init == "prune" or (base is not None and base == teacher),
        base=licence_of(base, workspace, known.models) if base is not None and base != teacher else None,
        channel=channel.name,
        host_terms=channel.terms,
        host_models=channel.models,
        data=(*_prompts(recipe), *own),
        use=purpose.use,
        release=purpose.release,
        kind=purpose.kind,
        name=purpose.name or recipe.name,
        domains=purpose.domains,
        competes=purpose.competes,
        mau=purpose.mau,
        revenue_usd=purpose.revenue_usd,
        territory=purpose.territory,
        agreements=agreements_of([folder / path for path in purpose.agreements], None),
    )
    return with_descent(facts, workspace, known)


def my_library() -> Library:
    """The terms, models and hosts that ship, and those of the user's config folder. Raises InputError."""
    return library.load(config_folder(os.environ))


def licence_of(name: ModelName, workspace: Workspace, registry: Registry) -> LicenceFinding:
    """A model's licence; an earlier run's student is read from its folder in this workspace."""
    if name.scheme == "run":
        name = parse_model_name(f"path:{student_folder(name, workspace)}")
    return find_licence(name, registry)


@dataclass(frozen=True)
class Channel:
    """How a teacher is reached, the id of the terms that this puts on top, and whose models are there."""

    name: str
    terms: str | None
    models: Literal["own", "any"]


def channel_of(channel: str, known: Library) -> Channel:
    """The terms of a teacher's host: as shipped, or as the user's hosts file has them. Raises InputError."""
    name = channel.lower()
    if name == SELF_HOSTED:
        return Channel(name, None, "any")
    from inbond.teachers.hosts import terms_of

    terms, row = known.host(name, terms_of(name, config_folder(os.environ)))
    return Channel(name, terms, row.models if row is not None else "any")


def agreements_of(paths: Sequence[Path], on: str | None) -> tuple[Agreement, ...]:
    """The agreements in these files, as they stand on the day ``on`` (None: today). Raises InputError."""
    day = date.fromisoformat(on) if on is not None else datetime.now(UTC).date()
    return tuple(read_agreement(path, day) for path in paths)


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


def pass_gate(
    recipe: Recipe, folder: Path, workspace: Workspace, ledger: Ledger, accept: str | None
) -> Passed:
    """Decides and records it.

    Raises DeniedError, or DecisionNeededError when a person must decide and none has.
    """
    facts = facts_from_recipe(recipe, folder, workspace)
    decision = decide(facts, my_library().terms)
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
        fix="choose another teacher, use or release; a denial is lifted only by a written agreement "
        "(purpose.agreements)",
    )


def _hint(recipe: Recipe) -> str:
    unsaid = recipe.prompts.licence is None and recipe.prompts.items is None
    return "set prompts.licence (own: the prompts are yours); " if unsaid else ""


def _recorded(ledger: Ledger, kind: str, body: dict[str, Any]) -> bool:
    """Whether this very decision of this run is in the ledger already: a second run adds nothing."""
    return any(event.body == body for event in ledger.events(kind))
