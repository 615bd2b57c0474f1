"""What is said about an article, as a state machine: the replies so far say what is asked next. Pure.

Three questions: the head (title, summary, tags, axes), the key points, and an opinion. Each thing in a reply
is checked by itself: what is right stays, what is wrong is asked for again with what was wrong, up to
``MOST_ASKS`` times in all. What no reply was right for is left out and told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, final

from inbond.briefing import checks, claims, replies
from inbond.briefing.article import Article
from inbond.briefing.blocks import Block
from inbond.briefing.briefing import Axes, Impact, LeftOut, Point
from inbond.briefing.checks import Problem, folded
from inbond.briefing.claims import Ground, text_of

MOST_ASKS: Final = 3
LEAST_POINTS: Final = 3
MOST_POINTS: Final = 5
MOST_IMPACTS: Final = 3
MOST_LOOKED_AT: Final = 12
"""Key points, or impacts, of one reply."""
Question = Literal["head", "points", "opinion"]
Part = Literal["title", "summary", "tags", "axes", "points", "impact", "comment"]
HEAD: Final[tuple[Part, ...]] = ("title", "summary", "tags", "axes")
OPINION: Final[tuple[Part, ...]] = ("impact", "comment")


@final
@dataclass(frozen=True)
class Ask:
    """One question: which attempt, which fields are wanted, what was wrong before, and what is right already.
    ``least`` and ``most`` count the key points that are wanted. ``key`` names its reply."""

    question: Question
    attempt: int
    wanted: tuple[Part, ...]
    problems: tuple[Problem, ...] = ()
    kept: tuple[str, ...] = ()
    least: int = 0
    most: int = 0

    @property
    def key(self) -> str:
        return f"{self.question}/{self.attempt}"


@final
@dataclass(frozen=True)
class Said:
    """How far it has come: what is right so far, what is asked next, and what was given up on."""

    title: str = ""
    summary: str = ""
    tags: tuple[str, ...] = ()
    axes: Axes | None = None
    points: tuple[Point, ...] = ()
    impact: tuple[Impact, ...] = ()
    comment: str = ""
    due: tuple[Ask, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass
class _Turn:
    """What became of one question: right values by part, the ask that is due, problems by part."""

    right: dict[Part, Any] = field(default_factory=dict)
    due: Ask | None = None
    why: dict[Part, str] = field(default_factory=dict)


def saying(article: Article, language: str, given: Mapping[str, str]) -> Said:
    """The state after the replies ``given`` (by ``Ask.key``; "" for one that failed). The same replies always
    give the same state; a reply to a question that is not asked is not looked at."""
    ground = Ground.of(article, language)
    own = article.meta.language == language and bool(article.meta.title)
    head = tuple(part for part in HEAD if part != "title" or not own)
    turns = (
        _fields("head", head, ground, given),
        _points(ground, given),
        _fields("opinion", OPINION, ground, given),
    )
    right: dict[Part, Any] = {"title": article.meta.title} if own else {}
    for turn in turns:
        right |= turn.right
    why = {part: words for turn in turns for part, words in turn.why.items()}
    due = tuple(turn.due for turn in turns if turn.due is not None)
    left_out = tuple(LeftOut(part=part, why=words[:400]) for part, words in why.items())
    return replace(Said(**right), due=due, left_out=left_out)


def wrong(ask: Ask, reply: str, article: Article, language: str) -> tuple[Problem, ...]:
    """All that is wrong with one reply by itself, also where ``saying`` would take what is right of it and go
    on."""
    ground, value = Ground.of(article, language), replies.read(reply)
    if value is None:
        return (_NO_REPLY,)
    if ask.question == "points":
        right: list[Point] = []
        found = _add_points(right, value, ground)
        few = Problem("", "empty", f"{len(right)} of at least {ask.least} points came right")
        return found or (() if len(right) >= ask.least else (few,))
    problems = [problem for part in ask.wanted for problem in _field(part, value, ground)[1]]
    if "impact" in ask.wanted:  # some that are right cover for the others above
        problems += [each for each in _impacts(value.get("impact"), ground)[1] if each not in problems]
    return tuple(problems)


# A question with several fields, each right or wrong by itself ------------------------------------------


def _fields(question: Question, parts: Sequence[Part], ground: Ground, given: Mapping[str, str]) -> _Turn:
    turn, problems = _Turn(), dict[Part, tuple[Problem, ...]]()
    for attempt in range(1, MOST_ASKS + 1):
        wanted = tuple(part for part in parts if part not in turn.right)
        if not wanted:
            return turn
        told = tuple(each for part in wanted for each in problems.get(part, ()))
        ask = Ask(question, attempt, wanted, told)
        if ask.key not in given:
            turn.due = ask
            return turn
        value = replies.read(given[ask.key])
        for part in wanted:
            found, problems[part] = _field(part, value, ground)
            if found is not None:
                turn.right[part] = found
    left = (part for part in parts if part not in turn.right)
    turn.why = {part: "; ".join(dict.fromkeys(each.why for each in problems[part])) for part in left}
    return turn


def _field(part: Part, value: Any, ground: Ground) -> tuple[Any, tuple[Problem, ...]]:
    """A part of a reply where it is right, else None and what is wrong with it. Impacts that are right stay
    where others are wrong."""
    if value is None:
        return None, (_NO_REPLY,)
    given = value.get(part)
    if part in ("title", "summary", "comment"):
        text = text_of(given)
        problems = _TEXTS[part](text, ground)
        return (None if problems else text), problems
    if part == "tags":
        tags, problems = claims.tags(given)
        return (None if problems else tags), problems
    if part == "axes":
        axes, why = checks.axes_of(given)
        return (None if axes is None else Axes(**axes)), (Problem("", "axes", why),) if why else ()
    impacts, problems = _impacts(given, ground)
    return (impacts or None), (
        () if impacts else problems or (Problem("", "empty", "impact is missing or empty"),)
    )


_NO_REPLY: Final = Problem("", "reply", "no JSON object came")
_TEXTS: Final[Mapping[str, Callable[[str, Ground], tuple[Problem, ...]]]] = {
    "title": claims.title,
    "summary": lambda text, ground: claims.claim(
        text, "the summary", claims.MOST_SENTENCE, ground, sentence=True
    ),
    "comment": lambda text, ground: claims.claim(text, "the comment", claims.MOST_OPINION, ground),
}


def _impacts(value: Any, ground: Ground) -> tuple[tuple[Impact, ...], tuple[Problem, ...]]:
    right: list[Impact] = []
    problems: list[Problem] = []
    for each in _items(value):
        text = text_of(each.get("text"))
        blocks, wrong = claims.cited(each.get("blocks"), ground.article)
        found = (*claims.claim(text, "an impact", claims.MOST_OPINION, ground), *wrong)
        if not found and folded(text) not in {folded(other.text) for other in right}:
            right.append(Impact(text=text, blocks=blocks))
        problems += found
    return tuple(right[:MOST_IMPACTS]), tuple(problems)


def _items(value: Any) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [each for each in found[:MOST_LOOKED_AT] if isinstance(each, Mapping)]


# Key points ----------------------------------------------------------------------------------------------


def least_points(blocks: Sequence[Block]) -> int:
    """How many key points an article must have: fewer where it is very short."""
    return max(1, min(LEAST_POINTS, sum(block.is_words and block.kind != "heading" for block in blocks)))


def _points(ground: Ground, given: Mapping[str, str]) -> _Turn:
    turn, least = _Turn(), least_points(ground.article.blocks)
    right: list[Point] = []
    problems: tuple[Problem, ...] = ()
    for attempt in range(1, MOST_ASKS + 1):
        ask = Ask(
            "points",
            attempt,
            ("points",),
            problems,
            tuple(point.heading for point in right),
            least=least - len(right),
            most=MOST_POINTS - len(right),
        )
        if ask.key not in given:
            turn.due = ask
            break
        problems = _add_points(right, replies.read(given[ask.key]), ground)
        if len(right) >= least:
            break
    else:
        said = "; ".join(dict.fromkeys(map(str, problems))) or "no more came"
        turn.why = {"points": f"{len(right)} of at least {least} came right: {said}"}
    turn.right = {"points": tuple(right)}
    return turn


def _add_points(right: list[Point], value: Any, ground: Ground) -> tuple[Problem, ...]:
    """Adds the points of a reply that are right; returns what is wrong with the others."""
    if value is None:
        return (_NO_REPLY,)
    items = _items(value.get("points"))
    if not items:
        return (Problem("", "empty", "points is missing or empty"),)
    problems: list[Problem] = []
    for each in items:
        point, found = _point(each, ground)
        if point is not None and any(_same(point, other) for other in right):
            found = (Problem(point.block, "double", "this point stands there already"),)
            point = None
        problems += found
        if point is not None and len(right) < MOST_POINTS:
            right.append(point)
    return tuple(problems)


def _point(value: Mapping[str, Any], ground: Ground) -> tuple[Point | None, tuple[Problem, ...]]:
    heading, sentence = text_of(value.get("heading")), text_of(value.get("sentence"))
    block, words = text_of(value.get("block")), text_of(value.get("quote"))
    found = ground.article.by_id.get(block)
    problems = (
        *claims.claim(heading, "the heading of a point", claims.MOST_HEADING, ground),
        *claims.claim(sentence, "the sentence of a point", claims.MOST_SENTENCE, ground, sentence=True),
        *checks.quote(words, found, block),
    )
    if problems:
        named = block[:20] if found is not None else ""
        return None, tuple(replace(each, block=each.block or named) for each in problems)
    return Point(heading=heading, sentence=sentence, block=block, quote=words), ()


def _same(one: Point, other: Point) -> bool:
    return folded(one.sentence) == folded(other.sentence) or (
        one.block == other.block and folded(one.quote) == folded(other.quote)
    )
