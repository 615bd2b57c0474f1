"""The briefings of a workspace, one row each, read again only where a file changed.

A briefing is not checked here as whoever makes a page of one checks it: a row holds what a list shows.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from inbond.briefing.briefing import FORMAT, ID
from inbond.briefing.day import local_day
from inbond.briefing.shelf import NAME
from inbond.ui.reading import Unreadable, read_object, text

_MOST: Final = 400
"""Characters of a text in a row."""
_Mark = tuple[int, int, int]


@final
@dataclass(frozen=True)
class Row:
    """One briefing. ``day`` is when it was made, by this machine's clock; ``problem`` is "" for one that can
    be read, and all else is "" for one that cannot."""

    id: str
    title: str = ""
    summary: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    score: str = ""
    site: str = ""
    was: str = ""
    made_at: str = ""
    day: str = ""
    whole: bool = True
    problem: str = ""

    @cached_property
    def words(self) -> str:
        """What is searched."""
        return _folded("\n".join((self.title, self.summary, self.site, self.was, *self.tags)))


@final
@dataclass(frozen=True)
class Sought:
    """What somebody looks for among briefings: words, a tag, a day; "" any."""

    words: str = ""
    tag: str = ""
    day: str = ""

    def among(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those that fit, in their order."""
        words = _folded(self.words).split()
        return [
            row
            for row in rows
            if (not self.tag or self.tag in row.tags)
            and (not self.day or self.day == row.day)
            and all(word in row.words for word in words)
        ]


@final
class BriefingIndex:
    """The rows of one folder of briefings. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._kept: dict[str, tuple[_Mark | None, Row]] = {}
        self._order: list[Row] = []

    def all(self) -> Sequence[Row]:
        """The newest first; those that cannot be read last."""
        with self._turn:
            if self._refresh():
                rows = sorted((row for _, row in self._kept.values()), key=lambda row: row.id)
                self._order = sorted(rows, key=lambda row: row.made_at, reverse=True)
            return self._order

    def _refresh(self) -> bool:
        changed, seen = False, set()
        for name, mark in _files(self._folder):
            seen.add(name)
            if mark is not None and name in self._kept and self._kept[name][0] == mark:
                continue
            self._kept[name] = (mark, read(self._folder / name))
            changed = True
        for name in self._kept.keys() - seen:
            del self._kept[name]
            changed = True
        return changed


def read(folder: Path) -> Row:
    """The row of one briefing."""
    try:
        value = read_object(folder / NAME)
    except (FileNotFoundError, Unreadable) as error:
        return Row(folder.name, problem=f"{error}")
    if value.get("format") != FORMAT or value.get("id") != folder.name:
        return Row(folder.name, problem=f"{NAME} is not that of a briefing with this id")
    source = value["source"] if isinstance(value.get("source"), dict) else {}
    made_at, tags = _text(value, "made_at"), value.get("tags")
    was = _text(source, "title")
    return Row(
        folder.name,
        _text(value, "title") or was or _text(source, "from") or folder.name,
        _text(value, "summary"),
        tuple(tag[:_MOST] for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        _text(value, "language"),
        _text(value, "score"),
        _text(source, "site"),
        was,
        made_at,
        f"{local_day(made_at)}",
        not value.get("failed") and not value.get("left_out"),
    )


def _files(folder: Path) -> Iterable[tuple[str, _Mark | None]]:
    """What changes with each briefing's file; None where that cannot be told."""
    try:
        names = [name for name in os.listdir(folder) if ID.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Unreadable(f"{folder.name} cannot be opened: {error.strerror}") from error
    for name in names:
        try:
            told = os.lstat(folder / name / NAME)
        except (FileNotFoundError, NotADirectoryError):  # not finished, or erased while we look
            continue
        except OSError:
            yield name, None
        else:
            yield name, (told.st_mtime_ns, told.st_ino, told.st_size)


def _text(value: dict[str, Any], name: str) -> str:
    return text(value.get(name))[:_MOST]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
