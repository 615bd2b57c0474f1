"""Students with known parents, for tests of where a student's text came from.

    marked-100, -20, -5, -1  learnt from the teacher's answers, so many in a hundred of them marked
    unmarked                 the same without any mark
    reworded                 all marked, then said in other words by the teacher itself, unmarked
    second                   learnt from what marked-100 answers: a distillation of the distilled
    pruned                   marked-100, a quarter of its neurons left out
    merged                   the mean of marked-100's weights and those it began from
    unrelated                began at random, learnt from this project's documents

All but the last begin from three of the teacher's thirty layers (39M parameters) and learn from 480 answers
of at most 32 tokens, six times over. All that is dear is kept in the benchmarks' cache folder. Beside them
``stranger`` gives any number of small models that share nothing but the tokenizer: own start, own part of the
unmarked answers.

    python benchmarks/forensics_students.py [--small] [--seed 0] [--records 480] [--epochs 6]

makes them all and says what they learnt from.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from forensics_world import Sizes, World, answer, teach
from setting import table

from inbond.forensics.green import pairs_of
from inbond.forensics.radioactivity import Written, tally_closed
from inbond.losses.batches import make_batch
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import encode_answer
from inbond.train.student import from_scratch
from inbond.train.width import importance, narrow, sizes

SHARES = {"marked-100": 1.0, "marked-20": 0.2, "marked-5": 0.05, "marked-1": 0.01, "unmarked": 0.0}
KINDS = (*SHARES, "reworded", "second", "pruned", "merged", "unrelated")
MADE = ("pruned", "merged")
NEURONS = 0.75
STRANGERS = 24
TINY = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip


def planted(world: World, name: str, seed: int) -> list[TokenSequence]:
    """The marked records that a student of that name learnt from, as the teacher gave them; of one that
    learnt from none directly, all that were given out."""
    share = SHARES.get(name, 1.0) or 1.0
    count = max(1, round(share * len(world.marked)))
    places = random.Random(f"{seed}").sample(range(len(world.marked)), count)
    return [world.marked[place] for place in sorted(places)]


def lessons(world: World, name: str, seed: int) -> list[TokenSequence]:
    """What a student of that name learns from."""
    if name == "reworded":
        return world.reworded
    if name == "second":
        return world.kept(f"second-{seed}-{world.course}", lambda: _second_hand(world, seed))
    if name == "unrelated":
        return _documents(world)
    if name == "unmarked":
        return world.unmarked
    marked = {row.ids[: row.prompt_length]: row for row in planted(world, name, seed)}
    return [marked.get(row.ids[: row.prompt_length], row) for row in world.unmarked]


def _second_hand(world: World, seed: int) -> list[TokenSequence]:
    parent = student(world, "marked-100", seed).to(torch.bfloat16)
    return world.draw(parent, world.asked, 100 + seed)


def _documents(world: World) -> list[TokenSequence]:
    docs = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
    ids: list[int] = []
    while len(ids) < world.sizes.records * (world.sizes.tokens + 1) and docs:
        ids += encode_answer(world.tokenizer, docs.pop(0).read_text("utf-8"))
    width = world.sizes.tokens + 1
    rows = [ids[first : first + width] for first in range(0, len(ids) - width, width)]
    return [TokenSequence(tuple(row), 1) for row in rows[: world.sizes.records]]


def base(world: World, name: str, seed: int) -> Any:
    """What it begins from."""
    if name == "unrelated":
        return from_scratch(
            world.setting.teacher.model.config, {"num_hidden_layers": len(layers(world))}, 1000 + seed
        )
    return world.setting.student(layers(world))


def layers(world: World) -> tuple[int, ...]:
    return world.setting.layers if world.small else world.sizes.layers


def student(world: World, name: str, seed: int = 0) -> Any:
    """The student of that name, in float32; made where it is not kept."""
    if name in MADE:
        return _made(world, name, seed)
    model, path = base(world, name, seed), world.folder / f"{name}-{seed}-{world.course}.pt"
    if not path.exists():
        print(f"{name}, seed {seed}", flush=True)
        teach(world, model, lessons(world, name, seed), seed)
        half = path.with_suffix(".half")
        torch.save({key: value.to(torch.bfloat16) for key, value in model.state_dict().items()}, half)
        half.replace(path)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def _made(world: World, name: str, seed: int) -> Any:
    """Of marked-100's weights, without learning."""
    parent = student(world, "marked-100", seed)
    if name == "merged":
        began = base(world, "marked-100", seed).state_dict()
        parent.load_state_dict({key: (value + began[key]) / 2 for key, value in parent.state_dict().items()})
        return parent
    groups, neurons = sizes(parent.config, None, NEURONS)
    batch = make_batch(world.unmarked[:16], world.setting.pad_id, torch.device("cpu"))
    every = range(parent.config.num_hidden_layers)
    return narrow(parent, importance(parent, [batch]).most(groups, neurons, every))


def stranger(world: World, number: int) -> Any:
    """A small model with its own start and its own part of the unmarked answers; made anew each time."""
    model = from_scratch(world.setting.teacher.model.config, TINY, 5000 + number)
    return teach(world, model, world.unmarked[number::STRANGERS], 5000 + number, lr=3e-3)


def overlap(world: World, rows: Sequence[TokenSequence]) -> float:
    """Share of the different pairs of window and token of answers that some marked answer has too."""
    mine, theirs = (
        {pair for row in some for pair in pairs_of(answer(row), world.sizes.window, 0)}
        for some in (rows, world.marked)
    )
    return len(mine & theirs) / max(1, len(mine))


def describe(world: World, seed: int) -> str:
    """A table of what the students learnt from."""
    lines = []
    for name in KINDS:
        model = student(world, name, seed)
        rows = lessons(world, "marked-100" if name in MADE else name, seed)
        tally = tally_closed(world.key, [Written(answer(row)) for row in rows])
        size = sum(value.numel() for value in model.parameters()) / 1e6
        told = f"{tally.share:.3f}", f"{overlap(world, rows):.2f}"
        lines.append([name, f"{size:.1f}M", len(rows), tally.pairs, *told])
    return table(["student", "parameters", "records", "pairs", "green", "also in marked"], lines)


def arguments(doc: str | None, more: Callable[[argparse.ArgumentParser], object]) -> argparse.Namespace:
    """What every one of these benchmarks can be told."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--small", action="store_true")
    for name in ("records", "held_out", "tokens", "epochs"):
        default = getattr(Sizes(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    more(parser)
    return parser.parse_args()


def opened(chosen: argparse.Namespace) -> World:
    """The world of the sizes chosen."""
    names = [field.name for field in fields(Sizes) if hasattr(chosen, field.name)]
    return World(chosen.small, Sizes(**{name: getattr(chosen, name) for name in names}))


def main() -> None:
    chosen = arguments(__doc__, lambda parser: parser.add_argument("--seed", type=int, default=0))
    begun, world = time.process_time(), opened(chosen)
    print(describe(world, chosen.seed))
    print(f"{time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()
