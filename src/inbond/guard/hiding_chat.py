"""Hidden reasoning in chat completions, and in completions, whole or as a stream. Pure.

A choice's reasoning is collected while it comes, and covered when it ends: at the first word, call or
refusal after it, at its closing tag, or at the end of the answer. The cover comes in an event of its own, in
the field in which the reasoning came; reasoning between tags is covered in ``reasoning_content``. A
completion has no message that could be handed back, so that nothing is put in the place of its reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from inbond.guard.answer_fields import ANNOTATION, ANSWER, CHOICE, only, some, word
from inbond.guard.hiding import DETAILS, HIDDEN_PARTS, TEXT_FIELDS, Hiding, merged_details
from inbond.guard.hiding_beside import Beside
from inbond.guard.tags import Scanner, Segment, begins_inside
from inbond.guard.token_lists import spelt

Json = dict[str, Any]
_SUBSTANCE: Final = ("content", "tool_calls", "function_call", "refusal", "audio", "annotations")
_SPOKEN_PARTS: Final = (None, "text", "output_text", "refusal")
_AUDIO: Final = {"id": word, "data": word, "expires_at": word, "transcript": word}
_INLINE: Final = "reasoning_content"
_OWN: Final = ("choices", "usage", "timings", "error")
"""What belongs to one event alone."""


@final
class ChatStream:
    """The events of one stream, as values."""

    def __init__(self, hiding: Hiding) -> None:
        self._hiding = hiding
        self._choices: dict[Any, Choice] = {}
        self._frame: Json = {}
        self._always = not hiding.begins_shown

    @property
    def idle(self) -> bool:
        """Whether an event that hides nothing would pass as it is."""
        return not self._always and all(choice.idle for choice in self._choices.values())

    def event(self, value: Json) -> list[Json] | None:
        """What is sent in the place of an event; None for the event itself."""
        answer = only(value, ANSWER)
        self._frame = {name: each for name, each in answer.items() if name not in _OWN}
        choices = answer.get("choices")
        if not isinstance(choices, list):
            return None if answer is value else [answer] if answer else []
        before: list[Json] = []
        kept: list[Any] = []
        for found in choices:
            shown, covers = self._choice(found)
            before += [self._covered(found, cover) for cover in covers]
            kept += [] if shown is None else [shown]
        same = len(kept) == len(choices) and all(a is b for a, b in zip(kept, choices, strict=True))
        if same and answer is value and not before:
            return None
        if kept or not choices or answer.get("usage") or answer.get("error"):
            before.append({**answer, "choices": kept})
        return before

    def finish(self) -> list[Json]:
        """The stream is over: what was held of choices that did not end."""
        found = [
            {"index": index, "finish_reason": None, **end}
            for index, choice in self._choices.items()
            for end in choice.finish()
        ]
        return [{**self._frame, "choices": [each]} for each in found]

    def _choice(self, found: Json) -> tuple[Json | None, list[Json]]:
        """The choice as it is shown, itself when nothing changes, None when nothing is left of it."""
        given = found.get("index", 0)
        index = given if isinstance(given, int) else 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(self._hiding, index)
        return choice.event(found)

    def _covered(self, choice: Json, delta: Json) -> Json:
        shown = {"index": choice.get("index", 0), "delta": delta, "finish_reason": None}
        return {**self._frame, "choices": [shown]}


@final
class Choice:
    """One of an answer's choices."""

    def __init__(self, hiding: Hiding, index: int) -> None:
        self._hiding = hiding
        self._index = index
        self._scanner: Scanner | None = None
        self._beside = Beside(hiding.tags)
        self._texts: dict[str, list[str]] = {}
        self._details: list[Any] = []
        self._parts: list[Any] = []
        self._parsed = False
        self._began = False
        self._plain = False

    @property
    def idle(self) -> bool:
        waiting = self._texts or self._details or self._parts
        return not waiting and (self._scanner is None or self._scanner.idle) and self._beside.idle

    def event(self, found: Json) -> tuple[Json | None, list[Json]]:
        """A choice of a stream: as it is shown (itself, or None for nothing), and the covers before it."""
        last = bool(found.get("finish_reason"))
        name, choice = _opened(found, self._hiding.plain, "delta", "message")
        delta = choice.get(name)
        if isinstance(delta, str):
            shown = self._completion(choice, last=last)
            return (shown if shown.get("text") or last or shown is found else None), []
        if not isinstance(delta, dict):
            return _with_logprobs(choice, {}), []
        piece, covers = self.piece(delta, last=last)
        began, self._began = self._began, self._began or bool(delta.get("role"))
        if piece is delta:
            return _with_logprobs(choice, piece), covers
        if not last and not _has_substance(piece) and (began or not piece.get("role")):
            return None, covers
        return _with_logprobs({**choice, name: piece}, piece), covers

    def finish(self) -> list[Json]:
        """What a stream that ended without saying so still owes, each a part of a choice."""
        shown, covers = self.piece({}, last=True)
        if self._plain:
            return [{"text": shown["content"]}] if shown.get("content") else []
        return [{"delta": delta} for delta in (*covers, shown) if delta]

    def whole(self, found: Json) -> Json:
        """A choice of a whole answer."""
        name, choice = _opened(found, self._hiding.plain, "message", "delta")
        message = choice.get(name)
        if isinstance(message, str):
            return self._completion(choice, last=True, whole=True)
        if not isinstance(message, dict):
            return _with_logprobs(choice, {})
        shown, covers = self.piece(message, last=True, whole=True)
        if shown is message:
            return _with_logprobs(choice, message)
        for cover in covers:
            for field, value in cover.items():
                shown[field] = shown[field] + value if shown.get(field) else value
        return _with_logprobs({**choice, name: shown}, shown)

    def _completion(self, choice: Json, *, last: bool, whole: bool = False) -> Json:
        """A choice of a completion: its text is in itself."""
        self._plain = True
        given = {"content": choice["text"]}
        piece, _ = self.piece(given, last=last, whole=whole)
        shown = choice if piece is given else {**choice, "text": piece["content"]}
        return _with_logprobs(shown, piece)

    def piece(self, delta: Json, *, last: bool, whole: bool = False) -> tuple[Json, list[Json]]:
        """What is shown of a piece (itself when nothing changes), and the covers that come before it."""
        shown = {name: self._shown(name, each, last=last) if each else each for name, each in delta.items()}
        hidden = [name for name, each in shown.items() if each is None and delta[name]]
        changed = bool(hidden) or any(each is not delta[name] for name, each in shown.items())
        for name in hidden:
            del shown[name]
        given = shown.get("content")
        content, segments = self._content(given, whole=whole)
        if last and self._scanner is not None:
            more, ended = self._scanner.finish()
            segments += ended
            content = _joined(content, more)
        if content != given:
            shown["content"] = content
        if last and (owed := self._beside.owed()):
            shown, changed = _with_owed(shown, owed), True
        hid = changed or bool(segments) or content != given or not self.idle
        covers = self._inline(segments)
        if last or _has_substance(shown):
            covers = self._ended() + covers
        return (shown if hid else delta), covers

    def _shown(self, name: str, value: Any, *, last: bool) -> Any:
        """What is shown of a field that is not empty; None where it is hidden or not known."""
        if self._hide(name, value):
            return None
        match name:
            case "role":
                return self._beside.word(word(value))
            case "content":
                return value if isinstance(value, (str, list)) else None
            case "tool_calls":
                return self._beside.calls(value, last=last)
            case "function_call":
                return self._beside.called(value, name, last=last)
            case "refusal":
                return self._cut(name, value, last=last)
            case "audio" if isinstance(value, dict):
                heard = self._beside.words(only(value, _AUDIO), "id")
                said = self._cut(name, heard.get("transcript"), last=last)
                return heard if said == heard.get("transcript") else {**heard, "transcript": said}
            case "annotations":
                return self._beside.cut((name,), some(ANNOTATION)(value), last=last)
            case _:
                return None

    def _cut(self, name: str, value: Any, *, last: bool) -> Any:
        if not isinstance(value, str):
            return None
        shown = self._beside.cut((name,), value, last=last)
        return value if shown == value else shown

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
        return False

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
            elif not isinstance(part, dict) or part.get("type") not in _SPOKEN_PARTS:
                continue
            elif isinstance(part.get("text"), str):
                text, ended = self._text(part["text"], whole=whole)
                segments += ended
                shown.append({"type": "text", "text": text})
            elif isinstance(part.get("refusal"), str):
                shown.append({"type": "refusal", "refusal": self._beside.whole(part["refusal"])})
        return shown, segments

    def _text(self, text: str, *, whole: bool) -> tuple[str, list[Segment]]:
        if self._scanner is None:
            inside = whole and begins_inside(self._hiding.tags, text)
            self._scanner = self._hiding.scanner(parsed=self._parsed, inside=inside, index=self._index)
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
    answer = only(value, ANSWER)
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return answer
    shown = []
    for number, found in enumerate(choices):
        index = found.get("index", number)
        shown.append(Choice(hiding, index if isinstance(index, int) else number).whole(found))
    if all(one is other for one, other in zip(shown, choices, strict=True)):
        return answer
    return {**answer, "choices": shown}


def _opened(found: Json, plain: bool, *messages: str) -> tuple[str, Json]:
    """Where the choice speaks, in its text or in the first of the messages, and what is known of it; itself
    when nothing is left out."""
    spoken = next((each for each in messages if isinstance(found.get(each), dict)), "text")
    name = "text" if plain and isinstance(found.get("text"), str) else spoken
    choice = only(found, CHOICE)
    for other in (*messages, "text"):
        if other != name and choice.get(other):
            choice = {field: each for field, each in choice.items() if field != other}
    return name, choice


def _with_logprobs(choice: Json, said: Json) -> Json:
    """A choice with the tokens of what it says, and of nothing else."""
    found = choice.get("logprobs")
    shown = spelt(found, said.get("content"), said.get("refusal"))
    return choice if shown is found else {**choice, "logprobs": shown}


def _with_owed(shown: Json, owed: Json) -> Json:
    calls = [*(shown.get("tool_calls") or []), *owed.pop("tool_calls", [])]
    joined = {**shown, **({"tool_calls": calls} if calls else {})}
    for name, rest in owed.items():
        before = joined.get(name)
        joined[name] = before + rest if isinstance(before, str) else rest
    return joined


def _has_substance(delta: Mapping[str, Any]) -> bool:
    return any(delta.get(name) for name in _SUBSTANCE)


def _joined(content: Any, more: str) -> Any:
    if not more:
        return content
    if isinstance(content, list):
        return [*content, {"type": "text", "text": more}]
    return (content or "") + more
