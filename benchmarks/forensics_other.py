"""The tests that need no mark, as the forensic benchmarks ask them: whether weights come from the teacher's,
and whether a student learnt certain records, or did without them.

The records are the teacher's unmarked answers; its answers to prompts that nobody learnt are what they are
held against. A lot decided which prompts are which. The reference is the teacher, which learnt neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from forensics_reading import reader
from forensics_world import World

from inbond.digest import of_value
from inbond.forensics import dataset_inference, derivation, non_membership
from inbond.forensics.dataset_inference import Sides
from inbond.forensics.finding import Finding
from inbond.forensics.shown import Progress, Shown, Subject, quietly
from inbond.teachers.protocols import TokenSequence
from inbond.train.student import decoder_layers

WEIGHTS = "weights of the teacher"
LEARNT = "learnt the records"
WITHOUT = "did not learn them"
SHUFFLES = 199_999


@final
class Others:
    """What all students are held against; ``texts`` of each side."""

    def __init__(self, world: World, texts: int) -> None:
        self.world = world
        self._ones, self._others = world.unmarked[:texts], world.strange[:texts]

    def ask(self, test: str, suspect: Any) -> Finding:
        """Raises InputError where suspect and teacher cannot be compared."""
        asks: dict[str, Callable[[Any], Finding]] = {
            WEIGHTS: lambda model: derivation.judge(matrices("the suspect", model), self.teacher),
            LEARNT: lambda model: dataset_inference.of(
                self.sides, self.shown(model), self.reference, shuffles=SHUFFLES
            ),
            WITHOUT: lambda model: non_membership.of(
                self.sides, self.shown(model), self.reference, shuffles=SHUFFLES
            ),
        }
        return asks[test](suspect)

    @cached_property
    def teacher(self) -> derivation.Matrices:
        return matrices("the teacher", self.world.setting.teacher.model)

    @cached_property
    def sides(self) -> Sides:
        rows = [*self._ones, *self._others]
        out = tuple(place >= len(self._ones) for place in range(len(rows)))
        return Sides(Subject("records", "the unmarked answers"), tuple(range(len(rows))), out)

    def shown(self, model: Any) -> Shown:
        return Shown(reader(self.world, "the suspect", model), [*self._ones, *self._others])

    @cached_property
    def reference(self) -> Shown:
        """The teacher, which reads only once."""
        model = reader(self.world, "the teacher", self.world.setting.teacher.model)
        return Shown(_Once(model), [*self._ones, *self._others])


@final
class _Once:
    """A model that is shown the same sequences again and again. Implements Reads."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[int, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def log_likelihoods(
        self, sequences: Sequence[TokenSequence], on_progress: Progress = quietly
    ) -> list[Any]:
        """See Reads."""
        if id(sequences) not in self._known:
            self._known[id(sequences)] = self._model.log_likelihoods(sequences, on_progress)
        return self._known[id(sequences)]


def matrices(name: str, model: Any) -> derivation.Matrices:
    """Of a model that is in memory."""
    layers = tuple(layer.mlp.gate_proj.weight.detach().float().numpy() for layer in decoder_layers(model))
    embedding = model.get_input_embeddings().weight.detach().float().numpy()
    return derivation.Matrices(name, of_value(name), layers, np.ascontiguousarray(embedding[::6].T))
