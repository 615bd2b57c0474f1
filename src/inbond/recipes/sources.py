"""What a recipe starts from: prompts out of files, lists, datasets, and records that an earlier run kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from inbond.digest import of_file
from inbond.engine import prompts
from inbond.errors import InputError, TamperedError
from inbond.ledger import manifest
from inbond.ledger.records import TEXT
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import OwnData, Prompts
from inbond.types import Prompt
from inbond.workspace import Workspace

_SHOWN: Final = 8


def file_of(source: Prompts | OwnData, folder: Path, workspace: Workspace) -> Path | None:
    """The file behind a source; None for a list or a dataset. Relative paths start at ``folder``.

    Raises InputError for a run of the workspace that kept no records, TamperedError for changed ones.
    """
    if source.run is not None:
        return kept_records(source.run, workspace)
    return folder / source.file if source.file is not None else None


def kept_records(run: str, workspace: Workspace) -> Path:
    """The records that a run kept to learn from. Raises InputError when there are none, or their text was
    erased, TamperedError when it was changed: what is behind a text is known of no other."""
    folder = workspace.run(run) / "data" / "train"
    found = manifest.read(folder)
    if found is not None and (folder / TEXT).exists():
        if found.files.get(TEXT) != of_file(folder / TEXT):
            raise TamperedError(
                expected=f"the records that the run {run!r} kept, as they were",
                found=f"others at {folder / TEXT}",
                fix="inbond verify names what was changed: put back a copy, or make them anew with --fresh",
            )
        return folder / TEXT
    raise InputError(
        expected=f"records that the run {run!r} kept in {workspace.home}",
        found=f"none at {folder / TEXT}",
        fix="run its recipe first, or name the workspace with --home; text that was erased is made anew "
        "with --fresh",
    )


def read_prompts(
    recipe: Recipe, folder: Path, workspace: Workspace, left_out: prompts.LeftOut | None = None
) -> list[Prompt]:
    """The recipe's prompts, where they are no articles (``articles.read``). ``folder`` is where its relative
    paths start; ``left_out`` is added to. Raises InputError."""
    source = recipe.prompts
    wording = prompts.Wording(source.template, source.system, as_chat=source.chat)
    file = file_of(source, folder, workspace)
    if file is not None:
        found = prompts.read_prompts(file, wording, split=source.split, left_out=left_out)
    elif source.items is not None:
        found = prompts.from_list(source.items, wording, left_out=left_out)
    else:
        assert source.dataset is not None, "the recipe has one source"
        found = prompts.from_dataset(
            source.dataset, split=source.split, limit=source.limit, wording=wording, left_out=left_out
        )
    return found[: source.limit]


def in_words(name: str | None, left_out: Mapping[str, int]) -> str | None:
    """What is said of fields that were not taken; None where there is none."""
    if not left_out:
        return None
    shown = [f"{field!r:.60} ({count:,})" for field, count in sorted(left_out.items())]
    more = f", and {len(shown) - _SHOWN} more fields" if len(shown) > _SHOWN else ""
    return f"{name or 'prompts'}: left out of its rows: {', '.join(shown[:_SHOWN])}{more}"
