"""A node's name in the words of others: a short name with its version, a package URL, an IRI. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from inbond.errors import InputError
from inbond.ledger.lineage import Node
from inbond.policy import licences
from inbond.types import ModelName, parse_model_name

_HUB = "https://huggingface.co/"


class Title(NamedTuple):
    """A name as people say it; ``version`` is None where the name holds none."""

    name: str
    version: str | None


def _model(id_: str) -> ModelName | None:
    try:
        return parse_model_name(id_)
    except InputError:
        return None


def title(node: Node) -> Title:
    """The node's name without the scheme."""
    found = _model(node.id) if node.kind == "model" else None
    if found is None:
        return Title(node.id.partition(":")[2] or node.id, None)
    name = f"{found.host}/{found.name}" if found.host else found.name
    return Title(f"{name}#{found.file}" if found.file else name, found.revision)


def purl(node: Node) -> str | None:
    """The package URL of a model on the Hub or in a Python package; None for what has no such place."""
    found = _model(node.id) if node.kind == "model" else None
    if found is None:
        return None
    if found.scheme == "hf":
        version = f"@{quote(found.revision, safe='')}" if found.revision else ""
        return f"pkg:huggingface/{quote(found.name)}{version}"
    if found.scheme == "pypi":
        package = found.name.lower().replace("_", "-")
        return f"pkg:pypi/{quote(package)}@{quote(found.revision or '', safe='')}#{quote(found.file or '')}"
    return None


def page(node: Node) -> str | None:
    """Where a model of the Hub can be looked at."""
    found = _model(node.id) if node.kind == "model" else None
    if found is None or found.scheme != "hf":
        return None
    return _HUB + quote(found.name) + (f"/tree/{quote(found.revision)}" if found.revision else "")


def hub_id(node: Node) -> str | None:
    """The Hub's id of a model, or of a data set that a card or a BOM named. Data that a recipe recorded is
    named by its file, which may look like an id and is none."""
    if node.kind == "model":
        found = _model(node.id)
        return found.name if found is not None and found.scheme == "hf" else None
    name = node.id.removeprefix("data:")
    return name if node.evidence == "declared" and name.count("/") == 1 else None


def fragment(id_: str) -> str:
    """``id_`` as the last part of an IRI."""
    return quote(id_, safe="")


def expression(node: Node) -> str | None:
    """The node's licence, where it is an SPDX licence expression."""
    text = node.licence
    return text if text is not None and licences.is_spdx(text) else None
