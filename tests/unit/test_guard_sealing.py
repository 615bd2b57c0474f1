"""Envelopes: who can open them, when, and what nobody can learn from them or do to them."""

from __future__ import annotations

import base64
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.errors import InputError, UnwritableError
from inbond.guard.conversation import prefixes
from inbond.guard.envelopes import ENVELOPE, Binding, Opened, Ring, SealKey, new_key, open_sealed, seal
from inbond.guard.sealing_keys import Lifetimes, fresh_ring, open_ring, turned

NOW = 1_790_000_000.0
LATER = int(NOW) + 3_600
RING = fresh_ring(NOW)
OURS = Binding("acme", "team-a", "m", of_bytes(b"what was said"))
DAY = 86_400.0
LIFE = Lifetimes(30.0, 7 * DAY)

texts = st.text(st.characters(codec="utf-8"), max_size=3_000)
names = st.text(min_size=0, max_size=6)


def sealed(text: str = "secret", ring: Ring = RING, binding: Binding = OURS, expires: int = LATER) -> str:
    return seal(ring, binding, text, expires=expires, random=os.urandom(24))


def opened(envelope: str, binding: Binding = OURS, ring: Ring = RING, now: float = NOW) -> Opened:
    return open_sealed(ring, binding, envelope, now=now)


@given(texts)
def test_its_owner_opens_it_in_its_place(text: str) -> None:
    assert opened(sealed(text)) == Opened("ok", text)


def test_half_a_surrogate_pair_survives() -> None:
    assert opened(sealed("\ud800")) == Opened("ok", "\ud800")


bindings = st.builds(
    Binding, names, names, names, st.builds(of_bytes, st.binary(max_size=2)), st.none() | names
)


@given(bindings, bindings)
def test_only_one_of_strangers_is_foreign(one: Binding, other: Binding) -> None:
    """Neither of one tenant nor of one verified organisation: colleagues hand histories to each other."""
    found = opened(sealed(binding=one), other)
    if replace(one, org=None) == replace(other, org=None):
        assert found == Opened("ok", "secret")
    elif one.tenant == other.tenant or (one.org is not None and one.org == other.org):
        assert found == Opened("rejected")
    else:
        assert (found.outcome, found.text) == ("foreign", None)


def test_an_organisation_that_was_verified_since_makes_nobody_a_stranger() -> None:
    """Nor does a tenant that is named as an organisation belong to it."""
    envelope = sealed()
    assert opened(envelope, replace(OURS, org="Acme GmbH")).outcome == "ok"
    assert opened(envelope, replace(OURS, account="b", org="Acme GmbH")).outcome == "rejected"
    assert opened(envelope, Binding("other", "a", "m", OURS.conversation, "acme")).outcome == "foreign"


def test_a_foreign_one_has_one_number_whoever_hands_it_back() -> None:
    """Also on another replica, and after the keys were turned."""
    one, other = sealed(), sealed()
    turned_since = Ring((*RING.keys, *fresh_ring(NOW).keys))
    strangers = [replace(OURS, tenant=name) for name in ("x", "y")]
    numbers = {opened(one, who, ring).number for who in strangers for ring in (RING, turned_since)}
    assert len(numbers) == 1
    (number,) = numbers
    assert number is not None
    assert 0 < number < 2**63
    assert opened(other, strangers[0]).number not in (None, number)
    assert opened(one).number is opened(one, replace(OURS, account="b")).number is None


@pytest.mark.parametrize(
    "change", [{"tenant": "acm", "account": "eteam-a"}, {"tenant": "acmeteam-a", "account": ""}]
)
def test_names_that_run_together_are_two_names(change: dict[str, str]) -> None:
    assert opened(sealed(), replace(OURS, **change)).outcome == "foreign"


@pytest.mark.parametrize("change", [{"model": "n"}, {"conversation": of_bytes(b"a new conversation")}])
def test_another_model_or_conversation_is_no_ground_for_suspicion(change: dict[str, Any]) -> None:
    assert opened(sealed(), replace(OURS, **change)) == Opened("rejected")


def test_it_expires_to_the_second_and_then_says_nothing_of_whose_it_is() -> None:
    envelope = sealed()
    assert opened(envelope, now=LATER - 0.001).outcome == "ok"
    assert opened(envelope, now=LATER) == Opened("rejected")
    assert opened(envelope, replace(OURS, tenant="other"), now=LATER) == Opened("rejected")


def test_no_bit_can_be_turned() -> None:
    envelope = sealed("x" * 40)
    raw = raw_of(envelope)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        again = f"ibs1.{base64.urlsafe_b64encode(changed).decode().rstrip('=')}."
        for binding in (OURS, replace(OURS, tenant="other")):
            assert opened(again, binding) == Opened("rejected"), bit


def test_no_letter_can_be_changed_dropped_or_added() -> None:
    envelope = sealed("x")
    alphabet = "ABab01-_.= \n\0é"
    for place in range(len(envelope)):
        for letter in ("", *alphabet):
            changed = envelope[:place] + letter + envelope[place + 1 :]
            if changed != envelope:
                assert opened(changed).outcome == "rejected", (place, letter)
    for added in alphabet:
        assert opened(envelope + added).outcome == opened(added + envelope).outcome == "rejected"


@given(st.text(max_size=200) | st.binary(max_size=1_500).map(lambda raw: "ibs1." + _encoded(raw) + "."))
def test_what_is_no_envelope_is_rejected_and_raises_nothing(text: str) -> None:
    assert opened(text) == Opened("rejected")


def test_a_ring_of_another_guard_says_nothing_of_whose_it_is() -> None:
    other = fresh_ring(NOW)
    same_id = Ring((SealKey(RING.newest.id, other.newest.secret, NOW),))
    for ring in (other, same_id):
        assert opened(sealed(), replace(OURS, tenant="other"), ring) == Opened("rejected")


def test_what_was_said_cannot_be_read_from_it_nor_whether_two_belong_together() -> None:
    one, other = raw_of(sealed("a" * 900)), raw_of(sealed("a" * 900))
    assert b"aaaa" not in one
    # Version, key and expiry are the same; nothing else is, to speak of.
    same = sum(a == b for a, b in zip(one[29 + 8 :], other[29 + 8 :], strict=True))
    assert same < 30
    assert one[5:29] != other[5:29]


@pytest.mark.parametrize(("size", "padded"), [(0, 1_024), (1_020, 1_024), (1_021, 2_048), (5_000, 8_192)])
def test_its_length_tells_the_order_of_magnitude_alone(size: int, padded: int) -> None:
    assert len(raw_of(sealed("x" * size))) == 101 + padded + 16


@given(st.lists(texts, min_size=1, max_size=3))
def test_envelopes_in_a_row_are_told_apart(several: list[str]) -> None:
    row = "".join(sealed(text) for text in several)
    assert [opened(found[0]).text for found in ENVELOPE.finditer(row)] == several


def raw_of(envelope: str) -> bytes:
    text = envelope.removeprefix("ibs1.").removesuffix(".")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# Keys ---------------------------------------------------------------------------------------------------


def test_a_ring_is_made_once_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "guard" / "sealing.json"
    ring = open_ring(path, LIFE, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_ring(path, LIFE, NOW + DAY) == ring
    assert opened(sealed(ring=ring), ring=open_ring(path, LIFE, NOW)).outcome == "ok"


def test_a_new_key_seals_and_the_old_one_opens_until_its_last_envelope_expired(tmp_path: Path) -> None:
    path = tmp_path / "sealing.json"
    old = open_ring(path, LIFE, NOW)
    month = NOW + 30 * DAY
    envelope = sealed(ring=old, expires=int(month + 7 * DAY) - 1)
    both = open_ring(path, LIFE, month)
    assert [key.id for key in both.keys][:-1] == [old.newest.id]
    assert both.newest.id != old.newest.id
    assert opened(envelope, ring=both, now=month).outcome == "ok"
    assert opened(sealed(ring=both), ring=old).outcome == "rejected"
    assert open_ring(path, LIFE, month + 7 * DAY - 1) == both
    assert open_ring(path, LIFE, month + 7 * DAY).keys == (both.newest,)


def test_a_clock_that_went_back_makes_no_key_and_drops_none() -> None:
    known = turned((), LIFE, NOW)
    assert turned(known, LIFE, NOW - 100 * DAY) == known


def test_an_id_that_is_taken_is_not_given_again() -> None:
    drawn = iter([b"same", b"same", b"else", b"k" * 32])
    assert new_key(lambda _: next(drawn), NOW, frozenset({b"same"})).id == b"else"


def test_guards_that_start_together_have_one_ring(tmp_path: Path) -> None:
    path = tmp_path / "sealing.json"
    found: list[Ring] = []
    threads = [threading.Thread(target=lambda: found.append(open_ring(path, LIFE, NOW))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({ring.newest.secret for ring in found}) == 1


def test_keys_that_others_can_read_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "sealing.json"
    open_ring(path, LIFE, NOW)
    path.chmod(0o644)
    with pytest.raises(InputError, match=r"only their owner can read; found mode 0644; fix: chmod 600"):
        open_ring(path, LIFE, NOW)


GOOD = {"id": "00" * 4, "secret": base64.b64encode(b"k" * 32).decode(), "made": NOW}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[]", b'{"keys": []}', b'{"keys": 3}', b'{"keys": [{}]}', b"[" * 100_000,
        json.dumps({"keys": [{**GOOD, "secret": "AAAA"}]}).encode(),
        json.dumps({"keys": [{**GOOD, "id": "0"}]}).encode(),
        json.dumps({"keys": [GOOD, GOOD]}).encode(),
    ],
)  # fmt: skip
def test_a_file_that_is_no_ring_is_refused_and_left(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "sealing.json"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"keys of envelopes.*put the file back from a backup"):
        open_ring(path, LIFE, NOW)
    assert path.read_bytes() == data


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError):
        open_ring(tmp_path / "file" / "sealing.json", LIFE, NOW)


def test_a_key_does_not_show_itself() -> None:
    assert repr(RING.newest) == f"SealKey({RING.newest.id.hex()})"
    assert RING.newest.secret.hex() not in repr(RING)


# Conversations ------------------------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"b": 1, "a": [2]}'}}
CHAT = {
    "messages": [
        {"role": "system", "content": "Today is Monday."},
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "ibs1.AA."},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    ]
}


def chat(*changes: tuple[int, dict[str, Any] | None]) -> Any:
    """The prefix of the answer to CHAT with messages changed, or dropped."""
    found: list[Any] = [dict(message) for message in CHAT["messages"]]
    for place, change in changes:
        found[place] = None if change is None else {**found[place], **change}
    return prefixes("chat/completions", {"messages": [each for each in found if each is not None]})[-1]


@pytest.mark.parametrize(
    "same",
    [
        [(0, {"content": "Today is Tuesday."})], [(0, None)], [(0, {"role": "developer"})],
        [(1, {"content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "it?"}]})],
        [(1, {"content": " What is it?\n", "name": None, "cache_control": {"type": "ephemeral"}})],
        [(2, {"content": "", "reasoning_content": None, "refusal": None, "annotations": []})],
        [(2, {"tool_calls": [{**CALL, "index": 0, "id": "c9"}]})],
        [(2, {"tool_calls": [{"function": {"name": "look", "arguments": '{"a":[2],"b":1}'}}]})],
        [(3, {"content": [{"type": "text", "text": "a cat"}], "tool_call_id": "c9"})],
    ],
)  # fmt: skip
def test_harmless_changes_leave_a_conversation_what_it_is(same: Any) -> None:
    assert chat(*same) == chat()


@pytest.mark.parametrize(
    "other",
    [
        [(1, {"content": "What is that?"})], [(1, None)], [(3, None)], [(3, {"content": "a dog"})],
        [(2, {"tool_calls": [{"function": {"name": "look", "arguments": '{"b": 2, "a": [2]}'}}]})],
        [(2, {"content": "I look."})], [(1, {"content": "What is it?a cat"}), (3, {"content": ""})],
        [(1, {"content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]})],
    ],
)  # fmt: skip
def test_what_was_said_otherwise_is_another_conversation(other: Any) -> None:
    assert chat(*other) != chat()


def test_an_answer_handed_back_has_the_prefix_with_which_it_was_asked_for() -> None:
    """However it is cut: as one message, or as several."""
    asked = [{"role": "user", "content": "hi"}]
    sealed_at = prefixes("chat/completions", {"messages": asked})[-1]
    answer = {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}
    cut = [{"role": "assistant", "content": "Let me see."}, {"role": "assistant", "tool_calls": [CALL]}]
    for back in ([answer], cut):
        found = prefixes("chat/completions", {"messages": [*asked, *back, {"role": "tool", "content": "x"}]})
        assert found[1 : 1 + len(back)] == [sealed_at] * len(back)
        assert found[-1] != sealed_at


def test_a_response_handed_back_has_the_prefix_with_which_it_was_asked_for() -> None:
    sealed_at = prefixes("responses", {"input": "hi", "instructions": "Be brief."})[-1]
    output = [
        {"type": "reasoning", "id": "r", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Look:"}]},
        {"type": "reasoning", "id": "r2", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
    ]
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    found = prefixes("responses", {"input": [asked, *output, result]})
    assert found[1:6] == [sealed_at] * 5
    assert found[-1] != sealed_at


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "content", "text", "output", "arguments", "tool_calls", "function"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(["chat/completions", "responses", "completions"]), json_values)
def test_any_json_has_prefixes(route: Any, found: Any) -> None:
    assert prefixes(route, {"messages": found, "input": found})


def test_arguments_of_any_depth_are_read() -> None:
    deep = {"function": {"name": "f", "arguments": "[" * 200_000}}
    deeper = {"function": {"name": "f", "arguments": "[" * 900 + "]" * 900}}
    for call in (deep, deeper):
        message = {"role": "assistant", "tool_calls": [call]}
        assert len(prefixes("chat/completions", {"messages": [message]})) == 2
