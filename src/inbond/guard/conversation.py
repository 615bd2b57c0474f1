"""What was said before an answer, as one digest that a client can give back however it writes it. Pure.

The conversation is a list of turns: what users said, what tools gave back, what the model said and which
tools it called. Left out are system and developer messages, instructions, reasoning, ids and everything else
beside the words: clients renew, drop and rewrite those from turn to turn. Texts count without white space at
their ends, parts of text are joined, arguments of tools count as the JSON they are, a picture as it was sent.

The prefix of an answer, and of each message of the model that is handed back, ends with the last turn before
it that is not the model's. So one answer may come back as one message or as several, and its reasoning stays
bound to the same place.

What changes the digest, so that sealed reasoning after it no longer opens: a turn before it that was edited,
dropped, summarised (a compacted history), reordered, or merged with another of the same speaker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from inbond.digest import Digest, of_bytes
from inbond.guard.wire import Route

_START: Final = of_bytes(b"inbond conversation 1")
_MODEL: Final = frozenset({"assistant", "call"})
_SPEAKERS: Final = ("assistant", "model")
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})
_PASSED_OVER: Final = frozenset({"thinking", "reasoning", "redacted_thinking"})
_BESIDE: Final = frozenset({"id", "status", "cache_control", "annotations", "logprobs", "detail"})

Turn = tuple[str, *tuple[str, ...]]
"""A kind (user, assistant, call, result), then what it holds."""


def prefixes(route: Route, value: Mapping[str, Any]) -> list[Digest]:
    """For each message of a request, the prefix that reasoning in it is bound to; and last, that of the
    answer which the request asks for."""
    said = heard = _START
    found = []
    for message in messages(route, value):
        found.append(heard)
        for turn in _turns(message):
            said = of_bytes(said.encode() + b"\n" + json.dumps(turn).encode("ascii"))
            if turn[0] not in _MODEL:
                heard = said
    return [*found, heard]


def messages(route: Route, value: Mapping[str, Any]) -> Sequence[Any]:
    """The messages or items of a request, as they are; one that is a text alone counts as the user's."""
    match route:
        case "chat/completions":
            found = value.get("messages")
        case "responses":
            found = value.get("input")
        case _:
            return ()
    if isinstance(found, str):
        return ({"role": "user", "content": found},)
    return found if isinstance(found, list) else ()


def is_models(message: Mapping[str, Any]) -> bool:
    """Whether a message or an item is the model's own, by any of the names that servers know."""
    kind = str(message.get("type", ""))
    return str(message.get("role")).lower() in _SPEAKERS or kind == "reasoning" or kind.endswith("_call")


def _turns(message: Any) -> Iterator[Turn]:
    """The turns of one message of a chat, or of one item of a response."""
    if not isinstance(message, dict):
        return
    kind = message.get("type")
    if not isinstance(kind, str) or kind == "message":
        yield from _spoken(message)
    elif kind == "reasoning":
        return
    elif kind.endswith("_output"):
        yield ("result", *_parts(message.get("output")))
    elif "arguments" in message:
        yield ("call", str(message.get("name")), _arguments(message["arguments"]))
    else:
        yield ("call", kind, _plain({name: each for name, each in message.items() if name not in _BESIDE}))


def _spoken(message: Mapping[str, Any]) -> Iterator[Turn]:
    role = message.get("role")
    if role in ("system", "developer"):
        return
    if role in ("tool", "function"):
        yield ("result", *_parts(message.get("content")))
        return
    speaker = "assistant" if role == "assistant" else "user"
    parts = _parts(message.get("content"))
    if parts or speaker == "user":
        yield (speaker, *parts)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield _call(call)
    if isinstance(message.get("function_call"), dict):
        yield _call({"function": message["function_call"]})


def _call(call: Any) -> Turn:
    called = call.get("function", call.get("custom")) if isinstance(call, dict) else None
    if not isinstance(called, dict):
        return ("call", _plain(call))
    return ("call", str(called.get("name")), _arguments(called.get("arguments", called.get("input"))))


def _arguments(found: Any) -> str:
    if isinstance(found, str):
        try:
            return _plain(json.loads(found))
        except (ValueError, RecursionError):
            return found.strip()
    return _plain(found)


def _parts(content: Any) -> list[str]:
    """Its text, joined and trimmed, then everything else in it."""
    if content is None or isinstance(content, str):
        text = (content or "").strip()
        return [text] if text else []
    texts: list[str] = []
    others: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        kind = str(part.get("type")) if isinstance(part, dict) else ""
        if isinstance(part, str):
            texts.append(part)
        elif kind in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind not in _PASSED_OVER:
            others.append(_plain(part))
    text = "".join(texts).strip()
    return ([text] if text else []) + others


def _plain(found: Any) -> str:
    """One way of writing JSON, without what clients add and drop."""
    if isinstance(found, dict):
        found = {name: each for name, each in found.items() if name not in _BESIDE and each is not None}
    return json.dumps(found, sort_keys=True, separators=(",", ":"))
