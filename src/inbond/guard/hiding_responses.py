"""Hidden reasoning in responses, whole or as a stream of events. Pure.

An item of reasoning stays where it stands, emptied, so that nothing after it changes its number; an envelope
stands in its ``encrypted_content``, a summary in its ``summary``. Events that carry reasoning are left out.
Reasoning between tags in a message is cut, and its envelope is a field ``reasoning_content`` of the message's
item, which clients hand back with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from inbond.guard.answer_errors import ours
from inbond.guard.answer_fields import ANNOTATION, RESPONSE, Rules, as_is, each_of, only, record, some, word
from inbond.guard.hiding import EMPTIED, HIDDEN_PARTS, ITEM_FIELDS, Hiding
from inbond.guard.hiding_beside import Beside
from inbond.guard.tags import Scanner, Segment, begins_inside
from inbond.guard.token_lists import entries

Json = dict[str, Any]
_ITEM_KEPT: Final = frozenset({"type", "id", "status"})
_INLINE: Final = "reasoning_content"
_PLACE: Final = each_of(
    word,
    "type",
    "sequence_number",
    "item_id",
    "output_index",
    "content_index",
    "annotation_index",
    "obfuscation",
)


def _kind(**rules: Any) -> Rules:
    return {**_PLACE, **rules}


_RESPONSE: Final = _kind(response=record)
_ITEM: Final = _kind(item=record)
_PART: Final = _kind(part=record)
_KINDS: Final[Mapping[str, Rules]] = {
    **{
        f"response.{state}": _RESPONSE
        for state in ("created", "queued", "in_progress", "completed", "failed", "incomplete")
    },
    "response.output_item.added": _ITEM,
    "response.output_item.done": _ITEM,
    "response.content_part.added": _PART,
    "response.content_part.done": _PART,
    "response.output_text.delta": _kind(delta=as_is, logprobs=as_is),
    "response.output_text.done": _kind(text=as_is, logprobs=as_is),
    "response.output_text.annotation.added": _kind(annotation=ANNOTATION),
    "response.refusal.delta": _kind(delta=as_is),
    "response.refusal.done": _kind(refusal=as_is),
    "response.function_call_arguments.delta": _kind(delta=as_is),
    "response.function_call_arguments.done": _kind(arguments=as_is, name=word),
    "response.custom_tool_call_input.delta": _kind(delta=as_is),
    "response.custom_tool_call_input.done": _kind(input=as_is),
    "error": _PLACE,
}
"""The events that are shown, with their fields: no others are."""
_TEXTS: Final = ("delta", "refusal", "arguments", "input")
"""Where an event says a text other than the answer's."""
_ITEMS: Final[Mapping[str, Rules]] = {
    "message": {**each_of(word, "id", "type", "role", "status", "phase"), "content": as_is},
    "function_call": {
        **each_of(word, "id", "type", "call_id", "name", "namespace", "status"), "arguments": as_is
    },
    "custom_tool_call": {
        **each_of(word, "id", "type", "call_id", "name", "namespace", "status"), "input": as_is
    },
}  # fmt: skip
"""The items that are shown as they are, but for their texts: any other stands emptied."""
_WORDS: Final = ("id", "type", "call_id", "name", "namespace", "role", "status", "phase")
_SAID: Final[Rules] = {"type": word, "text": as_is, "annotations": some(ANNOTATION), "logprobs": as_is}
_NOTHING: Final = {"type": "output_text", "text": "", "annotations": []}


@final
class ResponsesStream:
    """The events of one stream, as values."""

    def __init__(self, hiding: Hiding) -> None:
        self._beside = Beside(hiding.tags)
        self._cover = _Cover(hiding)
        self._hiding = hiding
        self._scanners: dict[tuple[str, str], Scanner] = {}
        self._messages: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether an event could pass unread: none can, since each is of a form of its own."""
        return False

    def event(self, value: Json) -> list[Json] | None:
        """What is sent in the place of an event; None for the event itself."""
        kind = str(value.get("type"))
        rules = _KINDS.get(kind)
        if rules is None:
            self._cover.parsed = self._cover.parsed or ("delta" in value and _thinks(kind))
            return [{"error": ours(value["error"])}] if value.get("error") and kind == "None" else []
        event = self._beside.words(only(value, rules), "item_id", "name")
        if event.get("annotation"):
            event = self._cover.beside(event, "annotation")
        if kind == "error":
            return [{**event, **ours(value)}]
        if kind.startswith("response.output_text.d"):
            shown = self._text(event, kind)
        else:
            shown = self._part(event) if "part" in event else self._item(self._said(event, kind))
        return None if len(shown) == 1 and shown[0] is value else shown

    def finish(self) -> list[Json]:
        """Nothing is owed by a stream of responses: the end of each text is an event of its own."""
        return []

    def _text(self, event: Json, kind: str) -> list[Json]:
        """The answer's text, in pieces and at its end."""
        if kind.endswith(".done"):
            held = self._scanner(event).finish()[0]
            text = event.get("text")
            shown = self._cover.text(text)[0] if isinstance(text, str) else None
            return [*_more(event, kind, held), _spelt(event, "text", shown)]
        given = event.get("delta")
        if not isinstance(given, str):
            return []
        text = self._scanner(event).feed(given)[0]
        return [_spelt(event, "delta", text)] if text or not given else []

    def _scanner(self, value: Json) -> Scanner:
        place = (str(value.get("output_index")), str(value.get("content_index")))
        if place not in self._scanners:
            self._scanners[place] = self._hiding.scanner(parsed=self._cover.parsed)
        return self._scanners[place]

    def _said(self, event: Json, kind: str) -> list[Json]:
        """A text beside the answer's."""
        name = next((each for each in _TEXTS if each in event), None)
        if name is None:
            return [event]
        stem, _, end = kind.rpartition(".")
        place = (stem, str(event.get("output_index")), str(event.get("content_index")))
        found = event[name]
        if end == "done":
            held = self._beside.rest(place)
            shown = self._beside.whole(found) if isinstance(found, str) else None
            return [*_more(event, kind, held), event if shown == found else {**event, name: shown}]
        shown = self._beside.cut(place, found, last=False) if isinstance(found, str) else None
        if shown == found:
            return [event]
        return [{**event, name: shown}] if shown else []

    def _part(self, event: Json) -> list[Json]:
        """A part of a message. One of an item of reasoning is left out."""
        part = event["part"]
        shown = self._cover.part(part)[0] if isinstance(part, dict) else None
        if shown is None:
            return []
        if str(part.get("type")) in HIDDEN_PARTS | {"summary_text"} and not self._is_message(event):
            return []
        return [event if shown is part else {**event, "part": shown}]

    def _is_message(self, event: Json) -> bool:
        return str(event.get("output_index")) in self._messages

    def _item(self, events: list[Json]) -> list[Json]:
        """A whole item, or a whole response."""
        shown = []
        for event in events:
            for name, cover in (("item", self._cover.item), ("response", self._cover.response)):
                found = event.get(name)
                if isinstance(found, dict):
                    covered = cover(found)
                    event = event if covered is found else {**event, name: covered}
            if isinstance(item := event.get("item"), dict) and item.get("type", "message") == "message":
                self._messages.add(str(event.get("output_index")))
            shown.append(event)
        return shown


def _thinks(kind: str) -> bool:
    return any(word in kind for word in ("reasoning", "thinking", "thought"))


def _more(event: Json, kind: str, held: str) -> list[Json]:
    """The end of a text that was held back in case it began a tag."""
    if not held:
        return []
    place = {name: each for name, each in event.items() if name in _PLACE}
    return [{**place, "type": kind.removesuffix(".done") + ".delta", "delta": held}]


def _spelt(event: Json, name: str, text: str | None) -> Json:
    """An event or a part with what is shown of its text, and with the tokens of that alone."""
    shown = event if text == event.get(name) else {**event, name: text}
    tokens = shown.get("logprobs")
    kept = entries(tokens, text) if tokens else tokens
    return shown if kept is tokens else {**shown, "logprobs": kept or []}


@final
class _Cover:
    """Hides in whole items. What was sealed once gets the same envelope again: a stream says each item two or
    three times."""

    def __init__(self, hiding: Hiding, *, orphans: bool = False) -> None:
        """``orphans``: a text that closes a tag before it opens one begins with reasoning."""
        self._hiding = hiding
        self._orphans = orphans
        self._beside = Beside(hiding.tags)
        self._covered: dict[str, str | None] = {}
        self.parsed = False

    def response(self, found: Json) -> Json:
        shown = only(found, RESPONSE)
        output = shown.get("output")
        if output:
            items = [self.item(each) for each in output]
            if any(one is not other for one, other in zip(items, output, strict=True)):
                shown = {**shown, "output": items}
        if shown.get("output_text"):
            text, _, hid = self.text(shown["output_text"])
            shown = {**shown, "output_text": text} if hid else shown
        return shown

    def item(self, found: Json) -> Json:
        kind = str(found.get("type", "message"))
        if kind == "reasoning":
            self.parsed = True
            return self._reasoning(found)
        rules = _ITEMS.get(kind)
        if rules is None:
            return {**_kept(found), "type": "reasoning", "summary": [], EMPTIED: True}
        item = self._beside.words(only(found, rules), *_WORDS)
        for name in ("arguments", "input"):
            item = self.beside(item, name)
        return self._message(item) if item.get("content") else item

    def beside(self, found: Json, name: str) -> Json:
        """With what is shown of one of its texts, or of the texts in it."""
        said = found.get(name)
        shown = self._beside.cut((name,), said, last=True) if said else said
        return found if shown == said else {**found, name: shown}

    def _message(self, item: Json) -> Json:
        content = item["content"]
        said = content if isinstance(content, list) else [{**_NOTHING, "text": content}]
        covered = [self.part(part) if isinstance(part, dict) else (dict(_NOTHING), []) for part in said]
        parts = [part for part, _ in covered]
        if all(one is other for one, other in zip(parts, content, strict=False)):
            return item
        segments = [each for _, ended in covered for each in ended]
        inline = [self._once("inline", [each.begin, each.text, each.end]) for each in segments]
        cover = "".join(each for each in inline if each)
        return {**item, "content": parts} | ({_INLINE: cover} if cover else {})

    def part(self, found: Json) -> tuple[Json, list[Segment]]:
        if found.get("type") == "refusal" and isinstance(found.get("refusal"), str):
            shown = {"type": "refusal", "refusal": self._beside.whole(found["refusal"])}
            return (found if shown == found else shown), []
        if found.get("type") != "output_text" or not isinstance(found.get("text"), str):
            return dict(_NOTHING), []
        text, segments, _ = self.text(found["text"])
        return _spelt(self.beside(only(found, _SAID), "annotations"), "text", text), segments

    def text(self, found: str) -> tuple[str, list[Segment], bool]:
        """What is shown, what was hidden, and whether anything was."""
        inside = self._orphans and begins_inside(self._hiding.tags, found)
        scanner = self._hiding.scanner(parsed=self.parsed, inside=inside)
        shown, segments = scanner.feed(found)
        more, ended = scanner.finish()
        shown += more
        filled = [each for each in (*segments, *ended) if each.text.strip()]
        return shown, filled, shown != found

    def _reasoning(self, found: Json) -> Json:
        hidden = {name: found[name] for name in ITEM_FIELDS if found.get(name)}
        if not hidden and found.keys() <= {*_ITEM_KEPT, *ITEM_FIELDS, EMPTIED}:
            return found
        shown: Json = {**_kept(found), "summary": [], EMPTIED: True}
        cover = self._once("item", hidden) if hidden else None
        if cover is None:
            return shown
        if self._hiding.policy == "summarise":
            return {**shown, "summary": [{"type": "summary_text", "text": cover}]}
        return {**shown, "encrypted_content": cover}

    def _once(self, form: Any, value: Any) -> str | None:
        known = repr((form, value))
        if known not in self._covered:
            self._covered[known] = self._hiding.cover(form, value)
        return self._covered[known]


def _kept(item: Json) -> Json:
    return {name: each for name, each in item.items() if name in _ITEM_KEPT and word(each) is not None}


def hide_response(hiding: Hiding, value: Json) -> Json:
    """A whole response; itself when nothing is hidden in it."""
    return _Cover(hiding, orphans=True).response(value)
