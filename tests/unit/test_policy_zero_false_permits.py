"""Zero false permits: whatever is unknown, invented or taken away, the gate never says yes for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_value
from inbond.policy.decide import decide
from inbond.policy.facts import Agreement, DataLicence, Facts, LicenceFinding
from inbond.policy.library import shipped
from inbond.policy.places import COUNTRIES
from inbond.policy.schema import TOPICS
from inbond.policy.stances import OUTCOMES
from inbond.policy.weights import find
from inbond.types import parse_model_name

LICENCES = sorted(id_ for id_, terms in shipped().terms.terms.items() if terms.kind == "licence")
SERVICES = sorted(id_ for id_, terms in shipped().terms.terms.items() if terms.kind == "service")
PERMITTED = ("permit", "permit-with-obligations")

licence = st.sampled_from([*LICENCES, *shipped().terms.names])
expression = st.one_of(
    licence,
    st.tuples(licence, licence).map(" AND ".join),
    st.tuples(licence, licence).map(" OR ".join),
)
strange = st.sampled_from(
    [None, "other", "NOASSERTION", "LicenseRef-x", "Llama3.1", "MIT+", "((", "proprietary"]
)
yes_no = st.sampled_from(["yes", "no", "unknown"])


def under(subject: str, text: str | None, bases: tuple[LicenceFinding, ...] = ()) -> LicenceFinding:
    modality = (None, "text", "multimodal")[len(subject + (text or "")) % 3]
    return LicenceFinding(subject, text, "declared" if text else "none", "its card", bases, modality)


@st.composite
def agreements(draw: st.DrawFn) -> Agreement:
    return Agreement(
        ("Us", *draw(st.lists(st.sampled_from(["Meta", "OpenAI", "Google", "Alibaba"]), max_size=2))),
        draw(st.sampled_from(["t", "b", "d"])),
        ("research", "internal", "commercial"),
        ("none", "service", "weights"),
        TOPICS,
        draw(st.sampled_from([(), tuple(LICENCES), tuple(SERVICES)])),
        "2026-01-01",
        draw(st.sampled_from([None, "2026-12-31"])),
        of_value("signed"),
        draw(st.booleans()),
        draw(st.sampled_from([(), ("medical",), ("medical", "military", "zzz")])),
        draw(st.sampled_from([(), ("DE",), ("EU", "KR", "US")])),
        draw(st.sampled_from([(), (("monthly-active-users", 1e12), ("annual-revenue-usd", 1e12))])),
    )


@st.composite
def plans(draw: st.DrawFn, weights=expression, base=expression, data=expression) -> Facts:
    start = draw(st.sampled_from(["teacher", "other", "scratch"]))
    hosted = draw(st.booleans())
    deeper = tuple(under("d", draw(base)) for _ in range(draw(st.integers(0, 1))))
    return Facts(
        "t",
        under("t", draw(weights), deeper),
        start == "teacher",
        under("b", draw(base)) if start == "other" else None,
        channel="api.example.com" if hosted else "self-hosted",
        host_terms=draw(st.sampled_from(SERVICES)) if hosted else None,
        host_models=draw(st.sampled_from(["own", "any"])),
        data=tuple(DataLicence("d", draw(data)) for _ in range(draw(st.integers(0, 1)))),
        use=draw(st.sampled_from(["research", "internal", "commercial"])),
        release=draw(st.sampled_from(["none", "service", "weights"])),
        kind=draw(st.sampled_from(["general", "classifier", "embedding"])),
        name=draw(st.sampled_from([None, "Llama-x", "x"])),
        domains=tuple(draw(st.lists(st.sampled_from(["medical", "military", "coding", "zzz"]), max_size=2))),
        competes=draw(yes_no),
        mau=draw(st.sampled_from([None, 0, 10**9])),
        revenue_usd=draw(st.sampled_from([None, 0.0, 1e9])),
        territory=draw(st.sampled_from([None, "DE", "KR", "US"])),
        agreements=tuple(draw(st.lists(agreements(), max_size=1))),
    )


def outcome(facts: Facts) -> str:
    return decide(facts, shipped().terms).verdict.outcome


@given(plans(weights=strange))
def test_unknown_weights_never_permit(facts: Facts) -> None:
    assert outcome(facts) not in PERMITTED


@given(plans(), strange)
def test_an_unknown_licence_anywhere_never_permits(facts: Facts, text: str | None) -> None:
    unknown = under("u", text)
    assert outcome(replace(facts, base_is_teacher=False, base=unknown)) not in PERMITTED
    assert outcome(replace(facts, weights=replace(facts.weights, bases=(unknown,)))) not in PERMITTED
    assert outcome(replace(facts, data=(DataLicence("u", text),))) not in PERMITTED


@given(plans(), st.one_of(st.none(), st.sampled_from([*LICENCES, "nobody's"]), st.text(max_size=9)))
def test_an_unknown_host_never_permits(facts: Facts, terms: str | None) -> None:
    if terms not in SERVICES:
        assert outcome(replace(facts, channel="h.example", host_terms=terms)) not in PERMITTED


@given(plans())
def test_a_permit_needs_every_licence_and_every_host(facts: Facts) -> None:
    """Taking away what is known of any of them turns no review or denial into a permit, and every permit
    into a review."""
    weights, base = under("t", None), under("b", None)
    taken = [replace(facts, weights=weights), replace(facts, territory=None)]
    taken += [replace(facts, base=base)] if facts.base else []
    taken += [replace(facts, host_terms=None)] if facts.host_terms else []
    taken += [replace(facts, data=(DataLicence("d", None),))] if facts.data else []
    taken += [replace(facts, agreements=()), replace(facts, competes="unknown")]
    for less in taken:
        assert outcome(facts) in PERMITTED or outcome(less) not in PERMITTED


@given(plans(), yes_no)
def test_an_own_word_on_competition_never_permits_a_general_model(facts: Facts, competes: str) -> None:
    facts = replace(facts, kind="general", agreements=(), competes=competes)
    judged = decide(facts, shipped().terms).verdict
    if any(reason.detail["stance"] == "competing-only" for reason in judged.reasons):
        assert judged.outcome not in PERMITTED


@given(plans())
def test_only_an_agreement_in_force_lifts_a_denial(facts: Facts) -> None:
    without = outcome(replace(facts, agreements=()))
    if outcome(facts) in PERMITTED and without not in PERMITTED:
        [agreement] = facts.agreements
        assert agreement.in_force
        assert outcome(replace(facts, agreements=(replace(agreement, in_force=False),))) == without


@given(plans())
def test_a_condition_is_lifted_only_by_an_agreement_that_names_it(facts: Facts) -> None:
    """Taking everything but the conditions from a plan shows which of them stand in its way; an agreement
    whose scope names none of these leaves them there."""
    bare = tuple(replace(each, domains=(), territories=(), thresholds=()) for each in facts.agreements)
    judged = decide(replace(facts, agreements=bare), shipped().terms)
    if judged.verdict.outcome in PERMITTED:
        opened = (*facts.agreements, *bare)
        assert outcome(replace(facts, agreements=opened)) in PERMITTED
        for reason in judged.verdict.reasons:
            assert "It closes" not in reason.finding
            assert "The plan is above" not in reason.finding or "Above it nothing" not in reason.finding


NAMES = sorted({*shipped().models.by_name, *(f"{key}x" for key in shipped().models.by_prefix)})


@given(st.sampled_from([name for name in NAMES if name.startswith("hf:")]), plans())
def test_a_revision_is_never_judged_more_mildly_than_its_model(name: str, facts: Facts) -> None:
    def judged(text: str, *, starts: bool) -> str:
        found = find(parse_model_name(text), [], [], shipped().models)
        plan = replace(facts, agreements=(), teacher=text, weights=found, channel="self-hosted")
        return outcome(replace(plan, base_is_teacher=starts, base=None))

    for starts in (True, False):
        bare, precise = judged(name, starts=starts), judged(f"{name}@8cde5ca", starts=starts)
        assert precise not in PERMITTED
        assert OUTCOMES.index(precise) >= OUTCOMES.index(bare)


@given(plans(), st.sampled_from([None, "2023-01-01", "2024-06-01", "2026-01-01", "2026-11-11", "2030-01-01"]))
def test_a_date_never_makes_a_denial_a_permit(facts: Facts, day: str | None) -> None:
    """Only the text that was in force before may; none that is on file allows what its successor forbids."""
    facts = replace(facts, agreements=())
    if outcome(facts) == "deny":
        assert outcome(replace(facts, date=day)) == "deny"


@given(plans(), plans())
def test_more_to_judge_never_makes_it_milder(facts: Facts, other: Facts) -> None:
    more = replace(facts, data=facts.data + other.data)
    assert OUTCOMES.index(outcome(more)) >= OUTCOMES.index(outcome(facts))


@given(plans())
def test_the_same_facts_get_the_same_verdict_in_full(facts: Facts) -> None:
    once, again = (decide(each, shipped().terms) for each in (facts, replace(facts)))
    assert once == again
    assert once.to_json()["facts"] == facts.digest
    for reason in once.verdict.reasons:
        assert set(reason.to_json()) >= {"stance", "edge", "clause", "version", "read_on", "evidence"}


@given(plans(), st.text(max_size=4))
def test_a_country_that_does_not_exist_never_permits(facts: Facts, code: str) -> None:
    if code not in COUNTRIES:
        assert outcome(replace(facts, territory=code)) not in PERMITTED


@pytest.mark.parametrize("field", ["mau", "revenue_usd"])
def test_a_negative_number_never_permits(field: str) -> None:
    facts = Facts("t", under("t", "MIT"), False)
    assert outcome(facts) == "permit"
    assert outcome(replace(facts, **{field: -1})) == "review"


@given(plans(), st.sampled_from(["mau", "revenue_usd"]))
def test_more_users_or_revenue_never_make_it_milder(facts: Facts, field: str) -> None:
    few, many = (outcome(replace(facts, **{field: amount})) for amount in (1, 10**12))
    assert OUTCOMES.index(many) >= OUTCOMES.index(few)


@given(plans())
def test_more_release_never_makes_it_milder(facts: Facts) -> None:
    ranks = [
        OUTCOMES.index(outcome(replace(facts, agreements=(), release=r)))
        for r in ("none", "service", "weights")
    ]
    assert ranks == sorted(ranks)


def test_a_licence_without_evidence_is_none() -> None:
    claimed = LicenceFinding("t", "MIT", "none", "nobody says so")
    assert outcome(Facts("t", claimed, False)) == "review"
    assert outcome(Facts("t", under("t", "MIT"), False, claimed)) == "review"
    assert outcome(Facts("t", replace(claimed, licence=None, evidence="declared"), False)) == "review"


def test_nobody_and_nothing_are_numbers_too() -> None:
    assert outcome(Facts("t", under("t", "MIT"), False, mau=0, revenue_usd=0.0)) == "permit"
