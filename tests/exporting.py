"""Exports of declared chains, and of graphs that a test draws."""

from __future__ import annotations

from pathlib import Path

from inbond.digest import of_bytes
from inbond.ledger.flow import own_duties, silences
from inbond.ledger.lineage import Graph
from inbond.ledger.lineage_file import parse
from inbond.ledger.texts import enrich, terms_of
from inbond.ledger.trace import Known, trace
from inbond.policy import library
from inbond.policy.library import Library
from inbond.report.exports.facts import Exported, Measured, Step

CHAINS = Path(__file__).parent / "fixtures" / "chains"
TARGETS = {
    "olmo-2": "hf:allenai/OLMo-2-1124-13B-Instruct",
    "olmo-3": "hf:allenai/Olmo-3-1025-7B",
    "r1-distill-llama": "hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "tulu-3": "hf:allenai/Llama-3.1-Tulu-3-8B",
}
AT = "2026-11-22T07:00:00Z"


def exported(
    graph: Graph,
    target: str,
    steps: tuple[Step, ...] = (),
    measured: Measured | None = None,
    known: Library | None = None,
) -> Exported:
    """What an export of ``target`` is made from."""
    known = known or library.shipped()
    whole = enrich(graph, known)
    part = whole.within(target)
    return Exported(
        part,
        trace(Known(whole, known), target),
        AT,
        "0.1.0",
        steps,
        measured or Measured(),
        licence_on_file=terms_of(part.nodes[target], known)[1],
        own=own_duties(part, target, known),
        silences=silences(part, target, known),
    )


def chain(name: str, target: str | None = None) -> Exported:
    """One of the published chains."""
    data = (CHAINS / f"{name}.toml").read_bytes()
    return exported(parse(name, data, of_bytes(data)).graph, target or TARGETS[name])
