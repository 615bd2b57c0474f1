"""The texts of an answer beside its words: calls of tools with their names, ids and arguments, refusals,
transcripts. What stands in them between tags is cut out, and nothing is put in its place. Pure.

Arguments are JSON within JSON, where any letter of a tag may be written as \\u003c: such tags are known too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, final

from inbond.guard.answer_fields import SIGNATURE, Json, Rules, as_is, each_of, only, record, word
from inbond.guard.tags import Scanner, Tags

Place = tuple[str, ...]
_CALL: Final[Rules] = {
    **each_of(word, "index", "id", "type"),
    **each_of(record, "function", "custom"),
    "extra_content": SIGNATURE,
}
_CALLED: Final = ("arguments", "input")
_NAME: Final = re.compile(r"[\w.:/-]+")
_FUNCTION: Final[Rules] = {"name": word, **each_of(as_is, *_CALLED)}


@final
class Beside:
    """The texts of one choice, or of one response."""

    def __init__(self, tags: Tags) -> None:
        self._tags = escaped(tags)
        self._scanners: dict[Place, Scanner] = {}
        self._clean: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is held back and nothing is being cut."""
        return all(scanner.idle for scanner in self._scanners.values())

    def cut(self, place: Place, found: Any, *, last: bool) -> Any:
        """What is shown of a text, or of the texts in a value. ``last``: no more of it comes."""
        if not isinstance(found, str):
            cut = _within(found, self.whole)
            return found if cut == found else cut
        scanner = self._scanners.setdefault(place, Scanner(self._tags))
        shown = scanner.feed(found)[0]
        return shown + (self.rest(place) if last else "")

    def name(self, place: Place, found: Any, *, last: bool) -> Any:
        """What is shown of a name. One of usual letters does not wait for more of it."""
        if isinstance(found, str) and place not in self._scanners and _NAME.fullmatch(found):
            return self.word(found)
        return self.cut(place, found, last=last)

    def word(self, found: Any) -> Any:
        """What is shown of an id, or of a word out of a list."""
        if not isinstance(found, str) or found in self._clean:
            return found
        if self._tags.opening.whole.search(found) is None:
            self._clean.add(found)
            return found
        return self.whole(found)

    def words(self, found: Json, *names: str) -> Json:
        """An object with what is shown of its words; itself when nothing is cut."""
        for name in names:
            if (said := found.get(name)) and (shown := self.word(said)) is not said:
                found = {**found, name: shown}
        return found

    def whole(self, found: str) -> str:
        """What is shown of a text that comes at once."""
        scanner = Scanner(self._tags)
        return scanner.feed(found)[0] + scanner.finish()[0]

    def rest(self, place: Place) -> str:
        """What was held back of a text that is over."""
        scanner = self._scanners.pop(place, None)
        return scanner.finish()[0] if scanner is not None else ""

    def calls(self, found: Any, *, last: bool) -> list[Any] | None:
        """The calls of tools of a message, or of a piece of one; itself when nothing is cut."""
        if not isinstance(found, list):
            return None
        shown = [
            self._call(call, str(call.get("index", number)), last=last)
            for number, call in enumerate(found)
            if isinstance(call, dict)
        ]
        same = len(shown) == len(found) and all(a is b for a, b in zip(shown, found, strict=True))
        return found if same else shown

    def called(self, found: Any, *place: str, last: bool) -> Json | None:
        """A function with its name and arguments; itself when nothing is cut."""
        if not isinstance(found, dict):
            return None
        shown = only(found, _FUNCTION)
        if shown.get("name"):
            shown = {**shown, "name": self.name((*place, "name"), shown["name"], last=last)}
        for name in _CALLED:
            if shown.get(name):
                shown = {**shown, name: self.cut((*place, name), shown[name], last=last)}
        return found if shown == found else shown

    def owed(self) -> Json:
        """What was held back when the answer ended, as a part of a message."""
        shown: Json = {}
        for place in list(self._scanners):
            rest = self.rest(place)
            if not rest:
                continue
            match place:
                case ("call", index, kind, name):
                    number = int(index) if index.isdecimal() else 0
                    shown.setdefault("tool_calls", []).append({"index": number, kind: {name: rest}})
                case ("function_call", name):
                    shown["function_call"] = {name: rest}
                case (name,):
                    shown[name] = {"transcript": rest} if name == "audio" else rest
        return shown

    def _call(self, call: Json, index: str, *, last: bool) -> Json:
        shown = self.words(only(call, _CALL), "id", "type")
        for kind in ("function", "custom"):
            if shown.get(kind):
                kept = self.called(shown[kind], "call", index, kind, last=last)
                shown = shown if kept is shown[kind] else {**shown, kind: kept}
        return shown


@lru_cache(maxsize=64)
def escaped(tags: Tags) -> Tags:
    """The same, also as JSON within JSON may write them."""
    return Tags(tags.pairs, escaped=True)


def _within(found: Any, cut: Callable[[str], str]) -> Any:
    if isinstance(found, str):
        return cut(found)
    if isinstance(found, dict):
        return {cut(name): _within(each, cut) for name, each in found.items()}
    return [_within(each, cut) for each in found] if isinstance(found, list) else found
