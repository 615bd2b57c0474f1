"""A plan, from a recipe or from the options of a command, to the facts that the gate judges.

What a person said is looked up here: licences in files and registries, the terms of hosts, agreements, and
what the sources descend from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, Protocol, final

from inbond.engine.prompts import marked_sets
from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.lineage import Graph
from inbond.policy import library
from inbond.policy.agreements import read_agreement
from inbond.policy.declared import find_licence
from inbond.policy.facts import (
    SELF_HOSTED,
    Agreement,
    Beside,
    Competes,
    DataLicence,
    Facts,
    LicenceFinding,
    Release,
    StudentKind,
    Use,
)
from inbond.policy.library import Library
from inbond.policy.licences import of_data
from inbond.policy.weights import Registry
from inbond.recipes.accepting import words
from inbond.recipes.behind import Here, with_descent
from inbond.recipes.recipe import Recipe
from inbond.types import ModelName, parse_model_name
from inbond.workspace import Workspace, config_folder, opened

RESULT = "result.json"
"""In a run's folder: what the run says of itself."""


@final
@dataclass(frozen=True)
class Plan:
    """A distillation as a person described it; nothing is looked up yet.

    The student starts from the teacher's weights (``from_teacher``), from another model's (``base``), or from
    scratch. ``channel`` is None where the teacher's name says how it is reached; ``agreements`` are files;
    ``date`` (ISO 8601) is None for now. The other fields are those of ``Facts``.
    """

    teacher: str
    from_teacher: bool
    base: str | None = None
    channel: str | None = None
    data: tuple[DataLicence, ...] = ()
    use: Use = "commercial"
    release: Release = "weights"
    kind: StudentKind = "general"
    name: str | None = None
    domains: tuple[str, ...] = ()
    competes: Competes = "unknown"
    mau: int | None = None
    revenue_usd: float | None = None
    territory: str | None = None
    date: str | None = None
    agreements: tuple[Path, ...] = ()
    reasoning: bool = False
    beside: tuple[tuple[str, str | None], ...] = ()
    """Further teachers, each with its channel."""


def plan_of(recipe: Recipe, folder: Path) -> Plan:
    """The plan that a recipe describes; its agreements' paths start at ``folder``."""
    base, purpose = recipe.student.base, recipe.purpose
    own = tuple(
        DataLicence(name, of_data(data.licence))
        for data in recipe.own_data
        for name in (data.named, *(marked_sets(folder / data.file) if data.file is not None else ()))
    )
    return Plan(
        teacher=recipe.teacher,
        from_teacher=recipe.student.init == "prune" or base == recipe.teacher,
        base=base if base != recipe.teacher else None,
        channel=recipe.channel,
        data=(_prompts(recipe), *_context(recipe), *_further(recipe), *own, *_preferences(recipe)),
        use=purpose.use,
        release=purpose.release,
        kind=purpose.kind,
        name=purpose.name or recipe.name,
        domains=purpose.domains,
        competes=purpose.competes,
        mau=purpose.mau,
        revenue_usd=purpose.revenue_usd,
        territory=purpose.territory,
        agreements=tuple(folder / path for path in purpose.agreements),
        reasoning=recipe.generate.reasoning == "keep",
        beside=tuple((each.teacher, each.channel) for each in recipe.teachers if each.weight),
    )


def _prompts(recipe: Recipe) -> DataLicence:
    """Prompts shape what is learnt; those without a word on their licence are asked about by name. What is
    behind the records of an earlier run is judged as their descent."""
    source = recipe.prompts.named or "the recipe's own list of prompts"
    mine = recipe.prompts.items is not None or recipe.prompts.run is not None
    stated = recipe.prompts.licence or ("own" if mine else None)
    return DataLicence(source, of_data(stated) if stated else None)


def _preferences(recipe: Recipe) -> tuple[DataLicence, ...]:
    """The file of preferences, where there is one: its texts are learnt from."""
    section = recipe.preferences
    if section is None or section.file is None:
        return ()
    return (DataLicence(section.file, of_data(section.licence) if section.licence else None),)


def _further(recipe: Recipe) -> tuple[DataLicence, ...]:
    """The prompts of further teachers, and their contexts."""
    asked = (each.prompts for each in recipe.teachers if each.weight and each.prompts is not None)
    own = (recipe.model_copy(update={"prompts": prompts}) for prompts in asked)
    return tuple(item for one in own for item in (_prompts(one), *_context(one)))


def _context(recipe: Recipe) -> tuple[DataLicence, ...]:
    """What the teacher alone sees, of whoever the prompts are."""
    if not recipe.prompts.contextual:
        return ()
    name = recipe.prompts.context_file or "the recipe's own context"
    return (DataLicence(name, of_data(recipe.prompts.licence or "own")),)


class Expected(Protocol):
    """Runs that are planned and not there yet."""

    @property
    def findings(self) -> Mapping[str, LicenceFinding]:
        """Their students' licences, by ``run:`` name."""

    @property
    def graph(self) -> Graph:
        """What they will descend from."""


def facts_of(
    plan: Plan,
    workspace: Workspace,
    known: Library,
    expected: Expected | None = None,
    here: Here | None = None,
) -> Facts:
    """Looks up what a plan names; runs are those that are ``expected``, then those of ``workspace``.

    With ``here``, which was read of it before, its ledger is not read. Raises InputError for what cannot be
    found or read, TamperedError as ``with_descent``.
    """

    def licence(name: ModelName) -> LicenceFinding:
        found = expected.findings.get(str(name)) if expected is not None else None
        return found or licence_of(name, workspace, known.models)

    teacher = parse_model_name(plan.teacher)
    channel = channel_of(teacher, plan.channel, known)
    facts = Facts(
        teacher=plan.teacher,
        weights=licence(teacher),
        base_is_teacher=plan.from_teacher,
        base=licence(parse_model_name(plan.base)) if plan.base else None,
        channel=channel.name,
        host_terms=channel.terms,
        host_models=channel.models,
        data=plan.data,
        use=plan.use,
        release=plan.release,
        kind=plan.kind,
        name=plan.name,
        domains=plan.domains,
        competes=plan.competes,
        mau=plan.mau,
        revenue_usd=plan.revenue_usd,
        territory=plan.territory,
        date=plan.date,
        not_yet=None if plan.date is not None else known.terms.not_yet(datetime.now(UTC).date()),
        agreements=agreements_of(plan.agreements, plan.date),
        reasoning=plan.reasoning,
        beside=tuple(_beside(*each, licence, known) for each in plan.beside),
    )
    return with_descent(facts, workspace, known, expected.graph if expected is not None else None, here)


def _beside(
    teacher: str, said: str | None, licence: Callable[[ModelName], LicenceFinding], known: Library
) -> Beside:
    name = parse_model_name(teacher)
    channel = channel_of(name, said, known)
    return Beside(teacher, licence(name), channel.name, channel.terms, channel.models)


def my_library() -> Library:
    """The terms, models and hosts that ship, and those of the user's config folder. Raises InputError."""
    return library.load(config_folder(os.environ))


def licence_of(name: ModelName, workspace: Workspace, registry: Registry) -> LicenceFinding:
    """A model's licence; an earlier run's student is read from its folder in this workspace."""
    if name.scheme != "run":
        return find_licence(name, registry)
    folder = parse_model_name(f"path:{student_folder(name, workspace)}")
    return replace(find_licence(folder, registry), subject=str(name))


@final
@dataclass(frozen=True)
class Channel:
    """How a teacher is reached, the id of the terms that this puts on top, and whose models are there."""

    name: str
    terms: str | None
    models: Literal["own", "any"]


def channel_of(teacher: ModelName, said: str | None, known: Library) -> Channel:
    """The terms of a teacher's host: as shipped, or as the user's hosts file has them.

    Raises InputError when ``said`` is not the host that is in the name, which is the one that is called. A
    server of one's own may be called self-hosted; one whose terms are known may not.
    """
    name = (said or teacher.channel).lower()
    if teacher.scheme != "api":
        return Channel(name, None, "any") if name == SELF_HOSTED else _host(name, known)
    host = _host(teacher.channel.lower(), known)
    if name == host.name:
        return host
    if name == SELF_HOSTED and host.terms is None:
        return Channel(name, None, "any")
    instead = (
        "if you run these weights yourself, name them: hf:ORG/NAME or path:FOLDER"
        if name == SELF_HOSTED
        else f"a teacher that {said} serves is api:{said}/MODEL"
    )
    raise InputError(
        expected=f"{teacher} to be reached through {host.name}, the host in its name",
        found=f"the channel {said}",
        fix=f"leave the channel out; {instead}",
    )


def _host(name: str, known: Library) -> Channel:
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
        with opened(result) as file:
            kept = json.load(file)
        return {name: str(kept["gates"][name]["outcome"]) for name in kept["stopped_by"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
