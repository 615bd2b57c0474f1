"""The two Protocols of a teacher, and the values that pass through them.

``Completes`` gives text. ``ScoresTokens`` gives log-probabilities at chosen positions. A teacher
implements one or both. Shapes: N label tokens of all sequences together, K kept tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Literal, Protocol, final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest, of_value
from inbond.types import Prompt, prompt_to_json

FailureReason = Literal[
    "rate-limited",  # 429, or 503 with Retry-After
    "timeout",  # no answer, or no next byte, within the time allowed
    "unreachable",  # no connection, DNS failure, 5xx
    "truncated-stream",  # the connection ended before the answer did
    "malformed",  # a reply that is not what the protocol says
    "empty",  # an answer without text
    "refused",  # a content filter or a refusal field
    "rejected",  # 4xx: the request itself is wrong
    "unauthorised",  # 401, 403
    "budget",  # the spend cap does not allow another request
]
FAILURES: tuple[str, ...] = FailureReason.__args__  # type: ignore[attr-defined]

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "other"]

FormKind = Literal["json-schema", "tool", "json-object"]
_FORM_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Sampling:
    """How to sample. Every field is part of a request's digest, so it is asked anew when one changes."""

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "stop": list(self.stop),
        }


@final
@dataclass(frozen=True)
class Form:
    """A JSON object that a reply is asked to be, and how the host is asked for it: by its constraint to a
    schema (``json-schema``), as the arguments of the one tool that it must call (``tool``), or as any JSON
    object (``json-object``; the schema is then the prompt's business, and none is sent).

    ``schema`` is JSON text, so that a form can be hashed, with its fields in the order in which they were
    given: hosts write a reply's fields in that order, and a reason before a vote is another reply than one
    after it. ``name`` is of letters, digits, _ and -, at most 64.

    A host may ignore a form: whoever reads the reply must check it.
    """

    kind: FormKind
    name: str
    schema: str

    def __post_init__(self) -> None:
        assert _FORM_NAME.fullmatch(self.name), f"no name of a form: {self.name!r}"
        assert isinstance(json.loads(self.schema), dict), "a schema is a JSON object"

    @classmethod
    def of(cls, kind: FormKind, name: str, schema: Mapping[str, Any]) -> Form:
        """From the schema as a value. What JSON cannot hold is our own mistake: TypeError or ValueError."""
        text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return cls(kind, name, text)

    def schema_value(self) -> dict[str, Any]:
        """The schema as a fresh value, its fields in their order."""
        value: dict[str, Any] = json.loads(self.schema)
        return value

    def to_json(self) -> dict[str, str]:
        """The schema as text: an order of fields would be lost in canonical JSON, and decides replies."""
        return {"kind": self.kind, "name": self.name, "schema": self.schema}


@dataclass(frozen=True)
class Request:
    """One question to one teacher. ``sample`` numbers repeated draws of the same prompt.

    ``teacher`` is the teacher's identity (its name, and the digest of its weights where we hold
    them), so that an answer is never credited to other weights of the same name.
    ``form`` asks for a structured reply, in a conversation only. A host that says that it cannot give it is
    the failure ``rejected``.
    ``mark`` is the id of the key that a green list or a choice among samples marks the answers with: it is
    sent to nobody, and keeps them apart from those of the same question that are not marked.
    """

    teacher: str
    prompt: Prompt
    sampling: Sampling
    sample: int = 0
    form: Form | None = None
    mark: Digest | None = None

    def __post_init__(self) -> None:
        assert self.form is None or not isinstance(self.prompt, str), "raw text is continued in no form"

    def to_json(self) -> dict[str, Any]:
        """``form`` and ``mark`` are there only when there is one: digests from before there were any hold."""
        return {
            "teacher": self.teacher,
            **prompt_to_json(self.prompt),
            "sampling": self.sampling.to_json(),
            "sample": self.sample,
            **({} if self.form is None else {"form": self.form.to_json()}),
            **({} if self.mark is None else {"mark": self.mark}),
        }

    @cached_property
    def id(self) -> Digest:
        return of_value(self.to_json())


@dataclass(frozen=True, slots=True)
class TokenScore:
    """One token as a host named it, and its natural log-probability; None where the host gave none.

    ``raw`` is the token's bytes where ``text`` does not say them for certain (half a character);
    ``id`` is the host's own number for it. Neither is to be believed before it was checked.
    """

    text: str
    logprob: float | None
    id: int | None = None
    raw: bytes | None = None

    def to_json(self) -> list[Any]:
        raw = None if self.raw is None else self.raw.hex()
        value = [self.text, self.logprob, self.id, raw]
        return value if raw is not None else value[: 2 if self.id is None else 3]

    @classmethod
    def from_json(cls, value: Any) -> TokenScore:
        """Reads ``to_json``, and the bare text of the first journals."""
        text, logprob, id_, raw = [*([value] if isinstance(value, str) else value), None, None, None][:4]
        return cls(text, logprob, id_, None if raw is None else bytes.fromhex(raw))


@dataclass(frozen=True, slots=True)
class ScoredPlace:
    """A generated token, and the likeliest tokens in its place, in the host's order."""

    token: TokenScore
    top: tuple[TokenScore, ...]

    def to_json(self) -> list[Any]:
        return [self.token.to_json(), [score.to_json() for score in self.top]]

    @classmethod
    def from_json(cls, value: Any) -> ScoredPlace:
        """Reads ``to_json``."""
        token, top = value
        return cls(TokenScore.from_json(token), tuple(map(TokenScore.from_json, top)))


@dataclass(frozen=True)
class Reply:
    """A whole answer. Tokens are as the teacher counted them, None when it did not say.

    ``text`` is what was said; where a tool's arguments were asked for, and a tool was called, these.
    ``top_logprobs`` holds the generated tokens with their likeliest alternatives, as far as the host
    reported them; empty unless asked for.
    ``headers`` keeps the few response headers that are evidence (request id, receipt).
    """

    text: str
    finish: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None
    model: str
    seconds: float
    top_logprobs: tuple[ScoredPlace, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    reasoning: str = ""
    """What the host gave, in a field of its own, of how the model came to its answer."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens. Local teachers cost 0."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class Completes(Protocol):
    """A teacher that answers prompts."""

    @property
    def identity(self) -> str:
        """The teacher's name plus whatever pins its weights; part of every request's digest."""

    @property
    def concurrency(self) -> int:
        """How many calls of ``complete`` may be in flight at once."""

    @property
    def price(self) -> Price: ...

    async def complete(self, request: Request) -> Reply:
        """Answers, or raises TeacherError with one of FAILURES as its reason.

        Asks once: retrying is the caller's policy, never done here. Keeps nothing: a crash loses at
        most the calls in flight. Safe to call ``concurrency`` times at once. A cancelled call
        stops using the teacher soon and leaves it usable.
        """

    async def close(self) -> None:
        """Frees what the teacher holds. May be called twice."""


@dataclass(frozen=True)
class TokenSequence:
    """Token ids of prompt and completion; label positions are those of the completion."""

    ids: tuple[int, ...]
    prompt_length: int

    @property
    def labels(self) -> int:
        return len(self.ids) - self.prompt_length


@dataclass(frozen=True)
class Keep:
    """What is kept of the teacher's distribution at a label position. All of it decides the targets' bytes.

    ``top-k``: the ``size`` likeliest tokens; a tail event holds the rest. ``sampled``: ``size`` tokens
    that stand for the whole distribution without bias (``losses.sampling``); ``seed`` decides the draw,
    together with the sequence and the place in it, so that batches and shards do not. ``drawn`` says what
    is kept of how likely those tokens are that do not stand for themselves: each's log-probability, or of
    a row only its mean, which is all that forward KL depends on. ``own`` (top-k): the label itself is kept in
    any case, in the place of the least likely one where it is none of the likeliest.
    """

    kind: Literal["top-k", "sampled"] = "top-k"
    size: int = 64
    temperature: float = 1.0
    seed: int = 0
    drawn: Literal["each", "mean"] = "each"
    own: bool = False

    def to_json(self) -> dict[str, Any]:
        """What concerns draws is no part of what is not drawn."""
        drawn = {"seed": self.seed, "drawn": self.drawn} if self.kind == "sampled" else {}
        own = {"own": True} if self.own else {}
        return {"kind": self.kind, "size": self.size, "temperature": self.temperature, **drawn, **own}


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of K tokens at each of N label positions, in the order of the sequences.

    ``ids_NK`` int32 token ids; ``logp_NK`` float32 natural log-probabilities of
    softmax(logits / temperature), normalised over the whole real vocabulary.
    ``sure_N`` is None for top-k: likeliest first, and what they lack to 1 is the tail's mass. For sampled
    targets it is uint8 [N]: the first ``sure_N[n]`` tokens of a row stand for themselves, each other one
    for an equal share of the mass that those leave.
    """

    ids_NK: npt.NDArray[np.int32]
    logp_NK: npt.NDArray[np.float32]
    sure_N: npt.NDArray[np.uint8] | None = None

    def split(self, lengths: Iterable[int]) -> list[Scores]:
        """One Scores for each of so many label tokens, in order."""
        ends = np.cumsum([0, *lengths])
        rows = [slice(start, end) for start, end in pairwise(ends)]
        return [
            Scores(self.ids_NK[row], self.logp_NK[row], None if self.sure_N is None else self.sure_N[row])
            for row in rows
        ]


class ScoresTokens(Protocol):
    """A teacher that can say how likely given text is."""

    @property
    def identity(self) -> str:
        """As in Completes."""

    @property
    def vocabulary(self) -> Digest:
        """Digest of the tokenizer's real tokens and their ids."""

    @property
    def vocabulary_size(self) -> int:
        """Number of real tokens (padding rows of the head not counted)."""

    def score(self, sequences: Sequence[TokenSequence], keep: Keep) -> Scores:
        """Scores every label token of ``sequences``, given all tokens before it.

        Raises InputError when ``keep.size`` is not within 1..vocabulary_size, or a sequence is longer
        than the model's context. Deterministic on one machine. Keeps nothing.
        """
