"""Hidden reasoning stays hidden: in every form, in every policy, however a stream is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard import answer_errors, sse
from inbond.guard.config import THINK_TAGS, ModelPolicy
from inbond.guard.reasoning import NotUnderstoodError, hide_body, hiding_for
from inbond.guard.tags import Scanner, Tags, begins_inside
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
SUMMARY = "Reasoned for about {} tokens; the text is not shown.\n"

# Tags ---------------------------------------------------------------------------------------------------

_ENDS = {begin: "|".join(re.escape(end) for b, end in THINK_TAGS if b == begin) for begin, _ in THINK_TAGS}
_ORACLE = re.compile(
    "|".join(f"{re.escape(begin)}.*?(?:(?:{ends})(?u:\\s*)|\\Z)" for begin, ends in _ENDS.items()),
    re.IGNORECASE | re.DOTALL,
)
soup = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<thinking>", "</thinking>", "</", "<", ">", "think", "<THink>", "a", " ",
         "\n", "<thi", "nk>", "</rea", "soning>", "<reasoning>", "é", "/", "[THINK]", "[/THINK]", "◁think▷",
         "◁/think▷", "<|channel|>", "analysis", "<|message|>", "<|end|>", "<|call|>"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


def scanned(text: str, cuts: Sequence[int] = ()) -> tuple[str, str]:
    """What a scanner shows and hides of a text that comes in pieces."""
    scanner = Scanner(TAGS)
    shown, hidden = "", ""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in pairwise(edges):
        more, segments = scanner.feed(text[begin:end])
        shown += more
        hidden += "".join(each.text for each in segments)
    more, segments = scanner.finish()
    return shown + more, hidden + "".join(each.text for each in segments)


@given(soup)
def test_what_stands_between_tags_is_cut_as_one_expression_would(text: str) -> None:
    assert scanned(text)[0] == _ORACLE.sub("", text)


@given(soup, st.lists(st.integers(0, 60), max_size=8))
def test_pieces_make_no_difference(text: str, cuts: list[int]) -> None:
    assert scanned(text, cuts) == scanned(text) == scanned(text, range(len(text)))


@given(soup, soup)
def test_nothing_waits_but_what_may_begin_a_tag(text: str, more: str) -> None:
    scanner = Scanner(TAGS)
    shown, _ = scanner.feed(text)
    if not scanner.inside:
        assert len(_ORACLE.sub("", text)) - len(shown) < len("<|channel|>analysis")
    assert (shown + scanner.feed(more)[0]).startswith(shown)


def test_letters_that_only_look_like_ascii_are_others() -> None:
    assert scanned("<thin\u212a>x</think>") == ("<thin\u212a>x</think>", "")


def test_without_tags_all_is_shown() -> None:
    assert Scanner(Tags(())).feed("<think>a</think>") == ("<think>a</think>", [])


def test_what_the_caller_began_is_no_part_of_the_answer() -> None:
    scanner = Scanner(TAGS)
    scanner.prime("<thi")
    assert scanner.feed("nk>x</think>y") == ("y", scanner_segments("<think>", "x", "</think>"))
    scanner = Scanner(TAGS)
    scanner.prime("<thi")
    assert scanner.feed("s is fine") == ("s is fine", [])
    scanner = Scanner(TAGS, opened=("<think>",))
    scanner.prime("</thi")
    assert scanner.feed("nk>y") == ("y", scanner_segments("<think>", "", "</think>"))


def test_of_several_tags_that_are_open_each_must_be_closed() -> None:
    scanner = Scanner(TAGS, opened=("<think>", "[think]"))
    assert scanner.feed("a</think>b[/THINK]c")[0] == ""
    assert scanner.feed("d</think>e") == (
        "e", scanner_segments("<think>", "a</think>b[/THINK]cd", "</think>"),
    )  # fmt: skip


def scanner_segments(*segment: str) -> list[Any]:
    from inbond.guard.tags import Segment

    return [Segment(*segment)]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a</think>b", True),
        ("<think>a</think>b", False),
        ("b", False),
        ("a</think><think>b", True),
        ("a<|END_THINKING|>b", True),
        ("a[/think]b", True),
        ("Phi ends a turn with <|end|>", False),
    ],
)
def test_a_text_that_closes_what_it_did_not_open_begins_inside(text: str, inside: bool) -> None:
    assert begins_inside(TAGS, text) == inside


# What nobody may see ------------------------------------------------------------------------------------

SECRET = st.text("αβγδεζηθ", min_size=1, max_size=12)
SHOWN = st.text("abc .,<>/{}[]()0", max_size=12)
FORMS = ("reasoning_content", "reasoning", "thinking", "inline", "details", "parts", "content")


@st.composite
def deltas(draw: st.DrawFn) -> tuple[list[Json], str, str]:
    """Deltas of one answer, cut anywhere; what its reader may see, and all that he may not."""
    found: list[Json] = []
    for form in draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=5)):
        if form == "inline":
            begin, end = draw(st.sampled_from(THINK_TAGS))
            text = begin + draw(SECRET) + end + draw(SHOWN)
            found += [{"content": piece} for piece in draw(cut(text))]
        elif form == "content":
            found += [{"content": piece} for piece in draw(cut(draw(SHOWN)))]
        elif form == "details":
            pieces = draw(cut(draw(SECRET)))
            found += [
                {"reasoning": p, "reasoning_details": [{"type": "reasoning.text", "text": p, "index": 0}]}
                for p in pieces
            ]
        elif form == "parts":
            thought = [{"type": "text", "text": draw(SECRET)}]
            found.append({"content": [{"type": "thinking", "thinking": thought}]})
        else:
            found += [{form: piece} for piece in draw(cut(draw(SECRET)))]
    content = "".join(each["content"] for each in found if isinstance(each.get("content"), str))
    hidden = "".join(_secrets(found))
    return found, _ORACLE.sub("", content), hidden


def cut(text: str) -> st.SearchStrategy[list[str]]:
    edges = st.lists(st.integers(0, len(text)), max_size=6).map(lambda cuts: [0, *sorted(cuts), len(text)])
    return edges.map(lambda e: [text[a:b] for a, b in pairwise(e) if a < b])


def _secrets(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield "".join(letter for letter in found if letter in "αβγδεζηθ")
    elif isinstance(found, dict):
        for name, value in found.items():
            if name != "reasoning_details":  # says what ``reasoning`` beside it says
                yield from _secrets(value)
    elif isinstance(found, list):
        for value in found:
            yield from _secrets(value)


def leaks(found: Any) -> bool:
    return re.search("[αβγδεζηθ]", json.dumps(found, ensure_ascii=False)) is not None


@given(st.sampled_from(HIDES), deltas(), st.integers(1, 40))
@settings(max_examples=300)
def test_no_word_of_it_gets_out_of_a_stream(
    policy: str, found: tuple[list[Json], str, str], size: int
) -> None:
    pieces, text, hidden = found
    data = written(chat_stream(pieces))
    asks, seals = asked(), Seals()
    chunks = [data[n : n + size] for n in range(0, len(data), size)]
    out = hidden_stream(asks, hiding(policy, asks, seals), chunks)
    events = values(out)
    assert not leaks(events)
    assert said_anywhere(events) == text
    assert out.endswith(b"data: [DONE]\n\n")
    assert events[-1]["usage"]["completion_tokens"] == 9
    if policy == "seal":
        kept = [value for form, value in seals.values() if form != "details"]
        assert sorted("".join(_secrets(kept))) == sorted(hidden)


def said_anywhere(events: list[Json]) -> str:
    return "".join(
        d["content"]
        for e in events
        for c in e["choices"]
        if isinstance((d := c["delta"]).get("content"), str)
    )


@given(st.sampled_from(HIDES), deltas())
@settings(max_examples=200)
def test_a_stream_and_a_whole_answer_show_the_same(policy: str, found: tuple[list[Json], str, str]) -> None:
    pieces, text, _ = found
    message: Json = {"content": ""}
    for delta in pieces:
        for name, value in delta.items():
            if not (isinstance(value, list) and name == "content"):
                message[name] = message[name] + value if name in message else value
    asks = asked(stream=False)
    shown = hidden_body(asks, hiding(policy, asks), chat_body(message))
    assert not leaks(shown)
    assert shown["choices"][0]["message"]["content"] == text
    assert shown["usage"] == chat_body(message)["usage"]


EXAMPLES = [
    chat_stream([{"reasoning_content": "Hm α"}, {"reasoning_content": "β."}, {"content": "Yes"},
                 {"content": "!"}]),
    chat_stream([{"content": "<thi"}, {"content": "nk>α"}, {"content": "</th"},
                 {"content": "ink>\n\nYes <"}]),
    chat_stream([{"reasoning": "α", "reasoning_details": [{"type": "reasoning.text", "text": "α"}]},
                 {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}]),
    response_stream(["α", "β"], ["Yes", "!"], ["γ"]),
    response_stream([], ["<think>", "αβ</think>", " Y", "es <thi"]),
]  # fmt: skip


@pytest.mark.parametrize("policy", HIDES)
@pytest.mark.parametrize("example", range(len(EXAMPLES)))
def test_cut_at_any_byte_a_stream_is_the_same(example: int, policy: str) -> None:
    value = EXAMPLES[example]
    route: Any = "responses" if "type" in value[0] else "chat/completions"
    data = written(value, done=route != "responses")
    asks = asked(route)

    def run(chunks: list[bytes]) -> bytes:
        return hidden_stream(asks, hiding(policy, asks), chunks)

    whole = run([data])
    assert not leaks(values(whole))
    assert run([data[n : n + 1] for n in range(len(data))]) == whole
    for place in range(len(data)):
        assert run([data[:place], data[place:]]) == whole


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_a_stream_that_ends_its_lines_otherwise_is_read_all_the_same(ends: str) -> None:
    data = written(EXAMPLES[0]).replace(b"\n", ends.encode())
    asks = asked()
    out = hidden_stream(asks, hiding("strip", asks), [data])
    assert not leaks(out.decode())
    assert "Yes" in out.decode()


# What is shown instead ----------------------------------------------------------------------------------


def stream(policy: str, found: list[Json], **more: Any) -> tuple[list[Json], Seals]:
    asks, seals = asked(), Seals()
    return values(hidden_stream(asks, hiding(policy, asks, seals, **more), [written(found)])), seals


def body(policy: str, message: Json, **choice: Any) -> tuple[Json, Seals]:
    asks, seals = asked(stream=False), Seals()
    return hidden_body(asks, hiding(policy, asks, seals), chat_body(message, **choice))["choices"][0], seals


def test_an_envelope_comes_before_the_first_word_in_the_field_of_the_reasoning() -> None:
    events, seals = stream("seal", EXAMPLES[0])
    shown = [e["choices"][0]["delta"] for e in events if e["choices"]]
    assert shown == [
        {"role": "assistant", "content": None}, {"reasoning_content": "ibs1.E1."}, {"content": "Yes"},
        {"content": "!"}, {},
    ]  # fmt: skip
    assert seals.values() == [("text", "Hm αβ.")]


def test_reasoning_between_tags_becomes_a_field() -> None:
    events, seals = stream("seal", EXAMPLES[1])
    assert said(events) == "Yes <"
    assert said(events, "reasoning_content") == "ibs1.E1."
    assert seals.values() == [("inline", ["<think>", "α", "</think>"])]
    choice, seals = body("seal", {"content": "<think>α</think>\n\nYes", "reasoning_content": None})
    assert choice["message"] == {"role": "assistant", "content": "Yes", "reasoning_content": "ibs1.E1."}


def test_a_summary_tells_the_size_alone_rounded_up() -> None:
    for size, tokens in ((1, "1"), (4, "1"), (5, "2"), (40, "16"), (20_000, "8,192")):
        choice, _ = body("summarise", {"content": "Yes", "reasoning_content": "x" * size})
        assert choice["message"] == {
            "role": "assistant", "content": "Yes", "reasoning_content": SUMMARY.format(tokens),
        }  # fmt: skip


def test_stripped_reasoning_leaves_a_sign_of_life_now_and_then() -> None:
    asks = asked()
    data = written(chat_stream([{"reasoning_content": "α"}] * 130 + [{"content": "Yes"}]))
    out = hidden_stream(asks, hiding("strip", asks), [data])
    assert out.count(b": reasoning\n\n") == 3
    assert [e["choices"][0]["delta"] for e in values(out) if e["choices"]] == [
        {"role": "assistant", "content": None}, {"content": "Yes"}, {},
    ]  # fmt: skip


def test_details_keep_their_form() -> None:
    detail = {"type": "reasoning.text", "text": "α", "signature": "s", "index": 0}
    more = {"type": "reasoning.text", "text": "β", "index": 0}
    found = [{"reasoning_details": [detail]}, {"reasoning_details": [more]}, {"content": "Yes"}]
    events, seals = stream("seal", chat_stream(found))
    shown = [e["choices"][0]["delta"] for e in events if e["choices"]]
    assert shown[1] == {
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "ibs1.E1.", "format": "inbond", "id": None, "index": 0}
        ]
    }
    assert seals.values() == [("details", [{**detail, "text": "αβ"}])]
    choice, _ = body("summarise", {"content": "Yes", "reasoning_details": [detail]})
    assert choice["message"]["reasoning_details"] == [
        {"type": "reasoning.summary", "summary": SUMMARY.format(1), "index": 0}
    ]


def test_each_choice_is_its_own() -> None:
    found = [
        chat_chunk({"reasoning_content": "α"}, index=0), chat_chunk({"content": "<think>β"}, index=1),
        chat_chunk({"content": "zero"}, index=0), chat_chunk({"content": "γ</think>one"}, index=1),
        chat_chunk({}, "stop", index=0), chat_chunk({}, "stop", index=1),
    ]  # fmt: skip
    events, seals = stream("seal", found)
    assert not leaks(events)
    by_index = {
        index: [c["delta"] for e in events for c in e["choices"] if c["index"] == index] for index in (0, 1)
    }
    assert by_index[0] == [{"reasoning_content": "ibs1.E1."}, {"content": "zero"}, {}]
    assert by_index[1] == [{"reasoning_content": "ibs1.E2."}, {"content": "one"}, {}]
    assert len(seals.kept) == 2


def test_an_answer_cut_off_while_it_reasons_shows_its_cover_and_no_text() -> None:
    events, _ = stream("seal", [chat_chunk({"content": "<think>α"}), chat_chunk({"content": "β"}, "length")])
    deltas = [e["choices"][0]["delta"] for e in events]
    assert deltas == [{"reasoning_content": "ibs1.E1."}, {"content": ""}]
    assert events[-1]["choices"][0]["finish_reason"] == "length"


def test_a_stream_that_ends_without_a_word_still_gives_what_it_owes() -> None:
    events, _ = stream("seal", [chat_chunk({"content": "a <thi"}), chat_chunk({"reasoning": "α"})])
    assert said(events) == "a <thi"
    assert said(events, "reasoning") == "ibs1.E1."


def test_tokens_of_what_is_hidden_are_not_listed() -> None:
    tokens = {"content": [{"token": "α", "logprob": -1.0, "top_logprobs": []}]}
    words = {"content": [{"token": "Yes", "logprob": -1.0, "top_logprobs": []}]}
    found = [chat_chunk({"reasoning_content": "α"}), chat_chunk({"content": "Yes"}), chat_chunk({}, "stop")]
    found[0]["choices"][0] |= {"logprobs": tokens, "token_ids": [7]}
    found[1]["choices"][0] |= {"logprobs": words, "finish_reason": None}
    found[2]["__verbose"] = {"content": "<think>α</think>Yes"}
    events, _ = stream("strip", [*found])
    assert not leaks(events)
    choice, _ = body("strip", {"content": "<think>α</think>Yes"}, logprobs=tokens, token_ids=[7])
    assert choice["logprobs"] is None
    assert "token_ids" not in choice
    choice, _ = body("strip", {"content": "Yes"}, logprobs=words)
    assert choice["logprobs"] == words


def test_a_tool_round_without_reasoning_is_not_touched() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "think", "arguments": '{"a":"<b>x</b> [1]"}'}}
    data = written(chat_stream([{"tool_calls": [call]}], "tool_calls"))
    asks = asked()
    assert hidden_stream(asks, hiding("seal", asks), [data]) == data


# Where reasoning begins ---------------------------------------------------------------------------------


def test_a_template_that_opens_the_tag_is_configured() -> None:
    found = chat_stream([{"content": "α"}, {"content": "β</think>"}, {"content": "\n\nYes"}])
    assert said(stream("strip", found, begins_inside=True)[0]) == "Yes"
    parsed = chat_stream([{"reasoning_content": "α"}, {"content": "Yes"}])
    assert said(stream("strip", parsed, begins_inside=True)[0]) == "Yes"


def test_a_whole_answer_that_only_closes_the_tag_is_understood() -> None:
    choice, seals = body("seal", {"content": "αβ\n</think>\n\nYes"})
    assert choice["message"] == {"role": "assistant", "content": "Yes", "reasoning_content": "ibs1.E1."}
    assert seals.values() == [("inline", ["<think>", "αβ\n", "</think>"])]


@pytest.mark.parametrize("begun", ["<think>", "Well, <think>Okay, ", "<THINKING>"])
def test_a_tag_that_the_caller_opened_hides_what_follows(begun: str) -> None:
    close = "</thinking>" if "ING" in begun else "</think>"
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": begun}]
    asks = asked(messages=messages)
    data = written(chat_stream([{"content": "α"}, {"content": close + "Yes"}]))
    assert said(values(hidden_stream(asks, hiding("strip", asks), [data]))) == "Yes"
    asks = asked("completions", prompt=f"Q: hi\nA: {begun}", stream=False)
    choice = {"index": 0, "text": f"α{close}Yes", "finish_reason": "stop", "logprobs": {"tokens": ["α"]}}
    shown = hidden_body(asks, hiding("seal", asks), {"choices": [choice]})
    assert shown["choices"] == [{"index": 0, "text": "Yes", "finish_reason": "stop", "logprobs": None}]


def test_a_completions_stream_shows_no_reasoning() -> None:
    pieces = ["a<th", "ink>α", "β</think> b", "c"]
    found = [{"id": "c", "choices": [{"index": 0, "text": text, "finish_reason": None}]} for text in pieces]
    found.append({"id": "c", "choices": [{"index": 0, "text": "<thi", "finish_reason": "stop"}]})
    asks = asked("completions")
    events = values(hidden_stream(asks, hiding("seal", asks), [written(found)]))
    assert "".join(c["text"] for e in events for c in e["choices"]) == "abc<thi"
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    events = values(hidden_stream(asks, hiding("seal", asks), [written([found[0], found[4]][:1])]))
    assert [c for e in events for c in e["choices"]][-1] == {"index": 0, "finish_reason": None, "text": "<th"}


# Responses ----------------------------------------------------------------------------------------------


def response_events(policy: str, found: list[Json]) -> tuple[list[Json], Seals]:
    asks, seals = asked("responses"), Seals()
    out = hidden_stream(asks, hiding(policy, asks, seals), [written(found, done=False)])
    for event in sse.Events().feed(out):
        if event.data is not None:
            assert event.raw.startswith(b"event: " + json.loads(event.data)["type"].encode() + b"\n")
    return values(out), seals


@pytest.mark.parametrize("policy", HIDES)
def test_a_response_keeps_its_items_and_loses_its_reasoning(policy: str) -> None:
    events, seals = response_events(policy, response_stream(["αβ"], ["Yes"], ["γ"]))
    assert not leaks(events)
    assert "upstreams-own" not in json.dumps(events)
    assert not any("reasoning" in event["type"] for event in events)
    done, completed = events[3]["item"], events[-1]["response"]
    assert done == completed["output"][0]
    expected = {
        "strip": {"summary": []},
        "summarise": {"summary": [{"type": "summary_text", "text": SUMMARY.format(2)}]},
        "seal": {"summary": [], "encrypted_content": "ibs1.E1."},
    }[policy]
    assert done == {"id": "rs", "type": "reasoning", "status": "completed", "inbond_hidden": True, **expected}
    assert completed["output"][1]["content"][0]["text"] == "Yes"
    assert completed["usage"] == response([])["usage"]
    if policy == "seal":
        assert [form for form, _ in seals.values()] == ["item"]
        assert seals.values()[0][1]["encrypted_content"] == "upstreams-own"


@pytest.mark.parametrize("policy", HIDES)
def test_tags_in_a_response_are_cut_wherever_its_text_is_said(policy: str) -> None:
    events, _ = response_events(policy, response_stream([], ["<thi", "nk>α", "β</think>", " Yes", " <th"]))
    assert not leaks(events)
    assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == "Yes <th"
    text = next(e for e in events if e["type"] == "response.output_text.done")["text"]
    message = events[-1]["response"]["output"][1]
    assert text == message["content"][0]["text"] == "Yes <th"
    cover = {"strip": None, "summarise": SUMMARY.format(1), "seal": "ibs1.E1."}[policy]
    assert message.get("reasoning_content") == cover


@given(st.sampled_from(HIDES), SECRET, SECRET, SHOWN, st.data())
@settings(max_examples=100)
def test_no_word_of_it_gets_out_of_a_response(
    policy: str, one: str, other: str, text: str, data: st.DataObject
) -> None:
    pieces = data.draw(cut(f"<think>{other}</think>{text}"))
    events, _ = response_events(policy, response_stream(data.draw(cut(one)), pieces, [one]))
    assert not leaks(events)
    assert events[-1]["response"]["output"][1]["content"][0]["text"] == text.lstrip()
    asks = asked("responses", stream=False)
    output = response_stream([one], [f"a<think>{other}</think>{text}"])[-1]["response"]["output"]
    whole = hidden_body(asks, hiding(policy, asks), response(output))
    assert not leaks(whole)
    assert whole["output"][1]["content"][0]["text"] == "a" + text.lstrip()


# What passes --------------------------------------------------------------------------------------------


def test_pass_hides_nothing_and_embeddings_have_nothing() -> None:
    assert hiding_for(ModelPolicy(reasoning="pass"), asked(), Seals()) is None
    assert hiding_for(ModelPolicy(reasoning="seal"), asked("embeddings", input="x"), Seals()) is None


@pytest.mark.parametrize("policy", HIDES)
@given(st.lists(SHOWN.filter(lambda text: not {"<", "["} & set(text)), max_size=6), st.integers(1, 30))
@settings(max_examples=40)
def test_an_answer_without_reasoning_passes_byte_for_byte(policy: str, pieces: list[str], size: int) -> None:
    usual = written(chat_stream([{"content": piece, "reasoning_content": None} for piece in pieces]))
    data = b": ping\n\n" + usual.replace(b"\n\n", b"\r\n\r\n") + usual
    asks = asked()
    chunks = [data[n : n + size] for n in range(0, len(data), size)]
    assert hidden_stream(asks, hiding(policy, asks), chunks) == b":\n\n" + usual + usual
    whole = json.dumps(chat_body({"content": "".join(pieces)}), indent=3).encode()
    assert hide_body(asks, hiding(policy, asks), whole) == whole


def test_a_response_without_reasoning_passes_byte_for_byte() -> None:
    found = [e for e in response_stream([], ["Yes", "!"]) if "reasoning" not in e["type"]]
    found = [e for e in found if "rs" not in (e.get("item_id"), e.get("item", {}).get("id"))]
    found[-1]["response"]["output"] = found[-1]["response"]["output"][1:]
    asks = asked("responses")
    data = written(found, done=False)
    assert hidden_stream(asks, hiding("seal", asks), [data]) == data


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"message": "Failed to parse input at pos 12: <think>α", "code": 500}, "upstream_error"),
        ({"message": "α", "code": 1}, "upstream_error"), ("α", "upstream_error"), (["α"], "upstream_error"),
        ({"message": "α", "type": "BadRequestError", "code": 400}, "upstream_refused"),
        ({"message": "the request exceeds the available context size α"}, "context_length_exceeded"),
        ({"message": "α", "code": "rate_limit_exceeded"}, "rate_limit_exceeded"),
        ({"innererror": {"code": "content_filter", "x": "α"}}, "content_filter"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses"])
def test_an_error_is_said_in_our_words(route: Any, said: Any, code: str) -> None:
    """Servers quote what they could not read, and prompts."""
    asks = asked(route)
    found: list[Json] = [{"error": said}]
    if route == "responses":
        failed = {**response([], status="failed"), "error": said}
        found += [{"type": "response.failed", "response": failed}, {"type": "error", "error": said}]
        found += [{**said, "type": "error"}] if isinstance(said, dict) else []
    for value in found:
        (event,) = values(hidden_stream(asks, hiding("strip", asks), [written([value], done=False)]))
        assert not leaks(event)
        told = event.get("response", event).get("error", event)
        assert told["code"] in (code, "upstream_error")
        if value is found[0]:
            assert told["code"] == code
        assert told["message"].endswith(".")
    body = hidden_body(asks, hiding("strip", asks), found[0])
    assert not leaks(body)
    assert body["error"]["code"] == code


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": {"message": "\xce\xb1", "type": "BadRequestError"}}', "upstream_refused"),
        (400, b'{"error": {"type": "exceed_context_size_error"}}', "context_length_exceeded"),
        (404, b"<html>\xce\xb1", "upstream_refused"), (429, b"\xce\xb1", "rate_limit_exceeded"),
        (500, b'{"error": "\xce\xb1"}', "upstream_error"), (503, b"", "upstream_error"),
    ],
)  # fmt: skip
def test_an_answer_that_is_an_error_is_said_in_our_words(status: int, body: bytes, code: str) -> None:
    said = answer_errors.told(status, body, "7")
    assert not leaks(said.body.decode())
    assert json.loads(said.body)["error"]["code"] == code
    assert (said.status, said.headers) == (status, {"retry-after": "7"})
    assert answer_errors.told(status, body, "\u03b1").headers == {}


# What cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"data: {broken \xce\xb1\n\n", b"data: \xce\xb1 alone\n\n", b'data: "\xce\xb1"\n\n', b"\xce\xb1\n\n",
        b'\xef\xbb\xbfdata: {"choices":[{"delta":{"reasoning":"\xce\xb1"}}]}\n\n',
        b'data: {"choices":[{"delta":{"reasoning_content":"\xce\xb1', b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"choices":[{"delta":{"r\\u0065asoning":"\xce\xb1"}}]}\n\n',
        b'data: {"choices":[{"message":{"reasoning":"\xce\xb1"}}]}\n\n',
        b'data: {"choices":[{"delta":\ndata: {"reasoning":"\xce\xb1"}}]}\n\n',
        b'{"choices":[{"message":{"content":"Yes","reasoning":"\xce\xb1"}}]}', b"{\xce\xb1",
    ],
)  # fmt: skip
def test_what_may_be_reasoning_does_not_pass_unread(data: bytes) -> None:
    asks = asked()
    out = hidden_stream(asks, hiding("strip", asks), [data])
    assert "α" not in out.decode()
    assert b"[[[" not in out


def test_an_upstream_that_answers_a_stream_with_a_whole_body_is_understood() -> None:
    asks = asked()
    data = json.dumps(chat_body({"content": "<think>α</think>Yes"})).encode()
    shown = json.loads(hidden_stream(asks, hiding("seal", asks), [data[:30], data[30:]]))
    assert shown["choices"][0]["message"]["content"] == "Yes"


@pytest.mark.parametrize("data", [b"", b"\xce\xb1", b"[1]", b"data: {}\n\n", b"[" * 100_000])
def test_a_whole_answer_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(NotUnderstoodError, match=r"the answer is no JSON"):
        hide_body(asked(stream=False), hiding("strip", asked()), data)


odd_json = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("<think/>a", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "message", "content", "reasoning", "reasoning_details", "index",
                         "text", "type", "item", "part", "response", "output", "summary", "finish_reason",
                         "output_text"]),
        inner, max_size=5,
    ) | inner.map(lambda value: {"choices": [{"delta": value, "message": value, "index": 0}]})
    | inner.map(lambda value: {"type": "response.output_text.delta", "delta": value, "item": value}),
    max_leaves=14,
)  # fmt: skip


@given(st.sampled_from(HIDES), st.sampled_from(["chat/completions", "completions", "responses"]), odd_json)
@settings(max_examples=400)
def test_no_answer_of_any_form_breaks_it(policy: str, route: Any, found: Any) -> None:
    asks = asked(route)
    hidden_stream(asks, hiding(policy, asks), [written([{"x": found}, {"choices": [found]}], done=True)])
    if isinstance(found, dict):
        found = {**found, "type": str(found.get("type", "")) or "x"}
        hidden_stream(asks, hiding(policy, asks), [b"data: " + json.dumps(found).encode() + b"\n\n"])
        hidden_body(asks, hiding(policy, asks), found)


def test_fields_in_which_servers_repeat_reasoning_are_left_out() -> None:
    more = {"provider_specific_fields": {"reasoning_content": "α"}, "thinking_blocks": [{"thinking": "α"}]}
    choice, _ = body("seal", {"content": "Yes", "reasoning_content": "α", **more})
    assert choice["message"] == {"role": "assistant", "content": "Yes", "reasoning_content": "ibs1.E1."}
    events, _ = stream("seal", chat_stream([{"reasoning_content": "α", **more}, {"content": "Yes"}]))
    assert not leaks(events)
