"""What the processes of a crew are told: a file that names whole artifacts, so that each opens one bench.

Format ``inbond.crew/1``: ``task.json`` in the crew's folder, plain JSON, private to its owner. It lives no
longer than the training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, final

from inbond.digest import Digest
from inbond.ledger import manifest
from inbond.ledger.ledger import Ledger
from inbond.recipes import mixture, planting
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.answers import Datasets
from inbond.recipes.learning import Bench
from inbond.recipes.models import find_teacher, find_weights
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Trail
from inbond.recipes.training import Ground
from inbond.recipes.watch import Watcher
from inbond.types import parse_model_name
from inbond.workspace import Workspace, write_json

FORMAT = "inbond.crew/1"
TASK, MADE, TRAINED = "task.json", "made.json", "trained"
"""In the crew's folder: what it is told, the facts that come back, and the folder of the trained student."""


@final
@dataclass(frozen=True)
class Task:
    """A training as a file. ``recipe`` is the run's, resolved, ``mixed`` its further teachers' with their
    numbers and weights; ``artifacts`` and ``further`` are folders, from the workspace on, by what they are to
    the training, or the number of their teacher."""

    home: str
    recipe: Mapping[str, Any]
    run: Digest
    artifacts: Mapping[str, str]
    further: Mapping[str, str]
    mixed: Sequence[Mapping[str, Any]]
    accelerated: Accelerated

    @classmethod
    def of(cls, bench: Bench, how: Accelerated, ground: Ground, run: Digest) -> Task:
        """The task that a bench and its artifacts come to."""
        home = bench.trail.workspace.home
        named = {
            "train": bench.data.train,
            "held_out": bench.data.held_out,
            "answers": bench.data.answers,
            "pairs": bench.pairs,
            "vocabulary": bench.vocabulary,
            **{name: getattr(ground, name) for name in Ground.__dataclass_fields__},
        }
        artifacts, further = (
            {
                str(name): found.folder.relative_to(home).as_posix()
                for name, found in each
                if found is not None
            }
            for each in (named.items(), bench.captured.items())
        )
        mixed = [
            {"number": part.number, "recipe": plain(part.recipe), "weight": part.weight}
            for part in bench.mixed
        ]
        return cls(str(home.resolve()), plain(bench.recipe), run, artifacts, further, mixed, how)

    def write(self, folder: Path) -> None:
        """Raises UnwritableError."""
        write_json(folder / TASK, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Task:
        """As ``write`` wrote it, by this version: nothing else reads it."""
        value = json.loads((folder / TASK).read_bytes())
        assert value.pop("format") == FORMAT, "written by the run that started this process"
        return cls(**{**value, "accelerated": Accelerated(**value["accelerated"])})

    def open(self, watcher: Watcher) -> tuple[Bench, Ground]:
        """The bench and what the training stands on, in another process. Nothing of it enters a ledger.
        Raises InputError where a model is not to be found any more."""
        workspace = Workspace(Path(self.home))
        recipe = parse(dict(self.recipe), TASK)
        trail = Trail(workspace, cast(Ledger, None), recipe.name, watcher)
        found = {name: _artifact(workspace, place) for name, place in self.artifacts.items()}
        base = recipe.student.base
        bench = Bench(
            trail,
            recipe,
            find_teacher(planting.unmarked(recipe), workspace),
            find_weights(parse_model_name(base), workspace) if base else None,
            Datasets(found["train"], found["held_out"], found["answers"]),
            (),
            found.get("pairs"),
            found.get("vocabulary"),
            tuple(_part(workspace, **part) for part in self.mixed),
            further={int(number): _artifact(workspace, place) for number, place in self.further.items()},
        )
        return bench, Ground(found["begun"], found.get("targets"), found.get("reference"))


def plain(recipe: Recipe) -> dict[str, Any]:
    """A resolved recipe as plain values that are one recipe again: the text of a context's file is in it
    already."""
    values = recipe.model_dump(mode="json")
    if recipe.prompts.context is not None:
        values["prompts"]["context_file"] = None
    return values


def _part(workspace: Workspace, number: int, recipe: Mapping[str, Any], weight: float) -> mixture.Part:
    """A further teacher that has been asked."""
    own = parse(dict(recipe), TASK)
    return mixture.Part(number, own, weight, find_teacher(planting.unmarked(own), workspace), (), None)


def _artifact(workspace: Workspace, place: str) -> Artifact:
    whole = manifest.read(workspace.home / place)
    assert whole is not None, "made, and recorded, by the run that started this process"
    return Artifact(whole.identity.stage, workspace.home / place, whole, "found")
