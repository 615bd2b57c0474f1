"""The chain, pure: whatever is changed, cut, added or reordered is named; heads catch the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, NewerFormatError
from inbond.ledger import chain, events
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.chain import ChainCheck
from inbond.ledger.events import Entry

AT = "2026-02-03T04:05:06.000007Z"


def _signer(number: int) -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


A, B, C = _signer(1), _signer(2), _signer(3)


def extend(entries: list[Entry], kind: str, body: dict[str, Any], signer: Signer) -> list[Entry]:
    _, entry = chain.next_entry(entries[-1] if entries else None, at=AT, kind=kind, body=body, signer=signer)
    return [*entries, entry]


def introduce(entries: list[Entry], key: Signer, by: Signer) -> list[Entry]:
    return extend(entries, "key.introduced", events.introduction(key.public), by)


def chain_of(count: int, signer: Signer = A) -> list[Entry]:
    """One introduction and ``count`` events more."""
    entries = introduce([], signer, signer)
    for number in range(count):
        entries = extend(entries, "step.done", {"number": number}, signer)
    return entries


def problems_of(entries: list[Entry], pinned: PublicKey | None = None) -> list[str]:
    check = ChainCheck(pinned)
    try:
        for entry in entries:
            check.add(entry)
    except NewerFormatError as error:  # what a changed byte can say too
        return [*check.problems, error.expected]
    return check.problems


FIVE = chain_of(4)


def renumber(entries: list[Entry]) -> list[Entry]:
    return [replace(entry, position=i) for i, entry in enumerate(entries)]


def test_a_whole_chain_has_no_problems() -> None:
    assert problems_of(FIVE) == []
    assert problems_of(FIVE, A.public) == []
    assert problems_of([]) == []


def test_what_next_entry_returns_is_what_reads_back() -> None:
    event, entry = chain.next_entry(FIVE[-1], at=AT, kind="a.b", body={"x": 1}, signer=A)
    assert events.decode(entry.text) == event
    assert (event.seq, event.prev, event.digest) == (5, FIVE[-1].digest, entry.digest)


@given(number=st.integers(0, 4), part=st.sampled_from(["text", "signature"]), data=st.data())
def test_any_changed_byte_is_named_with_its_event(number: int, part: str, data: st.DataObject) -> None:
    old: bytes = getattr(FIVE[number], part)
    where = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != old[where]))
    new = old[:where] + bytes([byte]) + old[where + 1 :]
    changed = [*FIVE[:number], replace(FIVE[number], **{part: new}), *FIVE[number + 1 :]]
    assert problems_of(changed)[0].startswith(f"event {number}")


@given(number=st.integers(0, 4), part=st.sampled_from(["text", "signature"]), data=st.data())
def test_any_cut_is_named_with_its_event(number: int, part: str, data: st.DataObject) -> None:
    old: bytes = getattr(FIVE[number], part)
    new = old[: data.draw(st.integers(0, len(old) - 1))]
    changed = [*FIVE[:number], replace(FIVE[number], **{part: new}), *FIVE[number + 1 :]]
    assert problems_of(changed)[0].startswith(f"event {number}")


@given(order=st.permutations(range(5)))
def test_any_other_order_is_found(order: list[int]) -> None:
    reordered = [FIVE[i] for i in order]
    assert (problems_of(reordered) == []) == (order == list(range(5)))
    assert (problems_of(renumber(reordered)) == []) == (order == list(range(5)))


def test_changed_text_names_the_signature_and_the_broken_link() -> None:
    text = FIVE[2].text.replace(b'"number":1', b'"number":7')
    assert problems_of([*FIVE[:2], replace(FIVE[2], text=text), *FIVE[3:]]) == [
        "event 2 (step.done): its signature does not fit what it says",
        "event 3 (step.done): it does not follow the event before it "
        f"(names {FIVE[2].digest}, that one is {digest.of_bytes(text)})",
    ]


def test_a_missing_event_is_one_problem() -> None:
    assert problems_of([*FIVE[:2], *FIVE[3:]]) == ["event 2: it is missing"]
    assert problems_of([FIVE[0], *FIVE[3:]]) == ["events 1 to 2: they are missing"]


def test_a_missing_first_event_takes_its_key_along() -> None:
    assert problems_of(FIVE[1:]) == [
        "event 0: it is missing",
        *(
            f"event {i} (step.done): it is signed by {A.public.id}, a key that no event introduces"
            for i in range(1, 5)
        ),
    ]


def test_renumbering_does_not_hide_a_missing_event() -> None:
    problems = problems_of(renumber([*FIVE[:2], *FIVE[3:]]))
    assert problems[0] == "event 3 (step.done): it stands at position 2 of the ledger"
    assert problems[1].startswith("event 3 (step.done): it does not follow the event before it")


def test_an_event_that_stands_twice_is_found() -> None:
    assert problems_of([*FIVE, FIVE[4]])[0] == (
        "event 4: it stands in the ledger more than once, or out of order"
    )


def test_an_unreadable_event_is_named_and_the_rest_is_checked() -> None:
    problems = problems_of([FIVE[0], replace(FIVE[1], text=b"\xff"), *FIVE[2:3], *FIVE[4:]])
    assert problems[0].startswith("event 1: it cannot be read: found text that is not canonical JSON")
    assert problems[-1] == "event 3: it is missing"


def test_every_problem_is_named_not_only_the_first() -> None:
    broken = [replace(entry, signature=bytes(64)) if i % 2 else entry for i, entry in enumerate(FIVE)]
    assert problems_of(broken) == [
        f"event {i} (step.done): its signature does not fit what it says" for i in (1, 3)
    ]


def test_a_signature_of_a_key_that_nobody_introduced_is_named() -> None:
    assert problems_of(extend(FIVE, "step.done", {}, B)) == [
        f"event 5 (step.done): it is signed by {B.public.id}, a key that no event introduces"
    ]


def test_an_introduction_without_a_usable_key_is_named() -> None:
    for body in ({}, {"public_key": "junk"}, {**events.introduction(B.public), "id": A.public.id}):
        assert problems_of(extend(FIVE, "key.introduced", body, A)) == [
            "event 5 (key.introduced): the public key in it is not one"
        ]


def test_an_old_key_can_introduce_a_new_one_and_a_pin_follows() -> None:
    rotated = extend(introduce(FIVE, B, by=A), "step.done", {}, B)
    assert problems_of(rotated) == []
    assert problems_of(rotated, A.public) == []
    rotated = extend(introduce(rotated, C, by=B), "step.done", {}, C)
    assert problems_of(rotated, A.public) == []


def test_a_key_that_introduces_itself_is_noted_and_fails_a_pin() -> None:
    joined = extend(introduce(FIVE, B, by=B), "step.done", {}, B)
    check = ChainCheck()
    for entry in joined:
        check.add(entry)
    assert check.problems == []
    assert [event.seq for event in check.self_introduced] == [0, 5]
    assert problems_of(joined, A.public) == [
        f"event 5 (key.introduced): it and perhaps later ones are signed by {B.public.id}, "
        "which is neither the key given with --key nor one that it has introduced"
    ]


def test_a_forged_introduction_brings_no_trust() -> None:
    """B writes an event that claims to be A's and introduces B."""
    forged = introduce(FIVE, B, by=A)
    forged[-1] = replace(forged[-1], signature=B.sign("inbond.event/1", forged[-1].digest))
    forged = extend(forged, "step.done", {}, B)
    assert problems_of(forged, A.public) == [
        "event 5 (key.introduced): its signature does not fit what it says",
        f"event 6 (step.done): it is signed by {B.public.id}, a key that no event introduces",
        f"event 6 (step.done): it and perhaps later ones are signed by {B.public.id}, "
        "which is neither the key given with --key nor one that it has introduced",
    ]


def test_another_key_that_re_signs_everything_fails_a_pin_alone() -> None:
    copied = chain_of(4, B)
    assert problems_of(copied) == []
    assert problems_of(copied, A.public)[0].startswith("event 0 (key.introduced): it and perhaps later")


def test_a_key_that_was_replaced_and_goes_on_signing_is_noted_once() -> None:
    rotated = extend(introduce(FIVE, B, by=A), "step.done", {}, B)
    honest = introduce(rotated, C, by=A)  # bringing up a ledger that missed a change is what it is kept for
    check = ChainCheck()
    for entry in extend(extend(honest, "step.done", {}, A), "step.done", {}, A):
        check.add(entry)
    assert check.problems == []
    assert check.notes == [
        f"event 8 (step.done): it and perhaps later ones are signed by {A.public.id}, "
        "a key that event 5 (key.introduced) replaced"
    ]


def test_an_event_of_a_newer_format_stops_the_check_and_is_named() -> None:
    newer = replace(FIVE[2], text=FIVE[2].text.replace(b"inbond.event/1", b"inbond.event/12"))
    check = ChainCheck()
    for entry in FIVE[:2]:
        check.add(entry)
    with pytest.raises(NewerFormatError) as caught:
        check.add(newer)
    assert check.problems == []
    assert caught.value.to_json() == {
        "expected": "event 2 to be an event of format inbond.event/1",
        "found": "format inbond.event/12, of a newer Inbond, so that it can be neither verified nor called "
        "changed",
        "fix": "pip install --upgrade inbond",
    }


def test_a_head_of_a_newer_format_is_no_broken_one() -> None:
    with pytest.raises(NewerFormatError) as caught:
        chain.head_from_json({**HEAD, "format": "inbond.head/2", "more": 1})
    assert caught.value.fix == "pip install --upgrade inbond"


# Heads ---------------------------------------------------------------------------------------------


def raws(entries: list[Entry]) -> list[bytes]:
    return [digest.to_raw(entry.digest) for entry in entries]


def test_a_head_round_trips_through_json() -> None:
    for signer in (A, None):
        head = chain.make_head(raws(FIVE), AT, signer)
        assert chain.head_from_json(head.to_json()) == head
        assert (head.size, head.root) == (5, digest.merkle_root(raws(FIVE)))


@given(size=st.integers(1, 5), more=st.integers(0, 3))
def test_a_saved_head_fits_every_ledger_that_grew_from_it(size: int, more: int) -> None:
    head = chain.make_head(raws(FIVE[:size]), AT, A)
    grown = FIVE
    for number in range(more):
        grown = extend(grown, "later.step", {"number": number}, A)
    assert chain.check_head(head, raws(grown), [A.public]) == ([], [])


def test_a_saved_head_finds_a_cut() -> None:
    head = chain.make_head(raws(FIVE), AT, A)
    assert problems_of(FIVE[:3]) == []
    assert chain.check_head(head, raws(FIVE[:3]), [A.public]) == (
        ["the saved head covers 5 events, the ledger holds 3: 2 were cut off"], []
    )  # fmt: skip


@given(number=st.integers(1, 4))
def test_a_saved_head_finds_re_signing_with_the_same_key(number: int) -> None:
    head = chain.make_head(raws(FIVE), AT, A)
    rewritten = FIVE[:number]
    for i in range(number, 5):
        rewritten = extend(rewritten, "step.done", {"number": i + 100}, A)
    assert problems_of(rewritten, A.public) == []
    problems, _ = chain.check_head(head, raws(rewritten), [A.public])
    assert problems == [
        f"the first 5 events are not those that the saved head of {AT} covers: "
        "some were changed and signed again"
    ]


def test_a_head_that_was_itself_changed_is_found() -> None:
    head = replace(chain.make_head(raws(FIVE[:3]), AT, A), at="2027-02-03T04:05:06.000007Z")
    assert chain.check_head(head, raws(FIVE), [A.public])[0] == [
        "the saved head has a signature that does not fit what it says"
    ]


def test_a_head_that_covers_nothing_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        chain.check_head(chain.make_head([], AT, A), raws(FIVE), [A.public])
    assert caught.value.found == "one of size 0, which covers nothing"


def test_a_head_that_nobody_signed_is_noted_and_one_of_a_stranger_is_a_problem() -> None:
    unsigned, foreign = chain.make_head(raws(FIVE), AT, None), chain.make_head(raws(FIVE), AT, B)
    assert chain.check_head(unsigned, raws(FIVE), [A.public]) == (
        [], ["the saved head is not signed: it is as good as the way you got it"]
    )  # fmt: skip
    assert chain.check_head(foreign, raws(FIVE), [A.public]) == (
        [f"the saved head is signed by {B.public.id}, a key that nobody here vouches for"], []
    )  # fmt: skip


HEAD = chain.make_head(raws(FIVE), AT, A).to_json()


@pytest.mark.parametrize(
    "value",
    [
        None, [], "x", 3, {}, {**HEAD, "more": 1}, {**HEAD, "size": -1}, {**HEAD, "size": True},
        {**HEAD, "size": "5"}, {**HEAD, "root": "x"}, {**HEAD, "root": 5}, {**HEAD, "key": None},
        {**HEAD, "signature": None}, {**HEAD, "signature": "%"}, {**HEAD, "signature": 1},
        {**HEAD, "at": 3}, {**HEAD, "at": "\x1b[31m" + "0" * 20}, {**HEAD, "key": "x"},
        {**HEAD, "format": "inbond.heads/1"},
    ],
)  # fmt: skip
def test_what_is_no_head_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        chain.head_from_json(value)
    assert caught.value.expected == "a tree head of format inbond.head/1"
    assert caught.value.fix == "save one with: inbond verify --save-head FILE"
