"""What a run drew by lot, rebuilt from its folder: in which order it learnt its records, and which of them
were held out. It needs the run's records and its student's tokenizer; no model, and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.manifest import Manifest
from inbond.ledger.records import Row, read_rows
from inbond.recipes.across import encode

if TYPE_CHECKING:
    from inbond.forensics.dataset_inference import Sides
    from inbond.forensics.training_order import Order

TRAINED, TRAIN, HELD_OUT = "trained", "data/train", "data/held_out"
_PLACES: Final = ((TRAIN, False), (HELD_OUT, True))

_OTHER_LESSONS: Final = {
    "on_policy": "its student learnt from its own answers as well",
    "dpo": "its student learnt from pairs of answers",
}


@final
@dataclass(frozen=True)
class Ordered:
    """The training records of a run, and the order in which it last saw them."""

    rows: list[Row]
    order: Order


def order_of(folder: Path, tokenizer: Any = None) -> Ordered:
    """The order of the run in ``folder``. ``tokenizer``: its student's, if it is open already. Raises
    InputError for a run without trained student or records, one whose student did not learn from its
    records alone, or where what is there is not what the student learnt from."""
    from inbond.forensics.shown import Subject
    from inbond.forensics.training_order import Order
    from inbond.losses.batches import epoch_batches
    from inbond.train.loop import Plan, learning_rate

    trained, data = _artifact(folder, TRAINED), _artifact(folder, TRAIN)
    settings = trained.identity.config
    for name, why in _OTHER_LESSONS.items():
        if name in settings:
            raise _unknown(folder, why)
    if trained.identity.inputs.get("train") != data.id:
        raise _unknown(folder, f"the records in {TRAIN} are not those that its student learnt from")
    rows = read_rows(folder / TRAIN)
    sequences = encode(_tokenizer(folder) if tokenizer is None else tokenizer, rows)
    labels = sum(sequence.labels for sequence in sequences)
    if settings["epochs"] * labels != trained.facts["label_tokens"]:
        raise _unknown(folder, "its student learnt other tokens than its records hold")
    lengths = [len(sequence.ids) for sequence in sequences]
    plan = Plan(**{name: settings.get(name, 0) for name in Plan.__dataclass_fields__})
    batches = [epoch_batches(lengths, plan.batch, plan.seed, epoch) for epoch in range(plan.epochs)]
    steps = sum(-(-len(each) // plan.accumulate) for each in batches)
    if steps != trained.facts["steps"]:
        raise _unknown(
            folder, f"its student took {trained.facts['steps']} steps, and these records make {steps}"
        )
    order = Order(
        Subject("records", f"the records of run {folder.name}", data.id),
        tuple(tuple(map(tuple, each)) for each in batches),
        tuple(lengths),
        tuple(learning_rate(step, steps, plan) for step in range(steps)),
        plan.accumulate,
    )
    return Ordered(rows, order)


@final
@dataclass(frozen=True)
class Sided:
    """A run's records, learnt and held out, as far as a lot decided between them."""

    rows: list[Row]
    sides: Sides


def sides_of(folder: Path) -> Sided:
    """Which records of the run in ``folder`` were learnt, which were held out, and which of them could only
    be so together. Own data is left out: it is held out only along with something else. Raises InputError for
    a run without either."""
    from inbond.engine.split import group
    from inbond.forensics.dataset_inference import Sides
    from inbond.forensics.shown import Subject

    data, _ = _artifact(folder, TRAIN), _artifact(folder, HELD_OUT)
    both = [(row, out) for place, out in _PLACES for row in read_rows(folder / place)]
    teachers = [row.origin.teacher for row, _ in both]
    sources = _numbers(teachers) if len(set(teachers)) > 1 else None
    members = group([row.record.prompt for row, _ in both], sources=sources)
    if any(len({both[place][1] for place in places}) > 1 for places in members):
        raise _unknown(folder, "near duplicates stand on both sides, which no lot of Inbond's does")
    unit = {place: number for number, places in enumerate(members) for place in places}
    kept = [place for place, (row, _) in enumerate(both) if not row.origin.own]
    subject = Subject("records", f"the records of run {folder.name}", data.id)
    units, out = tuple(unit[place] for place in kept), tuple(both[place][1] for place in kept)
    return Sided([both[place][0] for place in kept], Sides(subject, units, out))


def _numbers(names: Sequence[str]) -> list[int]:
    places: dict[str, int] = {}
    return [places.setdefault(name, len(places)) for name in names]


def _artifact(folder: Path, place: str) -> Manifest:
    found = manifest.read(folder / place)
    if found is None:
        raise _unknown(folder, f"there is no {place} in it")
    return found


def _tokenizer(folder: Path) -> Any:
    from inbond.teachers.local import load_tokenizer

    return load_tokenizer(folder / TRAINED)


def _unknown(folder: Path, why: str) -> InputError:
    return InputError(
        expected="a finished run whose student learnt from its records, with these records",
        found=f"{folder}: {why}",
        fix="name another run, or run its recipe again with records that were not erased",
    )
