"""The translation of an article as a state machine: the replies so far say what is asked next. Pure.

Blocks are asked for in batches. What fails a check is asked for again, with what was wrong, up to
``MOST_ASKS`` times in all; what fails then is left in the original and told. Code and what has no words is
never asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from inbond.briefing import checks, replies
from inbond.briefing.article import Article
from inbond.briefing.blocks import Block, clean
from inbond.briefing.checks import Problem

MOST_ASKS: Final = 3
MOST_BLOCKS: Final = 12
MOST_LETTERS: Final = 2_400
"""Of a batch, in characters of the source; a longer block is a batch of its own."""


@final
@dataclass(frozen=True)
class Ask:
    """One question: which blocks, which attempt, and what was wrong before. ``key`` names its reply."""

    attempt: int
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def key(self) -> str:
        return f"translate/{self.attempt}/{'+'.join(block.id for block in self.blocks)}"


@final
@dataclass(frozen=True)
class Translation:
    """How far it has come: ``texts`` by id, what is asked next, and what was given up on."""

    texts: Mapping[str, str]
    due: tuple[Ask, ...]
    failed: tuple[Problem, ...]


def translation(article: Article, language: str, given: Mapping[str, str]) -> Translation:
    """The state after the replies ``given`` (by ``Ask.key``; "" for one that failed). The same ones always
    give the same state; a reply to a question that is not asked is not looked at."""
    texts = {block.id: block.text for block in article.blocks if not block.is_words}
    if article.meta.language == language:
        return Translation({block.id: block.text for block in article.blocks}, (), ())
    waiting = [Ask(1, batch) for batch in batches(block for block in article.blocks if block.is_words)]
    due: list[Ask] = []
    failed: list[Problem] = []
    while waiting:
        ask = waiting.pop(0)
        if ask.key not in given:
            due.append(ask)
            continue
        right, problems = read(ask, given[ask.key], language, article.meta.language)
        texts |= right
        left = [block for block in ask.blocks if block.id not in right]
        if ask.attempt >= MOST_ASKS:
            failed += [each for each in problems if each.block in {block.id for block in left}]
            continue
        for batch in batches(left):
            named = {"", *(block.id for block in batch)}
            waiting.append(Ask(ask.attempt + 1, batch, tuple(p for p in problems if p.block in named)))
    return Translation(texts, tuple(due), tuple(failed))


def batches(blocks: Iterable[Block]) -> list[tuple[Block, ...]]:
    """Blocks in their order, so many at a time as one question may hold."""
    found: list[list[Block]] = []
    letters = 0
    for block in blocks:
        letters += len(block.text)
        if not found or len(found[-1]) >= MOST_BLOCKS or letters > MOST_LETTERS:
            found.append([])
            letters = len(block.text)
        found[-1].append(block)
    return [tuple(batch) for batch in found]


def read(ask: Ask, reply: str, language: str, source: str) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The blocks that a reply translates rightly, and all that is wrong with it."""
    pairs = _pairs(reply)
    asked = [block.id for block in ask.blocks]
    if pairs is None:
        why = 'the reply is not {"blocks": [{"id": ..., "text": ...}]}'
        return {}, tuple(Problem(each, "ids", why) for each in asked)
    problems = [*checks.ids(asked, [id_ for id_, _ in pairs])]
    wrong = {each.block for each in problems}
    right: dict[str, str] = {}
    for block in ask.blocks:
        if block.id in wrong:
            continue
        text = clean(next(text for id_, text in pairs if id_ == block.id), block.kind)
        found = checks.translation(block, text, language, source)
        problems += found
        if not found:
            right[block.id] = text
    return right, tuple(problems)


def _pairs(reply: str) -> Sequence[tuple[str, str]] | None:
    """Ids and texts of a reply; None for one of another form."""
    value = replies.read(reply) or {}
    try:
        found = [(each["id"], each["text"]) for each in value["blocks"]]
    except (TypeError, KeyError):
        return None
    return found if all(isinstance(part, str) for pair in found for part in pair) else None
