"""What a teacher says before it answers: dropped unless asked for, and never permitted by default."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.journal import _reply_from_json, _reply_to_json
from inbond.policy.decide import decide
from inbond.policy.facts import Beside, Facts, LicenceFinding
from inbond.recipes.plan import my_library
from inbond.recipes.reasoning import said
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.teachers.wire import Gathering
from inbond.types import Message

MIT = LicenceFinding("path:t", "MIT", "declared", "its card")
PLAN = Facts("path:t", MIT, base_is_teacher=True)


def reply(text: str, reasoning: str = "") -> Reply:
    return Reply(text, "stop", 1, 1, "m", 0.0, reasoning=reasoning)


@pytest.mark.parametrize(
    ("text", "field", "dropped", "kept"),
    [
        ("Four.", "", "Four.", "Four."),
        ("Four.", "2 + 2", "Four.", "<think>\n2 + 2\n</think>\n\nFour."),
        ("<think>2 + 2</think>\nFour.", "", "Four.", "<think>\n2 + 2\n</think>\n\nFour."),
        ("<think></think>Four.", "", "Four.", "Four."),
        ("<think>2 +", "", "", ""),
        ("I <think> so.", "", "I <think> so.", "I <think> so."),
    ],
    ids=["none", "field", "tags", "empty-tags", "cut-off", "not-at-the-beginning"],
)
def test_reasoning_is_dropped_or_kept(text: str, field: str, dropped: str, kept: str) -> None:
    assert said(reply(text, field), "drop") == dropped
    assert said(reply(text, field), "keep") == kept


@given(st.text(), st.text())
def test_what_is_dropped_holds_nothing_of_a_field(text: str, field: str) -> None:
    assert said(reply(text, field), "drop") == said(reply(text), "drop")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_hosts_field_is_gathered_and_survives_the_journal(name: str) -> None:
    gathering = Gathering(Request("t", (Message("user", "2 + 2?"),), Sampling()), "t")
    for delta in ({name: "2 "}, {name: "+ 2", "content": None}, {"content": "Four."}):
        gathering.add({"choices": [{"delta": delta}]})
    gathering.add({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    found = gathering.reply(0.0, {})
    assert (found.text, found.reasoning) == ("Four.", "2 + 2")
    assert _reply_from_json(_reply_to_json(found)) == found
    assert "reasoning" not in _reply_to_json(reply("Four."))


def test_the_gate_never_permits_a_hosts_reasoning_by_default() -> None:
    known = my_library().terms
    plain = decide(PLAN, known)
    own = decide(replace(PLAN, reasoning=True), known)
    assert own.verdict.outcome == plain.verdict.outcome
    for served in (
        replace(PLAN, channel="example.com", reasoning=True),
        replace(PLAN, beside=(Beside("api:example.com/m", MIT, "example.com"),), reasoning=True),
    ):
        found = decide(served, known)
        assert found.verdict.outcome in ("review", "deny")
        assert any(
            reason.rule == "reasoning" and "example.com" in reason.finding for reason in found.verdict.reasons
        )


def test_plans_without_it_have_the_digest_that_they_had() -> None:
    assert not {"reasoning", "beside"} & PLAN.to_json().keys()
    assert replace(PLAN, reasoning=True).digest != PLAN.digest
    assert replace(PLAN, beside=(Beside("path:o", MIT),)).digest != PLAN.digest
