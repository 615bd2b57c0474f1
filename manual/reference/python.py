"""Python's public names: those whose signatures a golden file freezes."""

from __future__ import annotations

import importlib
import re
from itertools import groupby
from pathlib import Path

from manual.reference.words import code, first_sentence, opening, plain

FROZEN = Path(__file__).parents[2] / "tests/golden/public_api.txt"
_LINE = re.compile(r"(?P<module>inbond[\w.]*)\.(?P<name>\w+)(?P<signature>\(.*)")


def page() -> str:
    found = [match.groupdict() for match in map(_LINE.match, FROZEN.read_text("utf-8").splitlines()) if match]
    sections = "".join(
        _section(module, [each["name"] for each in names])
        for module, names in groupby(found, key=lambda each: each["module"])
    )
    return f"{opening('Python', 'python')}{sections}".replace("\n\n\n", "\n\n")


def _section(module: str, names: list[str]) -> str:
    loaded = importlib.import_module(module)
    lines = [f"- {code(name)}: {first_sentence(getattr(loaded, name).__doc__)}\n" for name in names]
    return f"\n## {code(module)}\n\n{plain(loaded.__doc__).partition(chr(10))[0]}\n\n{''.join(lines)}"
