"""The models that are compared: the teacher, and the student before and after training."""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

from inbond.recipes.learning import Bench, fresh_student
from inbond.recipes.trail import Artifact


@final
class Compared:
    """Each is opened once, when it is first needed."""

    def __init__(self, bench: Bench, begun: Artifact, trained: Artifact) -> None:
        self.bench = bench
        self.begun = begun
        self.trained = trained

    @property
    def teacher(self) -> Any:
        """Only where the bench has the teacher's weights."""
        return self.bench.local.model

    @cached_property
    def before(self) -> Any:
        return fresh_student(self.bench, self.begun).eval()

    @cached_property
    def after(self) -> Any:
        from inbond.teachers.local import load_model

        return load_model(self.trained.folder)
