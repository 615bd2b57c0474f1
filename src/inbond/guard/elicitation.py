"""Whether a text asks for reasoning that the model keeps to itself, and by what trick. Pure.

A rule is a few groups of words that stand near each other in any order; the words are data
(``elicitation.toml``, many languages). Text is folded before (width, case, invisible letters, lookalikes);
what is written in base64, hex or rot13 is read as well; what is to be translated, summarised, graded or
tested is left out, as far as a few words tell it. Time grows with the length of the text alone: words are
found, nothing is backtracked. Whoever words it otherwise is not seen: a rule is friction.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import tomllib
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, final

from inbond.guard.elicitation_gate import Gate

NONE: Final = 0
PLAIN: Final = 1
KINDS: Final = ("none", "plain", "verbatim", "impersonation", "evasion", "inline", "recast", "imagined")
"""By code. ``plain`` asks openly for the reasons of an answer, as an auditor must: it is never evidence."""

MOST_CHARS: Final = 16_384
"""So much of a text's beginning and as much of its end is looked at."""
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[ :]?[0-9A-Fa-f]{2}){15,}")
_SPACED: Final = re.compile(r"(?<!\w)\w(?:[ .*_-]\w(?!\w)){5,}")
_COLON: Final = re.compile(r"[^.!?:\"]{0,120}: (?![\"'])")
_QUOTED: Final = re.compile(
    r"""\"[^\"]{16,}\"|(?<!\w)'.{16,600}?'(?!\w)|«[^«»]{16,}»|「[^「」]{8,}」|```.{16,}?```"""
)
_MOST_ENCODED: Final = 8
_NEEDLE: Final = 5
_SHORT_NEEDLE: Final = 2
_DEEPEST: Final = 2
_LOOKALIKES: Final = str.maketrans(
    "абсԁеһіјкӏмnорԛгѕтυνѡхуzαβεηικμορτυχ∕⁄’‘“”‐‑–—0134578@$",
    "abcdehijklmnopqrstuvwxyzabenikmoptux//''\"\"----oieastbas",
)


@final
@dataclass(frozen=True)
class Rule:
    """Groups of folded words: one word of each within ``near`` letters of a word of the first."""

    kind: int
    groups: tuple[tuple[str, ...], ...]
    near: int


def folded(text: str) -> str:
    """One way of writing: NFKC, small letters, single spaces, nothing invisible. At most MOST_CHARS of the
    beginning and of the end."""
    if len(text) > 2 * MOST_CHARS:
        text = f"{text[:MOST_CHARS]} {text[-MOST_CHARS:]}"
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Mn", "Cs"))
    return " ".join(text.casefold().split())


def kind_of(text: str, seen: str | None = None) -> int:
    """The code of the kind of elicitation in a text; ``seen`` is the folded text, where it is at hand."""
    seen = folded(text) if seen is None else seen
    if text.isascii() and seen.isascii() and not _gate().may(text[:MOST_CHARS], seen):
        return NONE  # nearly always, and soon
    return _looked_through(text, seen)


def _looked_through(text: str, seen: str) -> int:
    """As ``kind_of``, whatever the gate says."""
    plain = _plain(seen)
    best = _scan(plain)
    if best > PLAIN and (own := _own_words(plain)) != plain:
        best = _scan(own)
    if best <= PLAIN:
        for hidden in _decoded(text[:MOST_CHARS], _DEEPEST):
            best = max(best, _scan(_plain(folded(hidden))))
    return best


def _own_words(text: str) -> str:
    """What whoever has a text translated, summarised, graded or tested says himself: not what stands in
    quotation marks, nor what follows a colon."""
    found = _handles().search(text)
    if found is None:
        return text
    before, after = text[: found.start()], text[found.start() :]
    colon = _COLON.match(after)
    if colon is not None:
        return before + after[: colon.end()]
    return before + _QUOTED.sub(" ", after)


@cache
def _handles() -> re.Pattern[str]:
    words = "|".join(re.escape(_edges(word)) for word in sorted(_words()["handles"], key=len, reverse=True))
    return re.compile(rf"(?:^|[.!?;:。！？] ?|\bplease |\bthen )(?:{words})")


def _plain(text: str) -> str:
    """Lookalikes of Latin letters become these; words written l i k e this are drawn together."""
    text = text.translate(_LOOKALIKES)
    return _SPACED.sub(lambda found: re.sub(r"[ .*_-]", "", found[0]), text)


def _scan(text: str) -> int:
    """The first kind that applies, in the order of the rules; ``plain`` only where no other does."""
    ascii_only = text.isascii()
    if not any(piece in text for piece in _needles(ascii_only)):
        return NONE
    if not any(word in text for word in _first_words(ascii_only)):
        return NONE
    known, plainly = _Known(text), False
    for rule in _latin() if ascii_only else rules():
        if (rule.kind != PLAIN or not plainly) and _applies(rule, text, known):
            if rule.kind != PLAIN:
                return rule.kind
            plainly = True
    return PLAIN if plainly else NONE


@final
class _Known(dict[str, bool]):
    """Whether a word stands in a text; rules share most of their words, and each is looked for once."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __missing__(self, word: str) -> bool:
        self[word] = found = word in self._text
        return found


def _applies(rule: Rule, text: str, known: _Known) -> bool:
    for group in rule.groups:
        for word in group:
            if known[word]:
                break
        else:
            return False
    anchors, *others = (_places(text, group) for group in rule.groups)
    return any(all(_near(at, group, rule.near) for group in others) for at in anchors)


def _places(text: str, words: Sequence[str]) -> list[int]:
    found = []
    for word in words:
        at = text.find(word)
        while at >= 0:
            found.append(at)
            at = text.find(word, at + len(word))
    return sorted(found)


def _near(at: int, places: list[int], near: int) -> bool:
    i = bisect_left(places, at - near)
    return i < len(places) and places[i] <= at + near


def _decoded(text: str, depth: int) -> Iterator[str]:
    """What a text says in rot13, base64 and hex."""
    if not depth:
        return
    lower = text.casefold()
    if any(word in lower for word in _turned()):
        yield codecs.decode(text, "rot13")
    for found in _codes(text):
        yield found
        yield from _decoded(found, depth - 1)


def _codes(text: str) -> Iterator[str]:
    for number, match in enumerate(_HEX.finditer(text)):
        if number == _MOST_ENCODED:
            break
        digits = re.sub("[ :]", "", match[0])
        yield from _readable(bytes.fromhex(digits[: len(digits) & ~1]))
    for number, match in enumerate(_ENCODED.finditer(text)):
        if number == _MOST_ENCODED:
            break
        letters = match[0].replace("-", "+").replace("_", "/")
        try:
            yield from _readable(base64.b64decode(letters[: len(letters) & ~3]))
        except binascii.Error:  # pragma: no cover - whole groups of its letters always decode
            continue


def _readable(data: bytes) -> Iterator[str]:
    text = data.decode("utf-8", "ignore")
    if len(text) >= 12 and sum(letter.isprintable() or letter.isspace() for letter in text) >= 0.9 * len(
        text
    ):
        yield text


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("inbond.guard").joinpath("elicitation.toml").read_text(encoding="utf-8"))


def _words() -> dict[str, list[str]]:
    found: dict[str, list[str]] = _data()["words"]
    return found


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of ``elicitation.toml``, folded as texts are."""
    data, words = _data(), _words()
    return tuple(
        Rule(
            KINDS.index(each["kind"]),
            tuple(_group(group, words) for group in each["all"]),
            each.get("near", 200),
        )
        for each in data["rule"]
    )


@cache
def _latin() -> tuple[Rule, ...]:
    """What of the rules a text in ASCII can meet."""
    kept = []
    for rule in rules():
        groups = tuple(tuple(word for word in group if word.isascii()) for group in rule.groups)
        if all(groups):
            kept.append(Rule(rule.kind, groups, rule.near))
    return tuple(kept)


def _group(names: Sequence[str], words: dict[str, list[str]]) -> tuple[str, ...]:
    """Words, and all words of a list where @NAME stands."""
    each = [word for name in names for word in (words[name[1:]] if name.startswith("@") else [name])]
    return tuple(sorted({_edges(word) for word in each}))


def _edges(word: str) -> str:
    """Folded, but for a blank before or after, which keeps a word from being part of another."""
    core = _plain(folded(word))
    return f"{' ' * word.startswith(' ')}{core}{' ' * word.endswith(' ')}"


@cache
def _gate() -> Gate:
    return Gate.of(_LOOKALIKES, _first_words(True), _turned())


@cache
def _turned() -> tuple[str, ...]:
    return tuple(codecs.encode(piece, "rot13") for piece in _needles(True) if len(piece) >= _NEEDLE)


@cache
def _needles(ascii_only: bool) -> tuple[str, ...]:
    """As few short strings as are easily found, of which each first word holds one: the piece that it shares
    with most others."""
    words = _first_words(ascii_only)
    pieces = {word: sorted(_pieces(word)) for word in words}
    shared = Counter(piece for each in pieces.values() for piece in each)
    chosen: list[str] = []
    for word in sorted(words, key=lambda word: (-max(shared[piece] for piece in pieces[word]), word)):
        if not any(piece in word for piece in chosen):
            chosen.append(max(pieces[word], key=lambda piece: (" " not in piece, shared[piece], piece)))
    return tuple(chosen)


def _pieces(word: str) -> set[str]:
    size = _NEEDLE if word.isascii() else _SHORT_NEEDLE
    return {word[i : i + size] for i in range(max(1, len(word) - size + 1))}


@cache
def _first_words(ascii_only: bool) -> tuple[str, ...]:
    """Without one of these no rule applies: the words of all first groups, but for those in which another
    of them stands."""
    words = {word for rule in (_latin() if ascii_only else rules()) for word in rule.groups[0]}
    return tuple(sorted(word for word in words if not any(other in word for other in words if other != word)))
