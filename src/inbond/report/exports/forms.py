"""Which forms there are, and how each is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, final

from inbond.errors import InputError
from inbond.ledger.lineage import NodeKind
from inbond.report.exports.cards import card
from inbond.report.exports.croissant import croissant
from inbond.report.exports.cyclonedx import cyclonedx
from inbond.report.exports.eu_summary import eu_summary, eu_summary_page
from inbond.report.exports.facts import Exported
from inbond.report.exports.notice import notice
from inbond.report.exports.prov import prov
from inbond.report.exports.spdx import spdx


@final
class FormName(StrEnum):
    """The forms, as they are typed. ``intoto`` and ``rewards`` are not made from a lineage: they
    are there, or they are not."""

    cyclonedx = "cyclonedx"
    spdx = "spdx"
    prov = "prov"
    croissant = "croissant"
    card = "card"
    notice = "notice"
    intoto = "intoto"
    eu_summary = "eu-summary"
    rewards = "rewards"


@final
@dataclass(frozen=True)
class Form:
    """How a form is made: ``values`` for one that is JSON, ``text`` for one that people read; a form may
    have both. ``only``: the kind of artifact that it can describe."""

    values: Callable[[Exported], dict[str, Any]] | None = None
    text: Callable[[Exported], str] | None = None
    only: NodeKind | None = None


FORMS: Mapping[FormName, Form] = {
    FormName.cyclonedx: Form(cyclonedx),
    FormName.spdx: Form(spdx),
    FormName.prov: Form(prov),
    FormName.croissant: Form(croissant, only="data"),
    FormName.card: Form(text=card),
    FormName.notice: Form(text=notice),
    FormName.eu_summary: Form(eu_summary, eu_summary_page, only="model"),
}


def check_kind(name: FormName, exported: Exported) -> None:
    """Raises InputError when the form cannot describe the target."""
    only, target = FORMS[name].only, exported.target
    if only is not None and target.kind != only:
        raise InputError(
            expected=f"{'data' if only == 'data' else 'a model'} for inbond export {name}",
            found=f"{target.id}, which is {'data' if target.kind == 'data' else 'a model'}",
            fix="name data, such as data:runs/demo/data/train" if only == "data" else "name a model",
        )
