"""All tests of a suspect, in the order of the report."""

from __future__ import annotations

from typing import Final

from inbond.recipes import trials_of_marks, trials_of_weights

TRIALS: Final = (*trials_of_marks.TRIALS, *trials_of_weights.TRIALS)
