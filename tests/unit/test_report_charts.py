"""Charts: every list of numbers gives a well-formed picture that shows what is there and no more."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.report.axes import nice_ticks, thin, tick_text
from inbond.report.charts import Bar, bar_chart, share_bar

numbers = st.floats(allow_nan=True, allow_infinity=True)
points = st.lists(st.tuples(numbers, st.none() | numbers), max_size=30)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def drawn_numbers(root: ElementTree.Element) -> list[float]:
    found = []
    for element in root.iter():
        for name in ("cx", "cy", "x", "y", "x1", "x2", "y1", "y2", "width", "height"):
            if name in element.attrib:
                found.append(float(element.attrib[name].rstrip("%")))
        found += [float(n) for pair in element.attrib.get("points", "").split() for n in pair.split(",")]
    return found


@given(points)
def test_any_points_give_finite_pictures_or_none(given_points: list[tuple[float, float | None]]) -> None:
    svg = line_chart("c", "Loss", given_points, "step")
    finite = [1 for x, y in given_points if y is not None and math.isfinite(x) and math.isfinite(y)]
    assert bool(svg) == bool(finite)
    if svg:
        coordinates = drawn_numbers(parse(svg))
        assert all(math.isfinite(value) for value in coordinates)
        trace = [element for element in parse(svg).iter() if "points" in element.attrib]
        placed = [tuple(map(float, pair.split(","))) for pair in trace[0].attrib["points"].split()]
        assert all(-0.01 <= x <= 100.01 and 9.9 <= y <= 172.1 for x, y in placed)
        assert "nan" not in svg.lower()
        assert "inf" not in svg.lower()


def test_no_point_is_no_picture() -> None:
    assert line_chart("c", "Loss", [], "step") == ""
    assert line_chart("c", "Loss", [(1, None), (2, math.nan)], "step") == ""


def test_one_point_is_a_dot_in_the_middle_and_said_in_words() -> None:
    svg = line_chart("c", "Loss", [(1, 5.25)], "step")
    assert 'cx="50.00%"' in svg
    assert "One point: 5.25 at step 1." in svg


def test_equal_points_lie_on_one_level_inside_the_picture() -> None:
    root = parse(line_chart("c", "Loss", [(1, 2.0), (2, 2.0), (3, 2.0)], "step"))
    heights = {element.attrib["cy"] for element in root.iter() if element.tag == "circle"}
    assert len(heights) == 1
    assert 10 < float(heights.pop()) < 172


def test_missing_points_are_left_out_and_not_drawn_as_zero() -> None:
    svg = line_chart("c", "KL", [(0, 4.7), (10, None), (20, 1.2)], "step")
    assert "2 points over step 0 to 20: first 4.7, last 1.2, lowest 1.2, highest 4.7." in svg


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    long = [(float(i), float(i % 7)) for i in range(10_000)]
    kept = thin(long, 240)
    assert len(kept) == 240
    assert (kept[0], kept[-1]) == (long[0], long[-1])
    assert len(line_chart("c", "Loss", long, "step")) < 12_000


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_ticks_are_few_even_and_cover(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    slack = (ticks[1] - ticks[0]) * 1e-5
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0006, "0.0006"),
        (2e-5, "2e-5"),
        (0.25, "0.25"),
        (1500, "1,500"),
        (25_000, "25k"),
        (1.25e9, "1.25e9"),
        (-3, "-3"),
    ],
)
def test_ticks_are_written_short(value: float, text: str) -> None:
    assert tick_text(value) == text


@given(st.lists(st.tuples(st.text(), st.none() | numbers, st.text()), max_size=6))
def test_any_bars_are_well_formed_and_never_longer_than_full(
    rows: list[tuple[str, float | None, str]],
) -> None:
    svg = bar_chart("b", "Bars", [Bar(*row) for row in rows])
    assert bool(svg) == bool(rows)
    if rows:
        fills = [e for e in parse(svg).iter() if e.attrib.get("class", "").startswith("fill")]
        assert len(fills) == len(rows)
        assert all(0 <= float(fill.attrib["width"].rstrip("%")) <= 100 for fill in fills)


def test_a_missing_bar_says_so_and_is_not_a_zero() -> None:
    svg = bar_chart("b", "KL", [Bar("Before", None, "0 nats"), Bar("After", math.nan, "0 nats")])
    assert "0 nats" not in svg
    assert svg.count("not measured") == 4  # twice in words, twice drawn
    assert svg.count("track missing") == 2


def test_bars_are_in_proportion() -> None:
    svg = bar_chart("b", "KL", [Bar("Before", 4.0, "4"), Bar("After", 1.0, "1")])
    assert 'width="25.00%"' in svg
    assert 'width="50.00%"' in bar_chart("b", "Agreement", [Bar("After", 0.5, "50%")], 1.0)


def test_share_bars_mark_the_teacher_when_the_student_has_more() -> None:
    assert 'width="63.00%"' in share_bar(0.63)
    assert "mark" not in share_bar(0.63)
    assert 'x1="62.50%"' in share_bar(1.6)
    assert share_bar(None) == share_bar(math.nan) == share_bar(-1) == ""


def test_every_picture_has_a_role_a_title_and_a_description() -> None:
    for svg in (
        line_chart("one", "Loss <over> steps", [(1, 2), (2, 3)], "step"),
        bar_chart("two", "KL & more", [Bar("A", 1, "1")]),
    ):
        root = parse(svg)
        assert root.attrib["role"] == "img"
        ids = root.attrib["aria-labelledby"].split()
        assert [element.attrib["id"] for element in root if element.tag in ("title", "desc")] == ids
        assert all(element.text for element in root if element.tag in ("title", "desc"))
