"""The terms on file, and a plan held against them: as ``inbond check`` does, from a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inbond.errors import InputError
from inbond.policy.decide import decide
from inbond.policy.library import Library
from inbond.policy.schema import Terms
from inbond.recipes.behind import Here
from inbond.recipes.options import PlanOptions, read_options
from inbond.recipes.plan import facts_of
from inbond.types import parse_model_name
from inbond.workspace import Workspace

_NAMED: Final = ("hf", "api", "pypi", "run")
FIELDS: Final = ("teacher", "base", "use", "release", "competes", "territory")
CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "use": ("commercial", "internal", "research"),
    "release": ("weights", "service", "none"),
    "competes": ("unknown", "no", "yes"),
}
TOPICS: Final = (
    ("outputs", "Training on what it says"),
    ("derived_weights", "Models made of its weights"),
    ("training_data", "Training on it as data"),
)


def search(known: Library, words: str) -> list[Terms]:
    """Terms in which all the words are, by title."""
    wanted = words.casefold().split()
    found = [text for text in known.terms.terms.values() if all(word in _said(text) for word in wanted)]
    return sorted(found, key=lambda text: (text.title.casefold(), text.version))


def _said(text: Terms) -> str:
    clauses = " ".join(f"{each.number} {each.paraphrase}" for each in text.clauses)
    return f"{text.id} {text.title} {text.provider or ''} {' '.join(text.names)} {clauses}".casefold()


def judge(asked: Mapping[str, str], workspace: Workspace, known: Library, here: Here) -> dict[str, Any]:
    """What ``inbond check --json`` prints of a plan. ``asked`` are the form's FIELDS, "" where left empty.
    Nothing is recorded, and no file is read that a visitor names. Raises InputError as ``read_options`` and
    ``facts_of``."""
    given = {name: asked.get(name, "").strip()[:400] for name in FIELDS}
    base = given["base"] or None
    for uri in (given["teacher"], base):
        if uri is not None and uri not in ("teacher", "none"):
            _only_named(uri)
    options = PlanOptions(
        given["teacher"], base=base, use=given["use"] or "commercial", release=given["release"] or "weights",
        competes=given["competes"] or "unknown", territory=given["territory"] or None,
    )  # fmt: skip
    return decide(facts_of(read_options(options), workspace, known, here=here), known.terms).to_json()


def _only_named(uri: str) -> None:
    scheme = parse_model_name(uri).scheme
    if scheme not in _NAMED:
        raise InputError(
            expected=f"a model by name here: {', '.join(f'{each}:' for each in _NAMED)}",
            found=f"{uri:.80}, a file of this machine",
            fix="ask on the command line: inbond check --teacher URI",
        )
