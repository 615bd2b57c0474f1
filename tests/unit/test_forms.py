"""Forms of replies: what is sent for them, how a tool's arguments come back, and what stays as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import TeacherError
from inbond.teachers.protocols import FAILURES, Form, Reply, Request, Sampling
from inbond.teachers.scripted import Scripted
from inbond.teachers.wire import Gathering, body_of
from inbond.types import Message

SCHEMA = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "vote": {"enum": ["K3", "M7"]}},
    "required": ["reasoning", "vote"],
}
PLAIN = Request("t", (Message("user", "Hi, 世界"),), Sampling(16, seed=3))
AS_TOOL = replace(PLAIN, form=Form.of("tool", "ballot", SCHEMA))
ARGUMENTS = '{"reasoning": "なぜなら", "vote": "M7"}'


def call(arguments: Any, *, name: Any = "ballot", **more: Any) -> dict[str, Any]:
    return {"index": 0, "id": "c1", "function": {"name": name, "arguments": arguments}, **more}


def delta(*calls: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(calls), **more}, "finish_reason": finish}]}


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def gather(*chunks: Any, request: Request = AS_TOOL) -> Reply:
    gathering = Gathering(request, "t")
    for each in chunks:
        gathering.add(each)
    return gathering.reply(0.1, {})


class TestForm:
    def test_a_request_without_a_form_is_the_request_that_it_always_was(self) -> None:
        assert PLAIN.id == "sha256:a678f8c77dd09d7b80e5dda0977a0494013a224f0451c550935f38768932d8ed"
        assert "form" not in PLAIN.to_json()

    def test_a_form_is_part_of_the_request(self) -> None:
        forms = [Form.of(kind, "ballot", SCHEMA) for kind in ("json-schema", "tool", "json-object")]
        assert len({PLAIN.id, *(replace(PLAIN, form=form).id for form in forms)}) == 4
        assert len(set(forms)) == 3, "forms can be hashed"

    def test_the_order_of_fields_is_kept_and_counts(self) -> None:
        turned = {**SCHEMA, "properties": dict(reversed(SCHEMA["properties"].items()))}  # type: ignore[attr-defined]
        one, other = Form.of("tool", "ballot", SCHEMA), Form.of("tool", "ballot", turned)
        assert one != other
        assert replace(PLAIN, form=one).id != replace(PLAIN, form=other).id
        assert list(other.schema_value()["properties"]) == ["vote", "reasoning"]
        sent = body_of(replace(PLAIN, form=other), model="m")["tools"][0]["function"]["parameters"]
        assert list(sent["properties"]) == ["vote", "reasoning"]

    @pytest.mark.parametrize("name", ["", "a b", "x" * 65, "表"])
    def test_names_are_those_that_hosts_take(self, name: str) -> None:
        with pytest.raises(AssertionError, match="no name of a form"):
            Form.of("tool", name, SCHEMA)

    def test_a_schema_is_an_object(self) -> None:
        with pytest.raises(AssertionError, match="a schema is a JSON object"):
            Form("tool", "a", "[]")

    def test_raw_text_has_no_form(self) -> None:
        with pytest.raises(AssertionError, match="raw text is continued in no form"):
            Request("t", "raw", Sampling(), form=Form.of("json-object", "a", {}))


class TestWhatIsSent:
    def test_nothing_without_a_form(self) -> None:
        assert not {"response_format", "tools", "tool_choice"} & set(body_of(PLAIN, model="m"))

    def test_a_schema(self) -> None:
        body = body_of(replace(PLAIN, form=Form.of("json-schema", "ballot", SCHEMA)), model="m")
        assert body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "ballot", "strict": True, "schema": SCHEMA},
        }
        assert "tools" not in body

    def test_a_forced_tool(self) -> None:
        body = body_of(AS_TOOL, model="m")
        function = {"name": "ballot", "strict": True, "parameters": SCHEMA}
        assert body["tools"] == [{"type": "function", "function": function}]
        assert body["tool_choice"] == {"type": "function", "function": {"name": "ballot"}}
        assert "response_format" not in body

    def test_an_object(self) -> None:
        body = body_of(replace(PLAIN, form=Form.of("json-object", "ballot", SCHEMA)), model="m")
        assert body["response_format"] == {"type": "json_object"}


class TestToolCalls:
    def test_a_stream_in_pieces(self) -> None:
        pieces = [delta({"index": 0, "function": {"arguments": piece}}) for piece in ARGUMENTS]
        reply = gather(delta(call("")), *pieces, END)
        assert (reply.text, reply.finish) == (ARGUMENTS, "tool_calls")

    def test_a_whole_message(self) -> None:
        message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"} | {
            "function": {"name": "ballot", "arguments": ARGUMENTS}}]}  # fmt: skip
        reply = gather({"choices": [{"message": message, "finish_reason": "stop"}]})
        assert (reply.text, reply.finish) == (ARGUMENTS, "stop")

    def test_arguments_as_an_object(self) -> None:
        assert json.loads(gather(delta(call(json.loads(ARGUMENTS))), END).text) == json.loads(ARGUMENTS)

    def test_words_beside_a_call_go(self) -> None:
        assert gather(delta(content="I shall vote."), delta(call(ARGUMENTS)), END).text == ARGUMENTS

    def test_a_host_that_ignores_the_tool_is_seen_by_its_text(self) -> None:
        said = {"choices": [{"index": 0, "delta": {"content": "I like M7."}, "finish_reason": "stop"}]}
        assert (gather(said).text, gather(said).finish) == ("I like M7.", "stop")

    def test_calls_that_nobody_asked_for_are_not_the_text(self) -> None:
        with pytest.raises(TeacherError, match="an answer without text") as caught:
            gather(delta(call(ARGUMENTS)), END, request=PLAIN)
        assert caught.value.reason == "empty"

    def test_a_half_surrogate_is_healed(self) -> None:
        assert (
            gather(delta(call('{"a": "\ud83d')), delta(call('\ude00"}', name=None)), END).text
            == '{"a": "😀"}'
        )

    def test_a_call_that_was_cut_says_so(self) -> None:
        assert gather(delta(call('{"rea'), finish="length")).finish == "length"
        with pytest.raises(TeacherError, match="without a finish_reason") as caught:
            gather(delta(call('{"rea')))
        assert caught.value.reason == "truncated-stream"

    def test_no_arguments_are_no_answer(self) -> None:
        with pytest.raises(TeacherError, match="an answer without text") as caught:
            gather(delta(call(None)), END)
        assert caught.value.reason == "empty"

    def test_a_refusal_counts_before_a_call(self) -> None:
        with pytest.raises(TeacherError, match="I will not") as caught:
            gather(delta(call(ARGUMENTS), refusal="I will not"), END)
        assert caught.value.reason == "refused"

    @pytest.mark.parametrize(
        ("calls", "words"),
        [
            ([call("{}"), call("{}", index=1, id="c2")], "several tool calls"),
            ([call("{}"), call("{}", id="c2")], "several tool calls"),
            ([call("{}", index=None), call("{}", index=None)], "several tool calls"),
            ([call("{}", name="other")], "a call of another tool"),
            ([call("{}", name=7)], "a call of another tool"),
            ([call(7)], "neither text nor an object"),
            ([call("{}", index="0")], "whose index is no number"),
            ([call("{}", id=5)], "whose id is no text"),
            (["text"], "no object with a function"),
            ([{"index": 0, "function": "f"}], "no object with a function"),
        ],
    )
    def test_what_is_no_single_call_is_malformed(self, calls: list[Any], words: str) -> None:
        for chunks in ([delta(*calls)], [delta(one) for one in calls]):
            if words == "several tool calls" and calls[0]["index"] is None and len(chunks) > 1:
                continue  # without an index or another id, pieces of a stream are pieces of one call
            with pytest.raises(TeacherError, match=words) as caught:
                gather(*chunks, END)
            assert caught.value.reason == "malformed"
            assert "where 'ballot' was to be called" in str(caught.value)

    def test_tool_calls_that_are_no_list(self) -> None:
        with pytest.raises(TeacherError, match="tool_calls that are no list"):
            gather({"choices": [{"index": 0, "delta": {"tool_calls": {"0": call("{}")}}}]})

    def test_endless_arguments_are_stopped(self) -> None:
        with pytest.raises(TeacherError, match=r"over \d+ characters for 16 tokens") as caught:
            gather(*(delta(call("x" * 1000)) for _ in range(10)))
        assert caught.value.reason == "malformed"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=4) | st.sampled_from(["ballot", "c1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "id", "function", "name", "arguments", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=4))
def test_any_tool_calls_end_as_a_reply_or_a_failure(values: list[Any]) -> None:
    try:
        reply = gather(
            *({"choices": [{"index": 0, "delta": {"tool_calls": value}}]} for value in values), END
        )
    except TeacherError as error:
        assert error.reason in FAILURES
    else:
        assert reply.text.strip()


@given(st.text(min_size=1, max_size=60).filter(str.strip), st.data())
def test_arguments_may_be_cut_anywhere(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    reply = gather(*(delta(call(piece)) for piece in pieces), END)
    assert reply.text == text


async def test_scripted_says_that_a_tool_was_called() -> None:
    replies = [await Scripted([ARGUMENTS]).complete(request) for request in (PLAIN, AS_TOOL)]
    assert [(reply.text, reply.finish) for reply in replies] == [
        (ARGUMENTS, "stop"),
        (ARGUMENTS, "tool_calls"),
    ]
