"""Hidden reasoning in responses, whole or as a stream of events. Pure.

An item of reasoning stays where it stands, emptied, so that nothing after it changes its number; an envelope
stands in its ``encrypted_content``, a summary in its ``summary``. Events that carry reasoning are left out.
Reasoning between tags in a message is cut, and its envelope is a field ``reasoning_content`` of the message's
item, which clients hand back with it.
"""

from __future__ import annotations

from typing import Any, Final, final

from inbond.guard.hiding import EMPTIED, HIDDEN_PARTS, ITEM_FIELDS, RAW_FIELDS, Hiding
from inbond.guard.tags import Scanner, Segment, begins_inside

Json = dict[str, Any]
_ITEM_KEPT: Final = frozenset({"type", "id", "status"})
_INLINE: Final = "reasoning_content"


@final
class ResponsesStream:
    """The events of one stream, as values."""

    def __init__(self, hiding: Hiding) -> None:
        self._cover = _Cover(hiding)
        self._hiding = hiding
        self._scanners: dict[tuple[Any, Any], Scanner] = {}
        self._always = bool(hiding.begins_inside or hiding.prefilled)

    @property
    def idle(self) -> bool:
        """Whether an event that hides nothing would pass as it is."""
        return not self._always and all(scanner.idle for scanner in self._scanners.values())

    def event(self, value: Json) -> list[Json] | None:
        """What is sent in the place of an event; None for the event itself."""
        kind = str(value.get("type"))
        if any(word in kind for word in ("reasoning", "thinking", "thought")):
            self._cover.parsed = self._cover.parsed or "delta" in value
            return []
        if kind == "response.output_text.delta":
            return self._delta(value)
        before = self._held(value) if kind == "response.output_text.done" else []
        shown = self._whole(value)
        return [*before, *([] if shown is None else [shown])] if before or shown is not value else None

    def finish(self) -> list[Json]:
        """Nothing is owed by a stream of responses: the end of each text is an event of its own."""
        return []

    def _delta(self, value: Json) -> list[Json] | None:
        scanner = self._scanner(value)
        given = value.get("delta")
        if not isinstance(given, str):
            return None
        shown, segments = scanner.feed(given)
        if shown == given and not segments:
            return None
        return [{**value, "delta": shown, "logprobs": []}] if shown else []

    def _held(self, value: Json) -> list[Json]:
        """The end of a text that was held back in case it began a tag."""
        shown, _ = self._scanner(value).finish()
        if not shown:
            return []
        place = {name: each for name, each in value.items() if name not in ("text", "logprobs")}
        return [{**place, "type": "response.output_text.delta", "delta": shown, "logprobs": []}]

    def _scanner(self, value: Json) -> Scanner:
        place = (str(value.get("output_index")), str(value.get("content_index")))
        if place not in self._scanners:
            self._scanners[place] = self._hiding.scanner(parsed=self._cover.parsed)
        return self._scanners[place]

    def _whole(self, value: Json) -> Json | None:
        """An event that holds whole parts of an answer; None when nothing of it is left."""
        shown = value
        if isinstance(value.get("text"), str):
            text, _, hid = self._cover.text(value["text"])
            shown = {**shown, "text": text, "logprobs": []} if hid else shown
        part = value.get("part")
        if isinstance(part, dict):
            if str(part.get("type")) in HIDDEN_PARTS | {"summary_text"}:
                return None
            covered = self._cover.part(part)[0]
            shown = shown if covered is part else {**shown, "part": covered}
        for name, cover in (("item", self._cover.item), ("response", self._cover.response)):
            found = value.get(name)
            if isinstance(found, dict):
                covered = cover(found)
                shown = shown if covered is found else {**shown, name: covered}
        return shown


@final
class _Cover:
    """Hides in whole items. What was sealed once gets the same envelope again: a stream says each item two or
    three times."""

    def __init__(self, hiding: Hiding, *, orphans: bool = False) -> None:
        """``orphans``: a text that closes a tag before it opens one begins with reasoning."""
        self._hiding = hiding
        self._orphans = orphans
        self._covered: dict[str, str | None] = {}
        self.parsed = False

    def response(self, found: Json) -> Json:
        shown = found
        output = found.get("output")
        if isinstance(output, list):
            items = [self.item(each) if isinstance(each, dict) else each for each in output]
            if any(one is not other for one, other in zip(items, output, strict=True)):
                shown = {**shown, "output": items}
        if isinstance(found.get("output_text"), str):
            text, _, hid = self.text(found["output_text"])
            shown = {**shown, "output_text": text} if hid else shown
        if RAW_FIELDS & shown.keys():
            shown = {name: each for name, each in shown.items() if name not in RAW_FIELDS}
        return shown

    def item(self, found: Json) -> Json:
        if found.get("type") == "reasoning":
            self.parsed = True
            return self._reasoning(found)
        content = found.get("content")
        if not isinstance(content, list):
            return found
        parts: list[Any] = []
        segments: list[Segment] = []
        for part in content:
            covered, ended = self.part(part) if isinstance(part, dict) else (part, [])
            parts.append(covered)
            segments += ended
        if all(one is other for one, other in zip(parts, content, strict=True)):
            return found
        inline = [self._once("inline", [each.begin, each.text, each.end]) for each in segments]
        cover = "".join(each for each in inline if each)
        return {**found, "content": parts} | ({_INLINE: cover} if cover else {})

    def part(self, found: Json) -> tuple[Json, list[Segment]]:
        if not isinstance(found.get("text"), str):
            return found, []
        text, segments, hid = self.text(found["text"])
        if not hid:
            return found, []
        return {**found, "text": text} | ({"logprobs": []} if "logprobs" in found else {}), segments

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
        shown = {name: each for name, each in found.items() if name in _ITEM_KEPT}
        shown |= {"summary": [], EMPTIED: True}
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


def hide_response(hiding: Hiding, value: Json) -> Json:
    """A whole response; itself when nothing is hidden in it."""
    return _Cover(hiding, orphans=True).response(value)
