"""What a student is worth: agreement before and after, samples, speed, memory and size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.digest import Digest
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row
from inbond.recipes import across
from inbond.recipes.compared import Compared
from inbond.recipes.learning import Bench
from inbond.recipes.models import weight_files
from inbond.recipes.trail import Artifact, Made
from inbond.teachers.protocols import TokenSequence
from inbond.types import without_system
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.evaluate.agreement import HeldOut

EVALUATE_VERSION = 3
EVALUATION = "evaluation.json"
SAMPLES = "samples.json"
"""Text from the data, in a file of its own so that it can be erased."""


def evaluate(compared: Compared) -> Artifact:
    """Held-out agreement before and after, samples side by side, speed, memory and size."""
    bench, begun, trained = compared.bench, compared.begun, compared.trained
    recipe = bench.recipe
    identity = Identity(
        "evaluate",
        EVALUATE_VERSION,
        {"teacher": bench.teacher.pinned, **recipe.evaluate.model_dump()},
        {"start": begun.id, "trained": trained.id, "held_out": bench.data.held_out.id},
    )

    def make(folder: Path) -> Made:
        models = {
            "teacher": compared.teacher if bench.comparable else None,
            "before": compared.before,
            "after": compared.after,
        }
        sequences = bench.encode(bench.held_out)
        found = {
            "agreement": _agreement(bench, models, sequences) | _per_byte(compared),
            "models": _savings(compared, sequences),
            "held_out_tokens": sum(sequence.labels for sequence in sequences),
            **_left_out(bench, models["after"], sequences),
        }
        write_json(folder / SAMPLES, _samples(bench, models, sequences))
        write_json(folder / EVALUATION, found)
        return Made()

    return bench.trail.stage("evaluate", "evaluation", identity, make)


def _left_out(bench: Bench, student: Any, sequences: Sequence[TokenSequence]) -> dict[str, Any]:
    """What is lost with the tokens that the student does not have."""
    if bench.vocabulary is None:
        return {}
    from inbond.evaluate import vocabulary
    from inbond.recipes.narrowing import kept_tokens

    models = (bench.whole.model, student)
    found = vocabulary.measure(models, kept_tokens(bench.vocabulary), sequences, bench.tokens["pad_id"])
    return {"vocabulary": {**bench.vocabulary.facts, **asdict(found)}}


def prompts_of(rows: Sequence[Row]) -> list[Digest]:
    """What each row answers: answers to one prompt are alike, so intervals draw prompts."""
    return [row.record.prompt_id for row in rows]


def _agreement(bench: Bench, models: dict[str, Any], sequences: Sequence[TokenSequence]) -> dict[str, Any]:
    from inbond.evaluate import agreement

    found: dict[str, Any] = {}
    held: HeldOut | None = None
    for name in ("before", "after"):
        if models["teacher"] is None:
            found[name] = {"text_loss": agreement.text_loss(models[name], sequences, **bench.tokens)}
        else:
            units = prompts_of(bench.held_out)
            held = held or bench.prepared(bench.held_out, units)
            found[name] = asdict(agreement.measure(held, models[name]))
        bench.trail.watcher.advance("evaluate", len(found), 4, f"{name} training compared with the teacher")
    return found


def _per_byte(compared: Compared) -> dict[str, Any]:
    """Where vocabularies differ: bits a byte of the held-out text, by each model in its own tokens."""
    bench = compared.bench
    if not bench.across:
        return {}
    from inbond.evaluate import bytewise
    from inbond.teachers.tokens import answer_text, pad_id

    own, theirs = bench.tokenizer, bench.local.tokenizer
    rows, found = across.texts_alike((own, theirs), bench.held_out), {}
    if not rows:
        return {}
    texts = [answer_text(row.record.completion, ended=False) for row in rows]
    models = {"teacher": (compared.teacher, theirs), "before": (compared.before, own)}
    for name, (model, tokenizer) in {**models, "after": (compared.after, own)}.items():
        sequences = across.encode(tokenizer, rows, ended=False)
        sizes = {"vocabulary": len(tokenizer), "pad_id": pad_id(tokenizer)}
        found[name] = asdict(bytewise.measure(model, sequences, texts, **sizes))
    return {"per_byte": found}


def _prompts(bench: Bench, rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """Prompts as the teacher sees them."""
    return [sequence.ids[: sequence.prompt_length] for sequence in bench.encode_for_teacher(rows)]


def _samples(
    bench: Bench, models: dict[str, Any], sequences: Sequence[TokenSequence]
) -> list[dict[str, Any]]:
    from inbond.evaluate.samples import greedy

    chosen = range(min(bench.recipe.evaluate.samples, len(sequences)))
    if not chosen:
        return []
    prompts = [sequences[i].ids[: sequences[i].prompt_length] for i in chosen]
    shown = {} if bench.across else {"teacher": _prompts(bench, [bench.held_out[i] for i in chosen])}
    most = bench.recipe.evaluate.sample_tokens
    answers = {
        name: greedy(model, bench.tokenizer, shown.get(name, prompts), most)
        for name, model in models.items()
        if model is not None
    }
    answers.setdefault("teacher", [bench.held_out[i].record.completion for i in chosen])
    bench.trail.watcher.advance("evaluate", 3, 4, "samples written")
    return [
        {
            "prompt": without_system(bench.held_out[i].record.prompt),
            **{name: texts[place] for name, texts in answers.items()},
        }
        for place, i in enumerate(chosen)
    ]


def _savings(compared: Compared, sequences: Sequence[TokenSequence]) -> dict[str, Any]:
    from inbond.evaluate import speed

    bench, trained = compared.bench, compared.trained
    prompt: Sequence[int] = sequences[0].ids[: sequences[0].prompt_length]
    folders = {"student": trained.folder}
    measured = {"student": compared.after}
    if bench.teacher.weights is not None:
        folders["teacher"] = bench.teacher.weights.folder()
        measured["teacher"] = bench.whole.model
    if bench.across:  # speed does not depend on which tokens they are, but both must have them
        prompt = [min(id_, len(bench.local.tokenizer) - 1) for id_ in prompt]
    speeds = speed.decode_speeds(list(measured.values()), prompt)
    bench.trail.watcher.advance("evaluate", 4, 4, "speed measured, memory next")
    memory = speed.peak_memory([folders[name] for name in measured], prompt)
    return {
        name: {
            **asdict(speed.size(model, weight_files(folders[name]))),
            "tokens_per_s": tokens_per_s,
            "memory_bytes": memory_bytes,
        }
        for (name, model), tokens_per_s, memory_bytes in zip(measured.items(), speeds, memory, strict=True)
    }


def read_evaluation(artifact: Artifact) -> dict[str, Any]:
    """What was measured. ``samples`` is empty once they were erased."""
    value: dict[str, Any] = json.loads((artifact.folder / EVALUATION).read_bytes())
    samples = artifact.folder / SAMPLES
    return {**value, "samples": json.loads(samples.read_bytes()) if samples.exists() else []}
