"""Learning from a teacher of another vocabulary: each model reads a record in its own tokens, and the
teacher's word is carried over (``teachers.carrying``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inbond.errors import InputError
from inbond.ledger.records import Row
from inbond.recipes.objective import kept
from inbond.recipes.recipe import Recipe
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import answer_text, encode_prompt, encode_record, end_ids

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench
    from inbond.recipes.teaching import Teaching
    from inbond.recipes.trail import Artifact
    from inbond.teachers.carrying import Carried
    from inbond.train.aligned import AlignedExample
    from inbond.train.examples import Objectives
    from inbond.train.loop import Plan


def encode(tokenizer: Any, rows: Sequence[Row], *, ended: bool = True) -> list[TokenSequence]:
    """Rows as a model with this tokenizer sees them: prompts in its own template. With ``ended``, whole
    answers end in the end-of-turn token."""
    return [encode_record(tokenizer, row.record, ended=ended and row.finish != "length") for row in rows]


def texts_alike(tokenizers: Sequence[Any], rows: Sequence[Row]) -> list[Row]:
    """The rows whose whole answer every model is asked for, so that bits a byte can be compared.

    Not those with a prompt of which a model reads nothing: it is given the first token. Nor those whose text
    a tokeniser changes, or leaves bytes out of that it has no token for: less is asked of its model.
    """
    from inbond.teachers.spelling import Speller

    spellers = [Speller(tokenizer) for tokenizer in tokenizers]
    return [
        row
        for row in rows
        if all(
            encode_prompt(speller.tokenizer, row.record.prompt) and speller.spells(row.record.completion)
            for speller in spellers
        )
    ]


def check_prompts(recipe: Recipe, tokenizers: Mapping[str, Any]) -> None:
    """Raises InputError for a model, by its name, that cannot read what is asked: before a teacher is."""
    lacking = [name for name, tokenizer in tokenizers.items() if tokenizer.chat_template is None]
    if recipe.prompts.chat and lacking:
        raise InputError(
            expected="tokenizers with a chat template, because the prompts are conversations and each model "
            "reads them in its own",
            found=f"{lacking[0]} without one",
            fix="set prompts.chat=false for plain text to go on from, or name instruction-tuned models",
        )


def teach(bench: Bench, targets: Artifact | None, objectives: Objectives, plan: Plan) -> Teaching:
    """The lessons of a student with a vocabulary of its own; own data is learnt as text. Raises InputError
    when there is nothing to learn from, and as ``load_targets``."""
    from inbond.recipes.teaching import Teaching
    from inbond.train.aligned import Across
    from inbond.train.lessons import Fixed

    rows, own = bench.train_rows, bench.encode(bench.train_rows)
    carried = _carried(bench, targets, rows, own) if targets is not None else [None] * len(rows)
    examples = [_example(bench.recipe, *one) for one in zip(rows, own, carried, strict=True)]
    criterion = Across(objectives, bench.recipe.train.likelihood_heat)
    return Teaching(
        Fixed(examples, plan), criterion, own, _facts([one for one in carried if one is not None])
    )


def _carried(
    bench: Bench, targets: Artifact, rows: Sequence[Row], own: Sequence[TokenSequence]
) -> list[Carried]:
    """What the teacher says of each record, for the student's tokens."""
    from inbond.teachers.carrying import Carrier
    from inbond.teachers.spelling import Speller
    from inbond.train.capture import Expected, load_targets

    theirs = bench.encode_for_teacher(rows)
    scores = load_targets(targets.folder, Expected.of(bench.local, kept(bench.recipe), theirs))
    ends = end_ids(bench.local.model, bench.local.tokenizer)
    carrier = Carrier(Speller(bench.local.tokenizer, ends), Speller(bench.tokenizer))
    texts = [answer_text(row.record.completion, ended=row.finish != "length") for row in rows]
    return carrier.carry(texts, list(zip(theirs, scores, strict=True)), own)


def _example(recipe: Recipe, row: Row, sequence: TokenSequence, carried: Carried | None) -> AlignedExample:
    from inbond.train.aligned import AlignedExample, Stretches
    from inbond.train.examples import Example

    settings = recipe.train
    if row.origin.own or carried is None:
        ce = settings.taught + settings.ce if row.origin.own else settings.ce
        return AlignedExample(Example(sequence, None, 0.0, ce * row.weight))
    text = Example(sequence, carried.scores, settings.divergence * row.weight, settings.ce * row.weight)
    likelihood = settings.likelihood * row.weight
    said = Stretches(carried.chunk_N, carried.logp_C, likelihood) if likelihood else None
    return AlignedExample(text, said)


def _facts(carried: Sequence[Carried]) -> dict[str, Any]:
    tokens = sum(len(one.chunk_N) for one in carried)
    if not tokens:
        return {}
    return {
        "aligned": {
            "label_tokens": tokens,
            "in_chunks": sum(int((one.chunk_N >= 0).sum()) for one in carried),
            "chunks": sum(len(one.logp_C) for one in carried),
            "carried_over": sum(one.carried for one in carried),
        }
    }
