"""An article: its blocks, and what is known of it. Pure.

What a page says of itself (title, author, date) is a stranger's claim and is kept as one line of text. A page
that shows only its beginning is told by ``notices``; a page that is no article at all is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

from inbond.briefing.addresses import page_address
from inbond.briefing.blocks import (
    Block,
    Piece,
    characters,
    clean,
    number,
    plain,
    reading_minutes,
)
from inbond.briefing.decoding import HOLE
from inbond.briefing.numbers import words_of
from inbond.digest import Digest, of_value
from inbond.engine.languages import tell
from inbond.engine.wrong_language import written_in
from inbond.errors import InputError, MissingExtraError

MOST_LINE: Final = 400
"""Characters of a title, a name or an address; what is longer is cut, an address is left out."""
MOST_BLOCKS: Final = 5_000
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)*")


@final
@dataclass(frozen=True)
class Meta:
    """What a source says of itself; "" for what it does not say. ``date`` is YYYY-MM-DD; ``language`` an ISO
    639-1 code."""

    title: str = ""
    author: str = ""
    date: str = ""
    site: str = ""
    url: str = ""
    language: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "title": self.title,
            "author": self.author,
            "date": self.date,
            "site": self.site,
            "url": self.url,
            "language": self.language,
        }


@final
@dataclass(frozen=True)
class Article:
    """What a briefing is made of. ``notices`` are sentences for the reader, such as that a page shows only
    its beginning."""

    meta: Meta
    blocks: tuple[Block, ...]
    notices: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> Digest:
        """Of the title and the blocks: not of where they were found, nor of when."""
        return of_value({"title": self.meta.title, "blocks": [block.to_json() for block in self.blocks]})

    @cached_property
    def by_id(self) -> dict[str, Block]:
        """The blocks by their ids."""
        return {block.id: block for block in self.blocks}

    @property
    def minutes(self) -> int:
        return reading_minutes(self.blocks)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.meta.to_json(),
            "digest": self.digest,
            "minutes": self.minutes,
            "notices": list(self.notices),
            "blocks": [block.to_json() for block in self.blocks],
        }


def article_of(pieces: Iterable[Piece], meta: Meta, *, source: str, notices: Sequence[str] = ()) -> Article:
    """An article of these pieces. A first heading that only repeats the title is left out, and gives the
    title where the source has none. Raises InputError for one without text, or with too many blocks."""
    kept, meta = _titled([piece for piece in pieces if clean(piece.text, piece.kind)], _checked(meta))
    if not kept:
        raise InputError(
            expected="an article with text",
            found=f"{source} with no text that could be read",
            fix="give the address of the article itself, or save its text to a file; a page that is drawn by "
            "scripts has its text nowhere else",
        )
    if len(kept) > MOST_BLOCKS:
        raise InputError(
            expected=f"an article of at most {MOST_BLOCKS:,} paragraphs, items and rows",
            found=f"{source} with {len(kept):,}",
            fix="give a part of it",
        )
    blocks = number(kept)
    language = _language(words_of(plain(block for block in blocks if block.is_words)), meta.language)
    return Article(
        Meta(**{**meta.to_json(), "language": language}), blocks, (*notices, *_holes(meta.title, blocks))
    )


def open_characters(blocks: Iterable[Block]) -> str:
    """The notice about a page that shows its beginning only."""
    return f"only {characters(blocks):,} characters are open: the rest is for subscribers"


def _holes(title: str, blocks: Iterable[Block]) -> Iterator[str]:
    count = title.count(HOLE) + sum(block.text.count(HOLE) for block in blocks)
    if count:
        yield f"{HOLE} stands for letters that could not be read, {count:,} in all"


def _titled(pieces: list[Piece], meta: Meta) -> tuple[list[Piece], Meta]:
    if not pieces or pieces[0].kind != "heading":
        return pieces, meta
    first = clean(pieces[0].text, "heading")
    if meta.title and _same(first) != _same(meta.title):
        return pieces, meta
    if len(pieces) == 1:
        return pieces, meta
    return pieces[1:], Meta(**{**meta.to_json(), "title": meta.title or first})


def _same(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _checked(meta: Meta) -> Meta:
    """What a source says of itself, as single lines of bounded length and in our forms."""
    lines = {name: clean(value, "heading")[:MOST_LINE] for name, value in meta.to_json().items()}
    code = _LANGUAGE.fullmatch(lines["language"])
    return Meta(
        title=lines["title"],
        author=lines["author"],
        date=lines["date"][:10] if _DATE.match(lines["date"]) else "",
        site=lines["site"],
        url=_address(meta.url),
        language=code[1].lower() if code else "",
    )


def _address(text: str) -> str:
    """In the form in which addresses are kept; "" for what is none, or too long."""
    try:
        found = str(page_address(text))
    except ValueError:
        return ""
    return found if len(found) <= MOST_LINE else ""


def _language(text: str, declared: str) -> str:
    """Told from the words of the text; where that cannot be told, as the source says; "" for neither."""
    try:
        return written_in(text) or tell(text) or declared
    except MissingExtraError:
        return written_in(text) or declared
