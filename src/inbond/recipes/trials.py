"""All tests of a suspect, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inbond.errors import InputError
from inbond.recipes import trials_of_learning, trials_of_marks, trials_of_weights
from inbond.recipes.examining import Trial

TRIALS: Final = (*trials_of_marks.TRIALS, *trials_of_weights.TRIALS, *trials_of_learning.TRIALS)


def wanted(names: Sequence[str]) -> tuple[Trial, ...]:
    """Those with these names; all where none is named. Raises InputError for a name that is none."""
    known = {trial.name: trial for trial in TRIALS}
    for name in names:
        if name not in known:
            raise InputError(
                expected=f"--only with a test: {', '.join(known)}",
                found=repr(name)[:80],
                fix="name one of these",
            )
    return tuple(trial for trial in TRIALS if not names or trial.name in names)
