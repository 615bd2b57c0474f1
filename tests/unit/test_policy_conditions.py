"""Each typed condition against a plan: what it comes to, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from inbond.policy.conditions import Applied, weigh_condition
from inbond.policy.facts import Facts, LicenceFinding, Modality
from inbond.policy.obligations import Obligation
from inbond.policy.places import COUNTRIES, GROUPS, within

PLAN = Facts("t", LicenceFinding("t", "MIT", "declared", "its card"), False)
READ: TypeAdapter[Obligation] = TypeAdapter(Obligation)


def item(kind: str, when: str = "always", **more: Any) -> Obligation:
    return READ.validate_python({"kind": kind, "text": "Do it.", "when": when, "clause": "1", **more})


def weigh(obligation: Obligation, modality: Modality | None = None, **changes: Any) -> Applied:
    return weigh_condition(obligation, replace(PLAN, **changes), modality)


USERS = {"metric": "monthly-active-users", "above": 100}
DUE = "permit-with-obligations"


@pytest.mark.parametrize(
    ("when", "due"),
    [
        ("always", ("none", "service", "weights")),
        ("offered", ("service", "weights")),
        ("distributed", ("weights",)),
    ],
)
def test_a_duty_is_due_from_its_release_on(when: str, due: tuple[str, ...]) -> None:
    for release in ("none", "service", "weights"):
        found = weigh(item("notice", when), release=release)
        assert found == (Applied(DUE, "Do it.") if release in due else Applied("permit"))


@pytest.mark.parametrize(("then", "outcome"), [("obligation", DUE), ("review", "review"), ("deny", "deny")])
def test_above_a_threshold_follows_what_the_text_says(then: str, outcome: str) -> None:
    limit = item("threshold", then=then, **USERS)
    assert weigh(limit, mau=101).outcome == outcome
    assert "above 100 monthly active users" in weigh(limit, mau=101).finding
    assert weigh(limit, mau=100) == Applied(
        "permit", finding="The plan stays within 100 monthly active users, above which more would follow."
    )
    assert weigh(limit) == Applied(DUE, "Do it.")
    assert bool(weigh(limit, mau=101).missing) == (then == "review")


@pytest.mark.parametrize(
    ("metric", "revenue", "outcome"),
    [
        ("annual-revenue-usd", 100, "permit"), ("annual-revenue-usd", 100.5, "deny"),
        ("annual-revenue-usd", None, DUE), ("monthly-revenue-usd", 100, "permit"),
        ("monthly-revenue-usd", 101, DUE), ("monthly-revenue-usd", 1200, DUE),
        ("monthly-revenue-usd", 1201, "deny"), ("monthly-revenue-usd", None, DUE),
        ("monthly-active-users", 10**9, DUE),
    ],
)  # fmt: skip
def test_a_years_revenue_bounds_a_months_from_both_sides(
    metric: str, revenue: float | None, outcome: str
) -> None:
    limit = item("threshold", metric=metric, above=100, then="deny")
    assert weigh(limit, revenue_usd=revenue).outcome == outcome


@pytest.mark.parametrize(
    ("places", "country", "outcome"),
    [
        ({"excluded": ["EU"]}, "DE", "deny"), ({"excluded": ["EU"]}, "CH", DUE),
        ({"excluded": ["EU"]}, None, "review"), ({"only": ["JP"]}, "JP", DUE),
        ({"only": ["JP"]}, "KR", "deny"), ({"only": ["EU"]}, "FR", DUE),
        ({"only": ["JP"]}, None, "review"), ({"excluded": ["KR"], "then": "review"}, "KR", "review"),
    ],
)  # fmt: skip
def test_a_territory(places: dict[str, Any], country: str | None, outcome: str) -> None:
    found = weigh(item("territory", **places), territory=country)
    assert found.outcome == outcome
    assert bool(found.missing) == (outcome == "review")


@given(st.sampled_from(sorted(COUNTRIES)), st.lists(st.sampled_from([*sorted(COUNTRIES), "EU"]), max_size=3))
def test_a_country_is_in_a_list_or_in_a_group_of_it(country: str, listed: list[str]) -> None:
    expected = country in listed or ("EU" in listed and country in GROUPS["EU"])
    assert within(country, tuple(listed)) == expected


def test_the_lists_of_places_are_whole() -> None:
    assert len(COUNTRIES) == 249
    assert len(GROUPS["EU"]) == 27 + len({"AX", "GF", "GP", "MF", "MQ", "RE", "YT"})
    assert GROUPS["EU"] < COUNTRIES
    assert not {"UK", "EU", "XX"} & COUNTRIES


@pytest.mark.parametrize(
    ("domains", "outcome"),
    [
        ((), DUE), (("medical",), "deny"), (("coding",), DUE), (("coding", "medical"), "deny"),
        (("military",), "review"), (("Medical",), "review"), (("medicine",), "review"), (("",), "review"),
        (("medical", "zzz"), "deny"),
    ],
)  # fmt: skip
def test_a_field_of_use(domains: tuple[str, ...], outcome: str) -> None:
    assert weigh(item("field-of-use", forbidden=["medical"]), domains=domains).outcome == outcome
    assert weigh(item("field-of-use"), domains=domains).outcome != "deny"
    assert (
        weigh(item("field-of-use", forbidden=["medical"], then="review"), domains=domains).outcome != "deny"
    )


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Llama-x", True),
        ("Llama", True),
        ("llama-x", False),
        ("x-Llama", False),
        ("Ｌlama-x", False),
        (" Llama", False),
    ],
)
def test_a_names_beginning(name: str, fits: bool) -> None:
    found = weigh(item("name-prefix", prefix="Llama"), name=name)
    assert found.outcome == DUE
    assert bool(found.missing) != fits
    assert ("does not" in (found.text or "")) != fits
    assert weigh(item("name-prefix", prefix="Llama")).missing == ()


def test_the_name_that_is_proposed_fits() -> None:
    for prefix, better in (("Llama", "Llama-x"), ("Llama 3", "Llama-3-x")):
        obligation = item("name-prefix", prefix=prefix)
        assert f"{better!r}" in weigh(obligation, name="x").missing[0]
        assert weigh(obligation, name=better).missing == ()


def test_what_is_asked_of_one_modality_alone() -> None:
    limit = item("threshold", then="deny", only_for="multimodal", **USERS)
    assert weigh(limit, "text", mau=101) == Applied("permit")
    assert weigh(limit, "multimodal", mau=101).outcome == "deny"
    unsure = weigh(limit, None, mau=101)
    assert unsure.outcome == "review"
    assert unsure.missing == ("whether the teacher is a multimodal model",)
    assert weigh(limit, None, mau=1).outcome == "permit"
    assert weigh(limit, None, mau=1).text is None
    assert weigh(limit, None) == Applied(DUE, "If multimodal: Do it.")


def test_a_release_that_these_rules_do_not_know_triggers_everything() -> None:
    assert weigh(item("notice", "distributed"), release="leak").outcome == DUE
