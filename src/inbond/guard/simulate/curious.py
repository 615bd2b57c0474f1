"""Lawful people who quote or try the phrases that campaigns use: a trick that went round a class, a question
about it, a security test. Half of them try it, half of them ask what it is. Pure.
"""

from __future__ import annotations

from inbond.guard.simulate.actors import Group
from inbond.guard.simulate.dice import Dice
from inbond.guard.simulate.texts import Tongue, read_phrasings, read_tongues

_TRICK = 31
_KINDS = ("tags", "verbatim", "internal")
_OWN_TONGUE = 0.5
_GOES_ROUND = 0.5


def wondering(group: Group, tongue: Tongue, prompt: str, dice: Dice) -> str:
    """The prompt of somebody who has heard of such phrases: known ones, never those held out, and half of the
    time the one that goes round where the account is at home."""
    known, english = read_phrasings(False), read_tongues()["en"]
    shape = Dice(group.key, _TRICK) if dice.chance(_GOES_ROUND) else dice
    own = tongue.code in known and shape.chance(_OWN_TONGUE)
    phrase = (tongue if own else english).filled(
        shape.pick(known[tongue.code if own else shape.pick(_KINDS)]), shape, dice
    )
    if dice.chance(0.5):
        return f"{prompt}\n{phrase}"
    return f'{english.filled(dice.pick(known["quoted"]), dice, dice)} "{phrase}"'
