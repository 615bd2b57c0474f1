"""Odd answers of an upstream: all of it is counted, and what must not be shown is not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InbondError
from inbond.guard import meter, reasoning, sse, wire
from inbond.guard.body import Body
from inbond.guard.budget import Usage
from inbond.guard.config import ModelPolicy
from inbond.guard.tags import Scanner, Tags
from inbond.ledger import receipts
from tests.guard_odd_input import FUZZ, JSON, REASONED, STREAMS, TEXTS, asked_of, cut, dumped


@FUZZ
@given(STREAMS, st.integers(1, 40))
def test_streams_are_cut_the_same_and_all_of_it_is_counted(data: bytes, size: int) -> None:
    whole, pieces = sse.Events(), sse.Events()
    found = list(whole.feed(data))
    assert [each for piece in cut(data, size) for each in pieces.feed(piece)] == found or b"\r" in data
    assert b"".join(each.raw for each in found) + whole.rest == data
    counted = meter.Meter(Usage(7, 7), stream=True)
    for each in found:
        counted.event(each)
    counted.rest(whole.rest)
    used = counted.usage()
    assert 0 <= used.prompt_tokens <= 10**9
    assert 0 <= used.completion_tokens <= 10**9 + len(data)


@FUZZ
@given(
    st.sampled_from(REASONED),
    st.sampled_from(["strip", "summarise", "seal"]),
    st.booleans(),
    STREAMS,
    st.integers(1, 60),
)
def test_whatever_is_streamed_is_hidden_or_left_out(
    route: wire.Route, policy: Any, inside: bool, data: bytes, size: int
) -> None:
    asked = wire.read(route, dumped({**asked_of(route, []), "stream": True}))
    hiding = reasoning.hiding_for(
        ModelPolicy(reasoning=policy, begins_inside=inside), asked, lambda _: "ibs1.x."
    )
    if hiding is None:
        return
    stream, events = reasoning.Stream(asked, hiding), sse.Events()
    out = b"".join(stream.event(each) for piece in cut(data, size) for each in events.feed(piece))
    out += stream.finish(events.rest)
    assert b"SECRET" not in out or route == "responses"  # which has no such chunks
    with contextlib.suppress(reasoning.NotUnderstoodError):
        assert route == "responses" or b"SECRET" not in reasoning.hide_body(asked, hiding, data)


ANSWERS = st.builds(
    lambda text, thought, more, twice: dumped(
        {"choices": [{"index": 0, "message": {"content": text, "reasoning_content": thought, **more}}]}
    ).replace(b'"index"', b'"index": 1, "index"' if twice else b'"index"'),
    TEXTS, TEXTS, st.dictionaries(TEXTS, JSON, max_size=2), st.booleans(),
)  # fmt: skip


@FUZZ
@given(st.sampled_from(["strip", "summarise", "seal"]), ANSWERS | JSON.map(dumped))
def test_what_a_receipt_signs_is_what_the_hidden_answer_decodes_to(policy: Any, data: bytes) -> None:
    asked = wire.read("chat/completions", dumped(asked_of("chat/completions", [])))
    hiding = reasoning.hiding_for(ModelPolicy(reasoning=policy), asked, lambda _: "ibs1.x.")
    assert hiding is not None
    with contextlib.suppress(reasoning.NotUnderstoodError, InbondError):
        shown = reasoning.hide(asked, hiding, Body.of(data))
        assert receipts.decoded(shown.value) == receipts.decoded(json.loads(shown.data))


@FUZZ
@given(TEXTS, st.integers(1, 9), st.booleans())
def test_tags_hide_the_same_in_pieces(text: str, size: int, inside: bool) -> None:
    tags = Tags((("<think>", "</think>"), ("<|a|>", "<|end|>")))
    whole, pieces = Scanner(tags, inside=inside), Scanner(tags, inside=inside)
    shown = whole.feed(text)[0] + whole.finish()[0]
    parts = "".join(pieces.feed(text[at : at + size])[0] for at in range(0, len(text), size))
    assert parts + pieces.finish()[0] == shown
