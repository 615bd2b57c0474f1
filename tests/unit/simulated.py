"""Small simulated traffic, and what tests ask of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from inbond.guard.simulate import Row, Scenario, choose, profiles, simulate

PROFILES = profiles.read_profiles()
LAWFUL, ILLICIT = choose("lawful"), choose("illicit")
DAY_S = 86_400


@lru_cache(maxsize=64)
def rows(scenario: Scenario, seed: int = 7) -> list[Row]:
    return list(simulate(scenario, seed))


def some(name: str, **changes: object) -> list[Row]:
    """A day of one profile, small."""
    profile = PROFILES[name]
    scale = 0.1 if profile.groups > 1 else 60 / max(60, profile.accounts)
    return rows(Scenario((name,), **{"scale": scale, "most": 20.0, **changes}))  # type: ignore[arg-type]


def by_account(found: Iterable[Row]) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        out[row.account].append(row)
    return out


def text_of(row: Row) -> str:
    return f"{row.system or ''}\n{row.prompt}"
