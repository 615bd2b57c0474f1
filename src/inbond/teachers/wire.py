"""What an OpenAI-compatible teacher is sent and what it sends back: pure, no I/O.

``Served`` gets the chunks over HTTP and ``Embedded`` from llama.cpp in this process; both mean the
same thing by them, so both gather them here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, final, get_args

from inbond.errors import TeacherError
from inbond.teachers.forms import ToolCall, form_fields
from inbond.teachers.protocols import FinishReason, Reply, Request, ScoredPlace, TokenScore

_MAX_SEED = 2**31 - 1
_EXCERPT = 200
_REASONING = ("reasoning_content", "reasoning")
"""Where hosts put what a model says before it answers."""
_SECRET_SHAPES = re.compile(r"(?i)\b(bearer\s+|sk-|sk_|key-|hf_|gsk_)[\w.-]{8,}")


def path_of(request: Request) -> str:
    """The endpoint below the base path: raw text is continued, a conversation is answered."""
    return "/completions" if isinstance(request.prompt, str) else "/chat/completions"


def body_of(request: Request, *, model: str, top_logprobs: int = 0) -> dict[str, Any]:
    """The JSON to post. Always streamed, so that a dead connection is told from a slow answer."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt
        extra: dict[str, Any] = {"logprobs": top_logprobs}
    else:
        body["messages"] = [message.to_json() for message in request.prompt]
        extra = {"logprobs": True, "top_logprobs": top_logprobs}
    if sampling.seed is not None:
        body["seed"] = seed_of(sampling.seed, request.sample)
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if request.form is not None:
        body.update(form_fields(request.form))
    return {**body, **extra} if top_logprobs else body


def seed_of(seed: int, sample: int) -> int:
    """Repeated draws of one prompt need different seeds; the first draw has the seed that was given."""
    return (seed + sample) % _MAX_SEED


@final
class Gathering:
    """Puts the chunks of one streamed answer together. Chunks go in by ``add``; ``reply`` ends it.

    Where a tool was to be called, its arguments are the answer's text, and what was said beside them goes.
    """

    def __init__(self, request: Request, who: str, secrets: tuple[str, ...] = ()) -> None:
        self._request = request
        self._who = who
        self._secrets = secrets
        form = request.form
        self._call = ToolCall(form.name) if form is not None and form.kind == "tool" else None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._logprobs: list[ScoredPlace] = []
        self._finish: str | None = None
        self._usage: Mapping[str, Any] = {}
        self._model = ""
        self._characters = 0
        self._most = 4096 + 64 * request.sampling.max_tokens

    def add(self, chunk: Any) -> None:
        """Takes one chunk. Raises TeacherError: malformed, or what an error inside the stream means."""
        if not isinstance(chunk, dict):
            raise self.malformed(f"a chunk that is no object: {self._excerpt(chunk)}")
        if chunk.get("error"):
            raise from_error(chunk["error"], self._who, self._secrets)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        if isinstance(chunk.get("model"), str):
            self._model = _heal(chunk["model"])
        choices = chunk.get("choices", [])
        if not isinstance(choices, list):
            raise self.malformed(f"choices that are no list: {self._excerpt(choices)}")
        for choice in choices:
            if not isinstance(choice, dict):
                raise self.malformed(f"a choice that is no object: {self._excerpt(choice)}")
            if choice.get("index") in (0, None):
                self._add_choice(choice)

    @property
    def finished(self) -> bool:
        """Whether the teacher has said why the answer ends."""
        return self._finish is not None

    def reply(self, seconds: float, headers: Mapping[str, str]) -> Reply:
        """The whole answer. Raises TeacherError: truncated-stream, refused, empty."""
        called = self._call.arguments if self._call is not None else None
        text = _heal("".join(self._text) if called is None else called)
        refusal = "".join(self._refusal)
        if self._finish is None:
            raise TeacherError(
                expected=f"a whole answer from {self._who}",
                found=f"the stream ended after {len(text)} characters without a finish_reason",
                fix="ask again; if it keeps happening, look at the host's own limits",
                reason="truncated-stream",
                retryable=True,
            )
        if refusal or self._finish == "content_filter":
            raise self._unusable(
                "refused", "a refusal", self._excerpt(refusal) or "finish_reason content_filter"
            )
        if not text.strip():
            raise self._unusable("empty", "an answer without text", f"finish_reason {self._finish}")
        return Reply(
            text,
            self._finish if self._finish in get_args(FinishReason) else "other",  # type: ignore[arg-type]
            _count(self._usage.get("prompt_tokens")),
            _count(self._usage.get("completion_tokens")),
            self._model,
            seconds,
            tuple(self._logprobs),
            dict(headers),
            _heal("".join(self._reasoning)),
        )

    def _excerpt(self, value: Any) -> str:
        return excerpt(value, self._secrets)

    def malformed(self, found: str) -> TeacherError:
        return TeacherError(
            expected=f"a chat or text completion in the OpenAI format from {self._who}",
            found=found,
            fix="check that the base path is that of an OpenAI-compatible interface",
            reason="malformed",
            retryable=True,
        )

    def _unusable(self, reason: str, what: str, found: str) -> TeacherError:
        """An answer that was paid for and must not be asked for again as it stands."""
        prompt, completion = (_count(self._usage.get(f"{kind}_tokens")) for kind in ("prompt", "completion"))
        return TeacherError(
            expected=f"an answer with text from {self._who}",
            found=f"{what}: {found}",
            fix="change the prompt, or leave this one out",
            reason=reason,
            # Without a seed another draw may have text; a refusal is an answer.
            retryable=reason == "empty" and self._request.sampling.seed is None,
            spent=(prompt, completion) if prompt is not None and completion is not None else None,
        )

    def _add_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        if not isinstance(delta, dict):
            raise self.malformed(f"a delta that is no object: {self._excerpt(delta)}")
        for kept, piece in ((self._text, delta.get("content")), (self._refusal, delta.get("refusal"))):
            if piece is None:
                continue
            if not isinstance(piece, str):
                raise self.malformed(f"text that is no string: {self._excerpt(piece)}")
            self._characters += len(piece)
            kept.append(piece)
        thought = next((delta[name] for name in _REASONING if isinstance(delta.get(name), str)), "")
        self._characters += len(thought)
        self._reasoning.append(thought)
        if self._call is not None and delta.get("tool_calls") is not None:
            self._add_calls(self._call, delta["tool_calls"])
        if self._characters > self._most:
            raise self.malformed(
                f"over {self._most} characters for {self._request.sampling.max_tokens} tokens"
            )
        if choice.get("logprobs"):
            self._logprobs.extend(self._read_logprobs(choice["logprobs"]))
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]

    def _add_calls(self, call: ToolCall, calls: Any) -> None:
        try:
            self._characters += call.add(calls)
        except (ValueError, RecursionError) as error:
            raise self.malformed(f"{error}, where {call.name!r} was to be called") from error

    def _read_logprobs(self, value: Any) -> list[ScoredPlace]:
        try:
            return read_logprobs(value)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise self.malformed(f"log-probabilities that cannot be read: {self._excerpt(value)}") from error


def read_logprobs(value: Any) -> list[ScoredPlace]:
    """The ``logprobs`` of a choice: the chat form (with bytes and, from some hosts, ids) or that of text
    completions. A number that is missing, null or not finite becomes None.

    Raises KeyError, TypeError, AttributeError, ValueError or OverflowError for anything else.
    """
    if value.get("content") is not None:
        return [
            ScoredPlace(_score(item), tuple(_score(top) for top in item.get("top_logprobs") or ()))
            for item in value["content"]
        ]
    tokens, tops = value.get("tokens") or [], value.get("top_logprobs") or []
    owns = value.get("token_logprobs") or [None] * len(tokens)
    return [
        ScoredPlace(
            _score({"token": token, "logprob": own}),
            tuple(_score({"token": text, "logprob": number}) for text, number in (top or {}).items()),
        )
        for token, own, top in zip(tokens, owns, tops, strict=True)
    ]


def _score(item: Any) -> TokenScore:
    text, id_, raw = item["token"], item.get("id"), item.get("bytes")
    if not isinstance(text, str):
        raise TypeError("a token that is no text")
    text = _heal(text)
    raw = bytes(raw) if isinstance(raw, list) else None
    if raw is not None and raw == text.encode() and "\ufffd" not in text:
        raw = None  # the text says it
    known = isinstance(id_, int) and not isinstance(id_, bool) and 0 <= id_ < 2**31
    return TokenScore(text, _logprob(item.get("logprob")), id_ if known else None, raw)


def _logprob(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a log-probability that is no number")
    return float(value) if math.isfinite(value) else None


def _heal(text: str) -> str:
    """Joins surrogate pairs that a host split over two chunks; a lone half becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _count(value: Any) -> int | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if number and 0 <= value < 2**53 else None


def excerpt(value: Any, secrets: tuple[str, ...] = ()) -> str:
    """A short, printable piece of what a host sent, with keys and what looks like one removed."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    text = _SECRET_SHAPES.sub("***", text)
    text = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."


def message_of(error: Any) -> str:
    """The words in an error object of the OpenAI format, or the whole of it."""
    if isinstance(error, dict):
        inner = error.get("error", error)
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            return str(inner["message"])
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=str)


def from_error(error: Any, who: str, secrets: tuple[str, ...] = ()) -> TeacherError:
    """What an error object inside a stream (or out of llama.cpp) means."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_status(status, excerpt(message_of(error), secrets), who, None)


def from_status(status: int, said: str, who: str, retry_after_s: float | None) -> TeacherError:
    """The TeacherError for an HTTP status other than 200. ``said`` is an excerpt without secrets."""
    reason, retryable, fix = _meaning(status, retry_after_s)
    return TeacherError(
        expected=f"an answer from {who}",
        found=f"status {status}" + (f": {said}" if said else ""),
        fix=fix,
        reason=reason,
        retryable=retryable,
        retry_after_s=retry_after_s,
    )


def _meaning(status: int, retry_after_s: float | None) -> tuple[str, bool, str]:
    if status in (401, 402, 403):
        return (
            "unauthorised",
            False,
            "check the key in the variable that key_env in hosts.yaml names, and the account's rights",
        )
    if status in (429, 529) or (status == 503 and retry_after_s is not None):
        return "rate-limited", True, "wait, or lower concurrency for this host in hosts.yaml"
    if status == 408:
        return "timeout", True, "ask again, or raise timeout_s for this host in hosts.yaml"
    if status >= 500:
        return "unreachable", True, "ask again later: the host has a fault of its own"
    if 300 <= status < 400:
        return (
            "rejected",
            False,
            "redirects are not followed, since a key only goes to its own host: name the final host",
        )
    if 200 <= status < 300:
        return "malformed", True, "check that the base path is that of an OpenAI-compatible interface"
    return "rejected", False, "check the model's name, the base path, and the prompt's length"
