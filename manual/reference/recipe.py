"""Every field of a recipe, from the models that read it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from inbond.recipes.reading import BUILT_IN
from inbond.recipes.recipe import Recipe
from manual.reference.words import code, first_sentence, opening, plain, table

_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
_BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


_TOP = {field.annotation for field in Recipe.model_fields.values()}
"""Sections of the recipe itself: described once, wherever else they stand."""


def page() -> str:
    built_in = ", ".join(map(code, BUILT_IN))
    return (
        opening("Recipe fields", "recipe")
        + f"Built-in recipes: {built_in}.\n"
        + "".join(_section(path, model) for path, model in _models("", Recipe))
    )


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None and not (path and inner in _TOP):
            mark = "[]" if "tuple" in str(field.annotation) else ""
            yield from _models(f"{path}.{name}{mark}".lstrip("."), inner)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _section(path: str, model: type[BaseModel]) -> str:
    rows = [
        [code(name), _kind(field.annotation, field.metadata), _default(field), _meaning(field)]
        for name, field in model.model_fields.items()
    ]
    heading = f"## {code(path)}" if path else "## The recipe itself"
    return f"\n{heading}\n\n{plain(model.__doc__)}\n\n" + table(
        ["field", "value", "default", "meaning"], rows
    )


def _meaning(field: FieldInfo) -> str:
    inner = _model_in(field.annotation)
    said = field.description or (first_sentence(inner.__doc__) if inner else "")
    return (said[:1].upper() + said[1:] if not said.startswith(("hf:", "api:")) else said).rstrip(".") + "."


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    value = field.default
    if isinstance(value, BaseModel):
        return "see there"
    if isinstance(value, bool):
        return code(str(value).lower())
    if value in (None, (), {}):
        return (
            code({None: "null", (): "[]"}.get(value if value is None else (), "{}"))
            if value != {}
            else code("{}")
        )
    return ", ".join(map(code, value)) if isinstance(value, tuple) else code(str(value))


def _kind(annotation: Any, metadata: Any = ()) -> str:
    """What may stand there, in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(inner[0], (*inner[1:], *metadata))
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if each is type(None) else _kind(each, metadata) for each in inner)
    if origin is typing.Literal:
        return ", ".join(map(code, map(str, inner)))
    if origin is tuple:
        return f"list of {_plural(_kind(inner[0]))}"
    if origin is dict:
        return f"names, each with {_kind(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return ", ".join(filter(None, [_NAMES.get(annotation, str(annotation)), *_bounds(metadata)]))


def _plural(kind: str) -> str:
    return {"text": "texts", "section": "sections", "whole number": "whole numbers"}.get(kind, kind)


def _bounds(metadata: Any) -> Iterator[str]:
    for each in metadata:
        for part in (each, *getattr(each, "metadata", ())):
            for name, words in _BOUNDS.items():
                limit = getattr(part, name, None)
                if limit is not None:
                    yield words.format(f"{limit:,}" if isinstance(limit, int) else f"{limit:g}")
