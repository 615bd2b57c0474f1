"""What comes with a model or data set says of its lineage: cards, config.json, adapters, GGUF headers.

Each reader adds to a draft what one file says of its ``subject``, as ``policy.foreign`` read it, and turns
what it cannot place (a path on somebody's machine, a base without an organisation) into an open question.
Malformed input is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from inbond.ledger import own_card
from inbond.ledger.declaration import TRAINING, Draft
from inbond.ledger.lineage import NodeKind, Relation
from inbond.ledger.scopes import Scope
from inbond.policy import foreign
from inbond.policy.foreign import Told, shown, strings

_RELATIONS: Mapping[str, Relation] = {
    "adapter": "adapter",
    "merge": "merged",
    "quantized": "quantized",
    "finetune": "finetuned",
}
_DATA_FIELDS = frozenset(
    {
        "source_datasets", "task_categories", "task_ids", "size_categories", "annotations_creators",
        "language_creators", "dataset_info", "configs", "multilinguality",
    }
)  # fmt: skip


def kind_of(told: Told) -> NodeKind:
    """Whether a card is one of data or of a model, by its fields."""
    front = told.values
    return "data" if _DATA_FIELDS & front.keys() and "base_model" not in front else "model"


def draw_card(draft: Draft, subject: str, kind: NodeKind, told: Told, scope: Scope) -> None:
    """Adds a card's front matter. ``scope`` is the card, whose local names are not ours."""
    _licence(draft, subject, kind, told)
    drawn: set[str] = set()
    block = told.values.get("inbond")
    if isinstance(block, dict):
        drawn = own_card.draw(draft, subject, kind, told, scope)
    elif block is not None:
        raise ValueError(f"its block inbond is {shown(block)}")
    if kind == "data":
        _data_card(draft, subject, told.values)
    else:
        _model_card(draft, subject, told, drawn)


def _licence(draft: Draft, subject: str, kind: NodeKind, told: Told) -> None:
    draft.node(subject, kind, told.licence)
    lost = [text for text in told.licences if text.lower() in ("other", "unknown")] if told.licence else []
    for text in (*lost, *told.open("licence")):
        draft.unknown(subject, f"which licence {draft.read} means by {text}")


def _model_card(draft: Draft, subject: str, told: Told, drawn: set[str]) -> None:
    named = told.values.get("base_model_relation")
    relation = _RELATIONS.get(named, "initialised") if isinstance(named, str) else "initialised"
    if named is not None and (not isinstance(named, str) or named not in _RELATIONS):
        draft.unknown(subject, f"what its card means by base_model_relation {shown(named)}")
    _bases(draft, subject, [base for base in told.bases if base not in drawn], relation)
    _open(draft, subject, told)
    _datasets(draft, subject, [name for name in told.datasets if f"data:{name}" not in drawn])


def _data_card(draft: Draft, subject: str, front: Mapping[Any, Any]) -> None:
    given = front.get("source_datasets")
    for item in given if isinstance(given, list) else [given] if given is not None else []:
        source = item.removeprefix("extended|") if isinstance(item, str) else ""
        if "/" in source and (found := foreign.hub_data(source)):
            draft.edge(draft.node(f"data:{found}", "data"), subject, "derived")
        elif item != "original":
            draft.unknown(subject, f"which data its card means by source_datasets {shown(item)}")
    for field in ("language_creators", "annotations_creators"):
        if "machine-generated" in strings(front.get(field)):
            draft.unknown(
                subject, f"which model it is whose work its card means by {field}: machine-generated"
            )
    if "synthetic" in strings(front.get("tags")):
        draft.unknown(subject, "which model wrote what its card calls synthetic")


def draw_config(draft: Draft, subject: str, told: Told) -> bool:
    """Notes what ``config.json`` says the weights were loaded from; False when it says nothing. Somebody's
    folder looks like a name of the Hub (output/checkpoint-1000), so that this is a question and no edge."""
    bare = subject.partition("@")[0]
    names = [*told.open("base"), *(shown(name) for name in told.bases if foreign.hub_name(name) != bare)]
    for name in names:
        draft.node(subject, "model")
        draft.unknown(subject, f"which model {name} is, which {draft.read} says it was loaded from")
    return bool(names)


def draw_adapter(draft: Draft, subject: str, told: Told) -> None:
    """Adds the model that an adapter is for."""
    draft.node(subject, "model")
    _bases(draft, subject, told.bases, "adapter")
    _open(draft, subject, told)


def draw_gguf(draft: Draft, subject: str, file: BinaryIO) -> None:
    """Adds a GGUF header's licence, the model it was converted from, its base models and data. Raises
    ValueError when it is none."""
    told = foreign.read_gguf(file)
    adapter = told.values.get("general.type") == "adapter"
    _licence(draft, subject, "model", told)
    _bases(draft, subject, told.sources, "quantized")
    _bases(draft, subject, told.bases, "adapter" if adapter else "initialised")
    _open(draft, subject, told)
    _datasets(draft, subject, told.datasets)


def _bases(draft: Draft, subject: str, names: Iterable[str], relation: Relation) -> None:
    bare = subject.partition("@")[0]
    for base in dict.fromkeys(names):
        if base.partition("@")[0] == bare:
            draft.unknown(subject, f"what it was made from: {draft.read} names itself as its base")
        else:
            draft.edge(draft.node(base, "model"), subject, relation)


def _datasets(draft: Draft, subject: str, names: Iterable[str]) -> None:
    for name in dict.fromkeys(names):
        draft.edge(draft.node(f"data:{name}", "data"), subject, "trained-on", stage=TRAINING)


def _open(draft: Draft, subject: str, told: Told) -> None:
    for name in told.open("base"):
        draft.unknown(subject, f"which model {name} is, which {draft.read} names as its base")
    for name in told.open("dataset"):
        draft.unknown(subject, f"which data {name} is, which {draft.read} says it was trained on")
