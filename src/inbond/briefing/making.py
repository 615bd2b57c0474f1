"""Makes a briefing: asks what the two state machines say is due, until nothing is, and puts it together.

Every reply is in the workspace's journal before it counts, so that what was killed goes on with what was in
flight. A teacher that is held to schemas is; one that says that it cannot be is asked in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.briefing import checks, prompting, saying, translating
from inbond.briefing.article import Article
from inbond.briefing.blocks import plain
from inbond.briefing.briefing import FORMAT, Briefing, Related, is_day
from inbond.briefing.prompting import Ask
from inbond.digest import Digest, of_value
from inbond.engine.completions import Completions, Failure, FailurePolicy, Progress, complete_all
from inbond.engine.journal import Journal
from inbond.errors import TeacherError
from inbond.teachers.protocols import Completes, Reply, Request, Sampling

MAX_TOKENS: Final = 4096
TEMPERATURE: Final = 0.3
POLICY: Final = FailurePolicy(attempts=4, timeout_s=600.0, patience_s=300.0)
_SAID_NOTHING: Final = ("empty", "refused", "rejected")
"""Failures that are answers of a kind. After any other the teacher has to be asked again."""


@final
@dataclass(frozen=True)
class Order:
    """What is to be made. ``place`` is an address or a file's name; ``shown`` the width of what is shown of
    the article at once for what is said about it; ``bounded``: the schemas bound the length of each text."""

    article: Article
    place: str
    language: str
    uri: str
    licence: str = ""
    max_tokens: int = MAX_TOKENS
    temperature: float = TEMPERATURE
    shown: int = prompting.SHOWN
    bounded: bool = False

    def identity(self, teacher: str) -> Digest:
        """Of all that decides what is asked and shown, with ``teacher`` the teacher's identity. Where and
        when the article was found is no part of it."""
        return of_value(
            {
                "article": self.article.digest,
                "from": self.article.meta.language,
                "language": self.language,
                "licence": self.licence,
                "model": teacher,
                "prompts": prompting.digest(),
                "sampling": self.sampling(0).to_json(),
                "shown": self.shown,
                "bounded": self.bounded,
            }
        )

    def sampling(self, attempt: int) -> Sampling:
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, seed=attempt)


def id_of(identity: Digest) -> str:
    """A briefing's id: the beginning of its identity."""
    return identity.removeprefix("sha256:")[:16]


@final
@dataclass
class Asking:
    """Asks one teacher for one briefing. ``described`` is None until it is known whether the teacher takes
    schemas; ``round`` counts how often it was asked what is due, the first time with one question alone."""

    order: Order
    teacher: Completes
    journal: Journal
    run: str
    policy: FailurePolicy = POLICY
    on_progress: Callable[[Progress], None] | None = None
    described: bool | None = None
    calls: int = 0
    from_journal: int = 0
    answered: int = 0
    round: int = 0

    async def ask(self, asks: Sequence[Ask]) -> dict[str, str]:
        """Replies by the asks' keys; "" where the teacher answered with nothing that can be used. Raises
        TeacherError where it did not answer; what it answered by then is kept."""
        results: dict[str, Reply | Failure] = {}
        self.round += 1
        if self.described is None:
            first, asks = asks[0], asks[1:]
            results[first.key] = await self._first(first)
        results |= await self._all(asks, described=bool(self.described))
        if not self.described:
            refused = [ask for ask in asks if _is_rejected(results[ask.key])]
            results |= await self._all(refused, described=True)
        self.calls += len(results)
        self.answered += sum(isinstance(each, Reply) for each in results.values())
        if not self.answered:
            raise _no_answer(list(results.values()))
        return {key: each.text if isinstance(each, Reply) else "" for key, each in results.items()}

    async def _first(self, ask: Ask) -> Reply | Failure:
        """Asks in a form, then without: what answers only without is asked without from then on."""
        plain_id = self._request(ask, described=True).id
        known = self.journal.find([plain_id])
        if plain_id in known and known[plain_id].reply is not None:
            self.described = True
            return (await self._all([ask], described=True))[ask.key]
        found = (await self._all([ask], described=False))[ask.key]
        self.described = False
        if _is_rejected(found):
            without = (await self._all([ask], described=True))[ask.key]
            self.described = not _is_rejected(without)
            return without
        return found

    async def _all(self, asks: Sequence[Ask], *, described: bool) -> dict[str, Reply | Failure]:
        if not asks:
            return {}
        requests = [self._request(ask, described=described) for ask in asks]
        found = await complete_all(
            self.teacher, requests, self.journal, self.policy, run=self.run, on_progress=self.on_progress
        )
        self.from_journal += found.from_journal
        _check(found)
        return {ask.key: outcome for ask, outcome in zip(asks, found.outcomes, strict=True)}

    def _request(self, ask: Ask, *, described: bool) -> Request:
        order = self.order
        return Request(
            self.teacher.identity,
            prompting.messages(ask, order.article, order.language, described=described, shown=order.shown),
            order.sampling(ask.attempt),
            sample=ask.attempt - 1,
            form=None if described else prompting.form(ask, bounded=order.bounded),
        )


async def make(
    asking: Asking,
    *,
    made_at: str,
    relate: Callable[[Briefing], Sequence[Related]] = lambda _: (),
) -> Briefing:
    """Asks until nothing is due; ``relate`` finds what was briefed before on the same matter. Raises
    TeacherError, UnwritableError; what was answered by then is kept, and is not asked again."""
    order, replies = asking.order, dict[str, str]()
    while True:
        said = saying.saying(order.article, order.language, replies)
        told = translating.translation(order.article, order.language, replies)
        due: tuple[Ask, ...] = (*said.due, *told.due)
        if not due:
            break
        replies |= await asking.ask(due)
    made = Briefing.from_json(_value(asking, said, told, made_at))
    return made.model_copy(update={"related": tuple(relate(made))})


def _value(asking: Asking, said: saying.Said, told: translating.Translation, made_at: str) -> dict[str, Any]:
    order, spent = asking.order, asking.journal.spent(asking.run)
    identity = order.identity(asking.teacher.identity)
    ids = [block.id for block in order.article.blocks]
    return {
        "format": FORMAT,
        "id": id_of(identity),
        "identity": identity,
        "made_at": made_at,
        "language": order.language,
        "model": {"uri": order.uri, "identity": asking.teacher.identity},
        "prompts": prompting.digest(),
        "source": _source(order),
        "title": said.title,
        "summary": said.summary,
        "tags": list(said.tags),
        "axes": None if said.axes is None else said.axes.model_dump(),
        "score": None if said.axes is None else str(checks.score(said.axes.model_dump())),
        "points": [each.model_dump() for each in said.points],
        "impact": [each.model_dump(mode="json") for each in said.impact],
        "comment": said.comment,
        "blocks": [block.to_json() for block in order.article.blocks],
        "translation": {id_: told.texts[id_] for id_ in ids if id_ in told.texts},
        "failed": [each.to_json() for each in told.failed],
        "left_out": [each.model_dump() for each in said.left_out],
        "related": [],
        "asked": {
            "calls": asking.calls,
            "from_journal": asking.from_journal,
            "prompt_tokens": spent.prompt_tokens,
            "completion_tokens": spent.completion_tokens,
            "cost_usd": spent.cost_usd,
        },
    }


def _source(order: Order) -> dict[str, Any]:
    article = order.article
    known = article.meta.to_json()
    return {
        "from": order.place,
        **known,
        "date": known["date"] if is_day(known["date"]) else "",
        "digest": article.digest,
        "minutes": article.minutes,
        "notices": [*article.notices, *_excerpt_notice(order)],
        "licence": order.licence,
    }


def _excerpt_notice(order: Order) -> list[str]:
    shown = len(plain(prompting.excerpt(order.article.blocks, order.shown)))
    whole = len(plain(order.article.blocks))
    if shown >= whole:
        return []
    return [
        f"title, summary, tags, score, key points and opinion rest on the first {shown:,} of {whole:,} "
        "characters; only the translation is of all"
    ]


def _is_rejected(result: Reply | Failure) -> bool:
    return isinstance(result, Failure) and result.reason == "rejected"


def _check(found: Completions) -> None:
    """Raises TeacherError where a question has no answer, not even a bad one."""
    left = [each for each in found.outcomes if isinstance(each, Failure) and each.reason not in _SAID_NOTHING]
    if left:
        raise TeacherError(
            expected=f"an answer to each of {len(found.outcomes)} questions",
            found=f"{len(left)} without one; the last: {left[-1].reason}: {left[-1].text}",
            fix="see that the model's host works, then run the same command again: it asks only for what is "
            "missing",
            reason=left[-1].reason,
            retryable=True,
        )


def _no_answer(found: Sequence[Reply | Failure]) -> TeacherError:
    said = next(each for each in found if isinstance(each, Failure))
    return TeacherError(
        expected="a model that answers",
        found=f"none of {len(found)} questions answered; {said.reason}: {said.text}",
        fix="check the model's name and its host (docs/hosts.md), then run the same command again",
        reason=said.reason,
        retryable=False,
    )
