"""The comparison of runs: one, some, many, and runs that lack numbers."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.report import runs
from inbond.report.blocks import LIMITS, Limits
from inbond.report.data import RunRow
from inbond.report.page import render_page
from tests import report_gate_examples as examples
from tests.report_examples import demo
from tests.unit.test_report_gates import numbers, section, texts
from tests.unit.test_report_page import check


def part(*rows: RunRow) -> str:
    return section(replace(demo(), runs=rows), "runs")


def words(svg_or_html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", svg_or_html))


def test_without_runs_it_says_that_none_were_looked_for() -> None:
    assert "No other run was looked for." in part()
    assert "<table" not in part()


def test_the_first_run_has_nothing_to_compare_with() -> None:
    only = part(examples.runs()[-1])
    assert "This is the first run of this recipe: there is nothing to compare it with yet." in only
    assert "<svg" not in only
    assert only.count("this run</span>") == 1


def test_four_runs_are_a_sentence_a_picture_and_a_table() -> None:
    found = part(*examples.runs())
    said = words(found)
    assert (
        "Run 3, demo-20-layers, came closest to its teacher: KL 0.94 nats a token, against 1.17 here." in said
    )
    assert "1. demo-10-layers: 1.62 at 66.0 M; " not in said  # newest first, in the picture's words too
    assert "4. demo, this run: 1.17 at 84.9 M; 3. demo-20-layers: 0.94 at 99.1 M" in said
    assert found.index("4. <bdi>demo</bdi>") < found.index("1. <bdi>demo-10-layers</bdi>")
    assert '<span class="mono">student.layers</span> 20' in found
    for number in (
        "0.62×",
        "47%",
        "1.31×",
        "8 min 53 s",
        "from 3.02",
        "stopped: diversity",
        "2026-11-21 23:41",
    ):
        assert number in said, number


def test_this_run_may_be_the_best() -> None:
    best = replace(examples.runs()[-1], kl_after=0.5)
    said = part(*examples.runs()[:3], best)
    assert (
        "4 runs of this recipe on the same teacher and prompts. This one came closest to its teacher" in said
    )


def test_only_runs_on_the_same_held_out_text_are_the_closest() -> None:
    """The run with the lowest KL was measured on other text: that says nothing of this one."""
    *others, ours = (replace(row, held_out="sha256:a") for row in examples.runs())
    other = replace(others[2], kl_after=0.01, held_out="sha256:b")
    found = part(*others[:2], other, ours)
    said = words(found)
    assert "1 of them measured KL on other held-out text, which does not compare." in said
    assert "This one came closest to its teacher: KL 1.17" in said
    assert "3. demo-20-layers" in said, "it stays in the table"
    assert "3. demo-20-layers: 0.01" not in said, "and out of the picture"
    alone = words(part(other, ours))
    assert "This one came closest" in alone


def test_runs_of_one_size_are_bars_and_runs_without_kl_no_picture() -> None:
    same = [replace(row, student_params=1_000_000) for row in examples.runs()]
    assert 'class="chart bars"' in part(*same)
    assert 'class="chart line"' in part(*examples.runs())
    unmeasured = [replace(row, kl_after=None, kl_before=None) for row in examples.runs()]
    assert "<svg" not in part(*unmeasured)
    assert "KL was not measured in any." in part(*unmeasured)


def test_missing_numbers_are_dashes_and_never_zeros() -> None:
    nan = float("nan")
    bare = RunRow("bare", "2026-01-01", kl_before=nan, agreement_after=nan, diversity_ratio=nan, speedup=nan)
    said = words(part(bare, RunRow("this", "2026-01-02", True)))
    assert not re.search(r"\b(nan|None|0|0\.00×|0%)\b", said)
    assert said.count("–") >= 12
    assert "A dash: not measured." in said


def test_of_fifty_runs_twelve_are_shown_this_one_and_the_best_among_them() -> None:
    many = [
        RunRow(
            f"run-{i}",
            f"2026-01-01T00:{i:02}",
            i == 3,
            kl_after=0.1 if i == 7 else 2 + i / 50,
            student_params=i,
        )
        for i in range(50)
    ]
    found = part(*many)
    assert found.count("<tr role") == 13
    assert "38 more, not shown here" in found
    assert "<bdi>run-3</bdi>" in found
    assert "<bdi>run-7</bdi>" in found
    assert "<bdi>run-49</bdi>" in found
    assert "Run 8, run-7, came closest" in found


def test_many_changed_fields_are_counted() -> None:
    changed = replace(examples.runs()[0], changes=tuple((f"a.field{i}", str(i)) for i in range(9)))
    assert "and 4 more" in part(changed, examples.runs()[-1])


rows = st.lists(
    st.builds(
        RunRow, texts, texts, st.booleans(), texts, st.lists(st.tuples(texts, texts), max_size=7).map(tuple),
        numbers, numbers, numbers, numbers, st.none() | st.integers(-(2**60), 2**60), numbers, numbers,
    ),
    max_size=16,
)  # fmt: skip


@settings(max_examples=60)
@given(rows)
def test_any_runs_give_a_page(given_rows: list[RunRow]) -> None:
    check(render_page(replace(demo(), runs=tuple(given_rows))))


@given(rows, st.sampled_from(LIMITS))
def test_never_more_rows_than_allowed_and_this_run_always(given_rows: list[RunRow], limits: Limits) -> None:
    found = runs.comparison(given_rows, limits)["table"]
    if found is not None:
        assert len(found.rows) + found.left_out == len(given_rows)
        assert len(found.rows) == min(12, limits.rows, len(given_rows))
        if any(row.current for row in given_rows):
            assert any("this run</span>" in str(row[0]) for row in found.rows)
