"""The models of a run: its teacher before it is opened, and where the weights of any name lie.

torch and transformers are imported only when weights are opened, so that a run that finds everything
complete starts in a second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inbond.errors import InputError, need_extra
from inbond.forensics.green import GreenKey
from inbond.forensics.mark_keys import Key
from inbond.ledger import manifest, pins
from inbond.recipes import planting
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
    """A recipe's teacher before it is opened. ``weights`` is None when only an API is at hand; ``mark`` is
    the key that its answers are marked with."""

    name: ModelName
    runtime: Runtime
    channel: str
    weights: Weights | None
    environment: Mapping[str, str]
    mark: Key | None = None

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
        if isinstance(self.mark, GreenKey):
            return self._open_marked(self.weights, self.mark)
        if self.runtime == "embedded":
            return open_embedded(self.weights, self.environment)
        return self.open_local()

    def _open_marked(self, weights: Weights, key: GreenKey) -> Local:
        self.check_mark()
        try:
            from inbond.forensics.marking import Green
        except ModuleNotFoundError as error:
            raise need_extra("train", error.name or "torch") from error
        return open_local(weights, Green(key))

    def check_mark(self) -> None:
        """Raises InputError for a green list of another tokenizer than the teacher's. Converts a GGUF."""
        if not isinstance(self.mark, GreenKey) or self.weights is None:
            return
        from inbond.teachers.tokens import vocabulary_digest

        tokenizer = opening.open_tokenizer(self.weights)
        planting.check_vocabulary(self.mark, vocabulary_digest(tokenizer), str(self.name))

    def open_local(self) -> Local:
        """The teacher's weights under transformers, to score tokens; unmarked. Raises as above."""
        if self.weights is None:
            raise InputError(
                expected="a teacher whose weights are on this machine, for its token probabilities",
                found=str(self.name),
                fix="set capture.targets=remote capture.k=20 to learn from what its host reports, or learn "
                "from its text alone (train.ce)",
            )
        return open_local(self.weights)


def find_teacher(recipe: Recipe, workspace: Workspace) -> TeacherSource:
    """Finds, and where it must fetches, the recipe's teacher, and the key of its mark. Raises InputError as
    ``catalogue.resolve`` and ``planting.key_of``."""
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
    source = TeacherSource(name, runtime, recipe.channel or name.channel, weights, dict(os.environ))
    key = planting.key_of(recipe)
    if not isinstance(key, GreenKey):
        return replace(source, mark=key)
    planting.check_green(recipe, here=weights is not None)
    return replace(source, mark=key, runtime="local")


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
