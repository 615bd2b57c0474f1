"""What the report shows of other providers' sightings: by whom it is claimed, until when, of whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard.overview.sightings import Resembling, drawn, resembling
from tests.guard_report_examples import sighting

READ = "2026-11-22T10:00:00.000000Z"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def match(**changes: Any) -> dict[str, Any]:
    return sighting(**{"valid_until": (NOW + timedelta(days=1)).isoformat(), **changes})


def seen(*matches: dict[str, Any], at: str = READ, only: str | None = None) -> list[Resembling]:
    return resembling([(at, {"matches": list(matches)})], NOW, only)


def test_it_says_by_whom_until_when_how_sure_and_of_whom() -> None:
    (found,) = seen(match(accounts=["b/x", "a/x"]))
    shown = drawn(found, {"b/x": "account-1"})
    assert shown.provider == "例の会社 <b>Ltd</b>"
    assert shown.accounts == (("b/x", "account-1"), ("a/x", ""))
    assert shown.more == 2
    assert dict(shown.facts) == {
        "Like the group": "payment:8367cd66fdd136bb",
        "Of its template": "75% was told",
        "How sure it says it is": "85 of 100",
        "Read here": "2026-11-22 10:00 UTC",
        "Valid until": "2026-11-24 10:00 UTC",
        "May be passed on": "as TLP amber says",
        "Campaign": "c0ffee",
    }


def test_what_has_ended_is_not_shown_and_the_same_told_again_counts_as_told_last() -> None:
    assert seen(match(valid_until=NOW.isoformat())) == []
    (found,) = resembling(
        [(READ, {"matches": [match(confidence=70)]}), (READ, {"matches": [match(confidence=85)]})], NOW
    )
    assert found.confidence == 85
    withdrawn = [(READ, {"matches": [match()]}), (READ, {"matches": [match(valid_until=READ)]})]
    assert resembling(withdrawn, NOW) == []


def test_the_likest_first_and_of_one_account_those_that_name_it() -> None:
    found = seen(match(campaign="a", likeness=0.3), match(campaign="b", likeness=0.9, accounts=["x/y"]))
    assert [each.campaign for each in found] == ["b", "a"]
    assert [each.campaign for each in seen(match(campaign="b", accounts=["x/y"]), only="x/y")] == ["b"]
    assert seen(match(), only="x/y") == []


def test_a_crowd_is_counted_and_a_long_name_cut() -> None:
    (found,) = seen(match(accounts=[f"t{n}/a" for n in range(100)], more_accounts=3_400, provider="名" * 999))
    shown = drawn(found, {})
    assert (len(shown.accounts), shown.more) == (24, 3_476)
    assert len(shown.provider) < 150


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": None}, {"valid_until": "soon"}, {"valid_until": "2027-01-01"}, {"accounts": "x"},
        {"confidence": "85"}, {"likeness": float("nan")}, {"tlp": "purple"}, {"more_accounts": -1},
    ],
)  # fmt: skip
def test_what_has_not_its_form_is_left_out(changes: dict[str, Any]) -> None:
    assert seen(match(**changes)) == []
    assert len(seen(match(**changes), match())) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60)
@given(st.sampled_from(sorted(sighting())), JSON, JSON)
def test_whatever_a_ledger_holds_can_be_read(field: str, value: Any, matches: Any) -> None:
    for each in seen(match(**{field: value})):
        drawn(each, {})
        each.to_json()
    assert resembling([(READ, {"matches": matches}), (str(value), {})], NOW) == []
