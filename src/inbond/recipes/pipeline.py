"""Pipelines: several recipes in one file, of which a later one names an earlier one.

A later stage may take an earlier one's student as its teacher or base (``run:NAME``), or its records as
prompts or own data (``prompts: {run: NAME}``). What stands beside ``name`` and ``stages`` is shared: each
stage has it too, field by field, unless it says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.recipes import reading
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.base import Section
from inbond.recipes.sections.data import RunName
from inbond.workspace import Workspace


class Pipeline(Section):
    """Recipes in the order in which they run, each a run of its own."""

    name: RunName
    stages: tuple[Recipe, ...] = Field(min_length=1)


def load(source: str, changes: tuple[str, ...] = ()) -> tuple[Recipe | Pipeline, Path]:
    """A recipe or a pipeline, built in or out of a file, with its folder.

    A change ``a.b=value`` goes to every stage, ``STAGE/a.b=value`` to one. Raises InputError.
    """
    values, folder = reading.read_values(source)
    if not isinstance(values, dict) or "stages" not in values:
        return reading.load(source, changes)
    return parse(values, source, changes), folder


def parse(values: Mapping[str, Any], where: str, changes: Sequence[str] = ()) -> Pipeline:
    """A pipeline from plain values. Raises InputError that names the stage and the field."""
    shared = {key: value for key, value in values.items() if key not in ("name", "stages")}
    given = values["stages"]
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise InputError(
            expected=f"stages in {where}: a list of recipes, each with a name",
            found=f"{given!r:.80}",
            fix="write each stage as an item with a name and what else it needs",
        )
    names = [str(stage.get("name")) for stage in given]
    _check_names(str(values.get("name")), names, where)
    stages = {name: _merged(shared, stage) for name, stage in zip(names, given, strict=True)}
    for change in changes:
        _change(stages, change)
    recipes = [reading.parse(stage, f"the stage {name} of {where}") for name, stage in stages.items()]
    return reading.validated(Pipeline, {"name": values.get("name"), "stages": recipes}, where)


def _check_names(own: str, names: Sequence[str], where: str) -> None:
    twice = next((name for name in names if [own, *names].count(name) > 1), None)
    if twice is not None:
        raise InputError(
            expected=f"a name of its own for the pipeline and for each stage of {where}",
            found=f"{twice!r} twice",
            fix="rename one of them: each stage is a run of its own in the workspace",
        )


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A stage with what all share; a section is joined field by field, anything else is the stage's own. A
    fresh value: stages are changed one by one."""
    joined: dict[str, Any] = json.loads(json.dumps(dict(shared), default=str))
    for key, value in own.items():
        before = joined.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        joined[key] = _merged(before, value) if both and before is not None else value
    return joined


def _change(stages: Mapping[str, dict[str, Any]], change: str) -> None:
    path, equals, value = change.partition("=")
    name, slash, field = path.rpartition("/")
    if slash and name not in stages:
        raise InputError(
            expected=f"a stage of the pipeline: {', '.join(stages)}",
            found=f"{name!r} in --set {change!r:.80}",
            fix="name one of them, or leave it out to change every stage",
        )
    for stage in [stages[name]] if slash else stages.values():
        reading.apply(stage, f"{field}{equals}{value}")


# What stages name -----------------------------------------------------------------------------------


class Reference(NamedTuple):
    """A run that a recipe names, where, and what it takes of it."""

    run: str
    field: str
    takes: Literal["student", "records"]


def references(recipe: Recipe) -> Iterator[Reference]:
    """Every run that a recipe names."""
    models = {
        "teacher": recipe.teacher,
        "student.base": recipe.student.base,
        "capture.reference": recipe.capture.reference,
    }
    models |= {f"teachers.{number}.teacher": each.teacher for number, each in enumerate(recipe.teachers)}
    for field, name in models.items():
        if name is not None and name.startswith("run:"):
            yield Reference(name.removeprefix("run:"), field, "student")
    if recipe.prompts.run is not None:
        yield Reference(recipe.prompts.run, "prompts.run", "records")
    for number, each in enumerate(recipe.teachers):
        if each.prompts is not None and each.prompts.run is not None:
            yield Reference(each.prompts.run, f"teachers.{number}.prompts.run", "records")
    for number, own in enumerate(recipe.own_data):
        if own.run is not None:
            yield Reference(own.run, f"own_data.{number}.run", "records")


def check_references(pipeline: Pipeline, workspace: Workspace) -> None:
    """Raises InputError for a stage that names itself, a later stage, a student of a stage that makes none,
    or a run that is neither an earlier stage nor in the workspace."""
    for number, stage in enumerate(pipeline.stages):
        earlier = {each.name: each for each in pipeline.stages[:number]}
        later = [each.name for each in pipeline.stages[number + 1 :]]
        for named in references(stage):
            if named.run in earlier:
                _check_student(stage, named, earlier[named.run])
            elif named.run == stage.name:
                raise _refuse(stage, named, "itself", "name an earlier stage")
            elif named.run in later:
                raise _refuse(stage, named, f"{named.run}, a later stage", f"put {named.run} before it")
            elif not _is_there(named, workspace):
                known = ", ".join(earlier) or "none"
                fix = f"name an earlier stage ({known}), or run that recipe first"
                raise _refuse(stage, named, f"{named.run}, which is no stage and no finished run", fix)


def _check_student(stage: Recipe, named: Reference, earlier: Recipe) -> None:
    if named.takes == "student" and earlier.student.init == "none":
        what = f"{earlier.name}, which makes records and no student"
        raise _refuse(stage, named, what, "take its records: prompts: {run: " + earlier.name + "}")


def _is_there(named: Reference, workspace: Workspace) -> bool:
    place = "student" if named.takes == "student" else "data/train"
    return manifest.read(workspace.run(named.run) / place) is not None


def _refuse(stage: Recipe, named: Reference, found: str, fix: str) -> InputError:
    return InputError(
        expected=f"{named.field} of the stage {stage.name}: an earlier stage, or a finished run",
        found=f"it names {found}",
        fix=fix,
    )
