"""Lists of tokens beside an answer's text, with their log-probabilities: shown where they spell it, and left
out where they do not. Pure.

Servers list the tokens of reasoning, of tags and of calls too. Tokens after the text's end, such as the one
that ends the turn, are cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from inbond.guard.answer_fields import Json, Rules, each_of, numbers, only, some, text

_MOST_WORD: Final = 256


def _is_bytes(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 256 for each in value)


def _bytes(value: Any) -> Any:
    return value if _is_bytes(value) else None


_NUMBER: Final[Rules] = each_of(numbers, "logprob")
_OTHER: Final[Rules] = {"token": text, "bytes": _bytes, **_NUMBER}
_ENTRY: Final[Rules] = {
    **_OTHER,
    "top_logprobs": some(lambda value: only(value, _OTHER) if isinstance(value, dict) else None),
}


def spelt(found: Json | None, content: Any, refusal: Any) -> Json | None:
    """The ``logprobs`` of a choice of a chat, or of a completion; itself when all of it is shown, None when
    nothing is."""
    if not found:
        return found
    if "tokens" in found:
        return _columns(found, content)
    shown: Json = {}
    for name, said in (("content", content), ("refusal", refusal)):
        if found.get(name):
            listed = entries(found[name], said)
            shown |= {name: listed} if listed else {}
        elif name in found:
            shown[name] = found[name]
    if shown.keys() == found.keys() and all(shown[name] is found[name] for name in shown):
        return found
    return shown if any(shown.values()) else None


def entries(found: Any, said: Any) -> list[Any] | None:
    """A list of tokens; itself when all of it is shown, None when it does not spell ``said``."""
    if not isinstance(found, list) or not isinstance(said, str):
        return None
    words = [_spelling(each) for each in found]
    number = _reach(words, said)
    if number is None:
        return None
    kept = [only(each, _ENTRY) for each in found[:number]]
    same = number == len(found) and all(one is other for one, other in zip(kept, found, strict=True))
    return found if same else kept


def _columns(found: Json, said: Any) -> Json | None:
    """As completions list them: tokens, their log-probabilities and places beside each other."""
    tokens = found["tokens"]
    if not isinstance(tokens, list) or not isinstance(said, str):
        return None
    number = _reach([_encoded(each) if isinstance(each, str) else None for each in tokens], said)
    if not number:
        return None
    shown: Json = {"tokens": tokens[:number]}
    for name in ("token_logprobs", "text_offset", "top_logprobs"):
        column = found.get(name)
        if isinstance(column, list) and len(column) == len(tokens):
            shown[name] = [numbers(each) if each else each for each in column[:number]]
        elif name in found and not column:
            shown[name] = column
    return found if shown == found else shown


def _spelling(entry: Any) -> bytes | None:
    """What a token stands for: its bytes, which a part of a letter has alone."""
    if not isinstance(entry, dict) or not isinstance(token := entry.get("token"), str):
        return None
    raw = entry.get("bytes")
    if not raw:
        return _encoded(token)
    if not _is_bytes(raw):
        return None
    data = bytes(raw)
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        return data if len(token) <= _MOST_WORD else None
    return data if whole == token else None


def _reach(words: Sequence[bytes | None], said: str) -> int | None:
    """How many of the words spell what was said; None when they do not."""
    whole, at = _encoded(said), 0
    for number, word in enumerate(words):
        if at == len(whole):
            return number
        if word is None or not whole.startswith(word, at):
            return None
        at += len(word)
    return len(words) if at == len(whole) else None


def _encoded(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
