"""Which language a text is in, offline, by py3langid; None when that cannot be told.

Short texts, code and lists of names are guesses at best, so they are left alone.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from inbond.errors import need_extra
from inbond.workspace import writing

MIN_LETTERS = 30
MIN_WIDE_LETTERS = 8
"""Of Chinese, Japanese and Korean letters, which say more each."""
MIN_PROBABILITY = 0.9
_READ = 2000
"""Characters of a long text that are looked at."""


def tell(text: str) -> str | None:
    """An ISO 639-1 code, or None for "cannot tell"."""
    part = text[:_READ]
    letters = [char for char in part if char.isalpha()]
    wide = sum(1 for char in letters if "぀" <= char <= "鿿" or "가" <= char <= "힣")
    if len(letters) < MIN_LETTERS and wide < MIN_WIDE_LETTERS:
        return None
    code, probability = _identifier().classify(part)
    return str(code) if probability >= MIN_PROBABILITY else None


@lru_cache(maxsize=1)
def known() -> frozenset[str]:
    """Codes of the languages that can be told. Raises MissingExtraError."""
    return frozenset(str(label) for label in _identifier().labels)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise need_extra("filters", "py3langid") from error
    # An identifier of our own: the package's functions share one, which anyone may narrow. It is unpacked
    # among temporary files.
    with writing(Path(tempfile.gettempdir())):
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
