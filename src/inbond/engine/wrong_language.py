"""Whether a reply is in the language that was asked for. Pure; "cannot tell" counts as right.

Languages with a script of their own are told by it. Those in Latin letters are told by py3langid where it is
installed; a language and its next of kin are not held apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Final

from inbond.engine.languages import tell
from inbond.errors import MissingExtraError

_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "am": ("ETHIOPIC",),
    "ar": ("ARABIC",),
    "bg": ("CYRILLIC",),
    "bn": ("BENGALI",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ko": ("HANGUL", "CJK"),
    "ru": ("CYRILLIC",),
    "ta": ("TAMIL",),
    "th": ("THAI",),
    "uk": ("CYRILLIC",),
    "ur": ("ARABIC",),
    "zh": ("CJK",),
}
_LATIN: Final = re.compile(
    "af|ca|cs|cy|da|de|en|es|et|eu|fi|fr|ga|hr|hu|id|is|it|lt|lv|ms|nb|nl|no|pl|pt|ro|sk|sl|sq|sv|sw|tr|vi"
)
_KIN: Final = ("nb no nn da", "id ms jv", "hr bs sr sl", "cs sk", "es gl ca an pt", "nl af")
_LEAST: Final = 20
_LEAST_LATIN: Final = 80
_SHARE: Final = 0.4
_WIDE_SHARE: Final = 0.25
"""Of a text's letters: a word in Latin letters has about three times as many as one in kana or Hangul."""
_KANA_SHARE: Final = 0.1
"""Of a Japanese text's letters; a Chinese one that quotes a Japanese name has fewer."""
_LINKING: Final = "and|at|by|de|des|du|for|in|la|of|on|the|to|von"
"""Words in lower case that stand within names of several words."""
_LOWER: Final = rf"(?<![A-Za-zÀ-ÿ])(?!(?:{_LINKING})(?![A-Za-zÀ-ÿ]))[a-zß-ÿ]{{2,}}(?![A-Za-zÀ-ÿ])"
_PROSE: Final = re.compile(rf"[A-Za-zÀ-ÿ],? {_LOWER}|{_LOWER},? [A-Za-zÀ-ÿ]")
"""A word in lower case beside another one: of a sentence in Latin letters, not of a name."""
_JOINED: Final = {
    "ja": re.compile(r"[A-Za-z0-9](?:[ぁ-ヿ一-鿿]| [をはがのにでとも](?![ぁ-ん]))"),
    "ko": re.compile(r"[A-Za-z0-9][가-힣]"),
    "zh": re.compile(r"[A-Za-z0-9][一-鿿]"),
}
"""A word in Latin letters that a letter of these languages follows without a space, or a particle."""


def written_in(text: str, share: float = _WIDE_SHARE) -> str:
    """The language of a text that a script gives away by itself: Japanese by its kana, Korean by Hangul; ""
    for any other. ``share``: of its letters that must be of that script; a few words of it tell nothing."""
    scripts = _scripts(text)
    letters = scripts.total()
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana >= _KANA_SHARE * letters and _own(scripts, "ja") >= share * letters:
        return "ja"
    hangul = scripts["HANGUL"]
    return "ko" if hangul and hangul >= share * letters else ""


def _scripts(text: str) -> Counter[str]:
    return Counter(unicodedata.name(each, "?").split(" ")[0].split("-")[0] for each in text if each.isalpha())


def is_wrong(text: str, language: str) -> bool:
    """Whether ``text`` is surely not in this language (ISO 639-1). False for what is short, or not known."""
    scripts = _scripts(text)
    letters = scripts.total()
    if language in _SCRIPTS:
        own = _own(scripts, language)
        if letters < _LEAST // 2 or (letters < _LEAST and own):
            return False
        kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
        if language == "ja" and own >= _LEAST and kana == 0:
            return True
        if language == "zh" and kana > own / 4:
            return True
        return own < _SHARE * letters and not _is_built_around_names(text, language)
    if _LATIN.fullmatch(language) is None or letters < _LEAST:
        return False
    if scripts["LATIN"] < _SHARE * letters:
        return True
    return letters >= _LEAST_LATIN and _told_otherwise(text, language)


def _own(scripts: Counter[str], language: str) -> int:
    """How many letters are of a language's own script."""
    return sum(scripts[script] for script in _SCRIPTS[language])


def _is_built_around_names(text: str, language: str) -> bool:
    """Whether a sentence of this language has Latin letters only in its names, however long they are."""
    joined = _JOINED.get(language)
    return joined is not None and joined.search(text) is not None and _PROSE.search(text) is None


def _told_otherwise(text: str, language: str) -> bool:
    try:
        found = tell(text)
    except MissingExtraError:
        return False
    kin = next((set(each.split()) for each in _KIN if language in each.split()), {language})
    return found is not None and found not in kin
