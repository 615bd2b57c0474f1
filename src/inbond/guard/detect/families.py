"""The families of evidence, as data, and the bets that test them.

A family counts trials, each a share from 0 to 1, against a bound that lawful traffic keeps: in the
conditional mean a trial is at most ``bound``. A bet of fraction c multiplies a capital of 1 by
1 + l(x - p0) at a trial of x, with l = c / p0; under the bound capital is not expected to grow, so it is an
e-value whenever one looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cache
from typing import Final, Literal, final

import numpy as np
import numpy.typing as npt

VERSION: Final = "inbond.detect/4"
SCALE: Final = 16
"""Logarithms are whole multiples of 2^-16."""
WHOLE: Final = 256
"""A trial of 1; shares are counted in 256ths, rounded down."""
GRID: Final = ("0.04", "0.15", "0.5", "0.9")
"""Fractions of the largest bet. 10% of hits among trials of 0 or 1 is best met by .08, certainty by .9."""

Name = Literal["elicitation", "replay", "payment", "template"]


@final
@dataclass(frozen=True)
class Family:
    """``means``: whether it shows circumvention or coordination, without which nobody gets past tier 1.
    ``seen`` and ``change`` are said in verdicts; ``unit`` is what one trial is."""

    name: Name
    rule: str
    means: bool
    bound: str
    unit: str
    seen: str
    unseen: str
    change: str


FAMILIES: Final = (
    Family(
        "elicitation",
        "circumvention.elicitation",
        True,
        "0.02",
        "windows",
        "sends texts with wording by which hidden reasoning is asked for",
        "no more wording of that kind than lawful callers use",
        "requests without such wording: evidence falls with every quiet window",
    ),
    Family(
        "replay",
        "circumvention.replay",
        True,
        "0.002",
        "windows",
        "hands back reasoning that was sealed for an account of somebody else",
        "no more reasoning of other accounts than a moved conversation explains",
        "handing reasoning back only where it was given",
    ),
    Family(
        "payment",
        "coordination.payment",
        True,
        "0.01",
        "means of payment",
        "pays by means that three or more parties share whom nothing declared links",
        "no means of payment shared beyond households",
        "declaring the organisation that the accounts belong to",
    ),
    Family(
        "template",
        "template",
        False,
        "0.02",
        "windows",
        "sends texts of one template that unlinked accounts of the same age send and hardly anybody else",
        "no template shared with unlinked accounts, or one that is public",
        "a registration, a declared organisation, or the template's becoming public",
    ),
)
ELICITATION, REPLAY, PAYMENT, TEMPLATE = range(len(FAMILIES))
MEANS: Final = tuple(at for at, family in enumerate(FAMILIES) if family.means)


@cache
def bets(family: int) -> npt.NDArray[np.int32]:
    """(bets, 257): what a trial of so many 256ths adds to the logarithm of the capital. Rounded down, in
    decimal arithmetic, so that no machine's libm has a say. A span of 32 days fits 32 bits."""
    p0 = Decimal(FAMILIES[family].bound)
    found = np.array(
        [
            [logarithm(1 + Decimal(c) / p0 * (Decimal(x) / WHOLE - p0)) for x in range(WHOLE + 1)]
            for c in GRID
        ],
        dtype=np.int32,
    )
    found.setflags(write=False)
    return found


@cache
def logarithm(value: Decimal) -> int:
    """The natural logarithm in multiples of 2^-16, rounded down."""
    context = Context(prec=40)
    scaled = context.multiply(context.ln(value), Decimal(2**SCALE))
    return int(scaled.to_integral_value(ROUND_FLOOR))
