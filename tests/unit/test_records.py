"""Record sets on disk: round trips, the root over ids, and every record that was changed, by number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import TamperedError
from inbond.ledger import records
from inbond.ledger.records import Row
from inbond.types import ROLES, Message, Origin, Record

SHARED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
any_text = st.text(st.characters(codec="utf-8"), max_size=20)
texts = any_text.filter(bool)
turns = st.lists(st.builds(Message, texts, any_text), min_size=1, max_size=3).map(tuple)
rows = st.builds(
    Row,
    st.builds(Record, texts | turns, any_text),
    st.builds(Origin, st.sampled_from(["run:a", "hf:b/c"]), st.just("self-hosted"), st.sampled_from(ROLES),
              st.dictionaries(st.text("ab", min_size=1), st.floats(-9, 9), max_size=2), st.none()),
    st.lists(st.integers(0, 2**31 - 1), max_size=3).map(tuple),
    st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 4, width=32),
)  # fmt: skip
ORIGIN = Origin("run:a", "self-hosted", "author", {"temperature": 1.0}, None)


def _rows(count: int) -> list[Row]:
    return [Row(Record(f"質問 {i}", f"答え\n\r\u2028{i}"), ORIGIN, (i,), 1, 2, 0.5) for i in range(count)]


@SHARED
@given(written=st.lists(rows, max_size=12))
def test_a_record_set_reads_back_row_by_row(tmp_path: Path, written: list[Row]) -> None:
    root = records.write_rows(tmp_path, written)
    assert records.read_rows(tmp_path) == written
    ids = records.read_ids(tmp_path)
    assert ids == [digest.to_raw(row.record.id) for row in written]
    assert root == digest.merkle_root(ids)
    assert records.check_rows(tmp_path) == []
    kept = [origin.id for origin in records.read_origins(tmp_path)]
    assert sorted(kept) == sorted({row.origin.id for row in written})


def test_rows_may_come_one_by_one_and_fill_several_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_BATCH_ROWS", 4)
    root = records.write_rows(tmp_path, iter(_rows(11)))
    assert records.read_rows(tmp_path) == _rows(11)
    assert root == digest.merkle_root(digest.to_raw(row.record.id) for row in _rows(11))


def test_files_are_private_and_nothing_else_stays(tmp_path: Path) -> None:
    records.write_rows(tmp_path, _rows(3))
    assert sorted(os.listdir(tmp_path)) == ["lineage.parquet", "origins.json", "records.jsonl"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_an_error_while_writing_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Row]:
        yield from _rows(2)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"^stop$"):
        records.write_rows(tmp_path, broken())
    assert os.listdir(tmp_path) == []


def test_a_line_is_the_canonical_json_whose_digest_is_the_id(tmp_path: Path) -> None:
    records.write_rows(tmp_path, _rows(2))
    lines = (tmp_path / "records.jsonl").read_bytes().split(b"\n")
    assert [digest.of_bytes(line) for line in lines[:-1]] == [row.record.id for row in _rows(2)]
    assert records.parse_record(lines[0]) == _rows(1)[0].record


@SHARED
@given(data=st.data())
def test_any_changed_byte_of_a_line_names_that_record(tmp_path: Path, data: st.DataObject) -> None:
    records.write_rows(tmp_path, _rows(4))
    path = tmp_path / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    number = data.draw(st.integers(0, 3))
    where = data.draw(st.integers(0, len(lines[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (10, lines[number][where])))
    lines[number] = lines[number][:where] + bytes([byte]) + lines[number][where + 1 :]
    path.write_bytes(b"\n".join(lines))
    assert records.check_rows(tmp_path) == [
        f"record {number} in records.jsonl: its text does not match its id {_rows(4)[number].record.id}"
    ]
    with pytest.raises(TamperedError, match=r"text"):  # never learnt from
        records.read_rows(tmp_path)


@SHARED
@given(data=st.data())
def test_any_other_bytes_are_a_problem(tmp_path: Path, data: st.DataObject) -> None:
    records.write_rows(tmp_path, _rows(3))
    path = tmp_path / "records.jsonl"
    old = path.read_bytes()
    cut = old[: data.draw(st.integers(0, len(old) - 1))]
    path.write_bytes(data.draw(st.sampled_from([cut, old + b"x", old + b"\n", b"\n" + old])))
    assert records.check_rows(tmp_path) != []


def test_lines_that_are_missing_or_not_whole_are_counted(tmp_path: Path) -> None:
    records.write_rows(tmp_path, _rows(3))
    path = tmp_path / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:2]) + b"\nrest")
    assert records.check_rows(tmp_path) == [
        "records.jsonl has 2 whole lines, lineage.parquet has 3 records",
        "records.jsonl ends in 4 bytes that are no whole line",
    ]
    path.write_bytes(lines[0] + b"\n")
    with pytest.raises(TamperedError):
        records.read_rows(tmp_path)


def test_erased_text_leaves_ids_and_root(tmp_path: Path) -> None:
    root = records.write_rows(tmp_path, _rows(3))
    (tmp_path / "records.jsonl").unlink()
    assert records.check_rows(tmp_path) == []
    assert digest.merkle_root(records.read_ids(tmp_path)) == root
    with pytest.raises(TamperedError) as caught:
        records.read_rows(tmp_path)
    assert caught.value.to_json() == {
        "expected": f"3 records in {tmp_path}/records.jsonl",
        "found": "0 (was the text erased?)",
        "fix": "run the recipe again with --fresh to make the data anew",
    }


@pytest.mark.slow
def test_lineage_costs_at_most_forty_bytes_a_record_beyond_its_digest(tmp_path: Path) -> None:
    count = 100_000
    written = (
        Row(Record(f"question {i}", f"answer {i * 7919}"), ORIGIN, (i,), 20 + i % 50, 100 + i % 200)
        for i in range(count)
    )
    records.write_rows(tmp_path, written)
    lineage = (tmp_path / "lineage.parquet").stat().st_size + (tmp_path / "origins.json").stat().st_size
    assert lineage / count <= 32 + 40
