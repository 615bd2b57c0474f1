"""Whether a page shows only the beginning of its text, and where that ends. Pure.

A page says so in its data for search engines, or to its reader. A sentence that asks for a subscription to go
on with this text is believed at the end of it. Words that only speak of members stand on free pages too, in
footers, rankings and offers: they are believed where the text before them breaks off.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple, final

from inbond.briefing.blocks import Piece
from inbond.briefing.page_kinds import INLINE, LEAST_PARAGRAPH, direct_text, width

_ASKS: Final = re.compile(
    r"(?:^|[.!?:;…|–—。！？]\s*+)(?:(?:please|you (?:must|need to|have to)|or) )?(?:"
    r"(?:subscribe|sign (?:in|up)|log in|register|join|become an? (?:\w{1,12} )?(?:member|subscriber))"
    r"(?: or [a-z ]{2,20}?)?(?: (?:now|today|here))? to "
    r"(?:unlock|(?:keep|finish) reading|read (?:on|this|it)\b|(?:continue|read|read more)\W*$"
    r"|read the (?:rest|full|whole|entire|complete|remaining)"
    r"|continue (?:reading|with (?:this|the)|this|the))"
    r"|(?:this|the rest of th(?:is|e)) (?:article|story|content|post) is (?:only |exclusively |reserved )?"
    r"(?:for|available (?:only )?to) (?:our )?(?:paying |paid )?(?:subscribers|members)"
    r"|to (?:continue|keep|finish) reading(?: th(?:is|e) \w{1,12})?,? (?:please )?"
    r"(?:subscribe|sign|log|become|register|join)"
    r")"
    r"|(?:この|本)(?:記事|コンテンツ|ページ|続き|先)(?:の続き)?は、?[^。]{0,12}(?:会員|購読者)"
    r"|会員(?:限定|専用)の?(?:記事|コンテンツ)です"
    r"|続きを(?:読む|見る|お読みになる|お読みいただく|ご覧になる|ご覧いただく)には"
    r"|残り\s*+[\d,，]+\s*文字"
    r"|(?:ログイン|購読|登録)(?:して|すると|で|いただくと)、?(?:この)?(?:記事)?の?(?:続き|全文)",
    re.I,
)
_SPEAKS: Final = re.compile(
    r"会員限定|有料会員|購読者限定|無料会員登録"
    r"|already a subscriber\?|become an? (?:\w{1,12} )?(?:member|subscriber)|\bsubscribe\b"
    r"|(?:subscribers|members)[ -]only|only for (?:subscribers|members)",
    re.I,
)
_MOST_SPOKEN: Final = 160
_MOST_WALL: Final = 1_000
"""Characters of an element that is called a wall; a longer one holds the article."""
_WALL: Final = re.compile(
    r"(?:^|[-_\s])(?:pay-?wall|reg-?wall|subscriber-?only|premium-?content-?lock)", re.I
)
_NAMED: Final = r"(?:^|[-_\s])(?<!with.)(?<!has.)(?<!no.)(?:{})(?![^-_\s])"
_OTHERS: Final = re.compile(
    _NAMED.format(r"nav|navi|navigation|menu|sidebar|rank|ranking|related|recommend\w*|popular"), re.I
)
_FOOTER: Final = re.compile(_NAMED.format("footer"), re.I)
_ENDED: Final = re.compile(r"(?<![.…‥])[.!?。．！？」』）)\]”’\"'»]\s*\Z")
_BROKEN_OFF: Final = re.compile(r"(?:\.\.|…|‥)[\])）」』]?\s*\Z")
_SHUT: Final = ("nav", "footer", "header")
_POINTS: Final = ("a", "h2", "h3", "h4", "button")
_TEXTS: Final = ("body", "main", "article", "section", "div", "p", "li", "blockquote", "td", "dd")


def is_for_subscribers(tree: Any) -> bool:
    """Whether a page says that it shows its beginning only."""
    return any(_says_paid(value) for value in _linked_data(tree)) or _Heard.of(tree).wall


def before_wall(pieces: Sequence[Piece]) -> list[Piece]:
    """What stands before the sentence that asks for a subscription."""
    long = [place for place, piece in enumerate(pieces) if width(piece.text) >= 2 * LEAST_PARAGRAPH]
    for place in range(long[-1] if long else 0, len(pieces)):
        text = pieces[place].text
        if len(text) <= _MOST_SPOKEN and (_ASKS.search(text) or _SPEAKS.search(text)):
            return list(pieces[:place])
    return list(pieces)


def _linked_data(tree: Any) -> Iterator[Any]:
    for script in tree.iter("script"):
        if (script.get("type") or "").strip().lower() == "application/ld+json":
            try:
                yield json.loads(script.text or "")
            except (ValueError, RecursionError):
                continue


def _says_paid(value: Any, depth: int = 0) -> bool:
    """Whether linked data say of the page, not of others that it names, that it is not free."""
    if depth > 4:
        return False
    if isinstance(value, list):
        return any(_says_paid(each, depth + 1) for each in value)
    if not isinstance(value, dict):
        return False
    if str(value.get("isAccessibleForFree", "")).lower() == "false":
        return True
    return any(_says_paid(value[name], depth + 1) for name in ("@graph", "mainEntity") if name in value)


class _Where(NamedTuple):
    """What an element stands in: navigation and the like, what leads to others by its name, a link or a
    heading, an element that is called a wall; the nearest element that is beside the text by its name, the
    nearest that holds one."""

    shut: bool = False
    others: bool = False
    points: bool = False
    wall: bool = False
    beside: Any = None
    root: Any = None

    def within(self, element: Any) -> _Where:
        tag, name = element.tag, f"{element.get('class') or ''} {element.get('id') or ''}"
        holds = tag in ("html", "body", "main", "article")
        others = not holds and _OTHERS.search(name) is not None
        named = others or tag == "aside" or (not holds and _FOOTER.search(name))
        return _Where(
            self.shut or tag in _SHUT,
            self.others or others,
            self.points or tag in _POINTS,
            self.wall or bool(_WALL.search(name)),
            element if named else self.beside,
            element if tag in ("article", "main") else self.root,
        )


class _Text(NamedTuple):
    place: int
    width: int
    ended: bool
    where: _Where


class _Speech(NamedTuple):
    place: int
    asks: bool
    where: _Where


@final
@dataclass
class _Heard:
    """What one walk over a page hears: its paragraphs, and what speaks of subscriptions."""

    texts: list[_Text] = field(default_factory=list)
    speeches: list[_Speech] = field(default_factory=list)
    named: bool = False

    @classmethod
    def of(cls, tree: Any) -> _Heard:
        heard = cls()
        for place, (element, where, outer) in enumerate(_in_order(tree)):
            if where.shut:
                continue
            if where.wall and not outer.wall:
                heard.named |= _is_wall(element)
            if element.tag in _TEXTS or not (element.tag in INLINE and _is_in_inline(element)):
                heard._hear(place, element, where)
        return heard

    def _hear(self, place: int, element: Any, where: _Where) -> None:
        text = " ".join(direct_text(element).split())
        if element.tag in _TEXTS and (wide := width(text)) >= LEAST_PARAGRAPH:
            is_ended = bool(_ENDED.search(text[-8:])) and not _BROKEN_OFF.search(text[-8:])
            self.texts.append(_Text(place, wide, is_ended, where))
        if 0 < len(text) <= _MOST_SPOKEN:
            asks = _ASKS.search(text) is not None
            if asks or _SPEAKS.search(text):
                self.speeches.append(_Speech(place, asks, where))

    @property
    def wall(self) -> bool:
        """Whether the text of the page ends at a wall."""
        if self.named or not self.texts:
            return self.named or any(each.asks for each in self.speeches)
        main = self._main()
        own = [each for each in self.texts if each.where.root is main.root and _is_in(each.where, main)]
        end = max((each.place for each in own if each.width >= 2 * LEAST_PARAGRAPH), default=-1)
        last = [speech for speech in self.speeches if speech.place >= end]
        if any(speech.asks and (main.others or not speech.where.others) for speech in last):
            return True
        spoken = {speech.place for speech in last}
        told = [each for each in own if each.place not in spoken]
        return bool(told) and not told[-1].ended and any(_may_tell(each, told[-1], main) for each in last)

    def _main(self) -> _Where:
        """Where the page's text stands: beside nothing and in an article, if any is; where most is."""
        total: Counter[tuple[Any, Any]] = Counter()
        for text in self.texts:
            total[text.where.root, text.where.beside] += text.width

        def weight(text: _Text) -> tuple[bool, bool, int]:
            root, beside = text.where.root, text.where.beside
            return beside is None, root is not None, total[root, beside]

        return max(self.texts, key=weight).where


def _may_tell(speech: _Speech, text: _Text, main: _Where) -> bool:
    return speech.place > text.place and not speech.where.points and _is_in(speech.where, main)


def _is_in(where: _Where, main: _Where) -> bool:
    """Whether it is not beside the text, by a name that does not stand on what holds the text itself."""
    return where.beside is None or where.beside is main.beside


def _in_order(tree: Any) -> Iterator[tuple[Any, _Where, _Where]]:
    """Every element in the page's order, what it stands in (itself taken in), and its parent's."""
    waiting = [(tree, _Where())]
    while waiting:
        element, outer = waiting.pop()
        where = outer.within(element)
        yield element, where, outer
        waiting.extend((each, where) for each in reversed(element) if isinstance(each.tag, str))


def _is_in_inline(element: Any) -> bool:
    """Whether its words are looked at with those of the one around it, and again within it."""
    parent = element.getparent()
    return parent is not None and parent.tag in INLINE and len(element) > 0


def _is_wall(element: Any) -> bool:
    text = " ".join(" ".join(islice(element.itertext(), _MOST_WALL)).split())
    return len(text) <= _MOST_WALL and bool(_ASKS.search(text) or _SPEAKS.search(text))
