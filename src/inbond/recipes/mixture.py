"""Several teachers, each for its own skill: asked, weighed and scored one by one.

The first teacher is the recipe's own: it gives the tokenizer, what the student begins as, and what is
measured against. Weights scale the loss: a token of an answer weighs what its teacher does. A teacher whose
weights are here scores its own answers; one behind an API is learnt from as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.digest import Digest
from inbond.ledger.drawing import FURTHER
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row
from inbond.recipes import answers, sources
from inbond.recipes.context import with_context
from inbond.recipes.models import TeacherSource, find_teacher
from inbond.recipes.objective import kept
from inbond.recipes.planned import Planned
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.student import Student
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.teachers.protocols import Scores, TokenSequence
from inbond.types import Prompt
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench

CAPTURE_VERSION = 1


@dataclass(frozen=True)
class Part:
    """A further teacher: ``recipe`` is the run's as far as this teacher is asked by it."""

    number: int
    recipe: Recipe
    weight: float
    source: TeacherSource
    asked: tuple[Prompt, ...]
    file: Path | None


def parts(recipe: Recipe, folder: Path, workspace: Workspace) -> tuple[Part, ...]:
    """The further teachers that weigh anything, found but not opened. Raises InputError."""
    found = []
    for number, each in enumerate(recipe.teachers, 1):
        if not each.weight:
            continue
        changes: dict[str, Any] = {"teacher": each.teacher, "channel": each.channel, "teachers": ()}
        changes |= {"student": Student(init="none")}  # asked for answers alone
        if each.prompts is not None:
            changes |= {"prompts": each.prompts}
        own = with_context(recipe.model_copy(update=changes), folder)
        found.append(
            Part(
                number,
                own,
                each.weight,
                find_teacher(own, workspace),
                tuple(sources.read_prompts(own, folder, workspace)),
                sources.file_of(own.prompts, folder, workspace),
            )
        )
    return tuple(found)


def ask(trail: Trail, mixed: Sequence[Part], terms: Digest) -> list[answers.Weighed]:
    """Every further teacher's answers, each a record set of its own."""
    return [
        answers.Weighed(
            answers.generate(
                trail,
                Planned(part.recipe, part.source, None),
                part.asked,
                terms,
                part.file,
                number=part.number,
            ),
            part.weight,
        )
        for part in mixed
    ]


def number_of(row: Row) -> int:
    """The number of the further teacher whose answer it is; 0 for the first one's, and own data."""
    return 0 if row.origin.own else int(row.origin.sampling.get(FURTHER, 0))


def led(rows: Sequence[Row]) -> list[int]:
    """The numbers of the rows that are not a further teacher's."""
    return [place for place, row in enumerate(rows) if number_of(row) == 0]


def text_alone(bench: Bench) -> set[int]:
    """Further teachers that have no targets of their own: their answers are learnt as text."""
    return {part.number for part in bench.mixed} - bench.captured.keys()


def _scored(bench: Bench) -> Iterator[tuple[Part, list[int]]]:
    """Further teachers whose weights are here, with the places of the training rows that they gave."""
    for part in bench.mixed:
        rows = [place for place, row in enumerate(bench.train_rows) if number_of(row) == part.number]
        if part.source.weights is not None and rows:
            yield part, rows


def capture(bench: Bench) -> dict[int, Artifact]:
    """Each further teacher's targets for its own answers, by its number."""
    recipe = bench.recipe
    if recipe.train.divergence == 0:
        return {}
    keep, found = kept(recipe), {}
    for part, rows in _scored(bench):
        config = {"teacher": part.source.pinned, "shard": recipe.capture.shard, **keep.to_json()}
        identity = Identity(f"capture-{part.number}", CAPTURE_VERSION, config, {"train": bench.data.train.id})

        def make(folder: Path, part: Part = part, rows: list[int] = rows) -> Made:
            from inbond.recipes.learning import meter
            from inbond.train import capture as targets

            sequences = seen(bench, part, rows)
            shards = targets.capture(
                part.source.open_local(),
                sequences,
                keep,
                folder,
                shard_size=recipe.capture.shard,
                on_progress=meter(bench.trail, f"capture {part.number}", "label tokens/s"),
            )
            return Made({"label_tokens": sum(each.labels for each in sequences), "shards": shards})

        place = f"targets-{part.number}"
        found[part.number] = bench.trail.stage(
            f"capture {part.number}", place, identity, make, resumable=True
        )
    return found


def seen(bench: Bench, part: Part, rows: Sequence[int]) -> list[TokenSequence]:
    """Some training rows as a further teacher saw them."""
    from inbond.recipes.context import encode_seen

    chosen = [bench.train_rows[number] for number in rows]
    return encode_seen(bench.tokenizer, part.recipe, chosen, bench.encode(chosen))


def load(bench: Bench) -> dict[int, Scores]:
    """Targets of the further teachers by training row."""
    from inbond.train.capture import Expected, load_targets

    found: dict[int, Scores] = {}
    for part, rows in _scored(bench):
        if part.number in bench.captured:
            expected = Expected.of(part.source.open_local(), kept(bench.recipe), seen(bench, part, rows))
            scores = load_targets(bench.captured[part.number].folder, expected)
            found |= dict(zip(rows, scores, strict=True))
    return found
