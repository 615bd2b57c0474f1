"""Whether every record fits the models that will read it, looked at before they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inbond.recipes import teaching
from inbond.teachers.protocols import TokenSequence

if TYPE_CHECKING:
    from inbond.recipes.learning import Bench


def check_lengths(bench: Bench, student: Any, learnt: Sequence[TokenSequence]) -> None:
    """Raises InputError when a record is too long for a model that will read it, before hours of training
    and not after: beyond its context a model may go on without a word, and badly."""
    from inbond.teachers import local

    sequences = [*learnt, *bench.encode(bench.held_out)]
    local.check_lengths(student, sequences)
    if bench.teacher.weights is not None:
        seen = bench.encode_for_teacher([*teaching.rows(bench), *bench.held_out])
        local.check_lengths(bench.local.model, seen if bench.across else [*sequences, *seen])
