"""What a briefing says, in a form in which two of them can be compared. Pure: same texts, same answer.

A telling's words are its features: words of scripts that set spaces, cut to their first letters so that
"launches" and "launched" are one; letter n-grams of scripts that set none (Japanese is not cut into words);
names with digits in them (GPT-6, H200) and numbers by their value. Each weighs by where it stands (a title
says more than a key point), by its kind and by how rare it is among the tellings that are compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from math import log, sqrt
from typing import Final, final
from urllib.parse import parse_qsl, urlencode, urlsplit

from inbond.briefing import numbers
from inbond.briefing.briefing import Briefing

_STEM: Final = 5
"""Letters of a word that count: the plainest stemmer, and good in many languages (McNamee, Nicholas and
Mayfield, Addressing Morphological Variation in Alphabetic Languages, SIGIR 2009)."""
_SHORT: Final = 3
_GRAM: Final = {
    "CJK": 2, "HANGUL": 2, "KATAKANA": 3, "THAI": 3, "LAO": 3, "KHMER": 3, "MYANMAR": 3, "TIBETAN": 3,
}  # fmt: skip
"""Letters of an n-gram, by script. Hiragana is left out: it holds endings and particles, seldom a name."""
_STOP: Final = """
a an and are as at but by for from has had he her his how if in into is it its no not of off on or our
out per so the to up via was we who why with about after again all also any because been before being
between both could does down during each even every first have having here just like made make makes many
month more most much must new next now one only other over said same says should since some such take
takes than that their them then there these they this those three through today two under until very want
wants were what when where which while will within without would year years your company companies monday
tuesday wednesday thursday friday saturday sunday
"""
STOP: Final = frozenset(_STOP.split())
"""English words that say nothing of what a text is about."""
_WORD: Final = re.compile(r"[^\W_]+(?:[-.'’][^\W_]+)*")
VERSION: Final = re.compile(
    r"(?<![^\W_])([^\W\d_][^\W\d_]+)[ -]?(\d+(?:\.\d+)*)(?![^\W\u3041-\u9fff]|%|[.,]\d)"
)
_LATE: Final = re.compile(r"(?:19|20)\d\d")
_PLACES: Final = {"title": 1.0, "summary": 0.8, "points": 0.5, "tags": 0.6}
_PRIOR: Final = 10.0
_MARKS: Final = re.compile(r"utm_.*|fbclid|gclid|ref|ref_src|cmpid")


@final
@dataclass(frozen=True)
class Telling:
    """What one briefing says. ``key`` is its id; ``address`` where the article is, "" for a file; ``digest``
    that of the article."""

    key: str
    title: str
    summary: str = ""
    points: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    address: str = ""
    digest: str = ""

    @classmethod
    def of(cls, briefing: Briefing) -> Telling:
        """The telling of a briefing."""
        points = tuple(f"{each.heading}. {each.sentence}" for each in briefing.points)
        source = briefing.source
        return cls(
            briefing.id, briefing.shown_title, briefing.summary, points, briefing.tags,
            same_address(source.url), source.digest,
        )  # fmt: skip

    @cached_property
    def features(self) -> Mapping[str, float]:
        """Its features and their weights, rarity not counted."""
        found: dict[str, float] = {}
        texts = {
            "title": self.title,
            "summary": self.summary,
            "points": "\n".join(self.points),
            "tags": "\n".join(self.tags),
        }
        for place, text in texts.items():
            for feature, kind in features_of(text).items():
                found[feature] = max(found.get(feature, 0.0), _PLACES[place] * kind)
        return found

    def is_same_article(self, other: Telling) -> bool:
        """Whether both tell one article: one address, or one text."""
        return (self.address != "" and self.address == other.address) or (
            self.digest != "" and self.digest == other.digest
        )


def same_address(address: str) -> str:
    """An address without what does not change the page: scheme, "www.", marks of campaigns, what follows #, a
    slash at the end."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return address
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _MARKS.fullmatch(pair[0])]
    asked = f"?{urlencode(sorted(kept))}" if kept else ""
    return f"{host}{parts.path.rstrip('/')}{asked}" if host else address


@final
class Rarity:
    """How rare features are among some tellings."""

    def __init__(self, tellings: Iterable[Telling]) -> None:
        self._among: Counter[str] = Counter()
        self._count = 0
        for telling in tellings:
            self._among.update(telling.features.keys())
            self._count += 1

    def weigh(self, telling: Telling) -> dict[str, float]:
        """The features by weight, as a vector of length 1; {} for a telling without any."""
        found = {name: weight * self._of(name) for name, weight in telling.features.items()}
        length = sqrt(sum(weight * weight for weight in sorted(found.values())))
        return {name: weight / length for name, weight in found.items()} if length else {}

    def _of(self, feature: str) -> float:
        # The prior keeps what two of two tellings share from counting as common.
        return log(1 + (self._count + _PRIOR) / (self._among[feature] + 0.5))


def likeness(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """The cosine of two vectors of length 1, 0..1. The same whichever comes first."""
    return sum(a[name] * b[name] for name in sorted(a.keys() & b.keys()))


@lru_cache(maxsize=4096)
def features_of(text: str) -> Mapping[str, float]:
    """The features of a text, each with the weight of its kind."""
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, float] = {}
    for script, letters in groupby(text, key=_script):
        run = "".join(letters)
        if script in _GRAM:
            found.update(dict.fromkeys(_grams(run, _GRAM[script]), 1.0))
    words = spaced(text)
    for word in _WORD.findall(numbers.words_of(words)):
        if feature := _word(word):
            found[feature] = 1.5 if _has_both(word) else 1.0
    for name, number in VERSION.findall(words):
        if name[0].isupper():
            found[f"{name.casefold()}{number}"] = 1.5
    for number in numbers.written(text):
        found[f"#{number}"] = 0.5 if _is_common(number) else 1.5
    return found


def spaced(text: str) -> str:
    """The text with only the letters of scripts that set spaces between words."""
    return "".join(letter if _script(letter) == "" else " " for letter in text)


def is_spaced(telling: Telling) -> bool:
    """Whether most of a telling's letters are of scripts that set spaces."""
    letters = [letter for letter in telling.title + telling.summary if letter.isalnum()]
    return 2 * sum(_script(letter) != "" for letter in letters) <= len(letters)


def _word(word: str) -> str:
    """The feature of a word of a script that sets spaces; "" for one that says nothing."""
    if word.replace(".", "").replace(",", "").isdigit():
        return ""
    plain = word.casefold()
    if _has_both(word):
        return plain.replace("-", "").replace(".", "")
    plain = re.sub(r"['’]s?$", "", plain)
    if plain in STOP or (len(plain) <= _SHORT and not word.isupper()):
        return ""
    return (plain[:-1] if len(plain) > _SHORT and plain.endswith("s") else plain)[:_STEM]


def _has_both(word: str) -> bool:
    return any(map(str.isdigit, word)) and any(map(str.isalpha, word))


def _is_common(number: str) -> bool:
    """Whether a number is likely a day, a small count or a year, which many texts share by chance."""
    return (number.isdigit() and int(number) <= 31) or bool(_LATE.fullmatch(number))


def _grams(run: str, size: int) -> Iterable[str]:
    return (run[at : at + size] for at in range(max(1, len(run) - size + 1)))


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    """The script of a letter that sets no spaces, or of HANGUL, whose words carry their endings; else ""."""
    if letter < "\u0e00":
        return ""
    script = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return script if script in _GRAM or script == "HIRAGANA" else ""
