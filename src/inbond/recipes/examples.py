"""Training examples out of a run's records: what of the objective is learnt from each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inbond.recipes import mixture, remote, teaching
from inbond.recipes.objective import alternatives, kept
from inbond.recipes.trail import Artifact
from inbond.teachers.protocols import Scores, TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.train.examples import Example


def examples_of(bench: Bench, targets: Artifact | None) -> list[Example]:
    """Training examples: the teachers' answers by both terms of the objective, own data as text; so are the
    answers of a further teacher whose probabilities are not to be had.

    An answer that its host's scores are not known of is learnt by cross-entropy, if that is a term, and is
    left out otherwise.
    """
    from inbond.train.examples import Example

    recipe, unscored = bench.recipe.train, bool(alternatives(bench.recipe))
    text = mixture.text_alone(bench)
    examples = []
    for row, (sequence, target) in zip(teaching.rows(bench), _taught(bench, targets), strict=True):
        if row.origin.own or mixture.number_of(row) in text:
            examples.append(Example(sequence, None, 0.0, (recipe.divergence + recipe.ce) * row.weight))
        elif target is not None or not unscored:
            examples.append(Example(sequence, target, recipe.divergence * row.weight, recipe.ce * row.weight))
        elif recipe.ce:
            examples.append(Example(sequence, None, 0.0, recipe.ce * row.weight))
    if left := len(teaching.rows(bench)) - len(examples):
        bench.trail.watcher.say(f"train: {left} answers without log-probabilities are left out")
    return examples


def _taught(bench: Bench, targets: Artifact | None) -> list[tuple[TokenSequence, Scores | None]]:
    """Each training record's tokens, and its teacher's targets for them where they were captured."""
    from inbond.train.capture import Expected, load_targets

    rows, keep = teaching.rows(bench), kept(bench.recipe)
    sequences = bench.encode(rows)
    if targets is None:
        return [(sequence, None) for sequence in sequences]
    if not alternatives(bench.recipe):
        led = mixture.led(rows)
        seen = bench.encode_for_teacher([rows[number] for number in led])
        scores = load_targets(targets.folder, Expected.of(bench.local, keep, seen))
        found = dict(zip(led, scores, strict=True)) | mixture.load(bench)
        return [(sequence, found.get(number)) for number, sequence in enumerate(sequences)]
    learns_text = bench.recipe.train.ce > 0
    said = remote.taught(targets.folder, rows, bench.tokenizer, keep, ends=learns_text)
    return [one or (sequence, None) for one, sequence in zip(said, sequences, strict=True)]
