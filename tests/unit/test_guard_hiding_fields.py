"""Where reasoning is hidden, an answer has the fields that are known, each in its place, and no other:
whatever a server says beside them, in whatever form, is not shown."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard import sse
from inbond.guard.config import THINK_TAGS, ModelPolicy
from inbond.guard.hiding_beside import Beside, escaped
from inbond.guard.likeness import likeness
from inbond.guard.reasoning import hiding_for, unread
from inbond.guard.tags import Tags
from inbond.guard.token_lists import entries, spelt
from tests.hiding_examples import (
    Json,
    Seals,
    asked,
    chat_body,
    chat_chunk,
    chat_stream,
    hidden_body,
    hidden_stream,
    hiding,
    response,
    response_stream,
    said,
    values,
    written,
)

HIDES = ("strip", "summarise", "seal")
TAGS = Tags(THINK_TAGS)
ARGUMENTS = '{"a":"<think>α</think>b","c":[1]}'


def leaks(found: Any) -> bool:
    return re.search("[α-ω]", json.dumps(found, ensure_ascii=False)) is not None


def shown(value: Json, route: Any = "chat/completions", policy: str = "strip") -> Json:
    asks = asked(route, stream=False)
    return hidden_body(asks, hiding(policy, asks), value)


def streamed(
    found: list[Json], route: Any = "chat/completions", policy: str = "strip", **more: Any
) -> list[Json]:
    asks = asked(route, **more)
    return values(hidden_stream(asks, hiding(policy, asks), [written(found, done=route != "responses")]))


# Fields that nobody knows -------------------------------------------------------------------------------

UNKNOWN = ("thought", "analysis", "reasoning_steps", "reasoning_summary", "prompt_logprobs", "token_ids",
           "__verbose", "prompt_token_ids", "x")  # fmt: skip
MISPLACED = ("delta", "message", "text", "part", "item", "response", "summary", "arguments")
"""Known elsewhere: what is inserted under them has no place where it says something."""
CALLS = [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
AUDIO = {"id": "au", "data": "AA==", "expires_at": 1, "transcript": "Yes"}
CHAT = chat_body({"content": "Yes", "tool_calls": CALLS, "refusal": "No", "audio": AUDIO})
CHUNK = chat_chunk({"role": "assistant", "content": "Yes", "tool_calls": CALLS, "refusal": "No"})
COMPLETION = {
    "id": "c",
    "choices": [{"index": 0, "text": "Yes", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1},
}
EVENTS = [e for e in response_stream([], ["Yes"]) if "reasoning" not in e["type"]]
secrets = st.sampled_from(["α", ["α"], {"text": "α"}, [{"type": "text", "text": "α"}], {"content": "α"}])


def objects(found: Any) -> Iterator[Json]:
    """All in it, but for what repeats the request."""
    if isinstance(found, dict):
        yield found
        for field, each in found.items():
            if field not in ("metadata", "tools", "instructions"):
                yield from objects(each)
    elif isinstance(found, list):
        for each in found:
            yield from objects(each)


@st.composite
def spiked(draw: st.DrawFn, whole: Json) -> Json:
    """An answer with a secret somewhere in it, in a field that nobody knows."""
    found = copy.deepcopy(whole)
    places = list(objects(found))
    place = draw(st.sampled_from(places))
    names = [name for name in (*UNKNOWN, *MISPLACED) if name not in place]
    name = draw(st.sampled_from(names))
    misplaced = place is not found or name in UNKNOWN or "type" not in found
    place[name if misplaced else "x"] = draw(secrets)
    return found


@given(st.sampled_from(HIDES), st.data())
@settings(max_examples=150)
def test_nothing_is_shown_that_is_not_known(policy: str, data: st.DataObject) -> None:
    asks = asked(stream=False)
    assert not leaks(hidden_body(asks, hiding(policy, asks), data.draw(spiked(CHAT))))
    asks = asked()
    found = [data.draw(spiked(CHUNK)), {**data.draw(spiked(CHUNK)), "choices": []}]
    assert not leaks(values(hidden_stream(asks, hiding(policy, asks), [written(found)])))
    asks = asked("completions", stream=False)
    assert not leaks(hidden_body(asks, hiding(policy, asks), data.draw(spiked(COMPLETION))))


@given(st.sampled_from(HIDES), st.data())
@settings(max_examples=150)
def test_nothing_is_shown_of_a_response_that_is_not_known(policy: str, data: st.DataObject) -> None:
    asks = asked("responses")
    found = [data.draw(spiked(event)) for event in EVENTS]
    assert not leaks(values(hidden_stream(asks, hiding(policy, asks), [written(found, done=False)])))
    assert not leaks(hidden_body(asks, hiding(policy, asks), data.draw(spiked(EVENTS[-1]["response"]))))


@pytest.mark.parametrize("value", [None, "", [], {}, False, 0])
def test_an_empty_field_says_nothing_and_stays(value: Any) -> None:
    """vLLM has a dozen of them in each answer, which passes as it came."""
    found = chat_body(
        {"content": "Yes", "reasoning": value, "thoughts": value}, token_ids=value, logprobs=None
    )
    found |= {"prompt_logprobs": value, "kv_transfer_params": value}
    assert shown(found) == found


def test_a_field_that_stands_twice_is_written_once() -> None:
    """A client might read the one that was not looked at."""
    twice = b'{"choices":[{"index":0,"message":{"content":"\xce\xb1","content":"Yes"}}]}'
    asks = asked()
    for data in (
        b"data: " + twice + b"\n\n",
        b"data: " + twice.replace(b"message", b"delta") + b"\n\n",
        twice,
    ):
        out = hidden_stream(asks, hiding("strip", asks), [data])
        assert "α" not in out.decode()
        assert b'"Yes"' in out


def test_comments_and_names_of_events_lose_their_words() -> None:
    asks = asked()
    data = (
        ': α\n\nevent: α\ndata: {"choices":[]}\n\n: α\ndata: {"choices":[]}\nid: α\n\nretry: 1\n\n'.encode()
    )
    out = hidden_stream(asks, hiding("strip", asks), [data])
    assert out == b':\n\ndata: {"choices":[]}\n\ndata: {"choices":[]}\n\n'


# Texts beside the answer's ------------------------------------------------------------------------------

tagged = st.lists(
    st.sampled_from(["<think>", "</think>", "\\u003cthink\\u003e", "\\u003C/think\\u003e", "[THINK]",
                     "[/THINK]", "[", "<", "α", "{", '"', "\\"]),
    max_size=10,
).map("".join)  # fmt: skip


@given(tagged, st.lists(st.integers(0, 60), max_size=6))
def test_arguments_in_pieces_are_cut_as_whole_ones(text: str, cuts: list[int]) -> None:
    beside = Beside(TAGS)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [beside.cut(("a",), text[a:b], last=False) for a, b in pairwise(edges)]
    assert "".join(pieces) + beside.rest(("a",)) == Beside(TAGS).whole(text)


@pytest.mark.parametrize(("begin", "end"), THINK_TAGS)
def test_every_tag_is_known_as_json_within_json_writes_it(begin: str, end: str) -> None:
    text = json.dumps({"a": f"x{begin}α{end}y"}, ensure_ascii=False)
    for letter, code in (("<", "\\u003C"), (">", "\\u003e")):
        text = text.replace(letter, code)
    assert json.loads(Beside(TAGS).whole(text)) == {"a": "xy"}
    assert escaped(TAGS) is escaped(Tags(THINK_TAGS))


@pytest.mark.parametrize("policy", HIDES)
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_tags_in_arguments_and_refusals_are_cut(policy: str, size: int) -> None:
    def pieces(text: str) -> list[str]:
        return [text[n : n + size] for n in range(0, len(text), size)]

    call = {**CALLS[0], "function": {"name": "f", "arguments": ARGUMENTS}}
    message = {
        "tool_calls": [call],
        "refusal": "No<think>α</think>!",
        "function_call": {"arguments": ARGUMENTS},
    }
    whole = shown(chat_body(message), policy=policy)["choices"][0]["message"]
    assert not leaks(whole)
    assert json.loads(whole["tool_calls"][0]["function"]["arguments"]) == {"a": "b", "c": [1]}
    assert whole["refusal"] == "No!"
    deltas: list[Json] = [
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces(ARGUMENTS + "<")
    ]
    deltas += [{"refusal": piece} for piece in pieces("No<think>α</think>! [")]
    events = streamed(chat_stream(deltas, "tool_calls"), policy=policy)
    assert not leaks(events)
    found = [c["delta"] for e in events for c in e["choices"]]
    arguments = [c["function"]["arguments"] for d in found for c in d.get("tool_calls") or ()]
    assert "".join(arguments) == '{"a":"b","c":[1]}<'
    assert said(events, "refusal") == "No! ["


def spellings(begin: str, end: str) -> list[tuple[str, str]]:
    """Of a tag within JSON: every letter escaped, every other one, the signs, what JSON must."""

    def coded(text: str, letters: str) -> str:
        units = [each.encode("utf-16-be").hex() for each in text]
        return "".join(
            "".join(f"\\u{unit[n : n + 4]}" for n in range(0, len(unit), 4)) if each in letters else each
            for each, unit in zip(text, units, strict=True)
        )

    return [(coded(begin, kept), coded(end, kept)) for kept in (begin + end, begin[::2], "<>[]|▷", "◁/n")]


@pytest.mark.parametrize(("begin", "end"), [*THINK_TAGS, ("😀", "😃"), ("/think", "/answer")])
@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_a_tag_is_known_with_any_of_its_letters_escaped(begin: str, end: str, size: int) -> None:
    for opening, closing in spellings(begin, end):
        text = f'{{"a":"x{opening}α{closing}y"}}'
        beside = Beside(Tags(((begin, end),)))
        pieces = [text[n : n + size] for n in range(0, len(text), size)]
        shown = "".join(beside.cut(("a",), each, last=False) for each in pieces) + beside.rest(("a",))
        assert json.loads(shown) == {"a": "xy"}, (opening, closing)


TOLD = "<think>α</think>"


def test_names_ids_and_keys_of_calls_are_cut() -> None:
    """Wherever a model's own words may stand in a call."""
    function = {"name": f"{TOLD}f", "arguments": {f"{TOLD}k": {"x": [f"{TOLD}v"]}}}
    call = {"id": f"{TOLD}c", "type": f"{TOLD}function", "function": function}
    message = {
        "role": f"{TOLD}assistant", "content": None, "tool_calls": [call], "function_call": function,
        "audio": {"id": f"{TOLD}a"},
        "annotations": [{"type": "url_citation", "url_citation": {"title": f"{TOLD}t", "url": f"u{TOLD}"}}],
    }  # fmt: skip
    found = shown(chat_body(message))["choices"][0]["message"]
    assert not leaks(found)
    assert found["tool_calls"][0] == {
        "id": "c", "type": "function", "function": {"name": "f", "arguments": {"k": {"x": ["v"]}}},
    }  # fmt: skip
    assert (found["role"], found["audio"], found["function_call"]["name"]) == ("assistant", {"id": "a"}, "f")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_name_in_pieces_is_cut(size: int) -> None:
    name = f"get_{TOLD}weather"
    deltas: list[Json] = [
        {"tool_calls": [{"index": 0, "function": {"name": name[n : n + size]}}]}
        for n in range(0, len(name), size)
    ]
    events = streamed(chat_stream(deltas, "tool_calls"))
    assert not leaks(events)
    calls = [c for e in events for each in e["choices"] for c in each["delta"].get("tool_calls") or ()]
    assert "".join(call["function"].get("name", "") for call in calls) == "get_weather"


def test_a_usual_name_does_not_wait() -> None:
    """Though it ends as a tag begins: clients read it where it stands."""
    delta = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "get", "arguments": ""}}]}
    asks = asked()
    hides = hiding("strip", asks, think_tags=[["Thought:", "Answer:"]])
    events = values(hidden_stream(asks, hides, [written(chat_stream([delta], "tool_calls"))]))
    calls = [each["choices"][0]["delta"].get("tool_calls") for each in events if each["choices"]]
    assert [call[0]["function"]["name"] for call in calls if call] == ["get"]


def test_names_ids_and_keys_of_items_are_cut() -> None:
    call = {"type": "function_call", "id": f"{TOLD}i", "call_id": f"{TOLD}c", "name": f"{TOLD}f",
            "namespace": f"{TOLD}n", "status": "completed", "arguments": {f"{TOLD}k": 1}}  # fmt: skip
    note = {"type": "url_citation", "title": f"{TOLD}t", "url": "u"}
    part = {"type": "output_text", "text": "Yes", "annotations": [note]}
    message = {"type": "message", "id": f"{TOLD}m", "role": "assistant", "content": [part]}
    output = shown(response([call, message]), "responses")["output"]
    assert not leaks(output)
    assert output[0] == {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "namespace": "n",
                         "status": "completed", "arguments": {"k": 1}}  # fmt: skip
    assert output[1]["content"][0]["annotations"] == [{**note, "title": "t"}]
    place = {"item_id": f"{TOLD}i", "output_index": 0}
    events: list[Json] = [
        {"type": "response.output_item.added", "output_index": 0, "item": call},
        {"type": "response.function_call_arguments.delta", **place, "delta": "{}"},
        {"type": "response.function_call_arguments.done", **place, "arguments": "{}", "name": f"{TOLD}f"},
        {"type": "response.output_text.annotation.added", **place, "annotation": note},
    ]
    told = streamed(events, "responses")
    assert not leaks(told)
    assert [each.get("item_id") for each in told] == [None, "i", "i", "i"]


def test_the_signature_that_a_call_is_handed_back_with_stays() -> None:
    """Gemini refuses a call that comes back without it."""
    call = {**CALLS[0], "extra_content": {"google": {"thought_signature": "AbC=", "thought": {"text": "α"}}}}
    found = shown(chat_body({"tool_calls": [call]}))["choices"][0]["message"]["tool_calls"][0]
    assert found == {**CALLS[0], "extra_content": {"google": {"thought_signature": "AbC="}}}


# Tokens -------------------------------------------------------------------------------------------------


def token(text: str, **more: Any) -> Json:
    return {"token": text, "logprob": -1.0, "bytes": list(text.encode()), "top_logprobs": [], **more}


@given(st.lists(st.text("ab α😀", max_size=3), max_size=6), st.lists(st.text("ab", max_size=2), max_size=2))
def test_tokens_are_shown_as_far_as_they_spell_the_text(words: list[str], more: list[str]) -> None:
    text = "".join(words)
    found = entries([token(each) for each in [*words, *more]], text)
    assert found is not None
    assert "".join(each["token"] for each in found) == text
    assert not entries([token("<think>"), *map(token, words)], text)
    assert entries([token(each) for each in words], text + "x") is None
    bare = [{"token": each, "logprob": -1.0} for each in words]
    assert not text or not words[-1] or entries(bare, text) is bare


def test_a_letter_may_be_cut_into_tokens() -> None:
    pieces = [{"token": "\ufffd", "logprob": -1, "bytes": [each]} for each in "é".encode()]
    assert entries(pieces, "é") is pieces
    lies = {"token": "α", "logprob": -1, "bytes": [97]}
    assert entries([lies], "a") is None
    assert entries([{**pieces[0], "token": "α" * 300}, pieces[1]], "é") is None


@pytest.mark.parametrize(
    "more", [{"id": 77}, {"x": "α"}, {"top_logprobs": [{"token": "b", "id": 77, "x": "α"}]}]
)
def test_of_a_token_the_known_fields_are_shown(more: Json) -> None:
    (found,) = entries([token("a", **more)], "a") or [None]
    assert found is not None
    assert found.keys() <= token("a").keys()
    assert "77" not in json.dumps(found)
    assert not leaks(found)


def test_tokens_of_reasoning_that_nothing_else_shows_are_left_out() -> None:
    """A server that was asked to leave reasoning out lists its tokens all the same."""
    listed = {"content": [token("<think>"), token("α"), token("</think>"), token("Yes")]}
    choice = shown(chat_body({"content": "Yes"}, logprobs=listed))["choices"][0]
    assert (choice["message"]["content"], choice["logprobs"]) == ("Yes", None)
    chunk = chat_chunk({"content": "Yes"})
    chunk["choices"][0]["logprobs"] = listed
    assert streamed([chunk])[0]["choices"][0]["logprobs"] is None
    chunk["choices"][0]["logprobs"] = {"content": listed["content"][3:]}
    assert streamed([chunk]) == [chunk]
    columns = {
        "tokens": ["α", "Yes"],
        "token_logprobs": [-1, -1],
        "text_offset": [0, 1],
        "top_logprobs": [{"α": -1}, None],
    }
    assert (
        shown({"choices": [{"text": "Yes", "logprobs": columns}]}, "completions")["choices"][0]["logprobs"]
        is None
    )
    part = {"type": "output_text", "text": "Yes", "annotations": [], "logprobs": listed["content"]}
    body = response([{"type": "message", "role": "assistant", "content": [part]}])
    assert shown(body, "responses")["output"][0]["content"] == [{**part, "logprobs": []}]


@pytest.mark.parametrize(
    "where", [{"delta": None}, {"message": []}, {"text": None}, {}, {"delta": {}}, {"text": ""}]
)
@pytest.mark.parametrize("listed", [{"content": [token("α")]}, {"refusal": [token("α")]}, {"tokens": ["α"]}])
def test_tokens_of_a_choice_that_says_nothing_are_left_out(where: Json, listed: Json) -> None:
    choice = {"index": 0, **where, "logprobs": listed, "finish_reason": "stop"}
    assert not leaks(shown({"choices": [choice]}))
    assert not leaks(streamed([{"choices": [choice]}]))


def test_columns_of_tokens_are_cut_at_the_end_of_the_text() -> None:
    found = {
        "tokens": ["Yes", "</s>"],
        "token_logprobs": [-1, -2],
        "text_offset": [0, 3],
        "top_logprobs": None,
    }
    assert spelt(found, "Yes", None) == {
        "tokens": ["Yes"], "token_logprobs": [-1], "text_offset": [0], "top_logprobs": None,
    }  # fmt: skip
    exact = {"tokens": ["Yes"], "token_logprobs": [-1]}
    assert spelt(exact, "Yes", None) is exact


# Several prompts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("n", [1, 2])
def test_each_prompt_begins_its_own_answers(stream: bool, n: int) -> None:
    """One that opens a tag and one that closes it are no closed tag."""
    asks = asked("completions", prompt=["<think>\n", "</think>"], n=n, stream=stream)
    choices = [
        {"index": index, "text": "α on" if index < n else "Yes", "finish_reason": "length"}
        for index in range(2 * n)
    ]
    hides = hiding("strip", asks)
    found = (
        values(hidden_stream(asks, hides, [written([{"choices": [each]} for each in choices])]))
        if stream
        else [hidden_body(asks, hides, {"choices": choices})]
    )
    texts = {choice["index"]: choice["text"] for event in found for choice in event["choices"]}
    assert texts == {index: "" if index < n else "Yes" for index in range(2 * n)}
    beyond = {"choices": [{"index": 9, "text": "α", "finish_reason": "length"}]}
    assert not leaks(hidden_body(asks, hides, beyond))


def test_prompts_of_token_numbers_cannot_be_read() -> None:
    for prompt in ([1, 2], [[1], [2]]):
        asks = asked("completions", prompt=prompt, stream=False)
        assert unread(ModelPolicy(reasoning="strip"), asks)
        assert not unread(ModelPolicy(reasoning="pass"), asks)
        assert hiding_for(ModelPolicy(reasoning="strip"), asks, Seals()) is not None
    assert not unread(ModelPolicy(), asked("completions", prompt=["a", "b"]))
    assert not unread(ModelPolicy(), asked("embeddings", input=[1, 2]))


# Responses ----------------------------------------------------------------------------------------------


def test_items_and_parts_of_other_kinds_stand_emptied() -> None:
    """So that nothing after them changes its number."""
    text = {"type": "output_text", "text": "Yes", "annotations": []}
    parts = [{"type": "reasoning_text", "text": "α"}, {"type": "thinking", "thinking": "α"}, "α", text]
    message = {"type": "message", "role": "assistant", "reasoning_content": "α", "content": parts}
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": ARGUMENTS, "x": "α"}
    other = {"type": "mcp_call", "id": "m", "status": "completed", "output": "α"}
    output = shown(response([message, call, other]), "responses")["output"]
    empty = {"type": "output_text", "text": "", "annotations": []}
    assert output[0] == {"type": "message", "role": "assistant", "content": [empty, empty, empty, text]}
    assert output[1] == {**{k: v for k, v in call.items() if k != "x"}, "arguments": '{"a":"b","c":[1]}'}
    assert output[2] == {
        "type": "reasoning", "id": "m", "status": "completed", "summary": [], "inbond_hidden": True,
    }  # fmt: skip


def test_a_message_whose_content_is_a_text_is_read_too() -> None:
    message = {"type": "message", "role": "assistant", "content": "<think>α</think>Yes"}
    found = shown(response([message]), "responses", "seal")["output"][0]
    assert found["content"] == [{"type": "output_text", "text": "Yes", "annotations": []}]
    assert found["reasoning_content"] == "ibs1.E1."


@pytest.mark.parametrize("size", [1, 4, 100])
def test_calls_and_refusals_of_a_streamed_response_are_cut(size: int) -> None:
    pieces = [ARGUMENTS[n : n + size] for n in range(0, len(ARGUMENTS), size)]
    place = {"item_id": "f", "output_index": 0}
    found = [{"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in pieces]
    found.append(
        {"type": "response.function_call_arguments.done", **place, "arguments": ARGUMENTS, "name": "f"}
    )
    place |= {"content_index": 0}
    found.append({"type": "response.refusal.delta", **place, "delta": "No<think>α</think> <"})
    found.append({"type": "response.refusal.done", **place, "refusal": "No<think>α</think> <"})
    events = streamed(found, "responses")
    assert not leaks(events)
    assert "".join(e["delta"] for e in events if e["type"].endswith("arguments.delta")) == '{"a":"b","c":[1]}'
    done = [e for e in events if e["type"].endswith(".done")]
    assert (done[0]["arguments"], done[1]["refusal"]) == ('{"a":"b","c":[1]}', "No<")
    assert "".join(e["delta"] for e in events if e["type"].endswith("refusal.delta")) == "No<"


@pytest.mark.parametrize(
    "kind", ["response.reasoning_text.delta", "response.mcp_call.completed", "response.odd", "x"]
)
def test_events_of_other_kinds_are_left_out(kind: str) -> None:
    assert streamed([{"type": kind, "delta": "α", "item": {"content": "α"}}], "responses") == []


# As it is configured ------------------------------------------------------------------------------------


def test_reasoning_between_bare_words_is_hidden_where_it_is_configured() -> None:
    """gpt-oss behind a server that drops special tokens."""
    asks = asked()
    hides = hiding("strip", asks, begins_inside=True, think_tags=[["<|channel|>analysis", "assistantfinal"]])
    found = chat_stream(
        [{"content": "analysisα"}, {"content": "βassistant"}, {"content": "finalAn analysis."}]
    )
    assert said(values(hidden_stream(asks, hides, [written(found)]))) == "An analysis."


def test_without_tags_texts_pass_and_fields_are_still_known_ones() -> None:
    """For a server that separates all reasoning itself."""
    asks = asked()
    found = chat_stream([{"content": "<think>x</think> ["}, {"reasoning": "α", "thought": "α"}])
    events = values(hidden_stream(asks, hiding("strip", asks, think_tags=[]), [written(found)]))
    assert said(events) == "<think>x</think> ["
    assert not leaks(events)


# Events that are like one that passed -------------------------------------------------------------------


texts = st.text('ab<[◁&é😀"\\\n\u2028αn', max_size=8)


@given(st.lists(texts, min_size=1, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=200)
def test_what_passes_unread_is_what_passes_read(pieces: list[str], ascii_only: bool, odd: bool) -> None:
    """The same texts, in the same bytes where nothing is held back."""
    chunks = [chat_chunk({"content": piece}, system_fingerprint="f") for piece in pieces]
    if odd:
        chunks[-1]["choices"][0]["delta"]["thought"] = "ω"
    data = [f"data: {json.dumps(each, ensure_ascii=ascii_only)}\n\n".encode() for each in chunks]
    asks = asked()
    out = hidden_stream(asks, hiding("strip", asks), data)
    assert "ω" not in out.decode()
    assert said(values(out)) == "".join(pieces)
    for piece, raw in zip(pieces, data, strict=True):
        if not set("<[◁") & set("".join(pieces)) and b"thought" not in raw:
            assert raw in out, piece


@given(
    st.lists(
        st.tuples(st.sampled_from('\n\r\t\b\f/\\" <T◁é'), st.sampled_from(["a", "ab", "\n"])),
        min_size=1, max_size=3,
    ),
    st.lists(st.tuples(st.sampled_from(["begin", "cut", "end", "word"]), st.integers(0, 2)), max_size=9),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_no_first_letter_of_a_tag_passes_unread(
    tags: list[tuple[str, str]], order: list[tuple[str, int]], ascii_only: bool, slashes: bool
) -> None:
    """Whatever letters a tag begins with, and however JSON writes them."""
    pairs = [(first + rest, f"]{first}{rest}") for first, rest in tags]
    pieces = ["Hello", "there"]
    for kind, number in order:
        begin, end = pairs[number % len(pairs)]
        pieces.append({"begin": begin + "x", "cut": begin[:1], "end": end + "y", "word": "and so on"}[kind])
    data = [json.dumps(chat_chunk({"content": each}), ensure_ascii=ascii_only) for each in pieces]
    data = [each.replace("/", "\\/") if slashes else each for each in data]
    asks = asked()

    def shown() -> str:
        chunks = [f"data: {each}\n\n".encode() for each in data]
        return said(values(hidden_stream(asks, hiding("strip", asks, think_tags=pairs), chunks)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("inbond.guard.reasoning.likeness", lambda *_: None)
        read = shown()
    assert shown() == read


@pytest.mark.parametrize("pair", [
    ("\n\nThought:", "\n\nAnswer:"), ("/think", "/answer"), ("\\think", "\\answer"), ('"cot"', '"end"'),
])  # fmt: skip
def test_a_tag_may_begin_with_a_letter_that_json_escapes(pair: tuple[str, str]) -> None:
    asks, (begin, end) = asked(), pair
    pieces = ["Hello", "there", f"{begin} α", f"{end}done"]
    for slash in ("/", "\\/"):
        chunks = [f"data: {json.dumps(chat_chunk({'content': each})).replace('/', slash)}\n\n".encode()
                  for each in pieces]  # fmt: skip
        out = hidden_stream(asks, hiding("strip", asks, think_tags=[pair]), chunks)
        assert said(values(out)) == "Hellotheredone"


def test_a_likeness_is_taken_of_the_text_alone() -> None:
    value = chat_chunk({"content": "Yes"})
    data = json.dumps(value).encode()
    found = likeness(data, value, TAGS)
    assert found is not None
    assert found.fits(data.replace(b"Yes", b'No \\n \\" \xc3\xa9'))
    for other in (b"<", b"[", b"\\u003cthink", b'", "thought": "x', b"\\", b"\n", "◁".encode(), b'"}, {"'):
        assert not found.fits(data.replace(b"Yes", other)), other
    assert not found.fits(data.replace(b"chunk", b"other"))
    assert not found.fits(b"")
    assert not found.fits(data[:-1])
    misleading = {"content": "Yes", **value}
    assert likeness(json.dumps(misleading).encode(), misleading, TAGS) is None
    for deltas in ({}, {"content": ""}, {"content": None}, {"reasoning": "x"}):
        bare = chat_chunk(deltas)
        assert likeness(json.dumps(bare).encode(), bare, TAGS) is None


# Tags ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "end"), THINK_TAGS)
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses"])
def test_every_default_tag_is_found_wherever_a_stream_is_cut(begin: str, end: str, route: Any) -> None:
    text = f"a {begin}{'<|message|>' if 'channel' in begin else ''}αβ{end} b"
    asks = asked(route)
    for place in range(len(text) + 1):
        pieces = [piece for piece in (text[:place], text[place:]) if piece]
        if route == "responses":
            found = response_stream([], pieces)
        elif route == "completions":
            found = [{"choices": [{"index": 0, "text": piece, "finish_reason": None}]} for piece in pieces]
        else:
            found = chat_stream([{"content": piece} for piece in pieces])
        events = values(
            hidden_stream(asks, hiding("strip", asks), [written(found, done=route != "responses")])
        )
        assert not leaks(events), place
        if route == "responses":
            assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == "a b"
        elif route == "completions":
            assert "".join(c["text"] for e in events for c in e["choices"]) == "a b"
        else:
            assert said(events) == "a b"


def test_every_event_of_a_usual_stream_passes_in_its_own_bytes() -> None:
    """Also those that are not like the one before: of vLLM, of llama.cpp with timings, of OpenAI's."""
    nulls = {"reasoning": None, "reasoning_content": None}
    found = [chat_chunk({"role": "assistant", "content": ""}, logprobs=None)]
    found += [
        chat_chunk({"content": word, **nulls}, system_fingerprint=None) for word in ("Yes", ", ", "it is.")
    ]
    found.append(
        chat_chunk({"content": "!"}, timings={"predicted_ms": 1.5}, obfuscation="xyz", service_tier="default")
    )
    found[-1]["choices"][0] |= {"stop_reason": None, "token_ids": None}
    data = written(found)
    asks = asked()
    assert hidden_stream(asks, hiding("seal", asks), [data]) == data
    assert [event.raw for event in sse.Events().feed(data)]
