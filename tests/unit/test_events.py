"""Events: one text for one event, nothing malformed read, no credential written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import events

KEY = digest.of_bytes(b"key")
AT = "2026-02-03T04:05:06.000007Z"

numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé日", max_size=3), inner),
    max_leaves=8,
)
bodies = st.dictionaries(st.text("abcé日", max_size=5), values, max_size=4)


@given(
    seq=st.integers(0, 2**40),
    body=bodies,
    kind=st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){0,2}", fullmatch=True),
)
def test_an_event_reads_back_and_its_digest_is_that_of_its_text(
    seq: int, body: dict[str, Any], kind: str
) -> None:  # fmt: skip
    text = events.encode(seq, AT, kind, body, KEY, KEY)
    event = events.decode(text)
    assert (event.seq, event.at, event.kind, event.prev, event.key) == (seq, AT, kind, KEY, KEY)
    assert digest.canonical(event.body) == digest.canonical(body)
    assert event.digest == digest.of_bytes(text)


@given(body=bodies, data=st.data())
def test_no_byte_can_change_and_mean_the_same(body: dict[str, Any], data: st.DataObject) -> None:
    text = events.encode(3, AT, "a.b", body, KEY, KEY)
    where = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[where]))
    changed = text[:where] + bytes([byte]) + text[where + 1 :]
    try:
        event = events.decode(changed)
    except TamperedError:
        return
    assert event.digest != digest.of_bytes(text)


@given(junk=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
def test_foreign_text_is_refused_and_never_crashes(junk: bytes) -> None:
    with pytest.raises(TamperedError):
        events.decode(junk)


GOOD = digest.parse(events.encode(3, AT, "a.b", {}, KEY, KEY))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", -1), ("seq", True), ("seq", "3"), ("seq", 1.5), ("at", "2026-02-03"), ("at", None),
        ("kind", "A"), ("kind", ""), ("body", []), ("body", None), ("prev", "sha256:00"), ("key", None),
        ("format", "inbond.event/1.0"),
    ],
)  # fmt: skip
def test_a_malformed_field_is_named(field: str, value: object) -> None:
    with pytest.raises(TamperedError) as caught:
        events.decode(digest.canonical({**GOOD, field: value}))
    assert caught.value.found == f"{field} {value!r}"
    assert caught.value.expected == "an event of format inbond.event/1"


@pytest.mark.parametrize("text", [b'{"seq": 1}', b"[]", b"{}", b"1", b'{"a":1,"a":1}', b"[" * 100_000])
def test_other_json_is_no_event(text: bytes) -> None:
    with pytest.raises(TamperedError):
        events.decode(text)


@pytest.mark.parametrize("kind", ["", "Stage", "stage completed", "stage.", ".x", "a" * 40, "日本"])
def test_a_kind_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        events.encode(0, AT, kind, {}, None, KEY)
    assert caught.value.expected == (
        "an event kind of lower-case words joined by dots, such as stage.completed"
    )
    assert caught.value.found == repr(kind)


@pytest.mark.parametrize(
    "body", [{"a": float("nan")}, {"a": 2**60}, {1: "a"}, {"a": "\ud800"}, {"a": {1, 2}}, {"a": b"x"}]
)
def test_what_canonical_json_cannot_hold_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        events.encode(0, AT, "a.b", body, None, KEY)
    assert caught.value.expected == "a value that canonical JSON (RFC 8785) can hold"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"api_key": "x"}, "a.b.api_key"),
        ({"teacher": {"headers": {"Authorization": "x"}}}, "a.b.teacher.headers.Authorization"),
        ({"X-Api-Key": "x"}, "a.b.X-Api-Key"),
        ({"apiKey": "x"}, "a.b.apiKey"),
        ({"openai_api_key": "x"}, "a.b.openai_api_key"),
        ({"clientSecret": "x"}, "a.b.clientSecret"),
        ({"password": ["x"]}, "a.b.password"),
        ({"token": "x"}, "a.b.token"),
        ({"hf_token": "x"}, "a.b.hf_token"),
        ({"list": [{}, {"access_token": "x"}]}, "a.b.list[1].access_token"),
        ({"Set-Cookie": "x"}, "a.b.Set-Cookie"),
        ({"note": "sent Bearer abcdefghijkl"}, "a.b.note"),
        ({"url": "https://me:pw@host/v1"}, "a.b.url"),
        ({"env": ["sk-" + "a" * 24]}, "a.b.env[0]"),
        ({"env": "hf_" + "Ab1" * 11}, "a.b.env"),
        ({"pem": "-----BEGIN PRIVATE KEY-----\n"}, "a.b.pem"),
    ],
)
def test_what_looks_like_a_credential_is_refused_and_not_repeated(body: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        events.encode(0, AT, "a.b", body, None, KEY)
    assert caught.value.to_json() == {
        "expected": "an event without credentials: the ledger is made to be shown to others",
        "found": f"what looks like one in {where}",
        "fix": "leave it out, or record the name of the environment variable that holds it",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"tokens": 512},
        {"tokens": {"prompt": 3, "completion": 4}},
        {"prompt_tokens": 1, "max_tokens": 2, "tokens_per_second": 3.5},
        {"eos_token": "</s>", "pad_token": "<pad>", "stop_tokens": ["</s>"]},
        {"dropped": {"secrets": 3, "password": 0, "personal data": 1}},
        {"api_key_env": "OPENAI_API_KEY"},
        {"api_key": None, "authorization": "", "token": 17},
        {"key": "sha256:00", "key_id": "x", "keys": ["a"]},
        {"tokenizer": "gpt2", "author": "x", "secretary": "y", "cookies_dropped": "z"},
        {"url": "http://localhost:8000/v1", "name": "pypi:a==1#b"},
    ],
)
def test_what_only_sounds_like_a_credential_is_kept(body: dict[str, Any]) -> None:
    assert events.decode(events.encode(0, AT, "a.b", body, None, KEY)).body == body


def test_an_event_of_a_newer_version_says_so_and_not_that_it_was_changed() -> None:
    text = digest.canonical({"at": 1, "format": "inbond.event/2", "new": True})
    with pytest.raises(NewerFormatError) as caught:
        events.decode(text)
    assert caught.value.to_json() == {
        "expected": "an event of format inbond.event/1",
        "found": "format inbond.event/2, of a newer Inbond, so that it can be neither verified nor called "
        "changed",
        "fix": "pip install --upgrade inbond",
    }
