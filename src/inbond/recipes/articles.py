"""Articles as prompts: the questions that ``inbond briefing make`` asks first, each with what its replies are
held against.

Whole articles are held out, by their text alone and before anybody answers: which answers pass has no say in
what is measured on, and near duplicates stay on one side.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from inbond.briefing import prompting, questions, ruling
from inbond.briefing.article import Article
from inbond.briefing.blocks import plain
from inbond.briefing.prompting import Ask
from inbond.briefing.source import SUFFIXES, is_address, read_source
from inbond.digest import Digest
from inbond.engine.split import Split, split
from inbond.errors import InputError
from inbond.recipes.sections.articles import Articles
from inbond.recipes.sections.data import Prompts
from inbond.teachers.protocols import Form
from inbond.types import Prompt, Record

_SHOWN: Final = 5


@final
@dataclass(frozen=True)
class Question:
    """One question about one article. ``expected`` is what its replies are ruled on by; ``form`` holds the
    teacher to a schema, None where that stands in the prompt."""

    kind: questions.Kind
    article: Digest
    prompt: Prompt
    expected: Mapping[str, Any]
    form: Form | None

    @cached_property
    def id(self) -> Digest:
        """That of its prompt in records."""
        return Record(self.prompt, "").prompt_id


@final
@dataclass(frozen=True)
class Questions:
    """All questions of a recipe, in the order of its articles."""

    every: tuple[Question, ...]
    texts: Mapping[Digest, str]
    """Of each article, by its digest."""

    @property
    def prompts(self) -> list[Prompt]:
        return [question.prompt for question in self.every]

    @cached_property
    def by_id(self) -> Mapping[Digest, Question]:
        """Two articles that differ in nothing that is shown have one question; it is that of the first."""
        return {question.id: question for question in reversed(self.every)}

    @property
    def forms(self) -> dict[Digest, Form]:
        """What replies are held to, by their prompts' ids."""
        return {id_: question.form for id_, question in self.by_id.items() if question.form is not None}

    def held_out(self, share: float) -> frozenset[Digest]:
        """The articles that nothing is learnt from, by digest: about ``share`` of them, at least one, chosen
        by their texts. Raises InputError where all of them are alike."""
        digests = list(self.texts)
        if len(digests) < 2:
            raise InputError(
                expected="at least two articles, to learn from one and to measure on another",
                found=f"{len(digests)}",
                fix="add articles to prompts.articles.path",
            )
        sides = split([self.texts[digest] for digest in digests], share)
        return frozenset(digests[place] for place in sides.held_out)

    def split(self, asked: Sequence[Prompt], apart: frozenset[Digest]) -> Split:
        """The records whose prompts are ``asked`` on both sides of the articles held ``apart``. Raises
        InputError where a side has none."""
        articles = [self.by_id[Record(prompt, "").prompt_id].article for prompt in asked]
        held_out = tuple(place for place, article in enumerate(articles) if article in apart)
        train = tuple(place for place, article in enumerate(articles) if article not in apart)
        if not held_out or not train:
            raise InputError(
                expected="answers that pass about articles to learn from, and about articles held out",
                found=f"{len(train)} about the former, {len(held_out)} about the {len(apart)} held out",
                fix="raise generate.samples, add articles, or take a teacher that can do this",
            )
        return Split(train, held_out, len(self.texts))


def read(source: Prompts, folder: Path) -> Questions | None:
    """The questions of a recipe; None where its prompts are no articles. ``folder`` is where its relative
    paths start. Raises InputError for what cannot be read, MissingExtraError."""
    if source.articles is None:
        return None
    section = source.articles
    prompting.check_language(section.language)
    found: list[Question] = []
    texts: dict[Digest, str] = {}
    for path in paths(section, folder):
        article = read_source(str(path)).article
        asked = [
            _question(ask, article, section)
            for ask in questions.first(article, section.language)
            if questions.kind_of(ask) in section.questions
        ]
        if asked:
            texts[article.digest] = f"{article.meta.title}\n\n{plain(article.blocks)}"
        found += asked
    if not found:
        raise InputError(
            expected=f"articles of which {', '.join(section.questions)} can be asked",
            found=f"none: those in {section.path} are in the language {section.language!r} already",
            fix="name another language of the readers, or more questions",
        )
    return Questions(tuple(found[: source.limit]), _only(texts, found[: source.limit]))


def _only(texts: Mapping[Digest, str], kept: Sequence[Question]) -> dict[Digest, str]:
    asked = {question.article for question in kept}
    return {digest: text for digest, text in texts.items() if digest in asked}


def _question(ask: Ask, article: Article, section: Articles) -> Question:
    held = section.form == "held"
    shown = section.shown or prompting.SHOWN
    return Question(
        questions.kind_of(ask),
        article.digest,
        prompting.messages(ask, article, section.language, described=not held, shown=shown),
        ruling.expectation(article, section.language, ask),
        prompting.form(ask, bounded=True) if held else None,
    )


def paths(section: Articles, folder: Path) -> list[Path]:
    """The articles' files: the one that is named, or all in a folder and those below it, by name. Raises
    InputError for an address, which says something else tomorrow; for a folder with other files, and for an
    empty one."""
    if is_address(section.path):
        raise InputError(
            expected="a file or a folder of articles in prompts.articles.path",
            found=f"an address: {section.path:.80}",
            fix="save the page to a file: what is learnt from must stay what it was",
        )
    place = folder / section.path
    if not place.is_dir():
        return [place]
    try:
        files = sorted(path for path in place.rglob("*") if path.is_file() and not _is_hidden(path, place))
    except OSError as error:
        raise InputError(
            expected=f"a folder that can be read: {place}",
            found=error.strerror or errno.errorcode.get(error.errno or 0, "no answer"),
            fix="change who may read it",
        ) from error
    other = [path.relative_to(place).as_posix() for path in files if path.suffix.lower() not in SUFFIXES]
    if other or not files:
        raise InputError(
            expected=f"articles in {place}: {', '.join(SUFFIXES)}",
            found=f"other files: {', '.join(other[:_SHOWN])}" if other else "no file",
            fix="move what is no article elsewhere" if other else "put some there, or name another folder",
        )
    return files[: section.limit]


def _is_hidden(path: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(place).parts)
