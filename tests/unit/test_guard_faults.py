"""What upstreams and clients that misbehave do to the guard's cores: nothing that is not counted, and nothing
that takes long."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import Any

import pytest

from inbond.guard import logs, prefills, sse, wire
from inbond.guard.body import Body
from inbond.guard.budget import Usage
from inbond.guard.config import ModelPolicy
from inbond.guard.meter import Meter
from inbond.guard.seen import Seen

HELD = Usage(20, 100)


@pytest.mark.parametrize("told", [2**63, 10**400, 10**9 + 1, -1, 1.5, True, "7", None])
@pytest.mark.parametrize("stream", [True, False])
def test_a_count_that_no_answer_can_have_is_not_believed(told: object, stream: bool) -> None:
    """It would be more than a state can hold, or less than nothing."""
    data = json.dumps({"choices": [{"text": "four"}], "usage": {"prompt_tokens": told}}).encode()
    meter = Meter(HELD, stream=stream)
    if stream:
        meter.event(sse.Event(b"", data))
    else:
        meter.body(Body.of(data))
    assert meter.usage() == Usage(20, 4)


def test_a_stream_that_is_none_is_counted_as_what_it_is() -> None:
    """An upstream may answer with a whole body: it never ends an event, and passes all the same."""
    meter = Meter(HELD, stream=True)
    meter.rest(b'{"choices": [{"message": {"content": "hello"}}]}')
    assert meter.usage() == Usage(20, 5)
    meter = Meter(HELD, stream=True)
    meter.rest(b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}')
    assert meter.usage() == Usage(3, 4)
    meter = Meter(HELD, stream=True)
    meter.event(sse.Event(b"", b'{"choices": [{"delta": {"content": "one"}}]}'))
    meter.rest(b'data: {"choices": [{"delta": {"content": "two!"')
    assert meter.usage() == Usage(20, 7)


def test_a_mark_of_byte_order_does_not_hide_the_first_event() -> None:
    """Clients pass over it, so what follows it is an answer."""
    (event,) = sse.Events().feed(sse.BOM + b"data: a\n\n")
    assert (event.raw, event.data) == (sse.BOM + b"data: a\n\n", b"a")


def test_an_event_in_many_pieces_takes_no_time() -> None:
    """Each piece once, not once for every later one: that would be 64 GB to copy here."""
    events, began = sse.Events(), time.process_time()
    for _ in range(16_000):
        assert list(events.feed(b"x" * 1_000)) == []
    assert time.process_time() - began < 3


# Requests -------------------------------------------------------------------------------------------------

BEGIN = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "x": '


@pytest.mark.parametrize(
    "wide",
    [
        b"[" + b"[]," * 9_000_000 + b"0]", b"[" + b"{}," * 9_000_000 + b"0]",
        b"[" + b"1," * 14_000_000 + b"0]",
        b"[" + b'"",' * 9_000_000 + b"0]", b"{" + b",".join(b'"%x":0' % n for n in range(600_000)) + b"}",
        b"[" + b'"\\\\","",' * 4_000_000 + b"0]", b'[["', b"[" * 2_000_000,
    ],
    ids=["lists", "objects", "numbers", "texts", "fields", "escapes", "no end", "deep"],
)  # fmt: skip
def test_a_request_of_too_many_values_is_refused_before_they_are_made(wide: bytes) -> None:
    """30 MB of them took the guard seven to fifteen seconds, in which nobody was answered."""
    began = time.process_time()
    with pytest.raises(wire.BadRequestError, match="500,000 values, or 100,000 lists|not JSON"):
        wire.read("chat/completions", BEGIN + wide + b"}")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text", ["a, [b], {c}: " * 200_000, '\\", [[{' * 300_000, '\\\\", {,' * 300_000, '"quoted",' * 600_000]
)
def test_what_stands_in_a_text_is_no_value(text: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    assert wire.read("chat/completions", body).user == (text,)


@pytest.mark.parametrize(
    ("route", "asked", "told"),
    [
        ("completions", {"prompt": ["a"] * 4_097}, "more than 4,096 prompts"),
        ("chat/completions", {"messages": [{"role": "user", "content": "a"}] * 16_385}, "16,384 messages"),
        ("responses", {"input": [{"role": "user", "content": "a"}] * 16_385}, "16,384 messages"),
    ],
)
def test_more_prompts_and_messages_than_any_conversation_has_are_refused(
    route: Any, asked: dict[str, Any], told: str
) -> None:
    """Of a letter each, 90,000 messages took more than half a second, in which nobody was answered."""
    with pytest.raises(wire.BadRequestError, match=told) as refused:
        wire.read(route, json.dumps({"model": "m", **asked}).encode())
    assert refused.value.code == "too_many_values"


BEGUN = ["<think></think>", "<", "</think", "<|channel|>analysi", "<think>", "hink>"]


@pytest.mark.parametrize("text", BEGUN)
@pytest.mark.parametrize("route", ["chat/completions", "completions"])
def test_what_the_caller_began_is_not_read_tag_by_tag(text: str, route: Any) -> None:
    """Thirty million bytes of tags took six seconds, in which nobody was answered."""
    begin = text * (30_000_000 // len(text))
    value = {"prompt": begin, "messages": [{"role": "assistant", "content": begin}]}
    asked = wire.Asked(route, "m", False, False, (), (), 1, None, 1, 1, value)
    began = time.process_time()
    prefills.begun(ModelPolicy(), asked)
    assert time.process_time() - began < 1


def test_what_was_said_last_is_found_in_one_pass() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}] * 3}] * 16_000
    asked = wire.read("chat/completions", json.dumps({"model": "m", "messages": messages}).encode())
    began = time.process_time()
    assert wire.said_last(asked) == "\n".join("a" * 48_000)
    assert time.process_time() - began < 0.5


def test_more_answers_than_anybody_can_read_are_refused() -> None:
    """Times the most tokens of each they would be more than a state can count."""
    asked = {"model": "m", "prompt": ["a"] * 1_001, "n": 1_000}
    with pytest.raises(wire.BadRequestError, match="more than 1,000,000 answers are asked for"):
        wire.read("completions", json.dumps(asked).encode())


@pytest.mark.parametrize(
    "hidden",
    [
        {"suffix": "word " * 400}, {"grammar": "word " * 400}, {"documents": [{"text": "word " * 400}]},
        {"chat_template_kwargs": {"more": "word " * 400}}, {"prediction": {"content": "word " * 400}},
        {"messages": [{"role": "user", "name": "word " * 400, "content": ""}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "text": "word " * 400}]}]},
    ],
)  # fmt: skip
def test_no_field_takes_a_prompt_past_the_estimate(hidden: dict[str, object]) -> None:
    """Where an upstream does not say what it used, the estimate is what is settled."""
    asked = {"model": "m", "messages": [], **hidden}
    found = wire.read("chat/completions", json.dumps(asked).encode(), allowed=hidden.keys())
    assert found.prompt_tokens >= 1_000


# Logs -----------------------------------------------------------------------------------------------------


class Full(io.StringIO):
    """A disk that is full."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    for stream in (Full(), io.StringIO()):
        if not isinstance(stream, Full):
            stream.close()
        lines = logs.Lines(stream)
        lines.seen(Seen("i", "/v1/models"))
        logs.Faults(lines).emit(logging.LogRecord("a", logging.ERROR, "f", 1, "said", (), None))
        assert lines.lost == 2


def test_an_error_is_its_kind_and_its_place_and_no_word_of_a_request() -> None:
    found = io.StringIO()
    logger = logging.Logger("aiohttp.server")
    logger.addHandler(logs.Faults(logs.Lines(found, lambda: 1_767_323_045.678)))
    try:
        raise ValueError("Authorization: Bearer ib-secret")
    except ValueError:
        logger.exception("Error handling request from %s", "ib-secret\nib-secret")
    (line,) = found.getvalue().splitlines()
    assert json.loads(line) == {
        "ts": "2026-01-02T03:04:05.678+00:00", "fault": "aiohttp.server",
        "said": "Error handling request from %s", "times": 1,
        "error": "ValueError", "at": json.loads(line)["at"],
    }  # fmt: skip
    assert json.loads(line)["at"].startswith("test_guard_faults.py:")


def test_what_goes_wrong_a_thousand_times_is_said_once_a_second() -> None:
    found, now = io.StringIO(), [10.0]
    faults = logs.Faults(logs.Lines(found), lambda: now[0])
    for at, said in ((10.0, "a"), (10.1, "a"), (10.9, "a"), (11.1, "a"), (11.2, "b"), (11.3, "a")):
        now[0] = at
        faults.emit(logging.LogRecord("asyncio", logging.ERROR, "f", 1, said, (), None))
    lines = [json.loads(line) for line in found.getvalue().splitlines()]
    assert [(line["said"], line["times"]) for line in lines] == [("a", 1), ("a", 3), ("b", 1), ("a", 1)]
