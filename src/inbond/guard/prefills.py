"""Whether an answer begins within a tag, out of what the request wrote of it. Pure.

What the upstream gets last may be a turn of the model's own, from which the model goes on: if a tag is open
there, the answer begins with reasoning and says no tag. Nobody here knows which tags a model heeds, nor which
parts of a turn its template writes. So every tag counts by itself, in every text by itself and in all of them
joined, and one that is open in any reading is open. A turn that ends with reasoning in a field or a part of
its own leaves the model in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from inbond.guard.config import ModelPolicy
from inbond.guard.conversation import is_models, messages
from inbond.guard.hiding import DETAILS, HIDDEN_PARTS, ITEM_FIELDS, TEXT_FIELDS, Begun
from inbond.guard.tags import Tags
from inbond.guard.wire import Asked

_REASONS: Final = (*TEXT_FIELDS, DETAILS)
_NO_TEXT: Final = frozenset({"type", "role", "id", "status", "name", *_REASONS})
_MOST_TEXTS: Final = 64
"""Of a turn with more parts nothing counts as closed: no client writes one."""


def begun(policy: ModelPolicy, sent: Asked) -> tuple[Begun, ...]:
    """How the answers to each prompt begin. ``sent`` is the request as the upstream gets it, with what was
    put back of sealed reasoning."""
    if sent.route == "completions":
        prompts = sent.value.get("prompt")
        found = prompts if isinstance(prompts, list) else [prompts]
        return tuple(_state(policy, [each if isinstance(each, str) else ""]) for each in found or [""])
    turn = list(_last_turn(sent))
    if not turn:
        return (Begun(inside=policy.begins_inside),)
    texts, thinks = _said(turn)
    return (_state(policy, texts, thinks=thinks),)


def _last_turn(sent: Asked) -> list[Mapping[str, Any]]:
    """The messages of the model at the end, which servers may join to one."""
    turn: list[Mapping[str, Any]] = []
    for message in reversed(messages(sent.route, sent.value)):
        if not isinstance(message, dict) or not is_models(message):
            break
        turn.append(message)
    return turn[::-1]


def _said(turn: list[Mapping[str, Any]]) -> tuple[list[str], bool]:
    """Its texts; and whether it ends with reasoning that stands apart from them."""
    texts: list[str] = []
    spoken: list[str] = []
    thinks = False
    for message in turn:
        if message.get("type") == "reasoning":
            thinks = thinks or any(message.get(name) for name in ITEM_FIELDS)
            continue
        thinks = thinks or any(message.get(name) for name in _REASONS)
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and str(part.get("type")) in HIDDEN_PARTS:
                thinks = True
                continue
            found = list(_strings(part))
            spoken += found
            thinks = thinks and not any(each.strip() for each in found)
        texts += _strings({name: each for name, each in message.items() if name != "content"})
    texts += spoken
    joined = "".join(spoken)
    return ([*texts, joined] if texts != [joined] else texts), thinks


def _strings(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for name, each in found.items():
            if name not in _NO_TEXT:
                yield from _strings(each)
    elif isinstance(found, list):
        for each in found:
            yield from _strings(each)


def _state(policy: ModelPolicy, texts: list[str], *, thinks: bool = False) -> Begun:
    """Of texts of which the last is the whole."""
    tags = policy.tags
    several = len(texts) > _MOST_TEXTS
    lowered = [_lower(text) for text in ([texts[-1], "\n".join(texts)] if several else texts)]
    places = {begin: max(_open(tags, text, begin, closes=not several) for text in lowered)
              for begin in tags.ends}  # fmt: skip
    opened = tuple(sorted((begin for begin, place in places.items() if place), key=places.__getitem__))
    inside = bool(tags.pairs) and (thinks or (policy.begins_inside and _unclosed(tags, lowered)))
    if opened and inside:
        first = tags.pairs[0][0].lower()
        opened, inside = (opened if first in opened else (first, *opened)), False
    pattern = tags.closing_of[opened[-1]] if opened else tags.closing if inside else tags.opening
    after = _open(tags, lowered[-1], opened[-1]) if opened and not several else 0
    left = len(_decoded(lowered[-1][after:])) if after else len(texts[-1])
    return Begun(inside, opened, pattern.beginning(texts[-1], min(left, tags.longest)))


def _open(tags: Tags, text: bytes, begin: str, *, closes: bool = True) -> int:
    """Where the last opening tag ends that nothing closes; 0 for none."""
    tag = _lower(begin)
    if (at := text.rfind(tag)) < 0:
        return 0
    place = at + len(tag)
    for end in map(_lower, tags.ends[begin] if closes else ()):
        if end == tag:
            return place if text.count(tag) % 2 else 0
        if (closed := text.rfind(end)) >= 0 and closed + len(end) >= place:
            return 0
    return place


def _unclosed(tags: Tags, texts: list[bytes]) -> bool:
    """Whether the tag that the template opened is still open."""
    ends = [_lower(end) for end in tags.ends[tags.pairs[0][0].lower()]]
    return not all(any(end in text for end in ends) for text in texts)


def _lower(text: str) -> bytes:
    """Letters of ASCII alone: others that look like them are no part of a tag."""
    return text.encode("utf-8", "surrogatepass").lower()


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
