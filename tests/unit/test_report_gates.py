"""Gates on the page and the card: every state says what happened, why, and with which number."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.report import gates
from inbond.report.blocks import LIMITS
from inbond.report.card import render_card
from inbond.report.data import GateMeasure, GateView, ReportData, Series
from inbond.report.page import MOST_BYTES, render_page
from tests import report_gate_examples as examples
from tests.report_examples import HOSTILE, demo, stopped
from tests.unit.test_report_page import check

FOUND = {"pass": "Passed", "fail": "Failed", "cannot-tell": "Cannot tell"}


def first_screen(data: ReportData) -> str:
    page = render_page(data)
    return page[: page.index('<nav class="contents"')]


def section(data: ReportData, ident: str = "gates") -> str:
    page = render_page(data)
    begin = page.index(f'<section class="part" id="{ident}"')
    return page[begin : page.index("</section>", begin)]


def with_gates(*views: GateView) -> ReportData:
    return replace(demo(), gates=views)


@pytest.mark.parametrize("outcome", FOUND)
@pytest.mark.parametrize("name", ["diversity", "generality", "capacity"])
@pytest.mark.parametrize("action", ["warn", "stop", "strict"])
def test_every_state_is_a_badge_a_line_and_a_section(name: Any, outcome: str, action: Any) -> None:
    view = replace(
        examples.diversity(), name=name, action=action, verdict=examples.verdict(outcome, "Because.")
    )
    data = with_gates(view)
    for part in (first_screen(data), section(data)):
        assert f">{FOUND[outcome]}</span>" in part
        assert name.capitalize() in part
    assert ("distinct-3: 0.92" in first_screen(data)) == (outcome == "pass")  # what decided, or the reason
    assert ("Because." in first_screen(data)) == (outcome != "pass")
    assert "Because." in section(data)
    assert "No student was handed out" not in render_page(data)
    assert check(render_page(data))


def test_a_gate_that_was_off_says_so_and_decides_nothing() -> None:
    data = with_gates(GateView("generality", "Is it close elsewhere too?", {}, "off"))
    assert "Switched off" in first_screen(data)
    assert "Switched off in the recipe." in section(data)
    assert "decided by" not in section(data)
    assert "It was not asked to judge this run." in first_screen(data)


def test_no_gates_are_no_badges_and_said_in_the_section() -> None:
    data = with_gates()
    assert "gates-at-a-glance" not in render_page(data)
    assert "No quality gate was measured in this run." in section(data)
    assert "## Gates" not in render_card(data)
    assert "gates:" not in render_card(data)


def test_a_stopped_run_says_so_first_with_why_and_what_to_do() -> None:
    first = first_screen(stopped())
    assert first.index("No student was handed out") < first.index('id="gates-at-a-glance"')
    assert "Diversity: failed. distinct-2: 0.62 of the teacher’s (95%: 0.55 to 0.69; limit 0.8)" in first
    assert "Learn from several answers a prompt: generate.samples=4." in first
    assert "Ask for more varied prompts." not in first  # three are enough here; all are in the section
    assert "Ask for more varied prompts." in section(stopped())
    assert '--accept "diversity: REASON"' in first
    assert "There is no student to use: a quality gate kept it back. The terms alone: Yes, as asked" in first
    assert "It stopped this run." in section(stopped())


def test_a_person_who_went_on_is_heard() -> None:
    view = replace(examples.stopped(), stopped=False, accepted="一語だけの答えで足りる")
    data = with_gates(view)
    assert "No student was handed out" not in render_page(data)
    assert "Accepted by a person:</strong> <bdi>一語だけの答えで足りる</bdi>" in section(data)
    assert "Accepted by a person: 一語だけの答えで足りる" in render_card(data)


def measure(
    label: str, ratio: float | None, low: float | None, high: float | None, **more: Any
) -> GateMeasure:
    return GateMeasure(label, None, None, None, ratio, low, high, **more)


@pytest.mark.parametrize(
    ("outcome", "fails", "limit", "decides"),
    [
        ("pass", "below", 0.5, "wide"),  # the worst lower end
        ("fail", "below", 0.95, "narrow"),  # the worst upper end: the whole interval is beyond
        ("cannot-tell", "below", 0.7, "wide"),
        ("pass", "above", 1.5, "wide"),
        ("fail", "above", 0.5, "narrow"),
        (
            "pass",
            "below",
            0.7,
            None,
        ),  # passed, though an interval holds the limit: something else decided
        ("fail", "below", 0.7, None),
        ("cannot-tell", "below", 0.5, None),
        ("something new", "below", 0.5, None),
    ],
)
def test_the_number_that_decided(outcome: str, fails: Any, limit: float, decides: str | None) -> None:
    both = (
        measure("wide", 0.9, 0.6, 1.2, limit=limit, fails=fails),
        measure("narrow", 0.8, 0.75, 0.85, limit=limit, fails=fails),
        measure("unlimited", 0.1, 0.1, 0.1),
        measure("missing", None, None, None, limit=limit, fails=fails),
    )
    view = GateView("diversity", "?", examples.verdict(outcome, "A reason."), measures=both)
    found = gates.deciding(view)
    assert (found.label if found else None) == decides
    assert gates.headline(view).startswith(decides or "A reason.")


def test_without_a_limit_the_first_reason_is_the_line() -> None:
    view = GateView(
        "capacity",
        "?",
        examples.verdict("pass", "Limited by its data.", "More."),
        measures=(measure("x", 1, 0, 2),),
    )
    assert gates.headline(view) == "Limited by its data."
    assert gates.headline(replace(view, headline="Short.")) == "Short."
    assert gates.headline(replace(view, verdict={})) == "No verdict was recorded."
    assert gates.headline(replace(view, verdict={"outcome": "pass"})) == "No reasons were recorded."


def test_a_long_reason_is_cut_on_the_first_screen_only() -> None:
    long = "The student is limited by its size, as far as can be told: " + "and so on " * 40
    data = with_gates(GateView("capacity", "?", examples.verdict("pass", long)))
    assert long.strip() not in first_screen(data)
    assert "as far as can be told: and so on" in first_screen(data)
    assert long in section(data)


def test_a_source_that_all_reasons_share_is_said_once() -> None:
    assert section(with_gates(examples.diversity())).count("inbond.evaluate, limits of the recipe") == 1
    reasons = [{"finding": "one", "source": "A"}, {"finding": "two", "source": "B"}]
    part = section(with_gates(GateView("diversity", "?", {"outcome": "pass", "reasons": reasons})))
    assert "<bdi>A</bdi>" in part
    assert "<bdi>B</bdi>" in part


def test_rounding_never_moves_a_ratio_over_its_limit() -> None:
    view = GateView(
        "diversity", "?", examples.verdict("fail", "."),
        measures=(measure("distinct-2", 0.797, 0.795, 0.799, limit=0.8, ratio_of="of the teacher’s"),),
    )  # fmt: skip
    assert "0.797 of the teacher’s (95%: 0.795 to 0.799; limit 0.8)" in gates.headline(view)


def test_missing_numbers_are_dashes_and_never_zeros() -> None:
    nan = float("nan")
    view = GateView(
        "diversity", "?", examples.verdict("cannot-tell", "Too few prompts."),
        measures=(
            GateMeasure("entropy", 1.5, None, nan, None, nan, limit=0.8, note="the teacher gave no scores"),
            GateMeasure("distinct-1", 0.5, None, 0.4, 0.8, 0.7, 0.9, limit=0.8),
        ),
        series=(Series("held-out KL", ((0, None), (1, nan)), "held-out"),),
    )  # fmt: skip
    part = section(with_gates(view))
    assert "the teacher gave no scores" in part
    assert re.search(r"entropy: not measured;", part)
    assert not re.search(r"\b(nan|None|inf|0\.000?)\b", re.sub("<[^>]*>", " ", part))
    assert "Learning curves" not in part  # no point, no picture
    assert ">Before<" not in part  # a column without a number is left out


def test_the_section_shows_all_of_a_gate() -> None:
    data = demo()
    words = " ".join(check(render_page(data)).texts)
    for view in data.gates:
        said = [view.question, view.how, str(view.verdict["facts"]), *view.advice]
        said += [str(reason["finding"]) for reason in view.verdict["reasons"]]
        said += [each.label for each in view.measures] + [each.label for each in view.series]
        for text in said:
            assert text in words, text
    assert "Limit 0.8: less is a fail" in words
    assert "Limit 1: more is a fail" in words
    assert "distinct-3: 0.92 (0.84 to 0.98), above its limit of 0.8" in words


def test_lines_and_gates_beyond_the_most_are_counted() -> None:
    series = tuple(Series(f"line {i}", ((0, 1.0), (1, 2.0)), "train") for i in range(9))
    assert "3 more, not shown here" in section(with_gates(replace(examples.capacity(), series=series)))
    assert "4 more, not shown here" in section(with_gates(*[examples.diversity()] * 24))


def test_the_card_has_outcomes_and_numbers() -> None:
    card = render_card(demo())
    assert "- Diversity, Passed: distinct-3: 0.92 of the teacher’s (95%: 0.84 to 0.98; limit 0.8)" in card
    assert "- Generality, Cannot tell: KL outside, after ÷ before: 0.97 (95%: 0.88 to 1.07; limit 1)" in card
    assert "- Capacity, Failed: Limited by its size: KL 1.17 (limit 1), flat over the last third" in card
    assert "It stopped the run: no student was handed out." in render_card(stopped())


numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(HOSTILE)
reasons = st.lists(st.none() | texts | st.dictionaries(texts, texts, max_size=3), max_size=3)
points = st.lists(st.tuples(st.floats(), numbers), max_size=5).map(tuple)
any_gate = st.builds(
    GateView,
    texts,
    texts,
    st.dictionaries(
        st.sampled_from(["outcome", "reasons", "facts", "decider"]), st.none() | texts | reasons
    ),
    st.sampled_from(["off", "warn", "stop", "strict"]) | texts,
    st.booleans(),
    st.lists(
        st.builds(
            GateMeasure, texts, numbers, numbers, numbers, numbers, numbers, numbers, texts, texts, numbers,
            st.sampled_from(["below", "above"]) | texts, texts,
        ),
        max_size=4,
    ).map(tuple),
    st.lists(st.builds(Series, texts, points, texts), max_size=8).map(tuple),
    st.lists(texts, max_size=3).map(tuple), texts, st.none() | texts, texts,
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(any_gate, max_size=3))
def test_any_gates_at_all_give_a_page_and_a_card(views: list[GateView]) -> None:
    data = with_gates(*views)
    check(render_page(data))
    assert render_card(data).startswith("---\n")
    gates.sections(views, LIMITS[-1])


def test_huge_gates_and_runs_keep_the_page_small() -> None:
    huge = "&<长" * 5_000
    measures = tuple(
        replace(each, label=huge, note=huge, unit=huge) for each in examples.diversity().measures * 60
    )
    long = tuple((float(i), float(i % 11)) for i in range(5_000))
    view = replace(
        examples.stopped(), question=huge, how=huge, headline=huge, accepted=huge,
        verdict={"outcome": huge, "reasons": [{"finding": huge, "source": huge}] * 300},
        advice=(huge,) * 300,
        series=tuple(Series(huge, long, "train") for _ in range(30)),
        measures=measures,
    )  # fmt: skip
    row = replace(examples.runs()[0], name=huge, outcome=huge, completed=huge, changes=((huge, huge),) * 50)
    page = render_page(replace(demo(), gates=(view,) * 40, runs=(row,) * 500))
    check(page)
    assert len(page.encode()) < MOST_BYTES
