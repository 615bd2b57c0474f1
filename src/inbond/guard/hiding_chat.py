"""Hidden reasoning in chat completions, and in completions, whole or as a stream. Pure.

A choice's reasoning is collected while it comes, and covered when it ends: at the first word, call or
refusal after it, at its closing tag, or at the end of the answer. The cover comes in an event of its own, in
the field in which the reasoning came; reasoning between tags is covered in ``reasoning_content``. A
completion has no message that could be handed back, so that nothing is put in the place of its reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from inbond.guard.hiding import (
    DETAILS,
    DROPPED_FIELDS,
    HIDDEN_PARTS,
    RAW_FIELDS,
    TEXT_FIELDS,
    Hiding,
    merged_details,
)
from inbond.guard.tags import Scanner, Segment, begins_inside

Json = dict[str, Any]
_SUBSTANCE: Final = ("content", "tool_calls", "function_call", "refusal", "audio", "annotations", "images")
_INLINE: Final = "reasoning_content"


@final
class ChatStream:
    """The events of one stream, as values."""

    def __init__(self, hiding: Hiding) -> None:
        self._hiding = hiding
        self._choices: dict[Any, Choice] = {}
        self._frame: Json = {}
        self._always = bool(hiding.begins_inside or hiding.prefilled)

    @property
    def idle(self) -> bool:
        """Whether an event that hides nothing would pass as it is."""
        return not self._always and all(choice.idle for choice in self._choices.values())

    def event(self, value: Json) -> list[Json] | None:
        """What is sent in the place of an event; None for the event itself."""
        choices = value.get("choices")
        if not isinstance(choices, list):
            return None
        self._frame = {name: each for name, each in value.items() if name not in ("choices", "usage")}
        before: list[Json] = []
        kept: list[Any] = []
        changed = bool(RAW_FIELDS & value.keys())
        for found in choices:
            shown, covers = self._choice(found)
            changed = changed or shown is not found
            before += [self._covered(found, cover) for cover in covers]
            kept += [] if shown is None else [shown]
        if not changed and not before:
            return None
        if kept or not choices or value.get("usage"):
            before.append({**_without_raw(value), "choices": kept})
        return before

    def finish(self) -> list[Json]:
        """The stream is over: what was held of choices that did not end."""
        found = [
            {"index": index, "finish_reason": None, **end}
            for index, choice in self._choices.items()
            for end in choice.finish()
        ]
        return [{**_without_raw(self._frame), "choices": [each]} for each in found]

    def _choice(self, found: Any) -> tuple[Any, list[Json]]:
        """The choice as it is shown, itself when nothing changes, None when nothing is left of it."""
        if not isinstance(found, dict):
            return found, []
        index = found.get("index", 0)
        choice = self._choices.setdefault(index if isinstance(index, int) else 0, Choice(self._hiding))
        return choice.event(found)

    def _covered(self, choice: Json, delta: Json) -> Json:
        shown = {"index": choice.get("index", 0), "delta": delta, "finish_reason": None}
        return {**_without_raw(self._frame), "choices": [shown]}


@final
class Choice:
    """One of an answer's choices."""

    def __init__(self, hiding: Hiding) -> None:
        self._hiding = hiding
        self._scanner: Scanner | None = None
        self._texts: dict[str, list[str]] = {}
        self._details: list[Any] = []
        self._parts: list[Any] = []
        self._parsed = False
        self._hid = False
        self._began = False
        self._plain = False

    @property
    def idle(self) -> bool:
        waiting = self._texts or self._details or self._parts
        return not waiting and (self._scanner is None or self._scanner.idle)

    def event(self, found: Json) -> tuple[Json | None, list[Json]]:
        """A choice of a stream: as it is shown (itself, or None for nothing), and the covers before it."""
        last = bool(found.get("finish_reason"))
        if "text" in found and "delta" not in found:
            shown, _ = self.completion(found, last=last)
            return (shown if shown.get("text") or last or shown is found else None), []
        name = "delta" if isinstance(found.get("delta"), dict) else "message"
        delta = found.get(name)
        if not isinstance(delta, dict):
            return found, []
        piece, covers = self.piece(delta, last=last)
        began, self._began = self._began, self._began or bool(delta.get("role"))
        if piece is delta:
            return found, covers
        if not last and not _has_substance(piece) and (began or not piece.get("role")):
            return None, covers
        return {**self._bare(found), name: piece}, covers

    def finish(self) -> list[Json]:
        """What a stream that ended without saying so still owes, each a part of a choice."""
        shown, covers = self.piece({}, last=True)
        if self._plain:
            return [{"text": shown["content"]}] if shown.get("content") else []
        return [{"delta": delta} for delta in (*covers, shown) if delta]

    def whole(self, found: Json) -> Json:
        """A choice of a whole answer."""
        if "text" in found and "message" not in found:
            return self.completion(found, last=True, whole=True)[0]
        message = found.get("message")
        if not isinstance(message, dict):
            return found
        shown, covers = self.piece(message, last=True, whole=True)
        if shown is message:
            return found
        for cover in covers:
            for name, value in cover.items():
                shown[name] = shown[name] + value if shown.get(name) else value
        return {**self._bare(found), "message": shown}

    def completion(self, found: Json, *, last: bool, whole: bool = False) -> tuple[Json, list[Json]]:
        """A choice of a completion: its text is in itself."""
        self._plain = True
        aside = {"text", "logprobs", "index", *RAW_FIELDS}
        as_delta = {name: each for name, each in found.items() if name not in aside}
        as_delta["content"] = found["text"]
        piece, _ = self.piece(as_delta, last=last, whole=whole)
        if piece is as_delta:
            return found, []
        text = piece.pop("content", "")
        return {"index": found.get("index", 0), "text": text, **piece, "logprobs": None}, []

    def piece(self, delta: Json, *, last: bool, whole: bool = False) -> tuple[Json, list[Json]]:
        """What is shown of a piece (itself when nothing changes), and the covers that come before it."""
        hidden = {name for name, value in delta.items() if value and self._hide(name, value)}
        shown: Json = {name: value for name, value in delta.items() if name not in hidden}
        given = shown.get("content")
        content, segments = self._content(given, whole=whole)
        if last and self._scanner is not None:
            more, ended = self._scanner.finish()
            segments += ended
            content = _joined(content, more)
        if content != given:
            shown["content"] = content
        self._hid = bool(hidden or segments or content != given or not self.idle)
        covers = self._inline(segments)
        if last or _has_substance(shown):
            covers = self._ended() + covers
        return (shown if self._hid else delta), covers

    def _bare(self, found: Json) -> Json:
        """A choice without the tokens of what is hidden in it."""
        shown = _without_raw(found)
        if self._hid and shown.get("logprobs"):
            shown["logprobs"] = None
        return shown

    def _hide(self, name: str, value: Any) -> bool:
        if name in TEXT_FIELDS:
            self._parsed = True
            if isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            return True
        if name == DETAILS:
            self._parsed = True
            self._details += value if isinstance(value, list) else []
            return True
        return name in DROPPED_FIELDS

    def _content(self, content: Any, *, whole: bool) -> tuple[Any, list[Segment]]:
        if isinstance(content, str):
            return self._text(content, whole=whole) if content else (content, [])
        if not isinstance(content, list):
            return content, []
        shown: list[Any] = []
        segments: list[Segment] = []
        for part in content:
            if isinstance(part, dict) and str(part.get("type")) in HIDDEN_PARTS:
                self._parsed = True
                self._parts.append(part)
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                text, ended = self._text(part["text"], whole=whole)
                segments += ended
                shown.append(part if text == part["text"] else {**part, "text": text})
            else:
                shown.append(part)
        return shown, segments

    def _text(self, text: str, *, whole: bool) -> tuple[str, list[Segment]]:
        if self._scanner is None:
            inside = whole and begins_inside(self._hiding.tags, text)
            self._scanner = self._hiding.scanner(parsed=self._parsed, inside=inside)
        return self._scanner.feed(text)

    def _inline(self, segments: list[Segment]) -> list[Json]:
        found = [
            self._hiding.cover("inline", [each.begin, each.text, each.end])
            for each in segments
            if each.text.strip()
        ]
        return [{_INLINE: cover} for cover in found if cover is not None]

    def _ended(self) -> list[Json]:
        """The covers of all that was collected, in one piece."""
        covers: Json = {}
        for name, texts in self._texts.items():
            covers[name] = self._hiding.cover("text", "".join(texts))
        if self._parts:
            cover = self._hiding.cover("parts", self._parts)
            covers[_INLINE] = (covers.get(_INLINE) or "") + cover if cover is not None else None
        if self._details:
            covers[DETAILS] = self._covered_details(merged_details(self._details))
        self._texts, self._details, self._parts = {}, [], []
        covers = {name: cover for name, cover in covers.items() if cover is not None}
        return [covers] if covers else []

    def _covered_details(self, details: list[Any]) -> list[Json] | None:
        cover = self._hiding.cover("details", details)
        if cover is None:
            return None
        if self._hiding.policy == "summarise":
            return [{"type": "reasoning.summary", "summary": cover, "index": 0}]
        return [{"type": "reasoning.encrypted", "data": cover, "format": "inbond", "id": None, "index": 0}]


def hide_chat(hiding: Hiding, value: Json) -> Json:
    """A whole answer; itself when nothing is hidden in it."""
    choices = value.get("choices")
    if not isinstance(choices, list):
        return value
    shown = [Choice(hiding).whole(found) if isinstance(found, dict) else found for found in choices]
    if all(one is other for one, other in zip(shown, choices, strict=True)) and not RAW_FIELDS & value.keys():
        return value
    return {**_without_raw(value), "choices": shown}


def _has_substance(delta: Mapping[str, Any]) -> bool:
    return any(delta.get(name) for name in _SUBSTANCE)


def _joined(content: Any, more: str) -> Any:
    if not more:
        return content
    if isinstance(content, list):
        return [*content, {"type": "text", "text": more}]
    return (content or "") + more


def _without_raw(value: Json) -> Json:
    return {name: each for name, each in value.items() if name not in RAW_FIELDS}
