"""The page of a briefing. Pure but for reading our own templates: the same briefing gives the same bytes.

Every text on it is a stranger's or a model's. What stands in the full text goes through ``rendering``, where
it is escaped and cleaned; all others are escaped by the templates' environment. There is no script.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, final

from markupsafe import Markup

from inbond import __version__
from inbond.briefing import licence, rendering
from inbond.briefing.blocks import Block
from inbond.briefing.briefing import Briefing
from inbond.report.blocks import Limits, Prepared
from inbond.report.page import render
from inbond.report.page_words import Words, language_for, words_in
from inbond.report.text import columns, visible

WORDS: Final = "briefing_words.toml"
_LIMITS: Final = Limits(text=2_000, sample=0, recipe=0, rows=0, verdicts=0)
_RIGHT_TO_LEFT: Final = ("ar", "fa", "he", "ur")
_HEADLINES: Final = ((34, "middling"), (110, "long"))
_MOST_TAB: Final = 80
_MOST_WHYS: Final = 40


@final
@dataclass(frozen=True)
class Shown:
    """A block on the page: its element, what is in it, and the original below it, "" where it is the same.
    ``failed`` says why it stays in the original."""

    id: str
    tag: str
    shown: Markup
    source: Markup
    failed: str = ""
    deep: str = ""


@final
@dataclass(frozen=True)
class Group:
    """Rows of one table, items of one list, or one other block."""

    kind: str
    items: tuple[Shown, ...]

    @property
    def source(self) -> bool:
        return any(one.source for one in self.items)

    @property
    def failed(self) -> str:
        return ", ".join(one.id for one in self.items if one.failed)


def render_briefing_page(briefing: Briefing) -> str:
    """The page as HTML. Raises MissingExtraError."""
    words = words_in(WORDS, briefing.language)
    translated = briefing.language != briefing.source.language
    groups = tuple(_groups(briefing))
    context = {
        "b": briefing,
        "w": words,
        "lang": language_for(briefing.language),
        "rtl": briefing.language in _RIGHT_TO_LEFT,
        "tab": " ".join(briefing.shown_title.split())[:_MOST_TAB],
        "headline": briefing.shown_title,
        "headline_size": _size(briefing.shown_title),
        "was_title": briefing.source.title if briefing.source.title != briefing.shown_title else "",
        "link": _link(briefing),
        "axes": tuple(briefing.axes.model_dump().items()) if briefing.axes else (),
        "care": tuple(_care(briefing, words)),
        "whys": tuple(_whys(briefing, words)),
        "parts": tuple(_parts(briefing, words, translated=translated)),
        "translated": translated,
        "licence_note": _licence(briefing, words),
        "groups": groups,
        "method": tuple(_method(briefing, words)),
    }
    return render("briefing.html.j2", context, _LIMITS, __version__, "paper.css", "briefing.css")


def _size(title: str) -> str:
    width = columns(title)
    return next((name for most, name in _HEADLINES if width <= most), "longest")


def _link(briefing: Briefing) -> str:
    """The address that was read; for a file the one that it says itself."""
    place = briefing.source.from_
    return place if place.startswith(("http://", "https://")) else briefing.source.url


def _parts(briefing: Briefing, words: Words, *, translated: bool) -> Iterator[tuple[str, str]]:
    yield "points", words("points")
    yield "opinion", words("opinion")
    yield "text", words("translation" if translated else "text")
    if briefing.related:
        yield "related", words("related")
    yield "method", words("method")


def _care(briefing: Briefing, words: Words) -> Iterator[str]:
    """What is missing."""
    fewer = [each.part for each in briefing.left_out if each.part == "points" and briefing.points]
    gone = [words(f"part_{each.part}") for each in briefing.left_out if each.part not in fewer]
    if gone:
        yield words("care_parts", parts=words("comma").join(gone))
    if fewer:
        yield words("care_points")
    if briefing.failed:
        count = len({each.block for each in briefing.failed})
        yield words("care_failed", count=count, all=len(briefing.blocks))


def _whys(briefing: Briefing, words: Words) -> Iterator[str]:
    """Why it is missing: the first of many."""
    yield from (f"{words(f'part_{each.part}')}: {each.why}" for each in briefing.left_out)
    yield from (f"{each.block}: {each.why}" for each in briefing.failed[:_MOST_WHYS])


def _licence(briefing: Briefing, words: Words) -> str:
    declared = briefing.source.licence
    kind = licence.sharing(declared)
    return words("unknown" if declared and kind == "private" else kind, licence=declared)


def _method(briefing: Briefing, words: Words) -> Iterator[tuple[str, Any]]:
    asked = briefing.asked
    yield words("m_model"), briefing.model.uri
    if briefing.model.identity != briefing.model.uri:
        yield words("m_identity"), _mono(briefing.model.identity)
    yield words("m_calls"), words("calls", calls=f"{asked.calls:,}", journal=f"{asked.from_journal:,}")
    tokens = {"prompt": f"{asked.prompt_tokens:,}", "completion": f"{asked.completion_tokens:,}"}
    yield words("m_tokens"), words("tokens", **tokens)
    if asked.cost_usd:
        yield words("m_cost"), f"${asked.cost_usd:.4f}"
    yield words("m_checks"), words("checks")
    if briefing.source.licence:
        yield words("m_licence"), briefing.source.licence
    yield words("m_prompts"), _mono(briefing.prompts)
    yield words("m_article"), _mono(briefing.source.digest)
    yield words("m_identity_briefing"), _mono(briefing.identity)


def _mono(text: str) -> Markup:
    return Markup('<span class="digest">{}</span>').format(Prepared(visible(text)))


def _groups(briefing: Briefing) -> Iterator[Group]:
    why: dict[str, str] = {}
    for each in briefing.failed:
        why.setdefault(each.block, each.why)
    same = briefing.language == briefing.source.language

    def shown(block: Block) -> Shown:
        text = briefing.translation.get(block.id, block.text)
        changed = not same and block.is_words and block.id not in why
        source = _inner(block, block.text) if changed else Markup("")
        deep = {1: "", 2: "deep"}.get(block.level, "deeper") if block.kind == "item" else ""
        return Shown(block.id, _tag(block), _inner(block, text), source, why.get(block.id, ""), deep)

    for kind, blocks in groupby(briefing.by_id.values(), lambda block: block.kind):
        if kind in ("row", "item"):
            yield Group(kind, tuple(map(shown, blocks)))
        else:
            yield from (Group(kind, (shown(block),)) for block in blocks)


def _tag(block: Block) -> str:
    if block.kind == "heading":
        return f"h{min(6, max(3, block.level + 1))}"
    return {"code": "pre", "quote": "blockquote"}.get(block.kind, "p")


def _inner(block: Block, text: str) -> Markup:
    """What stands within a block's element: cleaned, and safe whoever wrote it."""
    text = visible(text)
    if block.kind == "row":
        return Markup(rendering.safe_cells(text))
    if block.kind == "code":
        return Markup(rendering.safe(f"<code>{rendering.escaped(text)}</code>"))
    return Markup(rendering.safe(rendering.inline(text)))
