"""Charts: every list of numbers gives a well-formed picture that shows what is there and no more."""

from __future__ import annotations

import itertools
import math
import typing
import xml.etree.ElementTree as ElementTree
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.report.axes import nice_ticks, thin, tick_text
from inbond.report.charts import (
    Bar,
    Dot,
    Interval,
    bar_chart,
    dot_chart,
    interval_chart,
    share_bar,
    standing,
)
from inbond.report.data import Series, SeriesStyle
from inbond.report.lines import MOST_LINES, STYLES, legend, line_chart, lines_of

numbers = st.floats(allow_nan=True, allow_infinity=True)
points = st.lists(st.tuples(numbers, st.none() | numbers), max_size=30)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def one_line_chart(title: str, points: list[tuple[float, float | None]]) -> str:
    return line_chart("c", title, lines_of([Series(title, tuple(points), "held-out")]), "step")


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
    svg = one_line_chart("Loss", given_points)
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
    assert one_line_chart("Loss", []) == ""
    assert one_line_chart("Loss", [(1, None), (2, math.nan)]) == ""


def test_one_point_is_a_dot_in_the_middle_and_said_in_words() -> None:
    svg = one_line_chart("Loss", [(1, 5.25)])
    assert 'cx="50.00%"' in svg
    assert "One point: 5.25 at step 1." in svg


def test_equal_points_lie_on_one_level_inside_the_picture() -> None:
    root = parse(one_line_chart("Loss", [(1, 2.0), (2, 2.0), (3, 2.0)]))
    heights = {element.attrib["cy"] for element in root.iter() if element.tag == "circle"}
    assert len(heights) == 1
    assert 10 < float(heights.pop()) < 172


def test_missing_points_are_left_out_and_not_drawn_as_zero() -> None:
    svg = one_line_chart("KL", [(0, 4.7), (10, None), (20, 1.2)])
    assert "2 points over step 0 to 20: first 4.7, last 1.2, lowest 1.2, highest 4.7." in svg


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    long = [(float(i), float(i % 7)) for i in range(10_000)]
    kept = thin(long, 240)
    assert len(kept) == 240
    assert (kept[0], kept[-1]) == (long[0], long[-1])
    assert len(one_line_chart("Loss", long)) < 12_000


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
        line_chart("one", "<over> steps", lines_of([Series("A & B", ((1, 2), (2, 3)), "train")]), "step"),
        bar_chart("two", "KL & more", [Bar("A", 1, "1")]),
        interval_chart("three", "Ratios <all>", [Interval("A & B", 1, 0.9, 1.1, "1", 0.8)]),
        dot_chart("four", "KL & size", [Dot(1, 2, "<1>", "first & only")]),
    ):
        root = parse(svg)
        assert root.attrib["role"] == "img"
        ids = root.attrib["aria-labelledby"].split()
        assert [element.attrib["id"] for element in root if element.tag in ("title", "desc")] == ids
        assert all(element.text for element in root if element.tag in ("title", "desc"))


several = st.lists(
    st.builds(
        Series, st.text(), st.lists(st.tuples(numbers, st.none() | numbers), max_size=9).map(tuple),
        st.sampled_from(STYLES),
    ),
    max_size=9,
)  # fmt: skip


@given(several)
def test_any_series_are_lines_that_differ_in_more_than_colour(series: list[Series]) -> None:
    lines = lines_of(series)
    assert len(lines) == min(len(series), MOST_LINES)
    assert len({line.style for line in lines}) == len(lines)
    svg = line_chart("c", "Curves", lines, "step")
    drawn = [line for line in lines if line.points]
    assert bool(svg) == bool(drawn)
    if svg:
        traces = [e.attrib["class"] for e in parse(svg).iter() if "points" in e.attrib]
        assert traces == [f"trace {line.style}" for line in drawn]
        assert all(math.isfinite(value) for value in drawn_numbers(parse(svg)))


def test_every_style_of_the_data_is_drawn_and_has_its_own_dashes() -> None:
    from importlib import resources

    assert set(STYLES) == set(typing.get_args(SeriesStyle))
    css = resources.files("inbond.report").joinpath("templates/page.css").read_text("utf-8")
    dashes = {}
    for style in STYLES:
        rule = css.partition(f".trace.{style} {{")[2].partition("}")[0]
        dashes[style] = rule.partition("stroke-dasharray:")[2].strip(" ;")
    solid = [style for style, dash in dashes.items() if not dash]
    assert solid == ["held-out", "after"]  # the one thin, the other thick
    assert len({dash for dash in dashes.values() if dash}) == len(STYLES) - 2


def test_a_style_that_is_taken_is_replaced_and_its_owner_keeps_it() -> None:
    named = [Series("a", (), "train"), Series("b", (), "train"), Series("c", (), "held-out")]
    assert [line.style for line in lines_of(named)] == ["train", "outside", "held-out"]


def test_several_lines_share_their_axes_and_are_said_one_by_one() -> None:
    lines = lines_of(
        [
            Series("held-out", ((0, 4.0), (10, 2.0)), "held-out"),
            Series("training", ((5, 3.0), (20, 1.0)), "train"),
            Series("outside", ((0, None), (5, math.nan)), "outside"),
        ]
    )
    svg = line_chart("c", "Curves", lines, "step")
    assert 'points="0.00,10.0 50.00,' in svg
    assert 'points="25.00,' in svg
    assert "held-out: 2 points over step 0 to 10: first 4, last 2" in svg
    assert "training: 2 points over step 5 to 20: first 3, last 1" in svg
    assert legend(lines) == [
        ("held-out", "held-out: 2.00"), ("train", "training: 1.00"), ("outside", "outside: not measured"),
    ]  # fmt: skip


def test_long_curves_together_have_as_many_points_as_one() -> None:
    long = tuple((float(i), float(i % 7)) for i in range(10_000))
    lines = lines_of([Series(str(i), long, "train") for i in range(6)])
    assert sum(len(line.points) for line in lines) == 240
    assert all((line.points[0], line.points[-1]) == (long[0], long[-1]) for line in lines)


maybe = st.none() | numbers


@given(
    st.lists(
        st.builds(
            Interval, st.text(), maybe, maybe, maybe, st.text(), maybe, st.sampled_from(["below", "above"])
        ),
        max_size=6,
    )
)
def test_any_intervals_are_well_formed_and_finite(rows: list[Interval]) -> None:
    svg = interval_chart("i", "Ratios", rows)
    measured = [row for row in rows if row.value is not None and math.isfinite(row.value)]
    assert bool(svg) == bool(measured)
    if svg:
        root = parse(svg)
        assert all(math.isfinite(value) for value in drawn_numbers(root))
        dots = [e for e in root.iter() if e.tag == "circle"]
        assert len(dots) == len(measured)
        assert all(-0.01 <= float(dot.attrib["cx"].rstrip("%")) <= 100.01 for dot in dots)


def test_an_interval_lies_where_its_numbers_say_and_its_limit_is_not_on_the_edge() -> None:
    svg = interval_chart("i", "Ratios", [Interval("distinct-2", 0.9, 0.8, 1.0, "0.90 (0.80 to 1.00)", 0.7)])
    root = parse(svg)
    at = {e.attrib["class"]: float(e.attrib["x1"].rstrip("%")) for e in root.iter() if e.tag == "line"}
    whisker = next(
        e for e in root.iter() if e.attrib.get("class") == "whisker good" and "%" in e.attrib["x2"]
    )
    dot = next(e for e in root.iter() if e.tag == "circle")
    low, high, middle = (
        float(s.rstrip("%")) for s in (whisker.attrib["x1"], whisker.attrib["x2"], dot.attrib["cx"])
    )
    assert low < middle < high
    assert middle - low == pytest.approx(high - middle, abs=0.02)
    assert low - at["limit"] == pytest.approx(middle - low, abs=0.02)
    assert 3 < at["limit"] < 97
    assert "distinct-2: 0.90 (0.80 to 1.00), above its limit of 0.7." in svg


@pytest.mark.parametrize(
    ("low", "high", "limit", "fails", "where", "tone"),
    [
        (0.9, 1.1, 0.8, "below", "above", "good"),
        (0.8, 1.1, 0.8, "below", "above", "good"),
        (0.7, 1.1, 0.8, "below", "across", "care"),
        (0.5, 0.7, 0.8, "below", "below", "bad"),
        (0.5, 0.7, 1.0, "above", "below", "good"),
        (0.5, 1.0, 1.0, "above", "below", "good"),
        (0.9, 1.1, 1.0, "above", "across", "care"),
        (1.1, 1.3, 1.0, "above", "above", "bad"),
    ],
)
def test_where_an_interval_stands_and_its_colour(
    low: float, high: float, limit: float, fails: Literal["below", "above"], where: str, tone: str
) -> None:
    value = (low + high) / 2
    assert standing(value, low, high, limit, fails) == where
    svg = interval_chart("i", "R", [Interval("x", value, low, high, "", limit, fails)])
    assert f'class="dot {tone}"' in svg


def test_a_long_label_takes_a_second_line_and_what_follows_moves_down() -> None:
    short, long = (
        parse(interval_chart("i", "R", [Interval(label, 1, 0.9, 1.1, "1"), Interval("b", 1, 0.9, 1.1, "1")]))
        for label in ("a", "KL outside, after ÷ before training")
    )
    said = [e.text for e in long.iter() if e.attrib.get("class") == "label"]
    assert said == ["KL outside, after ÷", "before training", "b"]
    assert int(long.attrib["height"]) == int(short.attrib["height"]) + 32


def test_a_missing_interval_is_a_dot_alone_and_a_missing_value_says_so() -> None:
    svg = interval_chart(
        "i", "R", [Interval("a", 0.9, None, None, "0.90"), Interval("b", None, 0.1, 0.2, "0")]
    )
    assert svg.count("<circle") == 1
    assert "whisker" not in svg
    assert svg.count("not measured") == 2  # in words and drawn
    assert interval_chart("i", "R", [Interval("b", math.nan, 0.1, 0.2, "0")]) == ""


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


@given(st.lists(st.builds(Dot, maybe, maybe, st.text(), st.text(), st.booleans()), max_size=14))
def test_any_dots_are_well_formed_and_inside(dots: list[Dot]) -> None:
    svg = dot_chart("d", "Runs", dots)
    if svg:
        root = parse(svg)
        circles = [e for e in root.iter() if e.tag == "circle"]
        assert len(circles) == sum(_is_number(dot.x) and _is_number(dot.y) for dot in dots)
        assert all(-0.01 <= float(c.attrib["cx"].rstrip("%")) <= 100.01 for c in circles)
        assert all(9.9 <= float(c.attrib["cy"]) <= 172.1 for c in circles)


def test_marks_of_dots_at_one_place_do_not_cover_one_another() -> None:
    svg = dot_chart(
        "d", "Runs", [Dot(1, 2 + i / 100, str(i), str(i)) for i in range(5)] + [Dot(9, 9, "x", "x")]
    )
    heights = sorted(
        float(e.attrib["y"])
        for e in parse(svg).iter()
        if e.attrib.get("class") == "mark-text" and e.text and e.text.isdigit()
    )
    assert all(b - a >= 12.9 for a, b in itertools.pairwise(heights))
