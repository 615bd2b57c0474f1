"""What clients hand back: opened for whose it is, dropped for all others, and never told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard import wire
from inbond.guard.callers import Caller
from inbond.guard.config import ModelPolicy
from inbond.guard.hiding import merged_details, payload
from inbond.guard.sealer import Sealer
from inbond.guard.sealing_keys import fresh_ring
from inbond.guard.tags import Tags
from tests.hiding_examples import (
    Json,
    asked,
    chat_body,
    hidden_body,
    hidden_stream,
    response_stream,
    values,
    written,
)

NOW = 1_790_000_000.0
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ASK = {"role": "user", "content": "What is it?"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "a cat"}
DETAIL = {"type": "reasoning.text", "text": "α", "signature": "s", "index": 0}
TAGS = ModelPolicy().tags


def caller(tenant: str = "acme", account: str = "team-a") -> Caller:
    return Caller(tenant, account, b"", None, None, None, None, None, None, ())


class Guard:
    """A guard with a clock that can be set."""

    def __init__(self) -> None:
        self.now = NOW
        self.sealer = Sealer(fresh_ring(NOW), 3_600, lambda: self.now)

    def answer(self, asks: wire.Asked, upstream: Json, policy: str = "seal") -> Json:
        hides = self.sealer.hiding(ModelPolicy(reasoning=policy), caller(), asks, asks)  # type: ignore[arg-type]
        assert hides is not None
        return hidden_body(asks, hides, upstream)

    def message(self, message: Json, policy: str = "seal") -> Json:
        """An answer to ASK, as a client keeps it."""
        shown: Json = self.answer(asked(messages=[ASK]), chat_body(message), policy)["choices"][0]["message"]
        return json.loads(json.dumps(shown))  # type: ignore[no-any-return]

    def opened(
        self, *found: Json, who: Caller | None = None, route: Any = "chat/completions"
    ) -> tuple[Any, Any]:
        """The messages as they go on, and the outcome."""
        name = "input" if route == "responses" else "messages"
        sent, back = self.sealer.opened(who or caller(), asked(route, **{name: list(found)}), TAGS)
        return sent.value[name], back.outcome


@pytest.fixture
def guard() -> Guard:
    return Guard()


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "α"}]}, {"type": "text", "text": "Y"}]
MESSAGES: list[Json] = [
    {"content": "Yes", "reasoning_content": "αβ"},
    {"content": None, "tool_calls": [CALL], "reasoning": "α"},
    {"content": "<think>α</think>\n\nYes"},
    {"content": "<think>α</think>\n\n", "tool_calls": [CALL]},
    {"content": "Yes", "reasoning": "α", "reasoning_details": [DETAIL]},
    {"content": PARTS},
]


@pytest.mark.parametrize("upstream", MESSAGES)
def test_what_is_handed_back_goes_on_as_the_upstream_said_it(guard: Guard, upstream: Json) -> None:
    kept = guard.message(upstream)
    assert "α" not in json.dumps(kept, ensure_ascii=False)
    sent, outcome = guard.opened(ASK, kept, RESULT)
    assert outcome == "ok"
    assert sent == [ASK, {"role": "assistant", **upstream}, RESULT]


CUT: list[tuple[Json, Json]] = [
    ({"content": "<think>\nα"}, {"content": "<think>\nα</think>\n\n"}),
    ({"content": "<THINK>α"}, {"content": "<THINK>α</think>\n\n"}),
    ({"content": "<|channel|>analysisα"}, {"content": "<|channel|>analysisα<|end|>\n\n"}),
]


@pytest.mark.parametrize(("upstream", "back"), CUT)
def test_reasoning_that_was_cut_off_goes_back_closed(guard: Guard, upstream: Json, back: Json) -> None:
    """So that nothing which goes on from it goes on within."""
    kept = guard.message(upstream)
    assert "α" not in json.dumps(kept, ensure_ascii=False)
    sent, outcome = guard.opened(ASK, kept)
    assert (sent, outcome) == ([ASK, {"role": "assistant", **back}], "ok")


def test_reasoning_that_was_cut_off_in_a_response_goes_back_closed(guard: Guard) -> None:
    items = output(guard, "seal", "<think>β")
    sent, outcome = guard.opened({"role": "user", "content": "hi"}, items[1], route="responses")
    assert (sent[1]["content"][0]["text"], outcome) == ("<think>β</think>\n\n", "ok")


def test_of_a_tag_that_is_no_longer_known_nothing_goes_back(guard: Guard) -> None:
    kept = guard.message({"content": "<think>α"})
    sent, back = guard.sealer.opened(caller(), asked(messages=[ASK, kept]), Tags((("[T]", "[/T]"),)))
    assert (sent.value["messages"][1], back.outcome) == ({"role": "assistant", "content": ""}, "ok")


@pytest.mark.parametrize("role", ["user", "system", "tool", "developer", "Someone"])
@pytest.mark.parametrize("upstream", MESSAGES)
def test_into_what_others_said_nothing_is_put_back(guard: Guard, role: str, upstream: Json) -> None:
    """Where it would stand as text that the model could be asked to repeat."""
    kept = guard.message(upstream)
    sent, outcome = guard.opened(ASK, {**kept, "role": role, "content": "Say it again:"})
    assert outcome == "rejected"
    assert "α" not in json.dumps(sent, ensure_ascii=False)


def test_a_second_round_of_tools_opens_the_first_and_the_second(guard: Guard) -> None:
    """Also when the client drops or reorders fields, and keeps no reasoning but the latest."""
    first = guard.message({"content": None, "tool_calls": [CALL], "reasoning_content": "α"})
    asks = asked(messages=[ASK, first, RESULT])
    reply = chat_body({"content": "", "tool_calls": [CALL], "reasoning_content": "β"})
    second = guard.answer(asks, reply)["choices"][0]["message"]
    sent, outcome = guard.opened(ASK, first, RESULT, second, RESULT)
    assert (outcome, sent[1]["reasoning_content"], sent[3]["reasoning_content"]) == ("ok", "α", "β")
    bare = {name: first[name] for name in ("tool_calls", "role")}
    sent, outcome = guard.opened(ASK, bare, RESULT, second, RESULT)
    assert (outcome, sent[3]["reasoning_content"]) == ("ok", "β")


def test_envelopes_that_a_client_joined_are_opened_one_by_one(guard: Guard) -> None:
    kept = guard.message({"content": "<think>α</think>a<think>β</think>b", "reasoning_content": "γ"})
    sent, outcome = guard.opened(ASK, kept, RESULT)
    assert outcome == "ok"
    assert sent[1]["reasoning_content"] == "γ"
    assert sent[1]["content"] == "<think>α</think>\n\n<think>β</think>\n\nab"


def test_foreign_and_rejected_leave_the_same_request_behind(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α", "reasoning_details": [DETAIL]})
    spoilt = json.loads(json.dumps(kept).replace("ibs1.A", "ibs1.B"))
    without = {"role": "assistant", "content": "Yes"}
    found = {
        "foreign tenant": guard.opened(ASK, kept, RESULT, who=caller("other")),
        "colleague": guard.opened(ASK, kept, RESULT, who=caller(account="team-b")),
        "spoilt": guard.opened(ASK, spoilt, RESULT),
    }
    assert {name: outcome for name, (_, outcome) in found.items()} == {
        "foreign tenant": "foreign", "colleague": "rejected", "spoilt": "rejected",
    }  # fmt: skip
    assert all(sent == [ASK, without, RESULT] for sent, _ in found.values())


def test_a_replay_in_a_new_conversation_is_rejected_and_not_foreign(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    sent, outcome = guard.opened({"role": "user", "content": "Something else."}, kept)
    assert outcome == "rejected"
    assert "reasoning_content" not in sent[1]


def test_a_compacted_history_is_rejected_and_the_latest_turn_too(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    assert guard.opened({"role": "user", "content": "Summary: a question."}, kept, ASK)[1] == "rejected"


def test_another_model_or_a_late_return_is_rejected(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    other = replace(asked(messages=[ASK, kept]), model="n")
    assert guard.sealer.opened(caller(), other, TAGS)[1].outcome == "rejected"
    guard.now += 3_600
    assert guard.opened(ASK, kept)[1] == "rejected"
    assert guard.opened(ASK, kept, who=caller("other"))[1] == "rejected"


SPOILT: list[Callable[[str], str]] = [
    lambda text: text[:-1],
    lambda text: text[:40],
    lambda text: "So: " + text,
    lambda text: text + " and so on",
    lambda text: text.replace(".", "", 1) + "ibs1.",
    lambda text: text[:-9] + ".",
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_an_envelope_that_was_edited_is_dropped(guard: Guard, spoil: Any) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    kept["reasoning_content"] = spoil(kept["reasoning_content"])
    for who in (caller(), caller("other")):
        sent, outcome = guard.opened(ASK, kept, who=who)
        assert (sent[1], outcome) == ({"role": "assistant", "content": "Yes"}, "rejected")


def test_one_that_stands_in_a_field_of_another_form_is_dropped(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    moved = {"type": "reasoning.encrypted", "data": kept["reasoning_content"]}
    sent, outcome = guard.opened(ASK, {"role": "assistant", "content": "Yes", "reasoning_details": [moved]})
    assert (sent[1], outcome) == ({"role": "assistant", "content": "Yes"}, "rejected")


def test_the_gravest_outcome_counts(guard: Guard) -> None:
    ours = guard.message({"content": "Yes", "reasoning_content": "α"})
    theirs = replace(asked(messages=[ASK]), model="m")
    hides = guard.sealer.hiding(ModelPolicy(reasoning="seal"), caller("other"), theirs, theirs)
    assert hides is not None
    other = hidden_body(theirs, hides, chat_body({"content": "Yes", "reasoning_content": "β"}))
    foreign = other["choices"][0]["message"]
    for order in ((ours, foreign), (foreign, ours)):
        sent, outcome = guard.opened(ASK, *order)
        assert outcome == "foreign"
        assert [message.get("reasoning_content") for message in sent[1:]].count("α") == 1
        assert "β" not in json.dumps(sent, ensure_ascii=False)


def test_each_foreign_envelope_counts_once_however_often_it_stands_there(guard: Guard) -> None:
    one = guard.message({"content": "Yes", "reasoning_content": "α"})
    two = guard.message({"content": "No", "reasoning_content": "β"})
    both = {**one, "reasoning_content": one["reasoning_content"] + two["reasoning_content"]}

    def numbers(*found: Json, who: str = "other") -> tuple[int, ...]:
        return guard.sealer.opened(caller(who), asked(messages=[ASK, *found]), TAGS)[1].foreign

    assert len(numbers(one)) == 1
    assert numbers(one) == numbers(one, one) == numbers(one, who="a third")
    assert numbers(both) == numbers(two, one, two) == tuple(sorted({*numbers(one), *numbers(two)}))
    assert numbers(one, who="acme") == ()


def test_what_clients_wrote_themselves_and_what_has_no_envelope_is_left(guard: Guard) -> None:
    plain = {"role": "assistant", "content": "ibs1.AAAA. is how it begins", "reasoning_content": "mine"}
    asks = asked(messages=[ASK, plain])
    sent, back = guard.sealer.opened(caller(), asks, TAGS)
    assert sent is asks
    assert (back.outcome, back.dropped) == (None, False)


def test_a_summary_of_ours_does_not_go_on_as_reasoning(guard: Guard) -> None:
    kept = guard.message(
        {"content": "<think>α</think>Yes", "reasoning_content": "β", "reasoning_details": [DETAIL]},
        "summarise",
    )
    assert kept["reasoning_content"].count("not shown") == 2
    sent, outcome = guard.opened(ASK, kept)
    assert (sent[1], outcome) == ({"role": "assistant", "content": "Yes"}, None)


# Responses ----------------------------------------------------------------------------------------------


def output(guard: Guard, policy: str, text: str = "Yes") -> list[Json]:
    asks = asked("responses", input="hi")
    hides = guard.sealer.hiding(ModelPolicy(reasoning=policy), caller(), asks, asks)  # type: ignore[arg-type]
    assert hides is not None
    events = values(hidden_stream(asks, hides, [written(response_stream(["α"], [text], ["γ"]), done=False)]))
    found: list[Json] = events[-1]["response"]["output"]
    return found


def test_an_item_goes_on_as_the_upstream_said_it(guard: Guard) -> None:
    items = output(guard, "seal")
    ask = {"role": "user", "content": "hi"}
    sent, outcome = guard.opened(ask, *items, {"role": "user", "content": "More."}, route="responses")
    assert outcome == "ok"
    assert sent[1] == {
        "id": "rs", "type": "reasoning", "status": "completed", "encrypted_content": "upstreams-own",
        "content": [{"type": "reasoning_text", "text": "α"}],
        "summary": [{"type": "summary_text", "text": "γ"}],
    }  # fmt: skip
    sent, outcome = guard.opened(ask, *items, who=caller("other"), route="responses")
    assert (sent, outcome) == ([ask, items[1]], "foreign")


def test_tags_of_a_response_go_back_into_its_text(guard: Guard) -> None:
    items = output(guard, "seal", "<think>β</think>Yes")
    sent, outcome = guard.opened({"role": "user", "content": "hi"}, items[1], route="responses")
    assert outcome == "ok"
    assert sent[1]["content"][0]["text"] == "<think>β</think>\n\nYes"
    assert "reasoning_content" not in sent[1]


@pytest.mark.parametrize("policy", ["strip", "summarise"])
def test_an_item_that_was_emptied_does_not_go_on_empty(guard: Guard, policy: str) -> None:
    items = output(guard, policy)
    sent, outcome = guard.opened({"role": "user", "content": "hi"}, *items, route="responses")
    assert [item.get("type") for item in sent] == [None, "message"]
    assert outcome is None


def test_an_item_of_the_upstream_itself_is_left(guard: Guard) -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "upstreams-own"}
    assert guard.opened(item, route="responses") == ([item], None)


# Any form -----------------------------------------------------------------------------------------------

odd = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["ibs1.", "ibs1.AAAA.", "ibs1.ibs1..", "reasoning", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "content", "reasoning_content", "reasoning_details", "data", "text",
                         "encrypted_content", "inbond_hidden", "summary"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(["chat/completions", "responses"]), st.lists(odd, max_size=4))
@settings(max_examples=300)
def test_no_request_of_any_form_breaks_it(route: Any, found: list[Any]) -> None:
    guard = Guard()
    asks = replace(asked(route), value={"messages": found, "input": found})
    sent, back = guard.sealer.opened(caller(), asks, TAGS)
    assert back.outcome in (None, "rejected")
    if back.outcome is None and "inbond_hidden" not in json.dumps(found):
        assert sent is asks


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1,2]", '["other",1]', "[" * 100_000])
def test_what_was_not_covered_by_us_is_nothing(text: str) -> None:
    assert payload(text) is None


def test_details_of_several_kinds_stay_apart() -> None:
    found: list[Any] = [
        {"type": "reasoning.summary", "summary": "a", "index": 0},
        {"type": "reasoning.summary", "summary": "b", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "index": 0},
        {"type": "reasoning.text", "text": "c"},
        {"type": "reasoning.text", "text": "d"},
        "odd",
    ]
    assert merged_details(found) == [
        {"type": "reasoning.summary", "summary": "ab", "index": 0}, *found[2:],
    ]  # fmt: skip


def test_more_envelopes_than_any_conversation_has_are_not_opened(guard: Guard) -> None:
    kept = guard.message({"content": "Yes", "reasoning_content": "α"})
    envelope = kept["reasoning_content"]
    sent, outcome = guard.opened(ASK, {**kept, "reasoning_content": envelope * 4_096})
    assert (sent[1]["reasoning_content"], outcome) == ("α" * 4_096, "ok")
    sent, outcome = guard.opened(ASK, {**kept, "reasoning_content": envelope * 4_097})
    assert ("reasoning_content" in sent[1], outcome) == (False, "rejected")
    detail = {"type": "reasoning.encrypted", "data": envelope}
    many = {"role": "assistant", "content": "", "reasoning_details": [detail] * 5_000}
    sent, outcome = guard.opened(ASK, many)
    assert ("reasoning_details" in sent[1], outcome) == (False, "rejected")
