"""Reports of forensic tests as ``inbond forensics test`` writes them, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inbond.digest import of_bytes
from inbond.ledger import findings
from inbond.ledger.beside import Beside
from inbond.ledger.comparing import Behind, compare
from inbond.ledger.holdings import Holdings
from inbond.ledger.ledger import Ledger
from inbond.ledger.lineage import Graph
from inbond.ledger.trace import Trace

KEY = of_bytes(b"a key")
NULL = "the suspect was made without any text marked with this key"


def finding(
    about: dict[str, str], outcome: str = "consistent-with", test: str = "radioactivity", **more: Any
) -> dict[str, Any]:
    """A finding as a report has it, with fields that no ledger keeps."""
    log10_p = {"consistent-with": -12.5, "no-evidence": -0.3, "cannot-tell": -1.0}[outcome]
    return {
        "test": test,
        "question": f"the suspect learnt from what the {about.get('kind', 'thing')} stands for",
        "null": NULL,
        "statistic": {"share": 0.31},
        "p": 10**log10_p,
        "log10_p": log10_p,
        "adjusted_log10_p": min(0.0, log10_p + 0.3),
        "size": 12_000,
        "unit": "pairs",
        "needed": 2_400,
        "effect": "a rise by 5 points",
        "assumptions": ["the key was secret"],
        "limits": ["no evidence is not absence"],
        "facts": {"shown": "a text that was tested"},
        "about": about,
        "words": "consistent with: it",
        "verdict": {"outcome": outcome, "reasons": [], "facts": of_bytes(b""), "decider": "forensics"},
        **more,
    }


def report(
    name: str, *found: dict[str, Any], digest: str | None = None, at: str = "2026-11-23T06:00:00.000000Z"
) -> dict[str, Any]:
    """A report about one suspect."""
    return {
        "format": findings.REPORT,
        "suspect": {"name": name, "digest": digest, "access": "weights"},
        "at": at,
        "alpha": 1e-5,
        "findings": list(found),
        "summary": ["It is consistent with having learnt from marked text."],
        "tested": ["radioactivity"],
        "not_tested": [{"test": "canary", "why": "no canary"}],
        "cannot_show": ["who did it"],
    }


def file(ledger: Ledger, *args: Any, **kwargs: Any) -> None:
    """Records such a report."""
    ledger.record(findings.FINDING_REPORTED, findings.body_of(report(*args, **kwargs)))


MARK = {"kind": "mark", "id": str(KEY)}


def with_findings(found: Trace, graph: Graph, *reports: dict[str, Any], notes: tuple[str, ...] = ()) -> Trace:
    """A trace with what these reports found beside it; no marks and no records are known."""
    about = [(findings.from_body(findings.body_of(each), "event 1"), "name") for each in reports]
    near = frozenset(each.node.id for each in found.ancestors)
    weights = frozenset(each.node.id for each in found.ancestors if each.edge == "weights")
    behind = Behind(graph.nodes[found.target], near, weights, (found.target,))
    return replace(found, beside=Beside(compare(about, behind, graph, Holdings()), notes))  # type: ignore[arg-type]
