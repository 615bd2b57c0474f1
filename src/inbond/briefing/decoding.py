"""Bytes of unknown origin to text. Pure.

A mark of byte order is believed first, then UTF-8 that holds throughout or nearly so, then what the sender or
the page says, then what fits: Japanese has three encodings of its own, told apart by how much kana each makes
of the bytes. What cannot be read stays as U+FFFD. Where all this leaves the text full of holes it is refused:
a briefing of broken text would be one of invented text.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from inbond.errors import InputError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAID: Final = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*+=\s*+["']?\s*+([\w:.-]{1,40})""", re.I
)
_LOOKED_AT: Final = 4096
"""Bytes in which a page says its encoding, where it does."""
_AS: Final = {
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
}
"""Names that in practice mean a larger set than they say (as browsers take them)."""
_JAPANESE: Final = ("euc_jp", "cp932")
_TEXT_CODECS: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,30}")
_KANA: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa\u3001\u3002]")
_HALF_KANA: Final = re.compile("[\uff61-\uff9f]")
HOLE: Final = "\ufffd"
"""Stands for what could not be read."""
_MOST_HOLES: Final = 0.01
"""Share of characters that could not be read, above which a text is refused."""
_ESCAPES: Final = (b"\x1b$B", b"\x1b$@", b"\x1b(J")


def decode(data: bytes, said: str = "", *, source: str) -> str:
    """The text of ``data``; ``said`` is the encoding that its sender named, or "". Raises InputError for what
    is no text, or cannot be read as text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _whole(data.decode(encoding, "replace"), source)
    if b"\x00" in data:
        raise _no_text(source, "bytes that are no text")
    found = _strictly(data, "iso2022_jp") if any(escape in data for escape in _ESCAPES) else None
    if found is None:
        found = _strictly(data, "utf-8")
    if found is not None:
        return found
    inside = _SAID.search(data[:_LOOKED_AT])
    named = [_codec(said), _codec(inside[1].decode("ascii", "replace") if inside else "")]
    if (found := _nearly_utf_8(data, declared="utf-8" in named)) is not None:
        return _whole(found, source)
    for encoding in filter(None, named):
        if (found := _strictly(data, encoding)) is not None and not _is_mistaken(found, encoding):
            return found
    return _whole(_fitting(data, [name for name in named if name]), source)


def _codec(name: str) -> str:
    """The codec behind a name that a stranger gave; "" for none that makes text of bytes."""
    name = name.strip().lower()
    name = _AS.get(name, name)
    if not _TEXT_CODECS.fullmatch(name):
        return ""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    # punycode, idna, unicode_escape and the like are no encodings of pages.
    odd = ("utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem")
    return found.name if getattr(found, "_is_text_encoding", False) and found.name not in odd else ""


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _nearly_utf_8(data: bytes, *, declared: bool) -> str | None:
    """The text as UTF-8 with holes, if few of its letters beyond ASCII are broken. Bytes of another encoding
    make more holes than letters; only in text that says it is UTF-8, a letter cut at its end is one alone."""
    text = data.decode("utf-8", "replace")
    holes = text.count(HOLE)
    letters = len(text) - len(text.encode("ascii", "ignore")) - holes
    cut = declared and holes == 1 and text.endswith(HOLE)
    return text if cut or letters > (holes if declared else 2 * holes) else None


def _is_mistaken(text: str, encoding: str) -> bool:
    """Whether an encoding that reads any bytes made letters of control codes or of half-width kana."""
    if encoding == "cp932":
        return len(_HALF_KANA.findall(text)) > len(_KANA.findall(text))
    return encoding == "cp1252" and any("\x80" <= letter <= "\x9f" for letter in text)


def _fitting(data: bytes, named: list[str]) -> str:
    """The reading with the fewest holes; among Japanese ones as good, the one with the most kana."""
    readings = [data.decode(encoding, "replace") for encoding in _JAPANESE]
    best = min(readings, key=lambda text: (text.count(HOLE), -len(_KANA.findall(text))))
    if len(_KANA.findall(best)) > 20 * best.count(HOLE) and len(_KANA.findall(best)) > 4:
        return best
    others = [data.decode(encoding, "replace") for encoding in (*named, "utf-8", "cp1252")]
    return min(others, key=lambda text: text.count(HOLE))


def _whole(text: str, source: str) -> str:
    holes = text.count(HOLE)
    if holes > max(2, _MOST_HOLES * len(text)):
        raise _no_text(source, f"{holes:,} of {len(text):,} characters unreadable in every encoding tried")
    return text


def _no_text(source: str, found: str) -> InputError:
    return InputError(
        expected=f"text in {source}: HTML, Markdown, plain text, or a PDF",
        found=found,
        fix="save it as UTF-8, or give another copy of it",
    )
