"""Recipes from YAML and back: ``--set`` changes, errors that name the field, the schema for editors."""

from __future__ import annotations

import difflib
import json
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from inbond.errors import InputError
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.base import Section
from inbond.recipes.sections.data import Prompts
from inbond.recipes.sections.preferences import DEFAULT, Preferences

SectionT = TypeVar("SectionT", bound=Section)
BUILT_IN = (
    "demo",
    "across",
    "briefing",
    "cleaned",
    "context",
    "edge",
    "mixture",
    "on-policy",
    "preferred",
    "reasoned",
    "verified",
)


def parse(values: Any, where: str) -> Recipe:
    """A recipe from plain values. Raises InputError that names the field, its value and the fix."""
    if not isinstance(values, dict):
        raise InputError(
            expected=f"a recipe with fields (name, teacher, prompts, ...) in {where}",
            found=f"{type(values).__name__}",
            fix="start from the built-in one: inbond run demo --print-recipe",
        )
    return validated(Recipe, values, where)


def validated(kind: type[SectionT], values: Any, where: str) -> SectionT:
    """A section from plain values. Raises InputError that names the field, its value and the fix."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _explain(error, where) from error


def _explain(error: ValidationError, where: str) -> InputError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the recipe"
    others = error.error_count() - 1
    more = f" (and {others} more)" if others else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), _fields(first["loc"][:-1]), 1)
        fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_fields(first['loc'][:-1]))}"
        expected = f"only fields that a recipe has, in {where}"
        return InputError(expected=expected, found=f"{field} = {first['input']!r:.80}{more}", fix=fix)
    if first["type"] == "missing":
        fix = f"add {field}; inbond run demo --print-recipe shows a whole recipe"
        return InputError(expected=f"{field} in {where}", found=f"nothing{more}", fix=fix)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        found = f"{field} = {cause.found}{more}"
        return InputError(expected=f"{field} in {where}: {cause.expected}", found=found, fix=cause.fix)
    message = first["msg"].removeprefix("Value error, ")
    return InputError(
        expected=f"{field} in {where}: {message[0].lower()}{message[1:]}",
        found=f"{field} = {first['input']!r:.80}{more}",
        fix=f"correct {field} in the recipe, or with --set {field}=...",
    )


def _fields(path: tuple[int | str, ...]) -> list[str]:
    """The fields that the part of a recipe at ``path`` has."""
    part: Any = Recipe
    for step in path:
        if isinstance(step, int):
            continue
        annotation = part.model_fields[step].annotation
        nested = [
            item
            for item in (annotation, *getattr(annotation, "__args__", ()))
            if hasattr(item, "model_fields")
        ]
        if not nested:
            return []
        part = nested[0]
    return list(part.model_fields)


def load(source: str, changes: tuple[str, ...] = ()) -> tuple[Recipe, Path]:
    """Reads a built-in recipe by name, or a file; applies ``--set`` changes.

    Returns the recipe and the folder that its relative paths start from. Raises InputError.
    """
    values, folder = read_values(source)
    for change in changes:
        apply(values, change)
    return parse(values, source), folder


def read_values(source: str) -> tuple[Any, Path]:
    """What a recipe file says, as plain values, and its folder. Raises InputError."""
    text, folder = _read(source)
    return _yaml(text, f"YAML in {source}", "correct the line it names"), folder


class _Loader(yaml.SafeLoader):
    """Refuses a field that stands there twice: YAML itself would forget the first in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and keys.count(key.value) > 1:
                problem = f"the field {key.value!r:.60} twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return super().construct_mapping(node, deep)


# PyYAML's constructors let these through for values such as 2024-13-45 or !!int x.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


def _yaml(text: str, expected: str, fix: str) -> Any:
    """Values that can be written again: no half surrogates, nothing that holds itself."""
    try:
        values = yaml.load(text, _Loader)
        json.dumps(values, ensure_ascii=False, default=str).encode("utf-8")
    except _UNREADABLE as error:
        found = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
        raise InputError(expected=expected, found=" ".join(found.split())[:300], fix=fix) from error
    return values


def _read(source: str) -> tuple[str, Path]:
    if source in BUILT_IN:
        with resources.as_file(resources.files("inbond.recipes") / "builtin") as folder:
            return (folder / f"{source}.yaml").read_text(encoding="utf-8"), folder
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8-sig"), path.resolve().parent
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            expected=f"a recipe file, or the name of a built-in recipe ({', '.join(BUILT_IN)})",
            found=f"{source!r}: {error}",
            fix="check the path; inbond run demo --print-recipe shows what a recipe looks like",
        ) from error


def apply(values: Any, change: str) -> None:
    """Sets one ``a.b=value``; the value is read as YAML, so numbers, lists and null work."""
    path, equals, text = change.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        raise InputError(
            expected="--set a.b=value", found=repr(change), fix="for example --set train.epochs=3"
        )
    for step in steps[:-1]:
        values = values.setdefault(step, {}) if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise InputError(
            expected=f"a part of the recipe that has fields, at {path.rpartition('.')[0]}",
            found=repr(change),
            fix="list items cannot be set one by one: give the whole list, for example own_data=[...]",
        )
    values[steps[-1]] = _yaml(text, f"a YAML value for {path}", "quote it")


def to_yaml(recipe: Recipe) -> str:
    """The recipe with every field written out."""
    return yaml.safe_dump(
        recipe.model_dump(mode="json"),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )


def rooted(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its relative files made absolute, so that it means the same from anywhere."""
    teachers = tuple(
        each
        if each.prompts is None
        else each.model_copy(update={"prompts": _rooted_prompts(each.prompts, folder)})
        for each in recipe.teachers
    )
    own = tuple(
        data if data.file is None else data.model_copy(update={"file": str(folder / data.file)})
        for data in recipe.own_data
    )
    gates = recipe.gates
    if gates.generality.file is not None:
        outside = {"file": str(folder / gates.generality.file)}
        gates = gates.model_copy(update={"generality": gates.generality.model_copy(update=outside)})
    agreements = tuple(str(folder / path) for path in recipe.purpose.agreements)
    purpose = recipe.purpose.model_copy(update={"agreements": agreements})
    whole = {"purpose": purpose, "teachers": teachers, "own_data": own, "gates": gates}
    whole |= {"prompts": _rooted_prompts(recipe.prompts, folder)}
    return recipe.model_copy(update={**whole, "preferences": _rooted(recipe.preferences, folder)})


def _rooted_prompts(prompts: Prompts, folder: Path) -> Prompts:
    given = {name: getattr(prompts, name) for name in ("file", "context_file")}
    update: dict[str, Any] = {name: str(folder / file) for name, file in given.items() if file}
    if prompts.articles is not None:
        place = str(folder / prompts.articles.path)
        update["articles"] = prompts.articles.model_copy(update={"path": place})
    return prompts.model_copy(update=update)


def _rooted(section: Preferences | None, folder: Path) -> Preferences | None:
    if section is None:
        return None
    update = {}
    if section.file is not None:
        update["file"] = str(folder / section.file)
    if section.source in ("judges", "revision") and section.constitution != DEFAULT:
        update["constitution"] = str(folder / section.constitution)
    return section.model_copy(update=update)


def schema() -> str:
    """The JSON schema, for editors."""
    return json.dumps(Recipe.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
