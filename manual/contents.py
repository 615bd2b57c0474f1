"""The order in which the manual is read: ``contents.toml``, held against the pages that there are."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import final

_FILE = Path(__file__).with_name("contents.toml")


@final
@dataclass(frozen=True)
class Section:
    """``pages`` are paths below the folder of pages, in reading order."""

    title: str
    says: str
    pages: tuple[str, ...]


def read(pages: Collection[str], text: str | None = None) -> tuple[Section, ...]:
    """The sections with every page in one place. A page that is named nowhere stands at the end of the
    section with ``folder`` of its own folder, so that none can be lost; ``text`` stands in for the file.

    Raises ValueError for a page that is named twice, or that there is not, or that no section takes."""
    told = tomllib.loads(_FILE.read_text("utf-8") if text is None else text)["section"]
    named = [page for section in told for page in section.get("pages", [])]
    twice = sorted({page for page in named if named.count(page) > 1})
    missing = sorted(set(named) - set(pages))
    if twice or missing:
        raise ValueError(f"contents.toml: named twice: {twice}; there is no page: {missing}")
    left = sorted(set(pages) - set(named))
    sections = []
    for section in told:
        own = [page for page in left if section.get("folder") == page.rpartition("/")[0]]
        left = [page for page in left if page not in own]
        sections.append(Section(section["title"], section["says"], (*section.get("pages", []), *own)))
    if left:
        raise ValueError(f"contents.toml: no section takes {left}")
    return tuple(sections)
