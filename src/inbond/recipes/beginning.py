"""How a student begins: what is kept of its teacher's layers, measured on a probe, or another model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inbond.recipes import narrowing
from inbond.recipes.trail import Artifact
from inbond.teachers.opening import open_local

if TYPE_CHECKING:
    from inbond.losses.batches import Batch
    from inbond.recipes.learning import Bench

START = "start.json"
PROBE_BATCH = 16
"""Records that are probed at once; what is measured does not depend on it."""


def choose(bench: Bench, show: Callable[[int, int], None]) -> dict[str, Any]:
    """What of the teacher's layers is kept, measured on a probe of the training records."""
    from inbond.train import student

    settings, model = bench.recipe.student, bench.local.model
    layers = len(student.decoder_layers(model))
    count = settings.layers or layers // 2
    keep = list(settings.keep if settings.keep is not None else range(count))
    student.check_layers(keep, layers, narrower=settings.narrows)
    importance: list[float] | None = None
    batches = _probe(bench) if settings.keep is None or settings.widths else []
    if settings.keep is None and count < layers:
        importance = student.layer_importance(model, batches, bench.local.vocabulary_size, show)
        keep = student.most_important(importance, count)
        importance = [round(value, 4) for value in importance]
    width = {"width": narrowing.width(settings, model, batches, keep)} if settings.widths else {}
    return {"layers": layers, "keep": keep, "importance": importance, **width}


def _probe(bench: Bench) -> list[Batch]:
    """The first training records, on which layers and their parts are measured."""
    from inbond.losses.batches import by_length, make_batch

    probe = bench.encode(bench.train_rows[: bench.recipe.student.probe])
    return [
        make_batch([probe[row] for row in rows], bench.tokens["pad_id"], bench.local.model.device)
        for rows in by_length([len(sequence.ids) for sequence in probe], PROBE_BATCH)
    ]


def fresh(bench: Bench, begun: Artifact) -> Any:
    """The student as it begins. The same every time it is made. Raises InputError."""
    from inbond.train import student

    settings = bench.recipe.student
    if settings.init == "prune":
        model = student.prune_layers(bench.local.model, begun.facts["keep"], narrower=settings.narrows)
        chosen = json.loads((begun.folder / START).read_bytes()).get("width")
        return narrowing.narrow(model, chosen) if chosen else model
    if settings.init == "scratch":
        model = student.from_scratch(bench.local.model.config, dict(settings.config), bench.recipe.train.seed)
    else:
        assert bench.base is not None, "init: model has a base"
        opened = open_local(bench.base)
        if bench.comparable:
            student.check_same_tokens(bench.local.vocabulary, opened.vocabulary)
        model = opened.model
    if bench.teacher.weights is not None:
        student.check_smaller(parameters(bench.local.model), parameters(model))
    return model


def parameters(model: Any) -> int:
    """Tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())
