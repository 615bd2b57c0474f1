"""A run's records handed to other tools, and taken back with their lineage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inbond.cli.main import run as inbond
from inbond.engine.interchange.files import read_file
from inbond.engine.prompts import marked_sets, read_records
from inbond.errors import InputError, TamperedError
from inbond.ledger.records import TEXT, read_rows, stream_rows
from inbond.recipes.handing import ROW_FORMS, RowForm, hand_out
from inbond.recipes.plan import plan_of
from inbond.types import Record
from tests.unit.test_recipe_answers import Run, recipe, write_own

TRAIN = "data:runs/demo/data/train"


@pytest.fixture
def run(workspace, ledger) -> Run:  # type: ignore[no-untyped-def]
    return Run(workspace, ledger)


def learnt(run: Run) -> list[Record]:
    data = run.divide(recipe(), Path())
    return [row.record for row in read_rows(data.train.folder)]


@pytest.mark.parametrize("form", ROW_FORMS)
@pytest.mark.parametrize("lineage", [False, True], ids=["plain", "lineage"])
def test_records_are_read_back_as_they_were_learnt(
    run: Run, tmp_path: Path, form: RowForm, lineage: bool
) -> None:
    records = learnt(run)
    path = tmp_path / ("out" if form == "datasets" else "out.jsonl")
    made = hand_out(run.workspace, TRAIN, form, path, lineage=lineage)
    assert (made.data, made.rows, made.raw) == ("runs/demo/data/train", len(records), 0)
    assert read_records(path) == records
    first = next(read_file(path))[1]
    assert ("inbond" in first) == lineage
    if lineage:
        assert first["inbond"] == {
            "data": "runs/demo/data/train", "row": 0, "id": records[0].id,
            "teacher": "path:t", "channel": "self-hosted", "role": "author",
        }  # fmt: skip


def test_streamed_rows_are_the_rows(run: Run) -> None:
    learnt(run)
    folder = run.workspace.home / "runs/demo/data/train"
    assert list(stream_rows(folder)) == read_rows(folder)


@pytest.mark.parametrize("spoil", ["text", "gone", "more"])
def test_a_changed_set_is_not_handed_out(run: Run, tmp_path: Path, spoil: str) -> None:
    learnt(run)
    path = run.workspace.home / "runs/demo/data/train" / TEXT
    match spoil:
        case "text":
            path.write_bytes(path.read_bytes().replace(b"thing", b"think", 1))
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(TamperedError):
        hand_out(run.workspace, TRAIN, "chat", tmp_path / "out.jsonl", lineage=False)
    assert not (tmp_path / "out.jsonl").exists()


def test_what_no_shape_says_is_counted(run: Run, tmp_path: Path) -> None:
    data = run.divide(recipe(own_data=[write_own(tmp_path / "own.jsonl", 20)]), tmp_path)
    rows = read_rows(data.train.folder)
    heavy = sum(row.weight != 1 for row in rows)
    made = hand_out(run.workspace, TRAIN, "trl", tmp_path / "out.jsonl", lineage=False)
    assert made.left_out == {"what a token of it weighs": heavy}
    assert f"left out of {heavy}: what a token of it weighs" in made.in_words()


def test_what_is_no_record_set_is_named(run: Run, tmp_path: Path) -> None:
    learnt(run)
    with pytest.raises(InputError, match="a run with data, or a record set"):
        hand_out(run.workspace, "run:other", "chat", tmp_path / "out.jsonl", lineage=False)


def test_marked_rows_keep_their_parents_in_any_order_and_shape(run: Run, tmp_path: Path) -> None:
    records = learnt(run)
    hand_out(run.workspace, TRAIN, "sharegpt", tmp_path / "out.jsonl", lineage=True)
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    mine = {"prompt": "Who wrote this?", "completion": "I did, all of it"}
    changed = {
        **json.loads(lines[0]),
        "conversations": [{"from": "human", "value": "X"}, {"from": "gpt", "value": "Y z"}],
    }
    mixed = [lines[3], json.dumps(mine), lines[1], json.dumps(changed)]
    (tmp_path / "own.jsonl").write_text("\n".join(mixed), "utf-8")
    second = recipe(
        name="second", prompts={"items": ["moon", "star", "cloud", "rain"]}, own_data=[{"file": "own.jsonl"}]
    )
    data = run.divide(second, tmp_path)
    answers = len(read_rows(data.answers.folder))
    rows = {row.record.id: row for row in read_rows(data.train.folder) if row.origin.own}
    assert rows[records[3].id].parents == (answers + 3,)
    assert rows[records[1].id].parents == (answers + 1,)
    assert rows[records[1].id].origin.teacher == "path:t"
    others = [row for id_, row in rows.items() if id_ not in (records[3].id, records[1].id)]
    assert [(row.parents, row.origin.teacher) for row in others] == [((), "data:own.jsonl")] * 2
    assert len(data.train.facts["parents"]) == 2


def test_the_gate_is_told_of_the_set_behind_marked_rows(run: Run, tmp_path: Path) -> None:
    learnt(run)
    hand_out(run.workspace, TRAIN, "trl", tmp_path / "own.parquet", lineage=True)
    assert marked_sets(tmp_path / "own.parquet") == [TRAIN]
    plan = plan_of(recipe(own_data=[{"file": "own.parquet"}]), tmp_path)
    assert [item.uri for item in plan.data[1:]] == ["own.parquet", TRAIN]


def test_the_command_says_what_it_wrote(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(learnt(run))
    monkeypatch.chdir(tmp_path)
    home = ["--home", str(run.workspace.home)]
    assert inbond(["export", "chat", TRAIN, "--out", "out.jsonl", *home]) == 0
    assert f"chat of runs/demo/data/train: out.jsonl, {count} records" in capsys.readouterr().out
    assert inbond(["export", "datasets", TRAIN, "--out", "out", "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == count
    assert inbond(["export", "datasets", TRAIN, "--out", "out", *home]) == 2
    assert inbond(["export", "chat", TRAIN, *home]) == 2
    assert inbond(["export", "chat", TRAIN, "--out", str(run.workspace.home / "x"), *home]) == 2
    assert inbond(["export", "chat", TRAIN, "--out", "y", "--set", "a=1", *home]) == 2
    assert inbond(["export", "prov", TRAIN, "--lineage", *home]) == 2
