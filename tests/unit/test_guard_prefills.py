"""Whether an answer begins within a tag: whatever a caller can write of it, and whatever is put back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.config import ModelPolicy
from inbond.guard.hiding import Begun
from inbond.guard.prefills import begun
from inbond.guard.tags import Scanner, Tags
from tests.hiding_examples import (
    Json,
    asked,
    chat_body,
    chat_chunk,
    hidden_body,
    hidden_stream,
    hiding,
    values,
    written,
)

ASK = {"role": "user", "content": "hi"}
THINK = "<think>"


def after(*messages: Json, route: Any = "chat/completions", **policy: Any) -> Begun:
    """How the answer begins that these messages ask for."""
    name = "input" if route == "responses" else "messages"
    (found,) = begun(ModelPolicy(**policy), asked(route, **{name: [ASK, *messages]}))
    return found


def said(content: Any, **more: Any) -> Json:
    return {"role": "assistant", "content": content, **more}


OUTSIDE: list[list[Json]] = [
    [],
    [said("Well, ")],
    [said(f"{THINK}a</think>b")],
    [said(f"</think>{THINK}a</think>b")],
    [said([{"type": "text", "text": f"{THINK}a</think>"}])],
    [said("a", reasoning_content=f"it says {THINK}")],
    [said([{"type": "thinking", "thinking": "a"}, {"type": "text", "text": "b"}])],
    [said(THINK), ASK],
    [said("", reasoning_content="a"), ASK],
    [{"role": "user", "content": THINK}],
]
WITHIN: list[list[Json]] = [
    [said(THINK)],
    [said("Well, <THINK>a")],
    [said(f"{THINK}a</think>{THINK}")],
    [said(f"<thinking>{THINK}</thinking>")],  # each tag by itself
    [said(f"{THINK}</thin\u212a>")],  # a letter that only looks like one
    [said([{"type": "text", "text": "<th"}, {"type": "text", "text": "ink>"}])],
    [said([{"type": "text", "text": THINK}, {"type": "refusal", "refusal": "</think>"}])],
    [said([{"type": "refusal", "refusal": THINK}])],
    [said([THINK])],
    [said(THINK, refusal="</think>")],
    [said(THINK, name="</think>")],
    [said(None, refusal=THINK)],
    [said(THINK), said("")],  # which servers join
    [said(THINK), {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
    [{"role": "Assistant", "content": THINK}],
    [{"role": "model", "content": THINK}],
    [said([{"type": "text", "text": THINK}, *[{"type": "text", "text": "</think>"}] * 90])],
]
THINKING: list[list[Json]] = [
    [said("", reasoning_content="a")],
    [said(" \n", reasoning="a")],
    [said(None, reasoning_details=[{"type": "reasoning.text", "text": "a"}])],
    [said([{"type": "thinking", "thinking": "a"}])],
    [said([{"type": "text", "text": "b"}, {"type": "thinking", "thinking": "a"}])],
    [said("b"), {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}],
]


@pytest.mark.parametrize("messages", OUTSIDE)
def test_what_opens_nothing_begins_shown(messages: list[Json]) -> None:
    assert after(*messages).shown


@pytest.mark.parametrize("messages", WITHIN)
def test_a_tag_that_is_open_in_any_reading_is_open(messages: list[Json]) -> None:
    assert after(*messages).opened == (THINK,)


@pytest.mark.parametrize("messages", THINKING)
def test_a_turn_that_ends_with_reasoning_leaves_the_model_in_it(messages: list[Json]) -> None:
    assert after(*messages) == Begun(inside=True)


@pytest.mark.parametrize("route", ["chat/completions", "responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("messages", [*WITHIN, *THINKING])
def test_no_word_gets_out_of_an_answer_that_begins_within(
    messages: list[Json], stream: bool, route: Any
) -> None:
    if route == "chat/completions":
        asks = asked(messages=[ASK, *messages])
        if stream:
            events = [chat_chunk({"content": each}) for each in ("SECRET", " more", "</think>Yes")]
            shown = values(hidden_stream(asks, hiding("strip", asks), [written(events)]))
            text = "".join(each["choices"][0]["delta"].get("content") or "" for each in shown)
        else:
            answer = chat_body({"content": "SECRET</think>Yes"})
            text = hidden_body(asks, hiding("strip", asks), answer)["choices"][0]["message"]["content"]
        assert text == "Yes"
        return
    asks = asked("responses", input=[ASK, *messages])
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    if stream:
        deltas = [{"type": "response.output_text.delta", **place, "delta": each}
                  for each in ("SECRET", " more", "</think>Yes")]  # fmt: skip
        shown = values(hidden_stream(asks, hiding("strip", asks), [written(deltas, done=False)]))
        assert [each["delta"] for each in shown] == ["Yes"]
    else:
        part = {"type": "output_text", "text": "SECRET</think>Yes", "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
        answer = hidden_body(asks, hiding("strip", asks), {"object": "response", "output": [item]})
        assert answer["output"][0]["content"][0]["text"] == "Yes"


def test_a_template_that_opens_the_tag_is_within_until_its_own_closing_tag() -> None:
    assert after(begins_inside=True) == Begun(inside=True)
    assert after(said("a"), begins_inside=True) == Begun(inside=True)
    assert after(said("a</thinking>"), begins_inside=True) == Begun(inside=True)
    assert after(said("a</think>b"), begins_inside=True).shown
    assert after(said("a<thinking>"), begins_inside=True) == Begun(opened=(THINK, "<thinking>"))


def test_what_begins_a_tag_is_held() -> None:
    assert after(said("Well, <thi")) == Begun(held="<thi")
    assert after(said(f"{THINK}a</thi")) == Begun(opened=(THINK,), held="</thi")
    assert after(said("a</thi"), begins_inside=True) == Begun(inside=True, held="</thi")
    assert after(said(f"{THINK}a</think>")) == Begun()


def test_each_prompt_begins_by_itself() -> None:
    asks = asked("completions", prompt=["a", f"{THINK}b", f"{THINK}</think>", "c<"])
    assert begun(ModelPolicy(), asks) == (Begun(), Begun(opened=(THINK,)), Begun(), Begun(held="<"))


def test_tags_that_are_alike_or_within_each_other() -> None:
    same = {"think_tags": (("***", "***"),)}
    assert after(said("***a"), **same) == Begun(opened=("***",))
    assert after(said("***a***"), **same).opened == ()
    inner = {"think_tags": (("think", "/think"),)}
    assert after(said("think a /think b"), **inner).shown
    assert after(said("think a /think think"), **inner).opened == ("think",)


ONE = Tags(((THINK, "</think>"),))
PIECES = [THINK, "</think>", "<th", "</", "ink>", "a", " ", "É", "<THINK>"]


@given(st.lists(st.sampled_from(PIECES), max_size=9), st.lists(st.sampled_from([*PIECES, "S"]), max_size=9),
       st.booleans())  # fmt: skip
def test_of_one_tag_it_says_what_reading_all_of_it_would(
    before: list[str], pieces: list[str], inside: bool
) -> None:
    """However long the beginning is, what comes after it is cut as if it had been read."""
    text, answer = "".join(before), "".join(pieces)
    whole = Scanner(ONE, inside=inside)
    whole.feed(text)
    found = after(said(text), think_tags=ONE.pairs, begins_inside=inside)
    short = Scanner(ONE, inside=found.inside, opened=found.opened)
    short.prime(found.held)
    assert found.inside or found.opened if whole.inside else not (found.inside or found.opened)
    shown = [scanner.feed(answer)[0] + scanner.finish()[0] for scanner in (whole, short)]
    assert shown[0].count("S") == shown[1].count("S")
    found_in = ["".join(each.split()) for each in shown]
    assert found_in[0].endswith(found_in[1])
