"""What a run drew by lot is rebuilt from its folder as training had it, and refused where it cannot be."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from inbond.engine.split import split
from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row, write_rows
from inbond.recipes.drawn import order_of, sides_of
from inbond.train.examples import Example
from inbond.train.lessons import Fixed
from inbond.types import OWN, Message, Origin, Record
from tests.forensics_tiny import PLAN, TOKENIZER, encode, records

TEACHER = Origin("path:t", "self-hosted", "author", {}, None)
PLAN_OF_RUN = replace(PLAN, epochs=3, batch=2, accumulate=3, seed=7)


def put(folder: Path, rows: list[Row]) -> str:
    root = write_rows(folder, rows)
    found = Manifest(Identity("filter", 1, {"of": folder.name}, {}), {}, root, {"rows": len(rows)})
    manifest.write(folder, found)
    return found.id


def rows(found: list[Record], origin: Origin = TEACHER) -> list[Row]:
    return [Row(record, origin, finish="stop") for record in found]


def a_run(folder: Path, learnt: list[Row], held_out: list[Row], **facts: Any) -> Path:
    inputs = {
        "train": put(folder / "data/train", learnt),
        "held_out": put(folder / "data/held_out", held_out),
    }
    TOKENIZER.save_pretrained(folder / "trained")
    sequences = encode([row.record for row in learnt])
    lessons = Fixed([Example(one, None, 0.0, 1.0) for one in sequences], PLAN_OF_RUN)
    told = {"steps": lessons.steps, "label_tokens": 3 * sum(one.labels for one in sequences), **facts}
    settings = {
        k: v for k, v in asdict(PLAN_OF_RUN).items() if k not in ("checkpoint_seconds", "measurements")
    }
    manifest.write(folder / "trained", Manifest(Identity("train", 4, settings, inputs), {}, None, told))
    return folder


def test_the_order_is_the_one_that_was_trained_in(tmp_path: Path) -> None:
    learnt = records(41, 1)
    found = order_of(a_run(tmp_path, rows(learnt), rows(records(5, 2))))
    assert [row.record for row in found.rows] == learnt
    lessons = Fixed([Example(one, None, 0.0, 1.0) for one in encode(learnt)], PLAN_OF_RUN)
    numbers = {lesson.sequence: number for number, lesson in enumerate(lessons.lessons)}
    learnt_from = [
        [[numbers[lesson.sequence] for lesson in batch] for batch in lessons.step(step, None).batches]
        for step in range(lessons.steps)
    ]
    order = found.order
    rebuilt = [
        [list(batch) for batch in each[first : first + order.accumulate]]
        for each in order.epochs
        for first in range(0, len(each), order.accumulate)
    ]
    assert rebuilt == learnt_from
    assert len(order.rates) == lessons.steps
    assert max(order.rates) == PLAN_OF_RUN.lr
    assert order.records.id == manifest.read(tmp_path / "data/train").id  # type: ignore[union-attr]
    assert order.records.name == f"the records of run {tmp_path.name}"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"label_tokens": 5}, "its student learnt other tokens than its records hold"),
        ({"steps": 5}, "its student took 5 steps, and these records make 21"),
    ],
)
def test_a_run_that_learnt_something_else_is_refused(
    tmp_path: Path, facts: dict[str, int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        order_of(a_run(tmp_path, rows(records(41, 1)), rows(records(5, 2)), **facts))


def test_what_is_not_there_or_not_of_this_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no trained in it"):
        order_of(tmp_path)
    run = a_run(tmp_path, rows(records(9, 1)), rows(records(5, 2)))
    (run / "data/train/manifest.json").unlink()
    with pytest.raises(InputError, match="there is no data/train in it"):
        order_of(run)
    with pytest.raises(InputError, match="there is no data/train in it"):
        sides_of(run)
    write_rows(run / "data/train", rows(records(9, 3)))
    manifest.write(run / "data/train", Manifest(Identity("filter", 2, {}, {}), {}, None, {}))
    with pytest.raises(InputError, match="are not those that its student learnt from"):
        order_of(run)


def test_sides_are_those_of_the_split_near_duplicates_together(tmp_path: Path) -> None:
    words = ["river", "garden", "engine", "planet", "bread", "window", "music", "winter", "copper", "village"]
    texts = [f"Tell me all about the {a} and the {b} of old" for a in words for b in words if a < b]
    prompts = [(Message("user", one),) for text in texts for one in (text, f"{text}!")]
    given = rows([Record(prompt, "yes") for prompt in prompts])
    parted = split([row.record.prompt for row in given], 0.3)
    own = Row(Record((Message("user", "a person's own question"),), "no"), replace(TEACHER, channel=OWN))
    run = a_run(tmp_path, [*(given[i] for i in parted.train), own], [given[i] for i in parted.held_out])
    found = sides_of(run)
    sides = found.sides
    assert own.record not in [row.record for row in found.rows]
    held = {row.record.id for row, out in zip(found.rows, sides.held_out, strict=True) if out}
    assert held == {given[i].record.id for i in parted.held_out}
    by_text = {row.record.prompt[0].content: unit for row, unit in zip(found.rows, sides.units, strict=True)}  # type: ignore[union-attr]
    assert all(by_text[text] == by_text[f"{text}!"] for text in texts)


def test_sides_that_no_lot_made_are_refused(tmp_path: Path) -> None:
    both = rows(records(9, 1))
    with pytest.raises(InputError, match="near duplicates stand on both sides"):
        sides_of(a_run(tmp_path, both, both[:3]))
