"""How the reference writes things down in Markdown."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import inbond

SOURCE = Path(inbond.__file__).parent
_SAID = tomllib.loads(Path(__file__).with_name("said.toml").read_text("utf-8"))
MADE = "Made from the code by `scripts/reference`; a test fails when it is not what the code says.\n"


def opening(title: str, page: str) -> str:
    """How a page begins."""
    return f"# {title}\n\n{MADE}\n{said('pages')[page].strip()}\n\n"


def said(part: str) -> dict[str, Any]:
    """What ``said.toml`` says of one kind of thing."""
    found: dict[str, Any] = _SAID[part]
    return found


def described(part: str, names: Iterable[str]) -> list[list[str]]:
    """Rows of a table: each name and what is said of it. Raises ValueError for what nobody has described."""
    told, wanted = said(part), list(names)
    missing = sorted(set(wanted) - set(told))
    if missing:
        raise ValueError(f"said.toml: [{part}]: say what these are: {', '.join(missing)}")
    return [[code(name), *([told[name]] if isinstance(told[name], str) else told[name])] for name in wanted]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold anything but line ends."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


def code(text: str) -> str:
    return f"`{text}`"


def plain(docstring: str | None) -> str:
    """A docstring as Markdown: one paragraph a line, names in single backticks."""
    paragraphs = re.split(r"\n\s*\n", (docstring or "").strip())
    return "\n\n".join(" ".join(each.split()) for each in paragraphs).replace("``", "`")


def first_sentence(docstring: str | None) -> str:
    paragraph = plain(docstring).partition("\n\n")[0]
    return re.split(r"(?<=[.:])\s+(?=[A-Z`])", paragraph)[0].rstrip(":") if paragraph else ""


def constants(pattern: str) -> Iterator[tuple[str, str]]:
    """The text constants of the code's modules that match: module and value, sorted."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str | bytes):
                text = value.value if isinstance(value.value, str) else value.value.decode("latin-1")
                if re.fullmatch(pattern, text.rstrip("\0")):
                    module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
                    found.add((text.rstrip("\0"), module))
    yield from ((module, text) for text, module in sorted(found))
