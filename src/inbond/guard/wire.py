"""What a request asks for, out of its bytes. Pure, and mistrustful: five routes, strict JSON, bounded.

A request that can be read in two ways (a field twice, a number that is none, a route spelt around) is
refused: what is metered here must be what the upstream answers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal, final

from inbond import strict_json
from inbond.guard import fields, parts

Route = Literal["chat/completions", "completions", "responses", "embeddings"]
ROUTES: tuple[Route, ...] = ("chat/completions", "completions", "responses", "embeddings")
MOST_DEPTH = 64
MOST_VALUES = 500_000
MOST_NESTED = 100_000
"""How many values a request may have, and how many of them lists and objects: some ten times what any has
that a model can read. More take seconds to read, in which nobody is answered."""
MOST_ANSWERS = 10**6
MOST_PROMPTS = 4_096
MOST_MESSAGES = 16_384
"""Of one request. Each takes steps of its own, in which nobody else is answered."""
_BYTES_A_TOKEN = 2
"""Of what is held before an answer. Words have more, digits and rare scripts down to one, which is what an
answer without a count settles with."""
_MESSAGE_TOKENS = 16
MEDIA_TOKENS = 16_384
"""Of a part of a message that is neither text nor picture, and a file by address, where nobody says more."""
_NAMES = frozenset({"role", "type", "id", "status", "name", "call_id", "tool_call_id"})
_MOST_NAME = 128
"""A longer name is a text."""
_NO_PROMPT = frozenset(
    {
        "messages", "input", "prompt", "instructions", "model", "stream", "stream_options", "stop", "user",
        "metadata", "logit_bias", "include", "tool_choice", "modalities", "service_tier", "reasoning",
        "reasoning_effort", "safety_identifier", "prompt_cache_key",
    }
)  # fmt: skip
"""Fields that are counted as texts, or that no model reads."""


class BadRequestError(ValueError):
    """A request that is not understood. ``code`` goes to the caller, with the sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@final
@dataclass(frozen=True)
class Asked:
    """One request. ``system`` and ``user`` are its texts, in order; ``answers`` how many are asked for;
    ``most_tokens`` what it allows each of them, None when it does not say; ``prompt_tokens`` an estimate, and
    ``prompt_most`` what is settled where nobody counts, a token a byte; ``value`` the JSON itself."""

    route: Route
    model: str
    stream: bool
    wants_usage: bool
    system: tuple[str, ...]
    user: tuple[str, ...]
    answers: int
    most_tokens: int | None
    prompt_tokens: int
    prompt_most: int
    value: Mapping[str, Any]

    @property
    def prompts(self) -> int:
        """How many prompts it has, each answered by itself."""
        return _prompts(self.route, self.value)

    def completion_tokens(self, unless_said: int) -> int:
        """The most that the answers can have."""
        if self.route == "embeddings":
            return 0
        each = self.most_tokens if self.most_tokens is not None else unless_said
        return each * self.answers


def read(
    route: Route, body: bytes, allowed: Set[str] = frozenset(), media_tokens: int = MEDIA_TOKENS
) -> Asked:
    """Reads a request. ``allowed`` are fields that the provider allows besides those of ``fields``, and
    ``media_tokens`` what each part counts that nobody can count here. Raises BadRequestError."""
    value = _object(body)
    model = _text(value, "model")
    if not model:
        raise BadRequestError("missing_model", "the request names no model")
    if (fault := fields.unlisted(route, value, allowed)) is not None:
        raise BadRequestError("unsupported_field", fault)
    stream = _flag(value, "stream")
    options = value.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    system, user, media = _texts(value, _Counting(route, allowed, media_tokens))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in (*system, *user))
    size += _bytes_beside(value)
    around = _MESSAGE_TOKENS * (len(system) + len(user)) + media
    return Asked(
        route, model, stream, wants_usage, tuple(system), tuple(user), _answers(route, value), _most(value),
        math.ceil(size / _BYTES_A_TOKEN) + around, size + around, value,
    )  # fmt: skip


def _object(body: bytes) -> dict[str, Any]:
    _refuse_wide(body)
    try:
        value = strict_json.parse(body.decode("utf-8"), _float)
    except strict_json.RepeatedNameError:
        raise BadRequestError("invalid_json", "a field stands there twice") from None
    except strict_json.NoNumberError as error:
        raise BadRequestError("invalid_json", f"{error.text} is no JSON number") from None
    except ValueError as error:
        raise BadRequestError("invalid_json", f"the body is not JSON in UTF-8: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise BadRequestError("invalid_json", "the body is not a JSON object")
    if _depth(value) > MOST_DEPTH:
        raise BadRequestError("invalid_json", f"the body is nested more than {MOST_DEPTH} deep")
    return value


def _refuse_wide(body: bytes) -> None:
    """Counts values before any is made. Of JSON it counts right; what is none is refused later, and counts
    right as far as it is read."""
    if not _is_wide(body):
        return
    strings = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if strings.count(b'"') > 4 * MOST_VALUES or _is_wide(b"".join(strings.split(b'"')[::2])):
        raise BadRequestError(
            "too_many_values",
            f"the body has more than {MOST_VALUES:,} values, or {MOST_NESTED:,} lists and objects",
        )


def _is_wide(data: bytes) -> bool:
    return data.count(b",") >= MOST_VALUES or data.count(b"[") + data.count(b"{") > MOST_NESTED


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise strict_json.NoNumberError(text[:40])
    return found


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MOST_DEPTH:
        depth += 1
        level = [item for each in level for item in _children(each)]
    return depth


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (item for item in value.values() if isinstance(item, (dict, list)))
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, (dict, list)))


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str):
        raise BadRequestError("invalid_type", f"{name} is not a string")
    return found


def _flag(value: Mapping[str, Any], name: str) -> bool:
    found = value.get(name)
    if found is not None and not isinstance(found, bool):
        raise BadRequestError("invalid_type", f"{name} is neither true nor false")
    return bool(found)


def _answers(route: Route, value: Mapping[str, Any]) -> int:
    """The most that any field says, for each prompt."""
    each = max(_whole(value, name) or 1 for name in fields.ANSWERS)
    found = each * _prompts(route, value)
    if found > MOST_ANSWERS:
        raise BadRequestError("invalid_type", f"more than {MOST_ANSWERS:,} answers are asked for")
    return found


def _prompts(route: Route, value: Mapping[str, Any]) -> int:
    found = value.get("prompt") if route == "completions" else None
    several = isinstance(found, list) and any(isinstance(prompt, (str, list)) for prompt in found)
    number = len(found) if isinstance(found, list) and several else 1
    if number > MOST_PROMPTS:
        raise BadRequestError("too_many_values", f"more than {MOST_PROMPTS:,} prompts in one request")
    return number


def _most(value: Mapping[str, Any]) -> int | None:
    said = [_whole(value, name) for name in fields.LIMITS]
    known = [most for most in said if most is not None]
    return max(known) if known else None


def _whole(value: Mapping[str, Any], name: str) -> int | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= 10**7:
        raise BadRequestError("invalid_type", f"{name} is not a whole number from 1 to 10,000,000")
    return found


# Texts ------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Counting:
    """What messages are read by."""

    route: Route
    allowed: Set[str]
    media_tokens: int


def _texts(value: Mapping[str, Any], counting: _Counting) -> tuple[list[str], list[str], int]:
    """System texts, all others, and the tokens of what is no text."""
    match counting.route:
        case "chat/completions":
            return _messages(value.get("messages"), counting)
        case "responses":
            system, user, media = _messages(value.get("input"), counting)
            instructions = _text(value, "instructions") if value.get("instructions") is not None else ""
            return ([instructions, *system] if instructions else system), user, media
        case "completions":
            return [], list(_strings(value.get("prompt"), "prompt")), 0
        case "embeddings":
            return [], list(_strings(value.get("input"), "input")), 0


def _messages(found: Any, counting: _Counting) -> tuple[list[str], list[str], int]:
    if isinstance(found, str):
        return [], [found], 0
    if not isinstance(found, list):
        raise BadRequestError("invalid_type", "the messages are not a list")
    if len(found) > MOST_MESSAGES:
        raise BadRequestError("too_many_values", f"more than {MOST_MESSAGES:,} messages in one request")
    system: list[str] = []
    user: list[str] = []
    media = 0
    item = counting.route == "responses"
    for message in found:
        if not isinstance(message, dict):
            raise BadRequestError("invalid_type", "a message is not an object")
        if (kept := fields.elsewhere(message, item=item)) is not None:
            raise BadRequestError("unsupported_field", kept)
        if (name := parts.unserved(message, counting.allowed)) is not None:
            raise BadRequestError("unsupported_field", fields.refused(counting.route, name))
        into = system if message.get("role") in ("system", "developer") else user
        texts, more = _content(message, counting.media_tokens)
        into += texts
        media += more
    return system, user, media


def _content(message: Mapping[str, Any], media_tokens: int = 0) -> tuple[list[str], int]:
    """Everything in a message that a model reads as text: its parts, its calls of tools and their results;
    and the tokens of what is no text."""
    texts: list[str] = []
    media = 0
    for name, found in message.items():
        if name in _NAMES and len(str(found)) <= _MOST_NAME:
            continue
        if isinstance(found, str):
            texts.append(found)
        elif name in parts.HOLDERS and isinstance(found, list):
            for part in found:
                media += parts.tokens(part, media_tokens) if isinstance(part, dict) else 0
                if isinstance(part, dict) and parts.is_picture(part):
                    texts += [part["text"]] if isinstance(part.get("text"), str) else []
                else:
                    texts.append(part if isinstance(part, str) else _part(part))
        elif found is not None:
            texts.append(json.dumps(found, ensure_ascii=False))
    return texts, media


def _part(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else json.dumps(part, ensure_ascii=False)


def _strings(found: Any, name: str) -> Iterator[str]:
    """One text, several, or lists of token ids, which are as long as their number of tokens."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list) and all(isinstance(item, str) for item in found):
        yield from found
    elif isinstance(found, list) and all(isinstance(item, (int, list)) for item in found):
        yield json.dumps(found)
    else:
        raise BadRequestError("invalid_type", f"{name} is neither a text nor a list of texts")


def _bytes_beside(value: Mapping[str, Any]) -> int:
    """Of all fields besides the messages that a template may write into the prompt: tools, a suffix, a
    grammar, documents, and whatever a server has of its own."""
    shown = [
        each for name, each in value.items() if name not in _NO_PROMPT and isinstance(each, (str, list, dict))
    ]
    return len(json.dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass")) if shown else 0


def said_last(asked: Asked) -> str:
    """What the caller said since the last answer: the part of a conversation that this request adds, without
    what tools gave back, which are the words of others."""
    if asked.route not in ("chat/completions", "responses"):
        return "\n".join(asked.user)
    found = asked.value.get("messages" if asked.route == "chat/completions" else "input")
    if not isinstance(found, list):
        return "\n".join(asked.user)
    added: list[list[str]] = []
    for message in reversed(found):
        kind = str(message.get("type", ""))
        if message.get("role") == "assistant" or kind == "reasoning" or kind.endswith("_call"):
            break
        others = message.get("role") in ("system", "developer", "tool", "function")
        if not others and not kind.endswith("_output"):
            added.append(_content(message)[0])
    return "\n".join(text for texts in reversed(added) for text in texts)
