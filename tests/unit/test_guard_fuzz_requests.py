"""Odd requests, and odd envelopes in them: each is read, or refused in words."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from inbond import digest
from inbond.guard import conversation, handback, marks, wire
from inbond.guard.config import ModelPolicy
from inbond.guard.envelopes import Binding, Opened, open_sealed, seal
from inbond.guard.sealing_keys import fresh_ring
from tests.guard_odd_input import ASKED, FUZZ, JSON, OBJECTS, ROUTES, TEXTS, dumped


@FUZZ
@given(
    ROUTES,
    st.binary(max_size=80) | JSON.map(dumped) | OBJECTS.map(dumped) | ASKED.map(lambda each: dumped(each[1])),
)
def test_requests(route: wire.Route, body: bytes) -> None:
    """Read, they go on as they are, have a size and a place; and detection makes a mark of them."""
    try:
        asked = wire.read(route, body)
    except wire.BadRequestError as error:
        assert 0 < len(str(error)) < 300
        return
    assert asked.value == json.loads(body)
    assert 0 <= asked.prompt_tokens <= 10_000 + 10 * len(body)
    assert 0 <= asked.completion_tokens(4_096) <= 10**13
    assert all(len(each) == 71 for each in conversation.prefixes(route, asked.value))
    about = marks.About(1e9, "r", "t/a", model=asked.model, prompt_tokens=asked.prompt_tokens)
    mark = marks.read(about, "\n".join(asked.system), wire.said_last(asked))
    assert marks.from_bytes(mark.to_bytes()) == mark


@FUZZ
@given(ASKED, st.sampled_from(["ok", "rejected", "foreign"]), TEXTS | JSON.map(json.dumps))
def test_what_is_handed_back(asked: tuple[wire.Route, dict[str, Any]], outcome: Any, text: str) -> None:
    """No envelope goes on to the model, whatever is in it and wherever it stands."""
    route, value = asked
    opened = Opened(outcome, text if outcome == "ok" else None)
    back = handback.handed_back(route, value, lambda _envelope, _prefix: opened, ModelPolicy().tags)
    assert back.outcome in (None, "ok", "rejected", "foreign")
    json.dumps(back.value)
    if back.outcome is None:
        assert back.value.get("model") == "m"


RING = fresh_ring(0.0)
OURS = Binding("t", "a", "m", digest.of_bytes(b"c"))
SEALED = seal(RING, OURS, "what it thought", expires=100, random=b"r" * 24)


@FUZZ
@given(
    st.text(max_size=40)
    | st.text("ibs1.AZaz09-_", max_size=60)
    | st.tuples(st.integers(0, len(SEALED)), st.integers(0, len(SEALED)), st.text(max_size=3)).map(
        lambda cut: SEALED[: cut[0]] + cut[2] + SEALED[cut[1] :]
    )
)
@example(SEALED)
def test_envelopes(found: str) -> None:
    """One letter more or less, and nothing opens; nothing that was not sealed is foreign."""
    for owner in (OURS, Binding("u", "b", "m", OURS.conversation)):
        opened = open_sealed(RING, owner, found, now=1.0)
        expected = "rejected" if found != SEALED else "ok" if owner == OURS else "foreign"
        assert (opened.outcome, opened.text) == (expected, "what it thought" if expected == "ok" else None)


@FUZZ
@given(st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_a_clock_that_jumps_opens_no_envelope_that_expired(times: list[int]) -> None:
    """And closes none for good: what is decided is what the clock says when it is asked."""
    for now in times:
        assert open_sealed(RING, OURS, SEALED, now=now).outcome == ("ok" if now < 100 else "rejected")
