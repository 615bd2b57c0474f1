"""Sealed reasoning that a client hands back: opened where it is the caller's own, dropped where not. Pure.

The request goes on either way. Foreign and rejected envelopes leave the same request behind, so that a caller
learns nothing from trying; which of them it was is for the record alone. A summary that the guard wrote, and
an item that it emptied, are no reasoning and do not go on. What clients wrote themselves is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from inbond.digest import Digest
from inbond.guard.conversation import is_models, messages, prefixes
from inbond.guard.envelopes import ENVELOPE, MARK, Opened, Outcome
from inbond.guard.hiding import DETAILS, EMPTIED, SUMMARIES, TEXT_FIELDS, Form, payload
from inbond.guard.tags import Tags
from inbond.guard.wire import Route

Json = dict[str, Any]
MOST_ENVELOPES: Final = 4_096
"""More are not opened in one request: no conversation has as many answers."""
Open = Callable[[str, Digest], Opened]
"""Opens an envelope that stands after a prefix of the conversation."""
_GRAVITY: Final[Mapping[Outcome | None, int]] = {None: 0, "ok": 1, "rejected": 2, "foreign": 3}


@final
@dataclass(frozen=True)
class HandedBack:
    """The request as it goes on (the same object when nothing changed), and the gravest outcome of its
    envelopes, None where it has none. ``foreign`` are the numbers of those that were sealed for strangers,
    each once, in order."""

    value: Mapping[str, Any]
    outcome: Outcome | None
    foreign: tuple[int, ...] = ()

    @property
    def dropped(self) -> bool:
        return self.outcome in ("rejected", "foreign")


def handed_back(route: Route, value: Mapping[str, Any], open_one: Open, tags: Tags) -> HandedBack:
    """Opens what a request hands back; ``tags`` are the model's."""
    found = messages(route, value)
    if not any(isinstance(each, dict) and _concerns(each) for each in found):
        return HandedBack(value, None)
    before = prefixes(route, value)
    task = _Task(open_one, tags)
    kept: list[Any] = []
    for message, prefix in zip(found, before, strict=False):
        shown = task.message(message, prefix) if isinstance(message, dict) and _concerns(message) else message
        kept += [] if shown is None else [shown]
    name = "input" if route == "responses" else "messages"
    return HandedBack({**value, name: kept}, task.outcome, tuple(sorted(task.foreign)))


def _concerns(message: Json) -> bool:
    """Whether there is anything in a message that the guard may have put there."""
    if message.get("type") == "reasoning":
        return EMPTIED in message or MARK in str(message.get("encrypted_content"))
    texts = [message[name] for name in TEXT_FIELDS if isinstance(message.get(name), str)]
    details = message.get(DETAILS)
    for detail in details if isinstance(details, list) else ():
        texts += (
            [each for each in detail.values() if isinstance(each, str)] if isinstance(detail, dict) else []
        )
    return any(MARK in text or SUMMARIES.search(text) for text in texts)


@final
@dataclass
class _Task:
    """One request's envelopes."""

    open_one: Open
    tags: Tags
    outcome: Outcome | None = None
    opened: int = 0
    foreign: set[int] = field(default_factory=set)
    own: bool = True

    def message(self, message: Json, prefix: Digest) -> Json | None:
        """The message as it goes on; None for nothing. Into one that is not the model's nothing is put back:
        a user's words that hold it would be there to be repeated."""
        self.own = is_models(message)
        if message.get("type") == "reasoning":
            return self._item(message, prefix)
        restored = _Restored(self.tags)
        shown = {name: each for name, each in message.items() if name not in (*TEXT_FIELDS, DETAILS)}
        for name in (*TEXT_FIELDS, DETAILS):
            given = message.get(name)
            if name == DETAILS and isinstance(given, list):
                restored.details = self._details(given, prefix)
            elif isinstance(given, str):
                own = self._text(given, prefix, restored)
                shown |= {name: own} if own else {}
            elif name in message:
                shown[name] = given
        return restored.put_into(shown)

    def _text(self, given: str, prefix: Digest, restored: _Restored) -> str:
        """The text that belongs into the field itself."""
        if MARK not in given:
            return "" if SUMMARIES.fullmatch(given.strip()) else given
        if given.count(MARK) > MOST_ENVELOPES - self.opened or ENVELOPE.sub("", given).strip():
            self._note("rejected")
            return ""
        texts: list[str] = []
        for envelope in ENVELOPE.finditer(given):
            found = self._open(envelope[0], prefix, "text", "inline", "parts")
            if found is not None:
                restored.take(*found, texts)
        return "".join(texts)

    def _details(self, given: list[Any], prefix: Digest) -> list[Any]:
        kept: list[Any] = []
        for detail in given:
            texts = (
                [each for each in detail.values() if isinstance(each, str)]
                if isinstance(detail, dict)
                else []
            )
            sealed = next((text for text in texts if MARK in text), None)
            if sealed is not None:
                found = self._open(sealed, prefix, "details")
                kept += found[1] if found is not None and isinstance(found[1], list) else []
            elif not any(SUMMARIES.fullmatch(text.strip()) for text in texts):
                kept.append(detail)
        return kept

    def _item(self, item: Json, prefix: Digest) -> Json | None:
        sealed = item.get("encrypted_content")
        if not isinstance(sealed, str) or MARK not in sealed:
            return None
        found = self._open(sealed, prefix, "item")
        if found is None or not isinstance(found[1], dict):
            return None
        kept = {name: each for name, each in item.items() if name not in (EMPTIED, "encrypted_content")}
        return {**kept, "summary": [], **found[1]}

    def _open(self, envelope: str, prefix: Digest, *forms: Form) -> tuple[Form, Any] | None:
        self.opened += 1
        opened = self.open_one(envelope, prefix) if self.opened <= MOST_ENVELOPES else Opened("rejected")
        if opened.number is not None:
            self.foreign.add(opened.number)
        found = payload(opened.text) if opened.text is not None else None
        fits = found is not None and found[0] in forms and self.own
        self._note("rejected" if opened.outcome == "ok" and not fits else opened.outcome)
        return found if fits else None

    def _note(self, outcome: Outcome) -> None:
        if _GRAVITY[outcome] > _GRAVITY[self.outcome]:
            self.outcome = outcome


@final
@dataclass
class _Restored:
    """What goes back into places other than the field that held the envelope."""

    tags: Tags
    inline: list[str] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)
    details: list[Any] = field(default_factory=list)

    def take(self, form: Form, value: Any, texts: list[str]) -> None:
        """Raises nothing: what we sealed has the form that we gave it."""
        match form:
            case "inline":
                self.inline += _closed(self.tags, *value)
            case "parts":
                self.parts += value
            case _:
                texts.append(value)

    def put_into(self, message: Json) -> Json:
        shown = {**message, DETAILS: self.details} if self.details else message
        begin = "".join(self.inline)
        content = shown.get("content")
        if self.parts:
            said = [{"type": "text", "text": content}] if isinstance(content, str) and content else content
            shown = {**shown, "content": [*self.parts, *(said or [])]}
        if not begin:
            return shown
        if isinstance(shown.get("content"), list):
            return {**shown, "content": _before(begin, shown["content"])}
        return {**shown, "content": begin + (content if isinstance(content, str) else "")}


def _closed(tags: Tags, begin: str, text: str, end: str) -> list[str]:
    """Reasoning that an answer broke off in is closed: the model goes on after it, and not within. Nothing
    where its tag is no longer known."""
    ends = [end] if end else tags.ends.get(begin.lower(), [])[:1]
    return [f"{begin}{text}{each}\n\n" for each in ends]


def _before(begin: str, parts: list[Any]) -> list[Any]:
    """The text before the first text of a message's parts."""
    for number, part in enumerate(parts):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            return [*parts[:number], {**part, "text": begin + part["text"]}, *parts[number + 1 :]]
    return [{"type": "text", "text": begin}, *parts]
