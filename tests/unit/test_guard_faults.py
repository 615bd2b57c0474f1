"""What upstreams and clients that misbehave do to the guard's cores: nothing that is not counted, and nothing
that takes long."""

from __future__ import annotations

import json
import time

import pytest

from inbond.guard import sse
from inbond.guard.budget import Usage
from inbond.guard.meter import Meter

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
        meter.body(data)
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
