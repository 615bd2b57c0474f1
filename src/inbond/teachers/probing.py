"""Whether a host's log-probabilities may be learnt from: a small probe, asked and judged before anything is.

Where the same teacher's weights are at hand, the host's scores are compared with theirs. Elsewhere the host
is compared with itself: asked twice, asked at another temperature and another top_p, which must change
nothing. That cannot show that the host serves the weights that its name says, with which quantisation, or
what it makes of a conversation; the verdict says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from inbond.digest import of_value
from inbond.errors import DecisionNeededError, InputError, TeacherError
from inbond.teachers.gaps import Gap, against_itself, against_local
from inbond.teachers.mapping import Scored, map_reply
from inbond.teachers.pieces import Pieces
from inbond.teachers.protocols import Completes, Reply, Request, Sampling, ScoresTokens
from inbond.teachers.remote import fewer
from inbond.teachers.tokens import encode_prompt
from inbond.types import Prompt, Reason, Verdict

DECIDER = "remote-scores/1"
LIMIT_NATS = 0.1
MOST = 20
"""The most alternatives that hosts with the OpenAI interface give."""
FEWEST_ANSWERS = 3
FEWEST_TOKENS = {"local": 32, "repeat": 32, "cold": 6, "narrow": 6}
"""After greedy, other sampling goes another way within a few tokens, so fewer can be compared."""
_DROPPED, _UNKNOWN, _UNLIKELY = 0.1, 0.01, 0.01
_SOURCE = "docs/remote.md"


@dataclass(frozen=True)
class ProbeResult:
    """What the probe measured. ``local`` is set when there were weights to compare with, else ``repeat``
    (the same greedy request again), ``cold`` (temperature 0.5) and ``narrow`` (top_p 0.5).

    ``unlikely`` counts greedy tokens that are not the likeliest by the host's own word; ``recounted``
    replies whose prompt has another number of tokens for the host than for us; ``kept_mass`` and
    ``unknown_share`` are means a label token.
    """

    teacher: str
    reference: str | None
    size: int
    replies: int
    dropped: Mapping[str, int]
    local: Gap | None
    repeat: Gap | None
    cold: Gap | None
    narrow: Gap | None
    greedy_tokens: int
    unlikely: int
    recounted: int
    kept_mass: float
    unknown_share: float
    prompt_tokens: int
    completion_tokens: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def settle_size(open_teacher: Callable[[int], Completes], prompt: Prompt, wanted: int = MOST) -> int:
    """The most alternatives, up to ``wanted``, that the host gives: by asking for a few tokens at a time.

    What a host refuses with 4xx is asked for again with the number that it names, or half as many; so is
    what it silently cuts. ``open_teacher(n)`` opens it asking for n; each is closed again. Raises
    InputError when it gives none at all, TeacherError for any other trouble.
    """
    size = wanted
    while size > 0:
        teacher = open_teacher(size)
        try:
            reply = await teacher.complete(Request(teacher.identity, prompt, Sampling(4, 0.0)))
        except TeacherError as error:
            if error.reason != "rejected" or "logprob" not in error.found:
                raise
            size = _next_size(error.found, size)
        else:
            came = max((len(place.top) for place in reply.top_logprobs), default=0)
            if came >= size:
                return size
            size = came
        finally:
            await teacher.close()
    raise fewer(open_teacher(wanted).identity, wanted, 0)


def _next_size(said: str, size: int) -> int:
    """The largest smaller number in the host's words ("must be at most 5"), or half."""
    smaller = [int(number) for number in re.findall(r"\d{1,4}", said) if int(number) < size]
    return max(smaller, default=size // 2)


def probe_requests(
    teacher: str, prompts: Sequence[Prompt], sampling: Sampling, *, alone: bool
) -> list[Request]:
    """Every prompt as generation will ask it with ``sampling``, so that a journal answers it then; or
    ``alone``, without weights to compare with, greedily twice, then in two other ways, for at most 32
    tokens."""
    variants = [(sampling, 0)]
    if alone:
        greedy = Sampling(min(32, sampling.max_tokens), 0.0, 1.0, sampling.seed)
        cold, narrow = replace(greedy, temperature=0.5), replace(greedy, temperature=1.0, top_p=0.5)
        variants = [(greedy, 0), (greedy, 1), (cold, 0), (narrow, 0)]
    return [Request(teacher, prompt, how, draw) for how, draw in variants for prompt in prompts]


def measure(
    requests: Sequence[Request],
    replies: Sequence[Reply],
    prompts: int,
    tokenizer: Any,
    size: int,
    reference: ScoresTokens | None,
) -> ProbeResult:
    """What the answers to ``probe_requests`` of that many prompts say. ``reference`` is the same teacher's
    weights here; None: it was asked ``alone``. Raises InputError as ``encode_prompt`` does."""
    assert prompts, "a probe asks something"
    pieces = Pieces.of(tokenizer)
    mapped = [
        map_reply(pieces, tokenizer, request.prompt, reply, size)
        for request, reply in zip(requests, replies, strict=True)
    ]
    scored = [one if isinstance(one, Scored) else None for one in mapped]
    groups = [scored[start : start + prompts] for start in range(0, len(scored), prompts)]
    whole = [one for one in scored if one]
    labels = max(sum(len(one.rows) for one in whole), 1)
    greedy = [] if reference else _own_ranks([one for group in groups[:2] for one in group if one])
    return ProbeResult(
        teacher=requests[0].teacher,
        reference=reference.identity if reference else None,
        size=size,
        replies=len(replies),
        dropped=dict(sorted(Counter(one for one in mapped if not isinstance(one, Scored)).items())),
        **_gaps(groups, reference),
        greedy_tokens=len(greedy),
        unlikely=greedy.count(False),
        recounted=_recounted(tokenizer, requests, replies),
        kept_mass=sum(one.kept_mass for one in whole) / labels,
        unknown_share=sum(one.unknown_mass for one in whole) / labels,
        prompt_tokens=sum(reply.prompt_tokens or 0 for reply in replies),
        completion_tokens=sum(reply.completion_tokens or 0 for reply in replies),
    )


def _gaps(groups: Sequence[Sequence[Scored | None]], reference: ScoresTokens | None) -> dict[str, Gap | None]:
    gaps: dict[str, Gap | None] = dict.fromkeys(("local", "repeat", "cold", "narrow"))
    if reference is not None:
        return gaps | {"local": against_local(reference, [one for one in groups[0] if one])}
    first, *others = groups
    return gaps | {
        name: against_itself(first, other)
        for name, other in zip(("repeat", "cold", "narrow"), others, strict=True)
    }


def _own_ranks(scored: Sequence[Scored]) -> list[bool]:
    """For each scored token, whether it is the likeliest in its place, ties within the limit allowed."""
    return [
        dict(row).get(own, float("-inf")) >= row[0][1] - LIMIT_NATS
        for one in scored
        for own, row in zip(one.labels, one.rows, strict=True)
        if row
    ]


def _recounted(tokenizer: Any, requests: Sequence[Request], replies: Sequence[Reply]) -> int:
    ours = [len(encode_prompt(tokenizer, request.prompt)) for request in requests]
    return sum(reply.prompt_tokens not in (None, count) for reply, count in zip(replies, ours, strict=True))


Outcome = Literal["agree", "disagree", "cannot-tell"]


def decide(result: ProbeResult, limit: float = LIMIT_NATS) -> Verdict:
    """agree, disagree or cannot-tell, with the numbers. ``limit`` in nats a token is for the mean weighted
    difference of log-probabilities and for the KL divergence; an interval of two standard errors across
    it is a cannot-tell."""
    reasons = [*_shape_reasons(result)]
    names = {
        "local": f"against the weights here ({result.reference})",
        "repeat": "the same request asked twice",
        "cold": "temperature 0.5 against greedy",
        "narrow": "top_p 0.5 against greedy",
    }
    gaps = {name: gap for name in names if (gap := getattr(result, name)) is not None}
    for name, gap in gaps.items():
        reasons.append(_gap_reason(name, names[name], gap, limit))
    if result.reference is None:
        reasons += _alone_reasons(result)
    outcomes = [reason.detail["outcome"] for reason in reasons]
    outcome = next((one for one in ("disagree", "cannot-tell") if one in outcomes), "agree")
    facts = of_value({"result": result.to_json(), "limit": limit})
    return Verdict(outcome, tuple(reasons), facts, DECIDER)


def _reason(rule: str, outcome: Outcome, finding: str) -> Reason:
    return Reason(rule, finding, _SOURCE, {"outcome": outcome})


def _gap_reason(rule: str, what: str, gap: Gap, limit: float) -> Reason:
    low = max(gap.difference - 2 * gap.difference_se, gap.kl - 2 * gap.kl_se)
    high = max(gap.difference + 2 * gap.difference_se, gap.kl + 2 * gap.kl_se)
    outcome: Outcome = "disagree" if low > limit else "agree" if high <= limit else "cannot-tell"
    fewest, few = FEWEST_TOKENS[rule], ""
    if outcome == "agree" and (gap.tokens < fewest or gap.answers < FEWEST_ANSWERS):
        outcome, few = "cannot-tell", f"; {FEWEST_ANSWERS} answers and {fewest} tokens are needed"
    finding = (
        f"{what}: log-probabilities differ by {gap.difference:.3f} +- {gap.difference_se:.3f} nats, "
        f"KL {gap.kl:.3f} +- {gap.kl_se:.3f} over {gap.tokens} tokens of {gap.answers} answers; "
        f"the limit is {limit:g}{few}"
    )
    return _reason(rule, outcome, finding)


def _shape_reasons(result: ProbeResult) -> list[Reason]:
    """What can be said of the answers themselves, whatever they are compared with."""
    reasons = []
    lost = sum(result.dropped.values())
    why = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items()) or "none"
    broken = sum(result.dropped.get(reason, 0) for reason in ("not-probabilities", "contradiction"))
    outcome: Outcome = "disagree" if broken else "agree"
    if not broken and (lost > _DROPPED * result.replies or lost == result.replies):
        outcome = "cannot-tell"
    reasons.append(_reason("answers", outcome, f"{lost} of {result.replies} replies dropped: {why}"))
    unknown = result.unknown_share > _UNKNOWN
    reasons.append(
        _reason(
            "tokens",
            "disagree" if unknown else "agree",
            f"alternatives that are not tokens of ours hold {result.unknown_share:.4f} of the mass"
            + (": the teacher has another tokenizer" if unknown else "")
            + f"; the kept {result.size} hold {result.kept_mass:.3f}",
        )
    )
    if result.recounted:
        finding = (
            f"{result.recounted} of {result.replies} prompts have another number of tokens for the host: "
        )
        finding += "it writes conversations in another way than our tokenizer, or counts differently"
        reasons.append(_reason("prompts", "agree", finding))
    return reasons


def _alone_reasons(result: ProbeResult) -> list[Reason]:
    if not result.greedy_tokens:
        return [_reason("greedy", "cannot-tell", "no greedy answer could be read")]
    many = result.unlikely > _UNLIKELY * result.greedy_tokens
    finding = f"{result.unlikely} of {result.greedy_tokens} greedy tokens are not the likeliest"
    return [
        _reason("greedy", "disagree" if many else "agree", finding),
        _reason(
            "alone",
            "agree",
            "compared with itself alone: this cannot show that the host serves the weights its name says, "
            "how they are quantised, or how it writes conversations",
        ),
    ]


def refuse(verdict: Verdict) -> None:
    """Raises InputError when the verdict is disagree, DecisionNeededError when it is cannot-tell."""
    if verdict.outcome == "agree":
        return
    why = "; ".join(one.finding for one in verdict.reasons if one.detail["outcome"] == verdict.outcome)
    if verdict.outcome == "disagree":
        raise InputError(
            expected="log-probabilities that are the teacher's own, unchanged by sampling",
            found=why,
            fix="use another host or a teacher whose weights are here, or learn from its text alone "
            "(train.ce)",
        )
    raise DecisionNeededError(
        expected="a probe that can tell whether the host's log-probabilities are the teacher's own",
        found=why,
        fix='probe more prompts, or accept them as they are with --accept "probe: REASON"',
    )
