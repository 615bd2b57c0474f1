"""What a finding says: four outcomes in words, and never "nothing there" on a small p."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from inbond.forensics.finding import Finding, together

FOUND = Finding(
    test="t", question="it learnt", null="it did not", statistic={"x": 1.0}, log10_p=math.log10(0.4),
    size=100, unit="texts", needed=50, effect="a gain", assumptions=("a",), limits=("l",), facts={"p": 0.4},
    about={"kind": "records", "id": "sha256:0"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({"log10_p": -6.0}, "consistent-with", "consistent with: it learnt"),
        ({}, "no-evidence", "no evidence of: it learnt; a gain would most likely have been seen"),
        (
            {"log10_p": -3.0},
            "cannot-tell",
            "cannot tell: p = 0.001 is too large to count and too small to be a sign of nothing",
        ),
        (
            {"needed": 1200},
            "cannot-tell",
            "cannot tell: 100 texts are too few: 1,200 texts would be needed to see a gain",
        ),
        (
            {"needed": None},
            "cannot-tell",
            "cannot tell, from 100 texts: how many it would take is not known",
        ),
        ({"log10_p": None}, "cannot-tell", "a score, which alone decides nothing: it learnt"),
    ],
)
def test_outcomes_in_words(changes: dict[str, object], outcome: str, words: str) -> None:
    found = replace(FOUND, **changes)  # type: ignore[arg-type]
    assert (found.outcome(), found.words()) == (outcome, words)
    assert found.to_json()["words"] == words
    assert found.verdict().outcome == outcome


def test_adjusted_p_decides_what_counts_and_its_own_p_what_is_a_sign_of_nothing() -> None:
    several = together([replace(FOUND, log10_p=-5.5)] * 10)
    assert [found.outcome() for found in several] == ["cannot-tell"] * 10
    assert together([replace(FOUND, log10_p=-5.5)])[0].outcome() == "consistent-with"


def test_json_says_what_it_is_about() -> None:
    assert FOUND.to_json()["about"] == {"kind": "records", "id": "sha256:0"}
