"""Findings as the ledger keeps them: what of a report enters it, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import canonical, of_value
from inbond.errors import InputError, NewerFormatError
from inbond.ledger.events import Event
from inbond.ledger.findings import FINDING_REPORTED, MOST, body_of, from_body, read
from tests.forensic_reports import KEY, MARK, finding, report

DIGEST = KEY


def event(body: dict[str, Any], seq: int = 0, kind: str = FINDING_REPORTED) -> Event:
    return Event(seq, "2026-11-23T06:00:00.000000Z", kind, body, None, DIGEST, DIGEST)


def test_a_body_holds_the_numbers_and_no_text_that_was_tested() -> None:
    whole = report("run:b", finding(MARK), digest=str(DIGEST))
    body = body_of(whole)
    assert set(body) == {"format", "suspect", "at", "alpha", "report", "findings"}
    assert body["suspect"] == {"name": "run:b", "digest": DIGEST}
    assert body["report"] == of_value(whole)
    assert set(body["findings"][0]) == {
        "test", "question", "null", "outcome", "log10_p", "adjusted_log10_p", "size", "unit", "about",
    }  # fmt: skip
    assert "a text that was tested" not in json.dumps(body)
    back = from_body(body, "event 3")
    assert (back.suspect, back.suspect_digest, back.digest) == ("run:b", DIGEST, body["report"])
    assert (back.alpha, from_body({**body, "alpha": None}, "event 3").alpha) == (1e-5, None)
    assert back.findings[0].words == "consistent with: the suspect learnt from what the mark stands for"
    assert back.findings[0].numbers == "p 3.2e-13, 6.3e-13 adjusted, 12,000 pairs"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"format": "inbond.forensics/1"}, "format: "),
        ({"suspect": {"name": "run:b"}}, "suspect.digest: Field required"),
        ({"suspect": {"name": "", "digest": None}}, "suspect.name: "),
        ({"suspect": {"name": "run:b", "digest": "sha256:12"}}, "suspect.digest: "),
        ({"suspect": None}, "suspect: "),
        ({"at": "yesterday"}, "at: "),
        ({"alpha": 0.0}, "alpha: "),
        ({"alpha": "small"}, "alpha: "),
        ({"findings": "none"}, "findings: "),
        ({"findings": [3]}, "findings.0: "),
        ({"findings": [{}] * (MOST + 1)}, "findings: List should have at most 1000 items"),
        ({"findings": [finding(MARK, verdict={"outcome": "guilty"})]}, "findings.0.verdict.outcome: "),
        ({"findings": [finding(MARK), finding(MARK, verdict=None)]}, "findings.1.verdict: "),
        ({"findings": [finding(MARK, log10_p=1.0)]}, "findings.0.log10_p: "),
        ({"findings": [finding(MARK, log10_p="-3")]}, "findings.0.log10_p: "),
        ({"findings": [finding(MARK, log10_p=None, adjusted_log10_p=None)]}, "a score"),
        ({"findings": [finding(MARK, adjusted_log10_p=-20.0)]}, "an adjusted p-value is no smaller"),
        ({"findings": [finding(MARK, size=-1)]}, "findings.0.size: "),
        ({"findings": [finding(MARK, size=True)]}, "findings.0.size: "),
        ({"findings": [finding(MARK, question="a\x1b[31m")]}, "give printable characters"),
        ({"findings": [finding(MARK, question="x" * 1_001)]}, "findings.0.question: "),
        ({"findings": [finding({"kind": 3})]}, "findings.0.about.kind: "),  # type: ignore[dict-item]
        ({"findings": [{"test": "radioactivity"}]}, "findings.0.verdict: Field required"),
    ],
)
def test_what_is_no_report_is_refused_by_its_field(change: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as error:
        body_of({**report("run:b"), **change})
    assert error.value.expected == "a report of format inbond.forensics-report/1"
    assert found in error.value.found
    assert error.value.fix == "give a report as inbond forensics test --json makes it, unchanged"


def test_other_things_are_no_report() -> None:
    for other in (None, [], "text", 3):
        with pytest.raises(InputError, match="a report of format"):
            body_of(other)  # type: ignore[arg-type]
    with pytest.raises(NewerFormatError, match="pip install --upgrade inbond"):
        body_of({**report("run:b"), "format": "inbond.forensics-report/2"})
    with pytest.raises(InputError, match="RFC 8785"):
        body_of({**report("run:b"), "summary": [float("nan")]})


def test_no_credential_gets_in() -> None:
    about = {"kind": "model", "name": "api:host/m", "api_key": "hunter2"}
    with pytest.raises(InputError, match="an event without credentials") as error:
        body_of(report("run:b", finding(about)))
    assert "hunter2" not in str(error.value)
    with pytest.raises(InputError, match="an event without credentials"):
        body_of(report("api:https://me:password@host/m"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
def test_a_report_is_read_or_refused_and_never_worse(data: st.DataObject) -> None:
    """A good report, of which some value is another one."""
    whole = report("run:b", finding(MARK), finding({"kind": "model", "name": "hf:a/b"}, "no-evidence"))
    place: Any = whole
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        body = body_of(whole)
    except InputError:
        return
    assert from_body(json.loads(canonical(body)), "event 1").findings is not None
    assert body_of(whole) == body


@given(JSON)
def test_any_body_of_that_kind_is_read_or_named(value: Any) -> None:
    body = value if isinstance(value, dict) else {"findings": value}
    found = read([event(body, seq=7)])
    assert found.reports == ()
    assert found.unread[0].startswith("event 7 (finding.reported) cannot be read: ")


def test_a_report_counts_once_and_others_events_are_passed_over() -> None:
    first = body_of(report("run:b", finding(MARK)))
    other = body_of(report("run:c", finding(MARK)))
    found = read([event({}, 0, "stage.completed"), event(first, 1), event(other, 2), event(first, 3)])
    assert [each.event for each in found.reports] == [
        "event 1 (finding.reported)",
        "event 2 (finding.reported)",
    ]
    assert found.unread == ()


def test_a_body_of_a_newer_inbond_is_named() -> None:
    found = read([event({"format": "inbond.finding/2"}, 4)])
    assert "of a newer Inbond" in found.unread[0]
