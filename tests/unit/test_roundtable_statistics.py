"""Agreement, effective votes and Dawid-Skene: worked examples of the papers, and properties."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inbond.roundtable.judge.dawid_skene import estimate
from inbond.roundtable.judge.statistics import Figure, Item, agreement, effective_votes, mean_correlation

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: 4 observers, 12 units.
KRIPPENDORFF = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}


def krippendorff() -> list[dict[str, str]]:
    columns = {name: row.split() for name, row in KRIPPENDORFF.items()}
    return [
        {name: values[place] for name, values in columns.items() if values[place] != "."}
        for place in range(12)
    ]


def two(yes: int, split: int, no: int) -> list[dict[str, str]]:
    """Items of two judges: both yes, one each (both ways round in turn), both no."""
    apart = [{"p": "yes", "q": "no"} if i % 2 else {"p": "no", "q": "yes"} for i in range(split)]
    return [*[{"p": "yes", "q": "yes"}] * yes, *apart, *[{"p": "no", "q": "no"}] * no]


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.why
    return figure.value


def test_krippendorffs_own_example() -> None:
    """Alpha .743 is in his paper; percent agreement and AC1 of the same data are those of Gwet's irrCAC."""
    found = agreement(krippendorff(), "12345")
    assert value(found.alpha) == pytest.approx(0.743, abs=5e-4)
    assert value(found.percent) == pytest.approx(0.81818, abs=5e-6)
    assert value(found.ac1) == pytest.approx(0.77544, abs=5e-6)
    assert found.alpha.items == 11, "the unit with one value is not pairable"


def test_where_nearly_all_say_yes_alpha_is_nothing_and_ac1_is_not() -> None:
    """94% agreement, by hand: 194 yes and 6 no; for AC1, chance is 2 * .97 * .03."""
    found = agreement(two(94, 6, 0), ("yes", "no"))
    assert value(found.percent) == pytest.approx(0.94)
    assert value(found.alpha) == pytest.approx(1 - 0.06 / (2 * 194 * 6 / (200 * 199)))
    assert value(found.alpha) == pytest.approx(-0.03, abs=0.005)
    assert value(found.ac1) == pytest.approx((0.94 - 0.0582) / (1 - 0.0582))
    assert value(found.ac1) == pytest.approx(0.94, abs=0.005)


@pytest.mark.parametrize("items", [[], [{"p": "yes", "q": "no", "r": "no"}], [{"p": "yes"}, {"q": "no"}]])
def test_one_item_tells_nothing_and_says_so(items: list[dict[str, str]]) -> None:
    found = agreement(items, ("yes", "no"))
    for figure in (found.percent, found.alpha, found.ac1):
        assert figure.value is figure.low is None
        assert figure.words().startswith("cannot be told: ")
        assert "two votes" in figure.why


def test_unanimous_items_have_no_alpha_but_an_ac1() -> None:
    found = agreement(two(20, 0, 0), ("yes", "no"))
    assert found.alpha.value is None
    assert "no variation" in found.alpha.why
    assert value(found.ac1) == value(found.percent) == 1.0


def test_few_items_have_no_interval() -> None:
    found = agreement(two(3, 1, 2), ("yes", "no"))
    assert found.percent.low is None
    assert found.percent.words() == "0.83 (no interval: fewer than 8 units)"


def test_intervals_are_seeded_hold_the_value_and_draw_units() -> None:
    items = two(30, 10, 10)
    first, again = (agreement(items, ("yes", "no"), seed=3) for _ in range(2))
    assert first == again
    for figure in (first.percent, first.alpha, first.ac1):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < value(figure) < figure.high
    # The same items asked three times over tell no more, and a unit's items are drawn together.
    thrice = agreement(items * 3, ("yes", "no"), units=list(range(50)) * 3, seed=3)
    assert (thrice.percent.low, thrice.percent.high) == (first.percent.low, first.percent.high)
    apart = agreement(items * 3, ("yes", "no"), seed=3)
    assert (apart.percent.high or 0) - (apart.percent.low or 0) < 0.07 + (
        (first.percent.high or 0) - (first.percent.low or 0)
    ) / math.sqrt(3)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Coverage of percent agreement over 200 simulated batches of 60 items."""
    rng, held = random.Random(5), 0
    for seed in range(200):
        same = sum(rng.random() < 0.7 for _ in range(60))
        figure = agreement(two(same, 60 - same, 0), ("yes", "no"), seed=seed).percent
        held += (figure.low or 0) <= 0.7 <= (figure.high or 1)
    assert 0.90 <= held / 200 <= 0.99


VOTES = st.lists(
    st.dictionaries(st.sampled_from("pqrs"), st.sampled_from("abc"), max_size=4), min_size=1, max_size=30
)


@given(VOTES, st.randoms(use_true_random=False))
def test_no_order_of_items_judges_or_categories_matters(
    items: list[dict[str, str]], rng: random.Random
) -> None:
    found = agreement(items, "abc")
    mixed = [dict(rng.sample(sorted(item.items()), len(item))) for item in items]
    renamed = [{"pqrs"["srqp".index(judge)]: vote for judge, vote in item.items()} for item in mixed]
    rng.shuffle(renamed)
    other = agreement(renamed, "cab")
    for one, two_ in ((found.percent, other.percent), (found.alpha, other.alpha), (found.ac1, other.ac1)):
        assert (one.value is None) == (two_.value is None)
        if one.value is not None and two_.value is not None:
            assert one.value == pytest.approx(two_.value, abs=1e-9)


@given(VOTES)
def test_alpha_is_what_krippendorffs_definition_says(items: list[dict[str, str]]) -> None:
    """1 - Do/De by counting pairs of values, as the paper's matrix of coincidences does."""
    figure = agreement(items, "abc").alpha
    pairable = [list(item.values()) for item in items if len(item) >= 2]
    values = [vote for votes in pairable for vote in votes]
    apart = sum(
        sum(x != y for i, x in enumerate(votes) for j, y in enumerate(votes) if i != j) / (len(votes) - 1)
        for votes in pairable
    )
    expected = sum(x != y for i, x in enumerate(values) for j, y in enumerate(values) if i != j)
    if len(pairable) < 2 or not expected:
        assert figure.value is None
    else:
        assert value(figure) == pytest.approx(1 - (len(values) - 1) * apart / expected)


@pytest.mark.parametrize(("items", "low"), [(8, 0.6306), (25, 0.8628), (100, 0.9638)])
def test_a_share_of_one_is_no_certainty(items: int, low: float) -> None:
    """Clopper and Pearson's 95% interval for n of n."""
    votes: list[Item] = [{"x": each, "y": each, "z": each} for each in ("a", "b") * items][:items]
    found = agreement(votes, "abc")
    assert (found.percent.value, found.percent.high) == (1.0, 1.0)
    assert found.percent.low == pytest.approx(low, abs=1e-4)
    for figure in (found.alpha, found.ac1):
        assert (figure.value, figure.low, figure.high) == (1.0, None, None)
        assert figure.words() == "1.00 (no interval: it comes out the same whichever items are drawn)"
    none = agreement([{"x": "a", "y": "b"}] * items, "abc").percent
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(1 - low, abs=1e-4))
    alone = agreement([*votes, *[{"x": "a"}] * 50], "abc").percent
    assert alone.low == pytest.approx(low, abs=1e-4), "an item with one vote tells nothing"
    twice = agreement(votes * 2, "abc", units=[*range(items)] * 2).percent
    assert twice.low == pytest.approx(low, abs=1e-4), "units are drawn, not items"


def test_too_few_that_agree_have_no_interval() -> None:
    found = agreement([{"x": "a", "y": "a"}, {"x": "b", "y": "b"}] * 3, "ab").percent
    assert (found.value, found.low, found.why) == (1.0, None, "fewer than 8 units")


def test_effective_votes_by_kish() -> None:
    assert effective_votes(9, 0.0) == 9
    assert effective_votes(9, 1.0) == 1
    assert effective_votes(9, 0.4375) == pytest.approx(2.0), "nine judges, two votes"
    assert effective_votes(3, -0.3) == 3, "no more votes than there are"


def test_correlation_of_errors() -> None:
    same = [{"p": float(i % 3 == 0), "q": float(i % 3 == 0), "r": 1.0} for i in range(30)]
    assert mean_correlation(same, ["p", "q", "r"]) == pytest.approx(1.0), "r never varies: it says nothing"
    assert mean_correlation(same, ["p", "r"]) is None
    assert mean_correlation([{"p": 1.0, "q": 0.0}], ["p", "q"]) is None
    assert mean_correlation(same[:29], ["p", "q"]) is None, "two that agree twice are no evidence"
    rng = np.random.default_rng(0)
    apart = [dict(zip("pqr", map(float, row), strict=True)) for row in rng.integers(0, 2, (2000, 3))]
    assert mean_correlation(apart, ["p", "q", "r"]) == pytest.approx(0.0, abs=0.05)


# Dawid and Skene (1979), table 1: 45 patients; anaesthetist 1 thrice, 2 to 5 once each.
ANAESTHETISTS = """
    111 1111|333 4334|112 2122|222 3121|222 3222|222 3322|122 2111|333 3433|222 2223|232 2223|444 4444
    222 3343|111 1111|222 3212|121 1111|111 2111|111 1111|111 1111|222 2221|222 1322|222 2222|222 2221
    222 3222|221 2222|111 1111|111 1111|232 2222|111 1111|111 1111|112 1121|111 1111|333 3233|111 1111
    222 2222|222 3232|433 4343|221 2232|232 3233|333 3432|111 1111|111 1111|121 2111|232 2222|121 1111
    222 2222
"""


def anaesthetists() -> list[dict[str, tuple[str, ...]]]:
    rows = [row.split() for line in ANAESTHETISTS.split("\n") if line.strip() for row in line.split("|")]
    return [{"1": tuple(thrice), **dict(zip("2345", once, strict=True))} for thrice, once in rows]  # type: ignore[dict-item]


def test_dawid_and_skenes_own_example() -> None:
    """The paper estimates the classes' shares as .40, .42, .11 and .07, and all but a few patients surely."""
    found = estimate(anaesthetists(), "1234")
    assert len(found.posteriors) == 45
    assert found.converged
    assert [round(prior, 2) for prior in found.priors] == [0.40, 0.42, 0.11, 0.07]
    assert [round(p, 2) for p in found.confusion["1"][0]] == [0.89, 0.11, 0.00, 0.00]
    assert sum(max(row) > 0.99 for row in found.posteriors) >= 38
    assert all(sum(row) == pytest.approx(1) for each in found.confusion.values() for row in each)


def simulated(
    seed: int, items: int, accuracy: dict[str, float]
) -> tuple[list[dict[str, tuple[str]]], list[str]]:
    rng = random.Random(seed)
    truth = [rng.choice("ab") for _ in range(items)]
    reports = [
        {judge: (t if rng.random() < right else "ab"["ba".index(t)],) for judge, right in accuracy.items()}
        for t in truth
    ]
    return reports, truth  # type: ignore[return-value]


def test_it_finds_out_who_is_good_and_beats_counting() -> None:
    accuracy = {"good": 0.95, "fair": 0.7, "poor": 0.55, "worse": 0.52, "coin": 0.5}
    reports, truth = simulated(1, 800, accuracy)
    found = estimate(reports, "ab")
    for judge, right in accuracy.items():
        assert found.accuracy(judge) == pytest.approx(right, abs=0.06), judge
    told = ["ab"[row.index(max(row))] for row in found.posteriors]
    counted = ["a" if [v for (v,) in item.values()].count("a") >= 3 else "b" for item in reports]
    right_told, right_counted = (sum(map(str.__eq__, each, truth)) for each in (told, counted))
    assert right_told > right_counted + 80


def test_a_contrary_judge_is_used_the_other_way_round() -> None:
    reports, truth = simulated(2, 400, {"p": 0.9, "q": 0.9, "contrary": 0.05})
    found = estimate(reports, "ab")
    assert found.accuracy("contrary") < 0.15
    told = ["ab"[row.index(max(row))] for row in found.posteriors]
    assert sum(map(str.__eq__, told, truth)) > 370


@example(
    [{"p": "a"}, {"q": "a"}, {"s": "a"}, {"s": "c", "q": "c"}, {"p": "b", "s": "b", "r": "c"}]
    + [{"p": "a", "q": "a", "r": "a", "s": "b"}] * 2
    + [{"p": "c", "q": "b", "r": "b"}, {"p": "b", "q": "c", "r": "a", "s": "c"}]
)
@given(VOTES)
def test_it_never_fails_and_never_invents_a_class(items: list[dict[str, str]]) -> None:
    voted = [{judge: (vote,) for judge, vote in item.items()} for item in items if item]
    if not voted:
        return
    found = estimate(voted, "abcd")
    for row in found.posteriors:
        assert sum(row) == pytest.approx(1)
        assert row[3] < 1e-9, "nobody said d"
