"""Which earlier briefings belong to a new one. Pure: same briefings, same answer, in whatever order.

By what they say: the likeness of their tellings, in which names and numbers count the more the rarer they
are among all that was briefed before. Below a limit there are none: a list of five that have little to do
with the article is worse than a list of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inbond.briefing.briefing import Briefing, Related
from inbond.briefing.telling import Rarity, Telling, likeness

MOST: Final = 5
LEAST: Final = 0.16
"""The least likeness of a related briefing. Lower than that of one event: the same firm's other news belongs
here."""


def related(new: Telling, earlier: Sequence[Briefing]) -> tuple[Related, ...]:
    """The briefings of other articles that are likest, at most ``MOST``, the likest first. An article that
    was briefed several times is listed once, by what was made last."""
    tellings = {each.id: Telling.of(each) for each in earlier if each.id != new.key}
    others = {key: each for key, each in tellings.items() if not each.is_same_article(new)}
    rarity = Rarity([new, *(others[key] for key in sorted(others))])
    ours = rarity.weigh(new)
    rows = [(likeness(ours, rarity.weigh(others[each.id])), each) for each in earlier if each.id in others]
    near = [(value, each) for value, each in rows if value >= LEAST]
    near.sort(key=lambda row: (row[0], row[1].made_at, row[1].id), reverse=True)
    kept: list[Briefing] = []
    for _, each in near:
        same = [other for other in kept if others[other.id].is_same_article(others[each.id])]
        if not same:
            kept.append(each)
        elif each.made_at > same[0].made_at:
            kept[kept.index(same[0])] = each
    return tuple(_told(each) for each in kept[:MOST])


def _told(briefing: Briefing) -> Related:
    source = briefing.source
    return Related(id=briefing.id, title=briefing.shown_title, date=source.date, site=source.site)
