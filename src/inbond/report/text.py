"""Foreign text made fit to show: control characters become visible, languages are told from scripts.

Escaping for HTML and Markdown is not done here but by the templates' environments, for everything.
"""

from __future__ import annotations

import re
import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef]"
    "|["
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def visible(text: str) -> str:
    """``text`` with nothing in it that a browser, a terminal or a YAML reader may obey or refuse.

    Control characters become their pictures (ESC: U+241B), bidi overrides a readable mark, lone
    surrogates and noncharacters U+FFFD. Line feeds and tabs stay; CR LF and CR become a line feed.
    """
    return _UNSAFE.sub(_picture, text.replace("\r\n", "\n").replace("\r", "\n"))


def _picture(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    if character in _BIDI_CONTROLS:
        return f"[U+{code:04X}]"
    return _REPLACEMENT


def one_line(text: str) -> str:
    """``text`` on one line: every run of white space is one space."""
    return " ".join(visible(text).split())


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, and then how many there were."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [cut: {len(text):,} characters in all]"


_SCRIPT_LANGUAGES = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "ARABIC": "ar", "HEBREW": "he", "THAI": "th",
    "DEVANAGARI": "hi", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka", "TAMIL": "ta", "BENGALI": "bn",
}  # fmt: skip


def language_of(text: str) -> str:
    """The language that the script gives away, as a BCP 47 tag, or "" (unknown) for shared scripts.

    Good enough to choose a typeface and line breaking; it is not language identification.
    """
    han = False
    for character in text[:2000]:
        if character.isascii():
            continue
        script = unicodedata.name(character, "").partition(" ")[0]
        if script in _SCRIPT_LANGUAGES:
            return _SCRIPT_LANGUAGES[script]
        han = han or script == "CJK"
    return "zh" if han else ""


def columns(text: str) -> int:
    """Width in monospace columns: wide East Asian characters and emoji take two, marks none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines of ``width`` columns, cut at spaces and hyphens where it can be,
    and ended with an ellipsis where it does not fit. Always at least one line;
    ``width`` is at least 3."""
    wrapped: list[str] = []
    rest = one_line(text[: 4 * width * lines + 400])
    while rest and len(wrapped) < lines:
        head = _fit(rest, width)
        if len(head) < len(rest) and len(wrapped) == lines - 1:
            return [*wrapped, _fit(rest, width - 1).rstrip() + "…"]
        if len(head) < len(rest) and rest[len(head)] != " ":
            head = head[: _last_break(head)]
        wrapped.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return wrapped or [""]


def _last_break(head: str) -> int:
    """Where a line that is too long is best cut: after its last space, hyphen, slash or the like."""
    return max((i for i, character in enumerate(head, start=1) if character in " -_/@#=:"), default=len(head))


def _fit(text: str, width: int) -> str:
    """The longest start of ``text`` that takes at most ``width`` columns; at least one character."""
    used = 0
    for position, character in enumerate(text):
        used += _columns(character)
        if used > width and position:
            return text[:position]
    return text
