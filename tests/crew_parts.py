"""Trainings that one process does, or two together: each runs ``python -m tests.crew_parts FOLDER STORE``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from inbond.evaluate import agreement
from inbond.losses.divergences import ForwardKL, ReverseKL
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.crew_member import _join
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.teachers.tokens import end_ids
from inbond.train import adapters, loop, student
from inbond.train.adapters import Lora
from inbond.train.drawing import Drawing, Here
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.on_policy import Course, MarksByScores, OnPolicy, OnPolicyCriterion
from inbond.train.pairs import Pair, Preference, Preferring
from inbond.train.processes import Copies, Processes
from inbond.train.sharding import Shards
from tests.tiny import make_model
from tests.unit.test_training import PLAN, RUN, TOKENIZER, V, examples, fresh, teacher

HOW = Accelerated(processes=2, sharded=True, on_cpu=True)
SMALL = replace(PLAN, epochs=2, batch=5, accumulate=2, measurements=1)
CUT_AT = 3
"""Steps after which an interrupted training is left."""


@dataclass(frozen=True)
class Case:
    """A training: 11 records in batches of 5 leave one process without a lesson in every
    other step; 305 rows of the embedding are not shared out evenly."""

    model: Callable[[], Any] = lambda: student.prune_layers(make_model(V, padding=5), [0, 2])
    lessons: Callable[[], Any] = lambda: Fixed(examples(11, kl=0.7, ce=0.3), SMALL)
    criterion: Callable[[], Any] = lambda: Objectives(Aim(), V)


def untied() -> Any:
    config = make_model(V, layers=2).config
    config.tie_word_embeddings = False
    torch.manual_seed(1)
    return LlamaForCausalLM(config)


def adapted() -> Any:
    model = fresh()
    adapters.attach(model, Lora(rank=4), 0)
    return model


def masked() -> Fixed[Example]:
    """Every other record has no label, so that one process learns nothing in a step it takes part in."""
    found = examples(12)
    for place in range(0, 12, 2):
        sequence = found[place].sequence
        bare = TokenSequence(sequence.ids[: sequence.prompt_length], sequence.prompt_length)
        found[place] = replace(found[place], sequence=bare, targets=None, weight=0.0, ce=1.0)
    return Fixed(found, replace(SMALL, batch=2))


def pairs() -> Fixed[Pair]:
    data = examples(12)
    made = [
        Pair(replace(one, weight=0.5, ce=0.5), other.sequence, (-8.0, -9.0), 1.0)
        for one, other in zip(data, [*data[1:], data[0]], strict=True)
        if one.sequence.ids != other.sequence.ids
    ]
    return Fixed(made, SMALL)


def own() -> OnPolicy:
    data = examples(11)
    draws = Here(Drawing(V, end_ids(make_model(V), TOKENIZER), max_tokens=6), 0)
    marks, course = MarksByScores(teacher(), Keep(size=V)), Course(share=0.7, cold_start=0.2)
    return OnPolicy(Fixed(data, SMALL), [True] * len(data), draws, marks, course, lambda _: None)


CASES: Mapping[str, Case] = {
    "plain": Case(),
    "untied": Case(model=untied),
    "adapters": Case(model=adapted),
    "masked": Case(lessons=masked),
    "online": Case(criterion=lambda: Objectives(Aim(ReverseKL()), V, make_model(V))),
    "pairs": Case(lessons=pairs, criterion=lambda: Preferring(Preference(), Objectives(Aim(), V))),
    "own": Case(
        lessons=own,
        criterion=lambda: OnPolicyCriterion(Objectives(Aim(ForwardKL()), V), Objectives(Aim(ReverseKL()), V)),
    ),
}


def measured() -> Callable[[Any], dict[str, Any]]:
    sequences = [example.sequence for example in examples(4)]
    held = agreement.prepare(make_model(V), sequences, vocabulary=V, pad_id=0)
    return lambda model: {"kl": agreement.measure(held, model).kl}


def train(
    case: Case,
    folder: Path,
    processes: Callable[[Any], Processes] = Copies,
    cut: int | None = None,
    every: float = 1e9,
) -> tuple[Mapping[str, torch.Tensor], dict[str, Any]] | None:
    """(weights, what was told of it) in the first process; None in another, and for one that was ``cut``."""
    model = case.model()
    together = processes(model)
    norms: list[float] = []  # AdamW hides gradients that are all too large, or all too small
    clip = together.clip

    def noting(learnt: Any, most: float) -> float:
        norms.append(clip(learnt, most))
        return norms[-1]

    together.clip = noting  # type: ignore[method-assign]

    def watch(progress: loop.TrainProgress) -> None:
        if progress.step == cut:
            raise KeyboardInterrupt

    try:
        state = loop.train(
            model, case.lessons(), case.criterion(), replace(SMALL, checkpoint_seconds=every), pad_id=0,
            run=RUN, folder=folder, on_progress=watch, measure=measured(), processes=together,
        )  # fmt: skip
    except KeyboardInterrupt:
        return None
    weights = together.release(model)
    if together.index > 0:
        return None
    told = {
        "losses": [point.loss for point in state.curve],
        "kl": [point.found["kl"] for point in state.measured],
        "tokens": state.label_tokens,
        "norms": norms,
    }
    return weights if weights is not None else model.state_dict(), told


def main(folder: Path, store: Path) -> None:
    torch.set_num_threads(1)
    _join(HOW, store, int(os.environ["RANK"]))
    for kind, processes in {"copies": Copies, "shards": Shards}.items():
        for name, case in CASES.items():
            if (kind, name) != ("shards", "own"):
                _keep(train(case, folder / "work" / kind / name, processes), folder / f"{kind}-{name}")
    _keep(train(CASES["plain"], folder / "cut-one", Shards), folder / "shards-after-one")
    train(CASES["plain"], folder / "cut-two", Shards, cut=CUT_AT + 1, every=1e-9)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _keep(found: tuple[Mapping[str, torch.Tensor], dict[str, Any]] | None, place: Path) -> None:
    if found is not None:
        save_file(
            {name: x.detach().clone() for name, x in found[0].items()}, place.with_suffix(".safetensors")
        )
        place.with_suffix(".json").write_text(json.dumps(found[1]), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
