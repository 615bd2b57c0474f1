"""The reference: pages of ``docs/reference`` made from the code, so that they say what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path


def pages() -> Mapping[str, Callable[[], str]]:
    """Each page's file name and what makes its text. Imports the whole package, the training part too."""
    from manual.reference import commands, environment, events, exits, formats, python, recipe, verdicts

    return {
        "commands.md": commands.page,
        "recipe.md": recipe.page,
        "exit-codes.md": exits.page,
        "events.md": events.page,
        "formats.md": formats.page,
        "verdicts.md": verdicts.page,
        "environment.md": environment.page,
        "python.md": python.page,
    }


def write_all(folder: Path) -> list[str]:
    """Writes every page that is not as the code has it; gives their paths."""
    changed = []
    for name, make in pages().items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(str(path))
    return changed
