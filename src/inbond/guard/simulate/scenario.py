"""What is simulated: which profiles, how large, how long, and how the illicit ones hide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from inbond.errors import InputError
from inbond.guard.simulate.arrivals import DAY_MS
from inbond.guard.simulate.profiles import Profile, read_profiles

START_S = 1_788_739_200
"""Monday, 7 September 2026, 00:00 UTC: when every simulation starts."""
RELEASE_MS = DAY_MS // 2
"""When a new model comes out, after the start."""
NEW_MODEL = "atlas-3"
_FEWEST = 3


@final
@dataclass(frozen=True)
class Scenario:
    """``profiles``: names that ``choose`` gives, each once. ``scale`` multiplies how many there are of each,
    ``volume`` what each account sends; ``most``: no account is meant to send more than that a day, so that
    large senders shrink and small ones stay as they are. ``curious``: the share of the requests of lawful
    people (of profiles that have any) that quote or try what campaigns say, instead of their own.

    The rest changes the illicit profiles alone. ``purity`` instead of each one's own; ``paraphrase``: no two
    requests are worded alike; ``jitter``: a person's hours and pauses; ``own_cards``: no two accounts share a
    card; ``own_clients``: none has a build of the campaign's own, they name what people use; ``aged``: all
    signed up whenever it was, over a year; ``held_out``: phrasings that no detector was built on. Raises
    InputError.
    """

    profiles: tuple[str, ...]
    days: float = 1.0
    scale: float = 1.0
    volume: float = 1.0
    most: float | None = None
    purity: float | None = None
    paraphrase: bool = False
    jitter: bool = False
    own_cards: bool = False
    own_clients: bool = False
    aged: bool = False
    held_out: bool = False
    curious: float | None = None

    def __post_init__(self) -> None:
        if len(set(self.profiles)) < len(self.profiles) or not read_profiles().keys() >= set(self.profiles):
            raise InputError(
                expected="names of profiles, each once",
                found=", ".join(map(repr, self.profiles)),
                fix="take them from choose(name); docs/guard-simulate.md lists them",
            )
        _within("days", self.days, 0, 3_650)
        _within("scale", self.scale, 0, 1_000)
        _within("volume", self.volume, 0, 1_000)
        if self.most is not None:
            _within("most", self.most, 0, 10**9)
        _share("purity", self.purity)
        _share("curious", self.curious)

    @property
    def lasts_ms(self) -> int:
        return math.ceil(self.days * DAY_MS)

    def purity_of(self, profile: Profile) -> float:
        """The share of a profile's requests that are illicit."""
        if profile.lawful:
            return 0.0
        return profile.purity if self.purity is None else self.purity

    def curious_of(self, profile: Profile) -> float:
        """The share of a lawful profile's requests that quote or try what campaigns say."""
        return profile.curious if self.curious is None or not profile.curious else self.curious

    def groups_of(self, profile: Profile) -> int:
        """Profiles of many groups get more or fewer of them, and the groups stay as large as they are."""
        return self._scaled(profile.groups) if profile.groups > 1 else 1

    def accounts_of(self, profile: Profile) -> int:
        """Accounts of a group that are at work at one time."""
        return profile.accounts if profile.groups > 1 else self._scaled(profile.accounts)

    def reserve_of(self, profile: Profile) -> int:
        """Accounts that a group keeps for after a ban."""
        return round(profile.reserve * self.scale)

    def _scaled(self, number: int) -> int:
        return max(min(number, _FEWEST), round(number * self.scale))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low < value <= high:
        raise InputError(
            expected=f"{name} above {low:g} and at most {high:g}",
            found=f"{value:g}",
            fix="give such a number",
        )


def _share(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InputError(
            expected=f"a {name} from 0 to 1",
            found=f"{value:g}",
            fix="give a share, for example 0.05",
        )
