"""The students of a workspace as models to ask: ``run:`` names, for verbs that open models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inbond.types import ModelName
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from inbond.teachers.opening import Weights


def students_of(workspace: Workspace) -> Callable[[ModelName], Weights]:
    """Finds the weights behind a ``run:`` name. What it returns raises InputError where there are none."""

    def find(name: ModelName) -> Weights:
        from inbond.recipes.models import find_weights  # here: it is not light

        return find_weights(name, workspace)

    return find
