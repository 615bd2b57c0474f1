"""The lineage page with forensic findings: a section of their own, flagged at the top, bounded."""

from __future__ import annotations

from typing import Any

import pytest

from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, trace
from inbond.policy import library
from inbond.report.page import MOST_BYTES
from inbond.report.trace_page import render_trace_page, render_trace_svg
from inbond.report.trace_view import View, view
from tests.exporting import TARGETS
from tests.forensic_reports import MARK, finding, report, with_findings
from tests.unit.test_chains import SOME_GEMMA, chain
from tests.unit.test_report_page import Checker, check

NAME = "tulu-3"
UNKNOWN = finding(MARK)
STRANGER = finding({"kind": "model", "name": SOME_GEMMA}, test="weight-derivation")
KNOWN = finding({"kind": "model", "name": "hf:meta-llama/Llama-3.1-8B"}, test="weight-derivation")
SCORE = finding(KNOWN["about"], "cannot-tell", "degree", log10_p=None, adjusted_log10_p=None)


def of_tested(*found: dict[str, Any], notes: tuple[str, ...] = (), count: int = 1) -> View:
    graph = enrich(chain(NAME), library.shipped())
    target = TARGETS[NAME]
    plain = trace(Known(graph, library.shipped()), target)
    reports = [report(target, *found, at=f"2026-11-23T06:{n // 60:02}:{n % 60:02}Z") for n in range(count)]
    return view(with_findings(plain, graph, *reports, notes=notes), graph.nodes[target])


def words(checked: Checker) -> str:
    return " ".join(" ".join(checked.texts).split())


def test_without_findings_the_page_says_nothing_of_them() -> None:
    page = render_trace_page(of_tested(count=0), "0.1.0")
    assert "orensic" not in page
    assert "#findings" not in page


def test_findings_stand_in_a_section_of_their_own_and_are_flagged_at_the_top() -> None:
    found = of_tested(KNOWN, STRANGER, UNKNOWN, SCORE, notes=("something of another model",))
    assert [each.badge for each in found.tested][1:] == [
        "the lineage says so too", "cannot be held against the lineage",
        "says nothing for or against the lineage",
    ]  # fmt: skip
    page = render_trace_page(found, "0.1.0")
    checked = check(page)
    assert "findings" in checked.ids
    assert "#findings" in checked.links
    text = words(checked)
    top, _, below = text.partition("Picture From its sources")
    assert "1 forensic finding is not what the lineage says. See the forensic findings ." in top
    assert below.index("What is not known") < below.index(
        "they are no lineage, and change nothing of what is said"
    )
    for each in found.tested:
        assert f"{each.words}." in text
        assert each.stands in text
        assert dict(each.facts)["Report"] in text
    assert "p 3.2e-13, 6.3e-13 adjusted, 12,000 pairs, at the level 1e-05" in text
    assert "A score, which alone decides nothing" in text
    assert "something of another model" in text


def test_the_picture_and_the_ancestors_are_the_same_with_findings_and_without() -> None:
    bare, full = of_tested(count=0), of_tested(STRANGER, UNKNOWN)
    assert render_trace_svg(bare) == render_trace_svg(full)
    assert (bare.entries, bare.owed, bare.unknowns, bare.sentence) == (
        full.entries, full.owed, full.unknowns, full.sentence,
    )  # fmt: skip


def test_many_findings_are_cut_and_said_to_be() -> None:
    found = of_tested(*[STRANGER] * 50, count=10)
    page = render_trace_page(found, "0.1.0")
    assert len(page.encode()) < MOST_BYTES
    text = words(check(page))
    assert "500 forensic findings are not what the lineage says" in text
    assert "380 more findings, not shown here" in text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\u202eabc", "x" * 1_000, '" onload="x'])
def test_a_reports_texts_are_text(text: str) -> None:
    name = text.replace("\u202e", "e")  # a report with that is refused
    odd = finding({"kind": "model", "name": name}, question=name, test="t<b>", unit="<i>")
    page = render_trace_page(of_tested(*[odd] * 200, notes=(text,)), "0.1.0")
    check(page)
    assert len(page.encode()) < MOST_BYTES
