"""The report of a suspect: what it says follows from its findings, in the same words every time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes, of_value
from inbond.forensics import report
from inbond.forensics.finding import Finding
from inbond.forensics.green import GreenKey, Tally
from inbond.forensics.lots import CANARY, CHOICE, LotKey
from inbond.forensics.planted import judge as judge_lots
from inbond.forensics.planted import needed_canaries, needed_choices
from inbond.forensics.radioactivity import judge
from inbond.forensics.report import NotRan, Ran, make, overall
from inbond.ledger.findings import body_of
from inbond.ledger.p_value import p_words
from inbond.report.forensics_page import render_forensics_page

KEY = GreenKey(b"k" * 32, 2, 0.25, 2.0, of_bytes(b"v"), 100)
SUSPECT = {"name": "run:student", "digest": of_bytes(b"s"), "access": "weights"}
AT = "2026-11-23T06:00:00.000000Z"


def found(pairs: int, green: int) -> Finding:
    return judge(KEY, Tally(pairs, green), access="open", with_records=True)


FOUND, NONE, FEW = found(3000, 1200), found(5000, 1250), found(100, 25)
SCORE = replace(FOUND, test="degree", log10_p=None, needed=None)
WANTING = NotRan("canary rank", "for want of a canary key (--key)", asked=False)
FAILED = NotRan("weight derivation", "expected a parent; found none; name one", asked=True)


def of(*findings: Finding, left: tuple[NotRan, ...] = ()) -> dict[str, Any]:
    ran = [Ran(one.test, "It was looked at.", (one,)) for one in findings]
    return make(SUSPECT, ran, left, alpha=1e-5, at=AT)


@pytest.mark.parametrize(("log10_p", "words"), [
    (0.0, "1"), (1e-9, "1"), (-1.5, "0.032"), (-3.0, "1.0e-3"), (-6.92, "1.2e-7"), (-299.5, "3.2e-300"),
    (-300.5, "<1e-300"), (-120_000.0, "<1e-300"), (None, "none"),
])  # fmt: skip
def test_p_values_are_written_as_people_do(log10_p: float | None, words: str) -> None:
    assert p_words(log10_p) == words


@given(st.floats(-300, 0))
def test_what_is_written_is_the_number(log10_p: float) -> None:
    assert float(p_words(log10_p)) == pytest.approx(10**log10_p, rel=0.06)


@pytest.mark.parametrize(("findings", "left", "outcome"), [
    ((FOUND, NONE, FEW), (FAILED,), "consistent-with"),
    ((NONE,), (WANTING,), "no-evidence"),
    ((NONE, SCORE), (), "no-evidence"),
    ((NONE, FEW), (), "cannot-tell"),
    ((NONE,), (FAILED,), "cannot-tell"),
    ((SCORE,), (), "cannot-tell"),
    ((), (WANTING,), "cannot-tell"),
])  # fmt: skip
def test_the_whole_is_as_sure_as_its_parts(
    findings: tuple[Finding, ...], left: tuple[NotRan, ...], outcome: str
) -> None:
    assert overall(findings, left, 1e-5) == outcome
    assert of(*findings, left=left)["outcome"] == outcome


def test_plain_words_come_first() -> None:
    made = of(FOUND, NONE, FEW, SCORE, left=(FAILED, WANTING))
    key = KEY.id[:19]
    assert made["summary"] == [
        "Of 3 tests at the level 1e-5: 1 found evidence, 1 would most likely have found some and did not, "
        "1 cannot tell.",
        f"consistent with: the suspect learnt from text marked with {key} "
        f"(p {p_words(FOUND.log10_p)}, {p_words((FOUND.log10_p or 0) + 0.47712)} after Holm).",
        f"no evidence of: the suspect learnt from text marked with {key}; 5% more green tokens would most "
        "likely have been seen (p 0.51, 1 after Holm).",
        f"cannot tell whether the suspect learnt from text marked with {key}: 100 different windows are too "
        "few: 2,370 different windows would be needed to see 5% more green tokens (p 0.54, 1 after Holm).",
        f"a score, which alone decides nothing: the suspect learnt from text marked with {key} "
        "(green 0.4, low 0.3824, high 0.4178, gamma 0.25).",
        "weight derivation: could not be done: expected a parent; found none; name one",
    ]
    assert made["cannot_show"][:3] == list(report.ALWAYS)
    assert [each["asked"] for each in made["not_tested"]] == [True, False]


def test_the_same_facts_make_the_same_report() -> None:
    one, two = of(FOUND, FEW, left=(WANTING,)), of(FOUND, FEW, left=(WANTING,))
    assert report.digest_of(one) == report.digest_of(two) == of_value(json.loads(json.dumps(one)))
    assert report.digest_of(one) != report.digest_of(of(FOUND, left=(WANTING,)))


def test_the_ledger_takes_every_report() -> None:
    for made in (of(FOUND, NONE, FEW, SCORE), of(), of(found(0, 0))):
        body = body_of(made)
        assert body["report"] == report.digest_of(made)
        assert len(body["findings"]) == len(made["findings"])


def test_no_report_speaks_of_guilt() -> None:
    made = of(FOUND, NONE, FEW, SCORE, left=(FAILED,))
    text = json.dumps(made) + render_forensics_page(made, "1")
    assert re.findall(r"guilt|stole|theft|illegal|culprit|offen[cs]e|proven", text, re.IGNORECASE) == []


def test_the_page_shows_foreign_names_as_text() -> None:
    suspect = SUSPECT | {"name": "path:<script>alert(1)</script>\x1b[31m"}
    made = make(suspect, [Ran("radioactivity", "Looked.", (FOUND,))], (WANTING,), alpha=1e-5, at=AT)
    page = render_forensics_page(made, "1")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page


def test_a_thousand_findings_still_make_a_page() -> None:
    page = render_forensics_page(of(*[FOUND] * 1000), "1")
    assert len(page.encode()) < 400_000
    assert "more, not shown here" in page


# Planted by lot --------------------------------------------------------------------------------------


def test_planted_texts_that_are_preferred_are_found() -> None:
    birds, choice = LotKey(CANARY, b"c" * 32, 10), LotKey(CHOICE, b"d" * 32, 4)
    assert judge_lots(birds, [1] * 6).outcome() == "consistent-with"
    assert judge_lots(birds, [5] * 6).outcome() == "no-evidence"
    assert judge_lots(birds, [1] * 3).words() == (
        "cannot tell: 3 canaries are too few: 6 canaries would be needed to see planted strings that are "
        "each the likeliest"
    )
    assert judge_lots(choice, [1, 2] * 40).outcome() == "consistent-with"
    assert judge_lots(choice, [1, 4, 2, 3]).outcome() == "cannot-tell"
    assert judge_lots(choice, []).statistic == {"first": 0.0, "of": 4.0}


@given(st.integers(2, 50), st.integers(1, 12))
def test_as_many_canaries_as_are_needed_are_enough(size: int, digits: int) -> None:
    alpha, key = 10.0**-digits, LotKey(CANARY, b"c" * 32, size)
    needed = needed_canaries(size, alpha)
    assert judge_lots(key, [1] * needed, alpha=alpha).outcome(alpha) == "consistent-with"
    if needed > 1:
        fewer = judge_lots(key, [1] * (needed - 1), alpha=alpha)
        assert (fewer.p or 0) >= alpha * (1 - 1e-9)


def test_choices_need_fewer_where_more_is_asked_of_chance() -> None:
    assert needed_choices(4, 1e-5) > needed_choices(4, 1e-2)
