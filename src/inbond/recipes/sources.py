"""What a recipe starts from: prompts out of files, lists, datasets, and records that an earlier run kept."""

from __future__ import annotations

from pathlib import Path

from inbond.engine import prompts
from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.records import TEXT
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import OwnData, Prompts
from inbond.types import Prompt
from inbond.workspace import Workspace


def file_of(source: Prompts | OwnData, folder: Path, workspace: Workspace) -> Path | None:
    """The file behind a source; None for a list or a dataset. Relative paths start at ``folder``.

    Raises InputError for a run of the workspace that kept no records.
    """
    if source.run is not None:
        return kept_records(source.run, workspace)
    return folder / source.file if source.file is not None else None


def kept_records(run: str, workspace: Workspace) -> Path:
    """The records that a run kept to learn from. Raises InputError when there are none, or their text was
    erased."""
    folder = workspace.run(run) / "data" / "train"
    if manifest.read(folder) is not None and (folder / TEXT).exists():
        return folder / TEXT
    raise InputError(
        expected=f"records that the run {run!r} kept in {workspace.home}",
        found=f"none at {folder / TEXT}",
        fix="run its recipe first, or name the workspace with --home; text that was erased is made anew "
        "with --fresh",
    )


def read_prompts(recipe: Recipe, folder: Path, workspace: Workspace) -> list[Prompt]:
    """The recipe's prompts. ``folder`` is where its relative paths start. Raises InputError."""
    source = recipe.prompts
    wording = prompts.Wording(source.template, source.system, as_chat=source.chat)
    file = file_of(source, folder, workspace)
    if file is not None:
        found = prompts.read_prompts(file, wording, split=source.split)
    elif source.items is not None:
        found = prompts.from_list(source.items, wording)
    else:
        assert source.dataset is not None, "the recipe has one source"
        found = prompts.from_dataset(source.dataset, split=source.split, limit=source.limit, wording=wording)
    return found[: source.limit]
