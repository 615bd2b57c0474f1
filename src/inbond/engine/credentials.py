"""Secrets in a text, found by the detectors of detect-secrets, offline.

The detectors are called one by one, not through the package's scanner: that one keeps global
settings and may ask a network service whether a key works. Its checks against false alarms (a
placeholder, a variable, a sequence) are kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from inbond.errors import need_extra

_QUOTES = re.compile(r"['\"`]")
_RUN = re.compile(r"[A-Za-z0-9+/_=.:\-]{11,}")
_ODD = re.compile(r"[0-9A-Z]")
_KEYWORD = "Secret Keyword"
_ELSEWHERE = {"Public IP (ipv4)"}
"""Personal data, found by ``personal``."""
_LONGEST_LINE = 4000
"""Characters. Longer lines are cut: some of the patterns are quadratic."""


@lru_cache(maxsize=1)
def detectors() -> tuple[Any, ...]:
    """Every detector of the package, made once. Raises MissingExtraError."""
    try:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    except ImportError as error:
        raise need_extra("filters", "detect-secrets") from error
    kinds = get_mapping_from_secret_type_to_class()
    return tuple(cls() for kind, cls in sorted(kinds.items()) if kind not in _ELSEWHERE)


def find(text: str) -> str | None:
    """The kind of the first secret in ``text`` (``AWS Access Key``), or None. Never the secret."""
    for line in text.splitlines():
        for start in range(0, len(line), _LONGEST_LINE):
            kind = _in_line(line[max(0, start - 200) : start + _LONGEST_LINE])
            if kind is not None:
                return kind
    return None


def _in_line(line: str) -> str | None:
    quoted = _QUOTES.search(line) is not None
    named = quoted and _keywords().search(line) is not None
    if not named and not _has_token(line):
        return None
    for detector in detectors():
        limit = getattr(detector, "entropy_limit", None)
        if (limit is not None and not quoted) or (detector.secret_type == _KEYWORD and not named):
            continue  # entropy is of quoted text; the keyword detector costs ten times the others
        for secret in detector.analyze_string(line):
            strong = limit is None or detector.calculate_shannon_entropy(secret) > limit
            if strong and not _harmless(secret, line, detector):
                return str(detector.secret_type)
    return None


def _has_token(line: str) -> bool:
    """Whether anything looks like a key: every detector but the keyword one needs an address, a PEM
    header, or a long run without a space. Prose has no such run with digits or capitals inside."""
    return (
        "://" in line
        or "PRIVATE KEY" in line
        or any(len(run) >= 20 or _ODD.search(run, 1) for run in _RUN.findall(line))
    )


@lru_cache(maxsize=1)
def _keywords() -> re.Pattern[str]:
    from detect_secrets.plugins.keyword import DENYLIST

    return re.compile("|".join(DENYLIST), re.IGNORECASE)


def _harmless(secret: str, line: str, detector: Any) -> bool:
    from detect_secrets.filters import heuristic

    if detector.secret_type == "Private Key":
        return False
    guessed = detector.secret_type == _KEYWORD or hasattr(detector, "entropy_limit")
    return bool(
        heuristic.is_sequential_string(secret)
        or heuristic.is_templated_secret(secret)
        or heuristic.is_not_alphanumeric_string(secret)
        or (guessed and heuristic.is_potential_uuid(secret))
        or (guessed and heuristic.is_prefixed_with_dollar_sign(secret))
        or (guessed and heuristic.is_indirect_reference(line))
    )
