"""Which briefings of a day tell one event. Pure, and the same whatever the order they come in.

First, briefings of one article (one address, or one text) are one. Then groups are joined, the likest two
first, as long as the articles of both are alike on average **and** no two of them are unlike: so a chain of
neighbours never joins two that have nothing to do with one another. Two that speak of different things by
name are never joined, however like the news itself is (two firms' quarterly profits). A wrong merge hides
news, a missed one shows it twice: the limits prefer the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from inbond.briefing.naming import are_apart
from inbond.briefing.telling import Rarity, Telling, is_spaced, likeness

ALIKE: Final = 0.32
"""The least likeness, on average, of articles on one event; tuned on half of a gold set, see docs/LOG.md."""
ALIKE_UNSPACED: Final = 0.4
"""The same where words are not set apart: n-grams are shared by chance more often."""
UNLIKE: Final = 0.6
"""Two articles that are less like than this share of the limit are never in one group."""

Group = tuple[tuple[str, ...], ...]
"""One event: its articles, and of each article the keys of its briefings, all in order of keys."""
_Pairs = dict[tuple[int, int], float]


def merged(tellings: Sequence[Telling], alike: float | None = None) -> tuple[Group, ...]:
    """The events that these briefings tell, each key in exactly one group; in order of their first keys.
    ``alike`` is another limit than ours."""
    assert len({each.key for each in tellings}) == len(tellings), "a key names one telling"
    articles = _articles(sorted(tellings, key=lambda each: each.key))
    groups = {place: [place] for place in range(len(articles))}
    sums = _near([each[0] for each in articles], alike)
    while sums:
        (first, second), _ = min(
            ((pair, -total / (len(groups[pair[0]]) * len(groups[pair[1]]))) for pair, total in sums.items()),
            key=lambda each: (each[1], each[0]),
        )
        if sums[first, second] / (len(groups[first]) * len(groups[second])) < 1:
            break
        groups[first] += groups.pop(second)
        sums = _joined(sums, first, second)
    found = [tuple(sorted(_keys(articles[place]) for place in group)) for group in groups.values()]
    return tuple(sorted(found))


def _keys(article: Sequence[Telling]) -> tuple[str, ...]:
    return tuple(each.key for each in article)


def _articles(tellings: Sequence[Telling]) -> list[list[Telling]]:
    """Tellings of one article together, transitively: that is identity, not likeness."""
    found: list[list[Telling]] = []
    for telling in tellings:
        same = [each for each in found if any(telling.is_same_article(other) for other in each)]
        found = [each for each in found if each not in same]
        found.append(
            sorted([telling, *(other for each in same for other in each)], key=lambda each: each.key)
        )
    return sorted(found, key=_keys)


def _near(tellings: Sequence[Telling], alike: float | None) -> _Pairs:
    """The likeness of those pairs, by place, that may stand in one group; 1 is the limit."""
    rarity = Rarity(tellings)
    vectors = [rarity.weigh(each) for each in tellings]
    limits = [alike or (ALIKE if is_spaced(each) else ALIKE_UNSPACED) for each in tellings]
    found = {}
    for a, b in combinations(range(len(tellings)), 2):
        value = likeness(vectors[a], vectors[b]) / max(limits[a], limits[b])
        if value >= UNLIKE and not are_apart(tellings[a], tellings[b]):
            found[a, b] = value
    return found


def _joined(sums: _Pairs, first: int, second: int) -> _Pairs:
    """The sums of likeness between groups once ``second`` is part of ``first``. Two groups of which any pair
    may not stand together have none."""
    found = {pair: total for pair, total in sums.items() if not {first, second} & set(pair)}
    for other in {place for pair in sums for place in pair} - {first, second}:
        totals = [sums.get((min(other, each), max(other, each))) for each in (first, second)]
        if totals[0] is not None and totals[1] is not None:
            found[min(other, first), max(other, first)] = totals[0] + totals[1]
    return found
