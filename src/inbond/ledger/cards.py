"""What comes with a model or data set says of its lineage: cards, config.json, adapters, GGUF headers.

Each reader adds to a draft what one file says of its ``subject``, and turns what it cannot place (a path on
somebody's machine, a base without an organisation) into an open question. Malformed input is a ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from inbond.errors import InputError
from inbond.ledger.declaration import Draft
from inbond.ledger.lineage import NodeKind, Relation
from inbond.policy.foreign import front_matter, gguf_general, hub_name, json_object, strings
from inbond.types import parse_model_name

TRAINING = "training"
"""The stage of training of which a card says no more than that there was one."""

_RELATIONS: Mapping[str, Relation] = {
    "adapter": "adapter",
    "merge": "merged",
    "quantized": "quantized",
    "finetune": "finetuned",
}
_HUB = re.compile(r"hf:[\w.-]+/[\w.-]+(@[\w./-]+)?")
_DATA_FIELDS = frozenset(
    {
        "source_datasets", "task_categories", "task_ids", "size_categories", "annotations_creators",
        "language_creators", "dataset_info", "configs", "multilinguality",
    }
)  # fmt: skip
_NO_LICENCE = frozenset({"other", "unknown"})


def kind_of(data: bytes) -> NodeKind:
    """Whether a card is one of data or of a model, by its fields. Raises ValueError as ``front_matter``."""
    front = front_matter(data) or {}
    return "data" if _DATA_FIELDS & front.keys() and "base_model" not in front else "model"


def read_card(draft: Draft, subject: str, kind: NodeKind, data: bytes) -> bool:
    """Adds a card's front matter; False when it has none."""
    front = front_matter(data)
    if front is None:
        return False
    draft.node(subject, kind, _licence(front))
    if kind == "data":
        _data_card(draft, subject, front)
    else:
        _model_card(draft, subject, front)
    return True


def _licence(front: Mapping[Any, Any]) -> str | None:
    said = [text for text in strings(front.get("license")) if text.lower() not in _NO_LICENCE]
    if not said:
        said = list(strings(front.get("license_name")))
    return " AND ".join(f"({text})" for text in said) if len(said) > 1 else next(iter(said), None)


def _model_card(draft: Draft, subject: str, front: Mapping[Any, Any]) -> None:
    told = front.get("base_model_relation")
    relation = _RELATIONS.get(told, "initialised") if isinstance(told, str) else "initialised"
    if isinstance(told, str) and told not in _RELATIONS:
        draft.unknown(subject, f"what its card means by base_model_relation {told!r:.60}")
    _bases(draft, subject, strings(front.get("base_model")), relation)
    for name in strings(front.get("datasets")):
        draft.edge(_dataset(draft, name), subject, "trained-on", stage=TRAINING)
    block = front.get("inbond")
    if isinstance(block, dict):
        _own_block(draft, subject, block, front)


def _own_block(draft: Draft, subject: str, block: Mapping[Any, Any], front: Mapping[Any, Any]) -> None:
    """The block that our own cards have: the teacher, its channel, and over which edges it was used."""
    teacher, edges = block.get("teacher"), strings(block.get("edges"))
    if not isinstance(teacher, str):
        return
    try:
        parse_model_name(teacher)
    except InputError as error:
        raise ValueError(f"inbond.teacher {teacher!r:.80} is no model's name") from error
    if teacher.startswith("run:"):  # of the workspace that wrote the card, which need not be this one
        teacher = f"{teacher} of {subject}"
    channel = block.get("channel")
    draft.node(teacher, "model")
    if "outputs" in edges:
        data = draft.node(f"data:what {subject} was trained on", "data")
        channel = draft.text(channel, "a channel") if isinstance(channel, str) else None
        draft.edge(teacher, data, "generated", roles=("author",), channel=channel)
        draft.edge(data, subject, "trained-on", stage=TRAINING)
    if "weights" in edges:
        draft.edge(teacher, subject, "pruned" if "pruned" in strings(front.get("tags")) else "initialised")


def _data_card(draft: Draft, subject: str, front: Mapping[Any, Any]) -> None:
    for name in strings(front.get("source_datasets")):
        if name == "original":
            continue
        source = name.removeprefix("extended|")
        if "/" in source:
            draft.edge(_dataset(draft, source), subject, "derived")
        else:
            draft.unknown(subject, f"which data its card means by source_datasets {name!r:.80}")
    for field in ("language_creators", "annotations_creators"):
        if "machine-generated" in strings(front.get(field)):
            draft.unknown(
                subject, f"which model it is whose work its card means by {field}: machine-generated"
            )
    if "synthetic" in strings(front.get("tags")):
        draft.unknown(subject, "which model wrote what its card calls synthetic")


def read_config(draft: Draft, subject: str, data: bytes) -> bool:
    """Adds what ``config.json`` says the weights were loaded from; False when it says nothing."""
    values = json_object(data)
    name = values.get("_name_or_path")
    if not isinstance(name, str) or not name or hub_name(name) == subject.partition("@")[0]:
        return False
    draft.node(subject, "model")
    _bases(draft, subject, [name], "quantized" if values.get("quantization_config") else "initialised")
    return True


def read_adapter(draft: Draft, subject: str, data: bytes) -> bool:
    """Adds the model that an adapter is for."""
    values = json_object(data)
    name, revision = values.get("base_model_name_or_path"), values.get("revision")
    if not isinstance(name, str) or not name:
        raise ValueError("base_model_name_or_path is missing")
    draft.node(subject, "model")
    at = f"@{revision}" if isinstance(revision, str) and revision and "@" not in name else ""
    _bases(draft, subject, [f"{name}{at}"], "adapter")
    return True


def read_gguf(draft: Draft, subject: str, file: BinaryIO) -> bool:
    """Adds a GGUF header's licence, the model it was converted from, its base models and data."""
    values = gguf_general(file)
    licence = values.get("general.license")
    known = isinstance(licence, str) and licence.lower() not in _NO_LICENCE
    draft.node(subject, "model", licence if known else None)
    source = _hub_id(values, "general.source")
    if source:
        _bases(draft, subject, [source], "quantized")
    for prefix in _numbered(values, "base_model"):
        name = _hub_id(values, prefix)
        if name:
            _bases(draft, subject, [name], "initialised")
        else:
            draft.unknown(subject, f"which model its header means by {values.get(f'{prefix}.name')!r:.80}")
    for prefix in _numbered(values, "dataset"):
        name = _hub_id(values, prefix)
        if name:
            draft.edge(_dataset(draft, name), subject, "trained-on", stage=TRAINING)
    for name in strings(values.get("general.datasets")):
        draft.edge(_dataset(draft, name), subject, "trained-on", stage=TRAINING)
    return True


def _numbered(values: Mapping[str, Any], what: str) -> list[str]:
    """``general.base_model.0`` and so on, as the header has them."""
    form = re.compile(rf"(general\.{what}\.\d{{1,4}})\.\w+")
    return list(dict.fromkeys(match[1] for key in values if (match := form.fullmatch(key))))


def _hub_id(values: Mapping[str, Any], prefix: str) -> str | None:
    """organisation/name out of a Hub address, or out of the two fields."""
    url = values.get(f"{prefix}.repo_url") or values.get(f"{prefix}.huggingface.repository")
    if isinstance(url, str) and _HUB.fullmatch(hub_name(url)):
        return hub_name(url).removeprefix("hf:")
    organisation, name = values.get(f"{prefix}.organization"), values.get(f"{prefix}.name")
    if isinstance(organisation, str) and isinstance(name, str):
        joined = f"{organisation}/{name}".replace(" ", "-")
        return joined if _HUB.fullmatch(f"hf:{joined}") else None
    return None


def _bases(draft: Draft, subject: str, names: Iterable[str], relation: Relation) -> None:
    for name in names:
        base = hub_name(name)
        if not _HUB.fullmatch(base):
            draft.unknown(subject, f"which model {name!r:.120} is, which {draft.read} names as its base")
        elif base != subject:
            draft.edge(draft.node(base, "model"), subject, relation)


def _dataset(draft: Draft, name: str) -> str:
    return draft.node(f"data:{name.removeprefix('https://huggingface.co/datasets/')}", "data")
