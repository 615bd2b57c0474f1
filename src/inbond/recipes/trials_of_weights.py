"""The test of derivation: whose weights the suspect's come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from inbond.errors import InputError
from inbond.forensics import derivation
from inbond.forensics.finding import Finding
from inbond.forensics.neurons import read_matrices
from inbond.recipes.examining import Case, Ingredient, Trial
from inbond.recipes.trials_of_marks import WEIGHTS


def _derivation(case: Case, _: Any, __: float) -> Sequence[Finding]:
    mine, theirs = case.suspect.weights, case.given.parent
    assert mine is not None, "the table asks for weights"
    assert theirs is not None, "the table asks for a parent"
    if mine.digest == theirs.digest:
        raise InputError(
            expected="a parent other than the suspect",
            found=f"{theirs.name}, the same files",
            fix="name the model that the suspect may have been made from",
        )
    child, parent = (read_matrices(one.name, one.digest, one.folder()) for one in (mine, theirs))
    with case.watching("comparing", "layers") as show:
        return [derivation.judge(child, parent, show)]


_PARENT: Final = Ingredient(
    "a model that it may come from (--parent)", lambda case: case.given.parent is not None
)

TRIALS: Final = (
    Trial(
        "weight derivation",
        "Each MLP neuron of the suspect was matched with its likest in the parent's likest layer, and it was "
        "counted how often the next one's match stands further down. Training, pruning and quantising keep "
        "that order; models that began apart have none in common.",
        (WEIGHTS, _PARENT),
        _derivation,
    ),
)
