"""The families of evidence, as data, and the bets that test them.

A family counts trials, each a share from 0 to 1, against a bound that lawful traffic keeps: in the
conditional mean a trial is at most ``bound``. A bet of fraction c multiplies a capital of 1 by
1 + l(x - p0), with l = c / p0; under the bound capital is not expected to grow, ever (Ville), so it is an
e-value at any time one looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cache
from typing import Final, Literal, final

VERSION: Final = "inbond.detect/2"
SCALE: Final = 20
"""Logarithms are whole multiples of 2^-20."""
WHOLE: Final = 256
"""A trial of 1; shares are counted in 256ths, rounded down."""
GRID: Final = ("0.03", "0.08", "0.2", "0.5", "0.9")
"""Fractions of the largest bet. 10% of hits against a bound of 2% is best met by .08, certainty by .9."""

Name = Literal["elicitation", "replay", "payment", "template", "synchrony"]


@final
@dataclass(frozen=True)
class Family:
    """``means``: whether it shows circumvention or coordination, without which nobody gets past tier 1.
    ``seen`` and ``change`` are said in verdicts."""

    name: Name
    rule: str
    means: bool
    bound: str
    seen: str
    unseen: str
    change: str


FAMILIES: Final = (
    Family(
        "elicitation",
        "circumvention.elicitation",
        True,
        "0.02",
        "asks for the model's hidden reasoning by deceit or circumvention",
        "no more requests for hidden reasoning than lawful callers make",
        "requests without such wording: evidence falls with every quiet window",
    ),
    Family(
        "replay",
        "circumvention.replay",
        True,
        "0.002",
        "hands back reasoning that was sealed for another account",
        "no more reasoning of other accounts than a moved conversation explains",
        "handing reasoning back only where it was given",
    ),
    Family(
        "payment",
        "coordination.payment",
        True,
        "0.01",
        "shares a means of payment with accounts that nothing declared links",
        "no means of payment shared beyond households",
        "declaring the organisation that the accounts belong to",
    ),
    Family(
        "template",
        "template",
        False,
        "0.02",
        "sends texts of one template that unlinked accounts of the same age send and hardly anybody else",
        "no template shared with unlinked accounts, or one that is public",
        "a registration, a declared organisation, or the template's becoming public",
    ),
    Family(
        "synchrony",
        "coordination.synchrony",
        True,
        "0.1",
        "sends the very text of unlinked accounts within three seconds of them, off the whole minute",
        "not in step with unlinked accounts that send the same text",
        "declaring the organisation that the accounts belong to, or texts sent each in its own time",
    ),
)
ELICITATION, REPLAY, PAYMENT, TEMPLATE, SYNCHRONY = range(len(FAMILIES))


@cache
def bets(family: int) -> tuple[tuple[int, int], ...]:
    """For each fraction: what a whole hit and a whole miss add to the logarithm of the capital. Rounded
    down, in decimal arithmetic, so that no machine's libm has a say."""
    p0 = Decimal(FAMILIES[family].bound)
    return tuple((logarithm(1 + Decimal(c) / p0 * (1 - p0)), logarithm(1 - Decimal(c))) for c in GRID)


def logarithm(value: Decimal) -> int:
    """The natural logarithm in multiples of 2^-20, rounded down."""
    context = Context(prec=40)
    scaled = context.multiply(context.ln(value), Decimal(2**SCALE))
    return int(scaled.to_integral_value(ROUND_FLOOR))
