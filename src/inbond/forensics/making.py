"""Fresh keys of marks, from what a person asks for. The secret comes from the system."""

from __future__ import annotations

from typing import Final

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import LotKey
from inbond.forensics.mark_keys import fresh_secret

WINDOW: Final = 2
GAMMA: Final = 0.25
DELTA: Final = 2.0
_MOST_WINDOW: Final = 8
_MOST_DELTA: Final = 20.0
_MOST_LOTS: Final = 1000


def green_key(vocabulary: Digest, size: int, window: int, gamma: float, delta: float) -> GreenKey:
    """A new key for a tokenizer: ``vocabulary`` its digest, ``size`` its number of tokens. Raises InputError
    that names the option."""
    _within("--window", window, 1, _MOST_WINDOW, "2; a longer one is harder to find out and to learn")
    _within("--gamma", gamma, 0.01, 0.99, "0.25, the share of tokens that are green")
    _within("--delta", delta, 0.01, _MOST_DELTA, "2; 1 hardly changes the text, 4 does")
    return GreenKey(fresh_secret(), window, float(gamma), float(delta), vocabulary, size)


def lot_key(scheme: str, size: int) -> LotKey:
    """A new key of CHOICE or CANARY with so many alternatives. Raises InputError."""
    _within("the number of alternatives", size, 2, _MOST_LOTS, "4; of n, chance alone finds 1 in n")
    return LotKey(scheme, fresh_secret(), size)


def _within(what: str, value: float, least: float, most: float, advice: str) -> None:
    if not least <= value <= most:  # NaN is not within either
        raise InputError(
            expected=f"{what} from {least:g} to {most:g}", found=f"{value:g}", fix=f"for example {advice}"
        )
