"""A p-value in words, from its logarithm: it may be smaller than any number that a float can hold."""

from __future__ import annotations

from typing import Final

_LEAST: Final = -300.0
_PLAIN: Final = -3.0


def p_words(log10_p: float | None) -> str:
    """As people write it: 0.032, 1.2e-7, <1e-300; "none" for a score."""
    if log10_p is None:
        return "none"
    if log10_p < _LEAST:
        return f"<1e{_LEAST:.0f}"
    if log10_p > _PLAIN:
        return f"{10 ** min(0.0, log10_p):.2g}"
    digits, _, power = f"{10**log10_p:.1e}".partition("e")
    return f"{digits}e{int(power)}"
