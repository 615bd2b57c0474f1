"""The questions that a briefing begins with, one by one, and what is wrong with a reply to one of them. Pure.

``make`` asks for what is still missing until nothing is; whoever teaches a model, or measures one, needs the
first questions alone, and all that is wrong with each reply: nothing that is half right counts as right.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from inbond.briefing import saying, translating
from inbond.briefing.article import Article
from inbond.briefing.checks import Problem
from inbond.briefing.prompting import Ask

Kind = Literal["head", "points", "opinion", "translate"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def first(article: Article, language: str) -> tuple[Ask, ...]:
    """What ``make`` asks of this article before any reply. None of it is a translation where the article is
    in ``language`` already."""
    return (*saying.saying(article, language, {}).due, *translating.translation(article, language, {}).due)


def kind_of(ask: Ask) -> Kind:
    """The kind of question, as recipes and the counts of a run's report name it."""
    return "translate" if isinstance(ask, translating.Ask) else ask.question


def wrong(ask: Ask, reply: str, article: Article, language: str) -> tuple[Problem, ...]:
    """All that is wrong with a reply; none for one that ``make`` would take whole."""
    if isinstance(ask, translating.Ask):
        return translating.read(ask, reply, language, article.meta.language)[1]
    return saying.wrong(ask, reply, article, language)
