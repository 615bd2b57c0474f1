"""Receipts beside answers: which are kept, and what checking them again brings to light."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.ledger import issuer_keys, receipt_file, receipts
from inbond.ledger.receipt_file import Got, collect
from inbond.ledger.receipts import Salted
from inbond.ledger.records import TEXT, Row, write_rows
from inbond.types import Message, Origin, Record
from tests.unit.test_guard_receipts import SALT, SIGNER, claims, signer_of

SENT = {"model": "m", "max_tokens": 8, "stream": True}
ORIGIN = Origin("api:host/m", "host", "author", {}, None)


def record(number: int) -> Record:
    return Record((Message("user", f"question {number}"),), f"answer {number}")


def token_for(one: Record, *, model: str = "m", by: Any = SIGNER, **changes: Any) -> str:
    assert not isinstance(one.prompt, str)
    asked = {**SENT, "messages": [message.to_json() for message in one.prompt]}
    made = claims(
        model=model,
        request=Salted.make("request", asked, SALT),
        text=Salted.make("text", [one.completion], SALT),
    )
    return receipts.issue(replace(made, **changes), by)


def got(number: int, **changes: Any) -> Got:
    return replace(Got(number, record(number), SENT, token_for(record(number)), SIGNER.public), **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three answers, each with a receipt."""
    write_rows(tmp_path, [Row(record(number), ORIGIN) for number in range(3)])
    collect(got(number) for number in range(3)).write(tmp_path)
    return tmp_path


def test_what_is_kept_verifies(folder: Path) -> None:
    found = receipt_file.check(folder)
    assert (found.answers, found.valid, found.problems, found.whole) == (3, 3, (), True)
    assert found.issuers == ("https://api.example.com",)
    assert found.keys == (SIGNER.public.id,)
    (note,) = found.notes
    assert "a key that its host gave, which you may not know" in note
    assert "a key that you gave" in receipt_file.check(folder, {SIGNER.public.id: SIGNER.public}).notes[0]


def test_nothing_is_written_where_there_is_nothing(tmp_path: Path) -> None:
    found = collect([])
    found.write(tmp_path)
    assert found.facts() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"token": "abc"}, "no receipt"),
        ({"token": token_for(record(1))}, "not for the request and its answer"),
        ({"token": token_for(record(0), model="other")}, "not for the request and its answer"),
        ({"token": token_for(record(0), text=None)}, "not for the request and its answer"),
        ({"request": {**SENT, "max_tokens": 9}}, "not for the request and its answer"),
        ({"record": Record(record(0).prompt, "answer 1")}, "not for the request and its answer"),
        ({"token": token_for(record(0), by=signer_of(9))}, "a signature that does not fit"),
        ({"token": token_for(record(0))[:-20] + "A" * 20}, "a signature that does not fit"),
    ],
)
def test_a_receipt_that_does_not_fit_is_counted_and_not_kept(change: dict[str, Any], why: str) -> None:
    found = collect([got(0, **change), got(1)])
    assert dict(found.refused) == {why: 1}
    assert found.facts() == {"receipts": {"kept": 1, "refused": {why: 1}}}


def test_a_receipt_without_a_key_is_kept_and_waits_for_one(tmp_path: Path) -> None:
    write_rows(tmp_path, [Row(record(0), ORIGIN)])
    collect([got(0, key=None)]).write(tmp_path)
    found = receipt_file.check(tmp_path)
    assert (found.valid, found.whole, found.problems) == (0, False, ())
    assert found.notes == ("1 receipts name a key that is not kept: check them with --issuer-key",)
    assert receipt_file.check(tmp_path, {SIGNER.public.id: SIGNER.public}).whole


def test_an_answer_without_a_receipt_is_no_problem_and_not_the_whole(tmp_path: Path) -> None:
    write_rows(tmp_path, [Row(record(number), ORIGIN) for number in range(3)])
    collect([got(0), got(2)]).write(tmp_path)
    found = receipt_file.check(tmp_path)
    assert (found.valid, found.whole, found.problems) == (2, False, ())
    assert "2 of 3 answers have a receipt" in found.notes[0]


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / receipt_file.NAME).read_bytes().splitlines()]


def save(folder: Path, lines: list[Any]) -> None:
    from inbond.digest import canonical

    (folder / receipt_file.NAME).write_bytes(b"".join(canonical(line) + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda a: [{**a[0], "row": 1}, {**a[1], "row": 0}, a[2]],
            "record 1: its receipt is for another request",
        ),
        (lambda a: [a[0], a[0], a[2]], "line 2 of receipts.jsonl is no receipt of an answer"),
        (lambda a: [{**a[0], "row": 3}], "line 1 of receipts.jsonl is no receipt"),
        (lambda a: [{**a[0], "row": -1}], "line 1 of receipts.jsonl is no receipt"),
        (lambda a: [{**a[0], "row": True}], "line 1 of receipts.jsonl is no receipt"),
        (lambda a: [{**a[0], "more": 1}], "line 1 of receipts.jsonl is no receipt"),
        (
            lambda a: [{**a[0], "request": {**SENT, "model": "n"}}],
            "its receipt is for the model 'm', not 'n'",
        ),
        (lambda a: [{**a[0], "receipt": "a.b.c"}], "record 0: its receipt is none"),
        (lambda a: [{**a[0], "receipt": a[1]["receipt"]}], "record 0: its receipt is for another request"),
    ],
)
def test_what_was_tampered_with_is_named(
    folder: Path, change: Callable[[list[dict[str, Any]]], list[Any]], found: str
) -> None:
    save(folder, change(lines_of(folder)))
    checked = receipt_file.check(folder)
    assert not checked.whole
    assert any(found in problem for problem in checked.problems)


def test_a_record_that_is_none_is_named(folder: Path) -> None:
    lines = (folder / TEXT).read_bytes().splitlines(keepends=True)
    (folder / TEXT).write_bytes(lines[0] + b"{\n" + lines[2])
    assert receipt_file.check(folder).problems == ("record 1: it cannot be read",)


def test_many_problems_are_counted(tmp_path: Path) -> None:
    write_rows(tmp_path, [Row(record(number), ORIGIN) for number in range(30)])
    collect(got(number) for number in range(30)).write(tmp_path)
    problems = receipt_file.check(tmp_path, {}).problems
    assert len(problems) == 21
    assert problems[-1] == "10 more of its receipts do not fit"


def test_erased_text_cannot_be_matched(folder: Path) -> None:
    (folder / TEXT).unlink()
    found = receipt_file.check(folder)
    assert (found.whole, found.valid, found.problems) == (False, 0, ())
    assert found.notes[0].startswith("its text was erased")


@pytest.mark.parametrize("name", [receipt_file.NAME, receipt_file.KEYS])
def test_a_file_that_is_gone_is_a_problem(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert "its receipts cannot be read" in receipt_file.check(folder).problems[0]


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), which=st.sampled_from([0, 1]))
def test_no_changed_bit_passes_for_whole(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, which: int
) -> None:
    """Of the text or of the receipts."""
    folder = tmp_path_factory.mktemp("flip")
    write_rows(folder, [Row(record(number), ORIGIN) for number in range(2)])
    collect(got(number) for number in range(2)).write(folder)
    path = folder / (TEXT, receipt_file.NAME)[which]
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    assert not receipt_file.check(folder).whole


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_to_a_problem(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("noise")
    write_rows(folder, [Row(record(0), ORIGIN)])
    (folder / receipt_file.NAME).write_bytes(data)
    (folder / receipt_file.KEYS).write_bytes(issuer_keys.encode([SIGNER.public]))
    found = receipt_file.check(folder)
    assert not found.whole
    assert found.problems or data == b""
