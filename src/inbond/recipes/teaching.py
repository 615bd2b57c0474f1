"""What a run's student is taught, and how: its records, its preference pairs, or its own answers as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows
from inbond.recipes import own_answers
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made
from inbond.teachers.protocols import TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.train.examples import Example, Objectives
    from inbond.train.lessons import Criterion, Lessons
    from inbond.train.loop import Plan
    from inbond.train.pairs import Pair

REFERENCE_VERSION = 1


@dataclass(frozen=True)
class Teaching:
    """``sequences`` are all that the student will read; ``facts`` what is told of the lessons afterwards."""

    lessons: Lessons[Any]
    criterion: Criterion[Any]
    sequences: Sequence[TokenSequence]
    facts: Mapping[str, Any] = field(default_factory=dict)


def settings(recipe: Recipe) -> dict[str, Any]:
    """What of the recipe decides how its lessons are taught, for the identity of what was trained."""
    found = recipe.train.model_dump(exclude={"checkpoint_seconds", *_absent(recipe)})
    if recipe.on_policy is not None:
        found["on_policy"] = own_answers.decides(recipe)
    return found


def _absent(recipe: Recipe) -> set[str]:
    """Parts of ``train`` that a recipe does without: runs from before there were any keep their identity."""
    without = {name for name in ("dpo",) if getattr(recipe.train, name) is None}
    return without | ({"likelihood", "likelihood_heat"} if recipe.train.likelihood == 0 else set())


def rows(bench: Bench) -> list[Row]:
    """The rows whose text is learnt: training records, or the chosen answers of pairs."""
    return bench.train_rows if bench.recipe.train.dpo is None else _pair_rows(bench)[0::2]


def source(bench: Bench) -> dict[str, Digest]:
    """The artifact that holds these rows, as an input of a stage."""
    if bench.recipe.train.dpo is None:
        return {"train": bench.data.train.id}
    return {"pairs": _source_of_pairs(bench).id}


def _pair_rows(bench: Bench) -> list[Row]:
    """Chosen, rejected, chosen, rejected, ..."""
    return read_rows(_source_of_pairs(bench).folder)


def _source_of_pairs(bench: Bench) -> Artifact:
    if bench.pairs is None:
        raise InputError(
            expected="preference pairs, since train.dpo learns from them",
            found="a recipe that makes none",
            fix="add the section preferences, or remove train.dpo",
        )
    return bench.pairs


def teach(
    bench: Bench, examples: Sequence[Example], objectives: Objectives, plan: Plan, reference: Artifact | None
) -> Teaching:
    """The lessons of the run's training. Raises InputError when there is nothing to learn from."""
    from inbond.train.lessons import Fixed

    if bench.recipe.on_policy is not None:
        return own_answers.teach(bench, examples, objectives, plan)
    if reference is None:
        return Teaching(Fixed(examples, plan), objectives, [example.sequence for example in examples])
    from inbond.train import pairs as preferred

    dpo = bench.recipe.train.dpo
    assert dpo is not None, "the reference is measured for it"
    lessons = _pairs(bench, examples, reference)
    how = preferred.Preference(dpo.beta, dpo.smoothing, dpo.normalise)
    return Teaching(
        Fixed(lessons, plan),
        preferred.Preferring(how, objectives),
        [sequence for pair in lessons for sequence in pair.sequences],
        {"pairs": preferred.lengths(lessons)},
    )


def reference(bench: Bench, begun: Artifact) -> Artifact | None:
    """Log-probabilities of both sides of the pairs under the student as it begins; None without pairs."""
    if bench.recipe.train.dpo is None:
        return None
    identity = Identity(
        "reference",
        REFERENCE_VERSION,
        {"shard": bench.recipe.capture.shard},
        {**source(bench), "start": begun.id},
    )

    def make(folder: Path) -> Made:
        from inbond.recipes.learning import fresh_student, meter
        from inbond.teachers.tokens import vocabulary_digest
        from inbond.train.likelihoods import capture_logp
        from inbond.train.pairs import check_pairs

        sequences = bench.encode(_pair_rows(bench))
        if not sequences:
            raise InputError(
                expected="at least one preference pair",
                found="none",
                fix="see what was dropped, and ask more prompts or for more samples of each",
            )
        check_pairs(sequences[0::2], sequences[1::2])
        capture_logp(
            fresh_student(bench, begun),
            begun.id,
            (bench.tokens["vocabulary"], vocabulary_digest(bench.tokenizer)),
            sequences,
            folder,
            pad_id=bench.tokens["pad_id"],
            shard_size=bench.recipe.capture.shard,
            on_progress=meter(bench.trail, "reference", "label tokens/s"),
        )
        return Made({"label_tokens": sum(sequence.labels for sequence in sequences)})

    return bench.trail.stage("reference", "reference", identity, make, resumable=True)


def _pairs(bench: Bench, chosen: Sequence[Example], reference: Artifact) -> list[Pair]:
    from inbond.teachers.tokens import vocabulary_digest
    from inbond.train.likelihoods import load_logp
    from inbond.train.pairs import Pair

    dpo, both = bench.recipe.train.dpo, _pair_rows(bench)
    assert dpo is not None, "the reference is measured for it"
    sequences = bench.encode(both)
    found = load_logp(
        reference.manifest.identity.inputs["start"],
        vocabulary_digest(bench.tokenizer),
        sequences,
        reference.folder,
        shard_size=bench.recipe.capture.shard,
    )
    sums = [float(logp.sum(dtype="float64")) for logp in found]
    return [
        Pair(one, other, (p, q), dpo.weight * row.weight)
        for one, other, p, q, row in zip(
            chosen, sequences[1::2], sums[0::2], sums[1::2], both[0::2], strict=True
        )
    ]
