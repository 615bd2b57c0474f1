"""Which texts can share a student's licence: share-alike with itself alone, all others with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.policy import licences
from inbond.policy.decide import decide
from inbond.policy.facts import Facts, LicenceFinding
from inbond.policy.fields import ORDINARY, SENSITIVE
from inbond.policy.library import shipped
from inbond.policy.outgoing import Bound, bounds_of, conflicts

DOCS = Path(__file__).parents[2] / "docs"

BOUNDS = st.lists(
    st.builds(
        Bound,
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["same", "restrictions", "non-commercial"]),
    ),
    max_size=5,
)


@given(BOUNDS)
def test_a_conflict_is_of_two_texts_and_has_a_share_alike_in_it(bounds: list[Bound]) -> None:
    for found in conflicts(bounds):
        assert found.first.terms != found.second.terms
        assert "same" in (found.first.asks, found.second.asks)
    same = {bound.terms for bound in bounds if bound.asks == "same"}
    others = {bound.terms for bound in bounds}
    assert bool(conflicts(bounds)) == bool(same and len(others) > 1)


@given(BOUNDS)
def test_order_and_repetition_change_no_conflict(bounds: list[Bound]) -> None:
    def pairs(given: list[Bound]) -> set[frozenset[str]]:
        return {frozenset(found.to_json()["terms"]) for found in conflicts(given)}

    assert pairs(bounds) == pairs(bounds[::-1]) == pairs(bounds + bounds)


def test_what_shipped_texts_ask() -> None:
    def asked(id_: str, topic: str) -> list[str]:
        position = shipped().terms.terms[id_].position(topic)  # type: ignore[arg-type]
        assert position is not None
        return [bound.asks for bound in bounds_of(id_, "x", position)]

    assert asked("MIT", "derived_weights") == asked("Apache-2.0", "derived_weights") == []
    assert asked("CC-BY-SA-4.0", "training_data") == ["same"]
    assert asked("CC-BY-NC-4.0", "training_data") == ["non-commercial"]
    assert asked("LicenseRef-scancode-gemma-tou-2025-03-24", "outputs") == ["restrictions"]
    assert asked("LicenseRef-scancode-llama-3.1-license-2024", "outputs") == []
    assert asked("LicenseRef-scancode-llama-3.1-license-2024", "derived_weights") == ["restrictions"]


def test_every_field_of_use_is_explained_in_the_docs() -> None:
    page = (DOCS / "terms.md").read_text("utf-8")
    assert [tag for tag in SENSITIVE if f"`{tag}`" not in page] == []
    assert not ORDINARY & set(SENSITIVE)


def test_every_field_that_a_text_closes_is_explained() -> None:
    for text in shipped().terms.terms.values():
        for topic in ("outputs", "derived_weights", "training_data"):
            position = text.position(topic)  # type: ignore[arg-type]
            for item in position.obligations if position else ():
                assert not set(getattr(item, "forbidden", ())) & ORDINARY


# The student's own licence --------------------------------------------------------------------------------

GEMMA = "LicenseRef-scancode-gemma-tou-2025-03-24"


@pytest.mark.parametrize(
    ("sentence", "licence", "start", "bound_by", "outgoing"),
    [
        ("Outputs of Gemma make a derivative: its terms join the licence of the weights.",
         GEMMA, "Apache-2.0", (GEMMA,), f"Apache-2.0 AND {GEMMA}"),
        ("What only research may use does not become Apache by a student.",
         "CC-BY-NC-4.0", "Apache-2.0", ("CC-BY-NC-4.0",), "Apache-2.0 AND CC-BY-NC-4.0"),
        ("Outputs under a silent licence leave the weights' own.", "MIT", "Apache-2.0", (), "Apache-2.0"),
        ("From scratch, the outputs' terms alone are said.", GEMMA, None, (GEMMA,), GEMMA),
        ("From scratch and bound by nothing, none is made up.", "MIT", None, (), None),
        ("A text is said once.", GEMMA, GEMMA, (GEMMA,), GEMMA),
    ],
)  # fmt: skip
def test_the_students_licence_says_no_less_than_what_binds_it(
    sentence: str, licence: str, start: str | None, bound_by: tuple[str, ...], outgoing: str | None
) -> None:
    weights = LicenceFinding("hf:a/teacher", licence, "declared", "its card")
    base = LicenceFinding("hf:b/base", start, "declared", "its card") if start else None
    facts = Facts("hf:a/teacher", weights, False, base, use="research", release="none")
    decision = decide(facts, shipped().terms)
    assert decision.bound_by == bound_by, sentence
    assert licences.all_of_texts([*([start] if start else []), *decision.bound_by]) == outgoing, sentence
