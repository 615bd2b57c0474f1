"""Pages of README and docs as tests read them: the commands that they show, in blocks and in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *languages: str) -> list[str]:
    """The blocks of code in these languages; "" is none named."""
    return [body for language, body in _FENCE.findall(page.read_text("utf-8")) if language in languages]


def sessions(page: Path) -> list[list[tuple[str, list[str]]]]:
    """For each console block, its commands with the lines shown under each."""
    found = []
    for block in fences(page, "console"):
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif commands:
                commands[-1][1].append(line)
        found.append(commands)
    return found


def mentioned(page: Path) -> Iterator[str]:
    """Every ``inbond ...`` that stands within a sentence, a table or a block that no test runs."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8")):
        for child in token.children or ():
            if child.type == "code_inline" and child.content.startswith("inbond "):
                yield child.content
    for block in fences(page, "sh", "text", "bash", ""):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("inbond "):
                yield line
