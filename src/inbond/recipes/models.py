"""The models of a run: its teacher before it is opened, and where the weights of any name lie.

torch and transformers are imported only when weights are opened, so that a run that finds everything
complete starts in a second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inbond.errors import InputError
from inbond.ledger import manifest, pins
from inbond.recipes.plan import student_folder
from inbond.recipes.recipe import Recipe
from inbond.teachers import opening
from inbond.teachers.opening import Weights, open_embedded, open_local, open_served
from inbond.teachers.protocols import Completes
from inbond.types import ModelName, parse_model_name
from inbond.workspace import Workspace

if TYPE_CHECKING:
    from inbond.teachers.local import Local

Runtime = Literal["embedded", "local", "served"]


@dataclass(frozen=True)
class TeacherSource:
    """A recipe's teacher before it is opened. ``weights`` is None when only an API is at hand."""

    name: ModelName
    runtime: Runtime
    channel: str
    weights: Weights | None
    environment: Mapping[str, str]

    @property
    def pinned(self) -> str:
        """Name and digest: what decides its answers, as far as we can know it."""
        return f"{self.name} {self.weights.digest}" if self.weights else str(self.name)

    def open_completes(self, top_logprobs: int = 0) -> Completes:
        """The teacher that answers; a served one with so many alternatives a token. Raises InputError,
        MissingExtraError."""
        if self.runtime == "served":
            return open_served(self.name, self.environment, top_logprobs)
        assert self.weights is not None, "a runtime other than served has weights"
        if self.runtime == "embedded":
            return open_embedded(self.weights, self.environment)
        return self.open_local()

    def open_local(self) -> Local:
        """The teacher's weights under transformers, to score tokens. Raises as above."""
        if self.weights is None:
            raise InputError(
                expected="a teacher whose weights are on this machine, for its token probabilities",
                found=str(self.name),
                fix="set capture.targets=remote capture.k=20 to learn from what its host reports, or learn "
                "from its text alone (train.ce)",
            )
        return open_local(self.weights)


def find_teacher(recipe: Recipe, workspace: Workspace) -> TeacherSource:
    """Finds, and where it must fetches, the recipe's teacher. Raises InputError as ``catalogue.resolve``."""
    name = parse_model_name(recipe.teacher)
    weights = None if name.scheme == "api" else find_weights(name, workspace)
    auto: Runtime = "served" if weights is None else ("embedded" if weights.kind == "gguf" else "local")
    runtime = auto if recipe.generate.runtime == "auto" else recipe.generate.runtime
    if (runtime == "served") != (weights is None) or (runtime == "embedded" and auto == "local"):
        raise InputError(
            expected=f"a runtime that can run {name}: "
            + ("served" if weights is None else f"{auto} or local"),
            found=f"generate.runtime = {recipe.generate.runtime}",
            fix="leave generate.runtime at auto",
        )
    return TeacherSource(name, runtime, recipe.channel or name.channel, weights, dict(os.environ))


def find_weights(name: ModelName, workspace: Workspace) -> Weights:
    """The weights behind any name but ``api:``. Raises InputError."""
    if name.scheme == "run":
        folder = student_folder(name, workspace)
        found = manifest.read(folder)
        assert found is not None, "a student's folder is complete"
        # By its bytes: the same recipe trained again has the same id and other weights.
        return Weights(str(name), "folder", folder, pins.pin(found.files))
    return opening.find_weights(name, os.environ)


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder, sorted."""
    return sorted(folder.glob(pins.WEIGHTS))
