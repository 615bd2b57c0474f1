"""Odd input to everything of the guard's that reads what others wrote: it is read, or refused in words.

``INBOND_FUZZ=20000`` gives each of them so many examples instead of a hundred.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InbondError
from inbond.guard import config, conversation, handback, marks, meter, reasoning, registration, sse, wire
from inbond.guard.body import Body
from inbond.guard.budget import Usage, bounds, claims
from inbond.guard.callers import Limits, parse_callers
from inbond.guard.config import ModelPolicy
from inbond.guard.envelopes import Binding, Opened, open_sealed, seal
from inbond.guard.receipts import Draft, Stamp
from inbond.guard.sealing_keys import fresh_ring
from inbond.guard.tags import Scanner, Tags
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.attest import Signer

FUZZ = settings(
    max_examples=int(os.environ.get("INBOND_FUZZ", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# What callers and models write ----------------------------------------------------------------------------

TRICKS = st.sampled_from(
    [
        "\ud800",
        "\udfff\ud800",
        "\u202e\u2066",
        "\u200b\u200d\ufeff",
        "\ufdfa" * 50,
        "e" + "\u0301" * 200,
        "\u2028",
        "\0",
        "\x1b[2J",
        "\U000e0041\U000e0042",
        "﷽",
        "Ω",
        "ibs1.",
        "ibs1.AAAA.",
        "<think>",
        "</think>",
        "<ThInK>",
        "Reasoned for about 1 tokens; the text is not shown.",
        "[DONE]",
        "data: x\n\n",
        "\\u003cthink",
        "9" * 4_301,
        "1e999",
        "NaN",
        "__proto__",
        "data:image/png;base64,AAAA",
        "a" * 300,
    ]
)
TEXTS = TRICKS | st.text(max_size=12) | st.lists(TRICKS | st.text(max_size=4), max_size=4).map("".join)
NAMES = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "prompt",
        "instructions",
        "role",
        "content",
        "type",
        "text",
        "name",
        "n",
        "best_of",
        "max_tokens",
        "stream",
        "stream_options",
        "include_usage",
        "tools",
        "tool_calls",
        "function",
        "arguments",
        "encrypted_content",
        "summary",
        "output",
        "item",
        "response",
        "delta",
        "choices",
        "index",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "reasoning_content",
        "reasoning_details",
        "reasoning",
        "thinking",
        "finish_reason",
        "message",
        "logprobs",
        "id",
        "error",
        "inbond_hidden",
        "part",
        "output_index",
        "content_index",
        "function_call",
        "image_url",
        "file_id",
    ]
)
WORDS = st.sampled_from(
    [
        "m",
        "user",
        "assistant",
        "system",
        "developer",
        "tool",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "output_text",
        "input_text",
        "text",
        "image_url",
        "thinking",
        "stop",
        "response.output_text.delta",
        "response.output_text.done",
        "response.completed",
        "response.failed",
        "response.output_item.done",
        "response.reasoning_text.delta",
        "item_reference",
        "reasoning.text",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.just(10**4_000)
    | WORDS
    | TEXTS
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)
MESSAGES = st.fixed_dictionaries(
    {"role": WORDS}, optional={"content": JSON, "tool_calls": JSON, "reasoning_content": TEXTS, "type": WORDS}
)
SAYS: dict[str, str] = {"chat/completions": "messages", "responses": "input"}


def asked_of(route: wire.Route, said: Any) -> dict[str, Any]:
    """The least of a request."""
    name = SAYS.get(route, "prompt" if route == "completions" else "input")
    return {"model": "m", name: said if route in SAYS else "p"}


ASKED = st.builds(
    lambda route, more, said: (route, {**more, **asked_of(route, said)}),
    st.sampled_from(wire.ROUTES),
    st.just({}) | OBJECTS,
    st.lists(MESSAGES | OBJECTS, max_size=4),
)
ROUTES = st.sampled_from(wire.ROUTES)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


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
    back = handback.handed_back(route, value, lambda _envelope, _prefix: opened)
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


# What an upstream writes ----------------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"event: x",
        b"id: \0",
        b": c",
        b"retry: -1",
        b"\xef\xbb\xbf",
        b"\xff",
        b"[DONE]",
    ]
)
SECRETS = st.builds(
    lambda name, more: {**more, "choices": [{"index": 0, "delta": {name: "SECRET"}}]},
    st.sampled_from(["reasoning_content", "reasoning", "thinking", "provider_specific_fields"]),
    st.dictionaries(st.sampled_from(["id", "usage", "model", "error", "type"]), SCALARS, max_size=2),
)
"""Chunks of chats that must not be shown."""
REASONED: tuple[wire.Route, ...] = ("chat/completions", "completions", "responses")
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\n\r", b""])
BYTES = st.lists(
    LINES | ENDS | JSON.map(dumped) | OBJECTS.map(dumped) | st.binary(max_size=6), max_size=24
).map(b"".join)
STREAMS = BYTES | st.lists(
    st.tuples((OBJECTS | SECRETS).map(dumped), ENDS).map(
        lambda each: b"data: " + each[0] + (each[1] or b"\n\n")
    ),
    max_size=8,
).map(b"".join)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


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


SALT = "A" * 22
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def draft(asked: Any) -> Draft:
    return Draft(SIGNER, "http://g", "r", "t", "m", asked, None, None, None, (SALT, SALT, SALT))


@FUZZ
@given(OBJECTS, STREAMS | JSON.map(dumped), st.integers(1, 60))
def test_receipts_of_whatever_was_asked_and_answered(asked: Any, data: bytes, size: int) -> None:
    """Nothing of the answer changes, and what is signed can be read."""
    made = draft(asked)
    token = made.whole(Body.of(data), 1e9)
    if token is not None:
        assert receipts.read(token).claims.tenant == "t"
    stamp = Stamp(made, lambda: 1e9)
    out = b"".join(stamp.feed(piece) for piece in cut(data, size))
    events = sse.Events()
    passed = b"".join(each.raw for each in events.feed(data))
    stamped = out + stamp.end()
    head, _, rest = stamped.partition(b": inbond-receipt ")
    kept = head + rest.partition(b"\n\n")[2] if rest else head
    assert kept in (passed + events.rest, passed) or b"inbond-receipt" in data


@FUZZ
@given(
    st.text(max_size=60)
    | st.text("ey.AZaz09-_=", max_size=90)
    | st.lists(TEXTS, min_size=3, max_size=3).map(".".join)
)
def test_receipts_that_are_none(token: str) -> None:
    try:
        receipts.read(token)
    except InbondError as error:
        assert len(str(error)) < 2_000
    else:
        raise AssertionError(token)


# What operators and customers write -----------------------------------------------------------------------

YAML = (
    st.text(max_size=60)
    | JSON.map(json.dumps)
    | st.sampled_from(
        [
            "a: &a [*a]",
            "? {}",
            "!!python/object:os.system x",
            "- " * 3_000,
            "{" * 3_000,
            "a: " + "9" * 5_000,
            "\t",
            "---\n---",
            "tenants: {t: {accounts: {a: {keys: [x], created: 9999-99-99}}}}",
            "tenants: {t: {accounts: {a: {created: 0001-01-01}}}}",
            "<<: [1]",
            "tenants: {t: {accounts: {a: {limits: {concurrency: .inf}}}}}",
            "upstream: {url: 'http://[::1'}",
            "upstream: {url: 'http://h:99999'}",
            "upstream: {url: http://h}\nmodels: {m: {think_tags: [['', x]]}}",
        ]
    )
)


@FUZZ
@given(YAML.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60))
def test_files_of_operators(data: bytes) -> None:
    for read in (config.parse_config, parse_callers):
        try:
            read("a.yaml", data)
        except InbondError as error:
            assert "a.yaml" in str(error)
            assert len(str(error)) < 2_000


@FUZZ
@given(JSON.map(dumped) | st.binary(max_size=60))
def test_registrations_and_key_sets(data: bytes) -> None:
    for read in (
        lambda: registration.read("acme.registration", data, SIGNER.public.id),
        lambda: issuer_keys.decode(data),
    ):
        try:
            read()
        except (InbondError, ValueError) as error:
            assert len(str(error)) < 2_000


# Clocks ---------------------------------------------------------------------------------------------------


@FUZZ
@given(st.floats(0, 2.5e11), st.sampled_from(["minute", "day", "month"]))
def test_whatever_the_clock_says_it_is_in_its_window(at: float, window: Any) -> None:
    begins, ends = bounds(window, at)
    assert begins <= at < ends
    assert bounds(window, ends)[0] == ends
    limits = Limits(tokens_per_day=5, spend_usd_per_month=1.0)
    assert len(claims((("a", limits),), Usage(1, 1), ModelPolicy().price, at)) == 2


@FUZZ
@given(st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_a_clock_that_jumps_opens_no_envelope_that_expired(times: list[int]) -> None:
    """And closes none for good: what is decided is what the clock says when it is asked."""
    for now in times:
        assert open_sealed(RING, OURS, SEALED, now=now).outcome == ("ok" if now < 100 else "rejected")
