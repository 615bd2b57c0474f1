"""Questions with known answers that so small a model can sometimes answer, made by code. Pure, seeded.

Sums, comparisons, order, spelling, letters, opposites, kinds of things and a few facts that everybody knows;
two to four options. Nothing is taken from anybody's collection, so nothing has to be licensed. They measure
what a panel adds to one seat, not how good a model is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from inbond.roundtable.question import Question

MOST: Final = 120
_MOST_TURNS: Final = 2_000
_CAPITALS: Final = {
    "France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Egypt": "Cairo", "Russia": "Moscow", "Greece": "Athens", "Austria": "Vienna", "Portugal": "Lisbon",
    "Ireland": "Dublin", "Poland": "Warsaw", "Norway": "Oslo", "Cuba": "Havana", "Kenya": "Nairobi",
    "Hungary": "Budapest", "Sweden": "Stockholm", "Peru": "Lima", "China": "Beijing", "Finland": "Helsinki",
}  # fmt: skip
_OPPOSITES: Final = {
    "hot": "cold", "big": "small", "fast": "slow", "old": "young", "rich": "poor", "light": "dark",
    "early": "late", "full": "empty", "hard": "soft", "loud": "quiet", "high": "low", "wet": "dry",
    "strong": "weak", "open": "closed", "long": "short",
}  # fmt: skip
_KINDS: Final = {
    "animal": ("horse", "cat", "eagle", "salmon", "cow"),
    "fruit": ("apple", "banana", "cherry", "pear", "grape"),
    "colour": ("red", "green", "purple", "yellow", "brown"),
    "tool": ("hammer", "saw", "drill", "wrench", "chisel"),
    "metal": ("iron", "copper", "silver", "tin", "zinc"),
}
_FACTS: Final = (
    ("How many legs does a spider have?", "8", ("6", "4", "10")),
    ("How many days are there in a week?", "7", ("5", "6", "10")),
    ("How many minutes are there in an hour?", "60", ("24", "100", "30")),
    ("How many months are there in a year?", "12", ("10", "7", "24")),
    ("How many sides does a triangle have?", "3", ("4", "5", "6")),
    ("Which planet do we live on?", "Earth", ("Mars", "Venus", "Jupiter")),
    ("What do bees make?", "honey", ("milk", "silk", "bread")),
    ("What is frozen water called?", "ice", ("steam", "sand", "salt")),
    ("At which temperature does water boil, in degrees Celsius, at sea level?", "100", ("0", "50", "212")),
    ("Which of these gives light by day?", "the sun", ("the moon", "a cloud", "a stone")),
    ("Which ocean is the largest?", "Pacific", ("Atlantic", "Indian", "Arctic")),
    ("Who wrote Romeo and Juliet?", "Shakespeare", ("Newton", "Mozart", "Napoleon")),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WORDS: Final = (
    "because", "believe", "friend", "kitchen", "library", "morning", "people", "question", "receive",
    "separate", "tomorrow", "window", "yesterday", "beautiful", "different",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """``answer`` is one of ``options``; ``kind`` says what is asked for."""

    name: str
    kind: str
    text: str
    options: tuple[str, ...]
    answer: str

    def question(self) -> Question:
        """Without abstaining: all ways to an answer must give one."""
        return Question.make(self.text, self.options, "en", allow_abstain=False)

    def truth(self) -> str:
        """The id of the right option."""
        return next(option.id for option in self.question().options if option.label == self.answer)


Made = tuple[str, str, Sequence[str]]
"""A question, its answer, and others that are wrong."""


def items(count: int, seed: int = 0) -> tuple[Item, ...]:
    """So many, no question twice, in an order that says nothing. All kinds come about as often, and fewer
    items are the first of more."""
    assert 0 < count <= MOST, f"1 to {MOST} items: there are not more facts"
    chance = random.Random(f"items {seed}")
    kinds, found = sorted(_MAKERS), dict[str, Item]()
    for turn in range(_MOST_TURNS):
        kind = kinds[turn % len(kinds)]
        text, answer, wrong = _MAKERS[kind](chance)
        options = [answer, *wrong]
        chance.shuffle(options)
        if text not in found and len(found) < MOST:
            found[text] = Item(f"{len(found):03d}-{kind}", kind, text, tuple(options), answer)
    shuffled = list(found.values())
    chance.shuffle(shuffled)
    return tuple(shuffled[:count])


def _sum(chance: random.Random) -> Made:
    one, two = chance.randint(2, 12), chance.randint(2, 12)
    off = chance.sample([-3, -2, -1, 1, 2, 3, 10], 3)
    return f"What is {one} + {two}?", str(one + two), [str(one + two + each) for each in off]


def _larger(chance: random.Random) -> Made:
    one, two = chance.sample(range(10, 1000), 2)
    return f"Which number is larger, {one} or {two}?", str(max(one, two)), [str(min(one, two))]


def _after(chance: random.Random) -> Made:
    names = chance.choice((_DAYS, _MONTHS))
    place = chance.randrange(len(names))
    answer = names[(place + 1) % len(names)]
    rest = [name for name in names if name not in (answer, names[place])]
    what = "day of the week" if names is _DAYS else "month"
    return f"Which {what} comes right after {names[place]}?", answer, chance.sample(rest, 3)


def _spelling(chance: random.Random) -> Made:
    word = chance.choice(_WORDS)
    places = [at for at in range(1, len(word) - 1) if word[at] != word[at + 1]]
    one, two = chance.sample(places, 2)
    swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in (one, two))
    return f"Which is the right spelling of the word that begins with {word[:2]!r}?", word, list(swapped)


def _letter(chance: random.Random) -> Made:
    word = chance.choice(_WORDS)
    rest = sorted(set("abcdefghilmnoprstuw") - {word[0]})
    return f"With which letter does the word {word!r} begin?", word[0], chance.sample(rest, 3)


def _capital(chance: random.Random) -> Made:
    land = chance.choice(list(_CAPITALS))
    rest = [city for city in _CAPITALS.values() if city != _CAPITALS[land]]
    return f"What is the capital of {land}?", _CAPITALS[land], chance.sample(rest, 3)


def _opposite(chance: random.Random) -> Made:
    word = chance.choice(list(_OPPOSITES))
    rest = [each for each in _OPPOSITES.values() if each != _OPPOSITES[word]]
    return f"Which word means the opposite of {word!r}?", _OPPOSITES[word], chance.sample(rest, 2)


def _kind(chance: random.Random) -> Made:
    kind, *others = chance.sample(list(_KINDS), 4)
    answer = chance.choice(_KINDS[kind])
    wrong = [chance.choice(_KINDS[each]) for each in others]
    article = "an" if kind[0] in "aeiou" else "a"
    listed = ", ".join(sorted([answer, *wrong]))
    return f"Which of these is {article} {kind}: {listed}?", answer, wrong


def _fact(chance: random.Random) -> Made:
    return chance.choice(_FACTS)


_MAKERS: Final[dict[str, Callable[[random.Random], Made]]] = {
    "after": _after,
    "capital": _capital,
    "fact": _fact,
    "kind": _kind,
    "larger": _larger,
    "letter": _letter,
    "opposite": _opposite,
    "spelling": _spelling,
    "sum": _sum,
}
