"""What follows from a tier: steps that can all be taken back. Pure.

0 none. 1 watched: it is written down, and nothing changes. 2 restricted: no log-probabilities, hidden
reasoning stays hidden, a share of the usual limits; the operator is told to ask who is there. 3 the same, and
a suspension is proposed: only a person's signature suspends (``appeals``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond.guard.budget import Scopes
from inbond.guard.callers import Limits
from inbond.guard.fields import is_logprobs

Tier = Literal[0, 1, 2, 3]
TIERS: Final[tuple[Tier, ...]] = (0, 1, 2, 3)
NAMES: Final[Mapping[Tier, str]] = {0: "none", 1: "watched", 2: "restricted", 3: "suspension proposed"}


@final
@dataclass(frozen=True)
class Steps:
    """What changes for an account. ``limits`` is the share of its limits that it keeps,
    ``requests_per_minute`` the most where it had no limit of its own."""

    logprobs: bool = True
    reasoning: bool = True
    limits: float = 1.0
    requests_per_minute: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Each step for a person; none where nothing changes."""
        said = []
        if not self.logprobs:
            said.append("no log-probabilities are given")
        if not self.reasoning:
            said.append("hidden reasoning is never shown, whatever the model's policy")
        if self.limits < 1:
            said.append(
                f"limits are {self.limits:.0%} of what they were, "
                f"at most {self.requests_per_minute} requests a minute"
            )
        return tuple(said)


_NOTHING: Final = Steps()
_RESTRICTED: Final = Steps(logprobs=False, reasoning=False, limits=0.25, requests_per_minute=30)


def steps(tier: Tier) -> Steps:
    """The steps of a tier."""
    return _RESTRICTED if tier >= 2 else _NOTHING


def restricted(scopes: Scopes, taken: Steps) -> Scopes:
    """An account's limits under these steps; a tenant's stay, since its other accounts did nothing."""
    if taken.limits == 1:
        return scopes
    return tuple(
        (name, limits if name.startswith("tenant:") else _share(limits, taken)) for name, limits in scopes
    )


def _share(limits: Limits, taken: Steps) -> Limits:
    kept = {
        name: value if value is None else (value * taken.limits if "usd" in name else _whole(value, taken))
        for name, value in limits.model_dump().items()
    }
    most = taken.requests_per_minute
    if most is not None:
        said = kept["requests_per_minute"]
        kept["requests_per_minute"] = most if said is None else min(said, most)
    return Limits(**kept)


def _whole(value: int, taken: Steps) -> int:
    """A limit that let something through still does."""
    return max(min(value, 1), math.floor(value * taken.limits))


def without_logprobs(value: Mapping[str, Any]) -> dict[str, Any]:
    """A request that asks for no log-probabilities, in whichever server's spelling."""
    kept = {name: item for name, item in value.items() if not is_logprobs(name)}
    include = kept.get("include")
    if isinstance(include, list):
        kept["include"] = [each for each in include if not (isinstance(each, str) and is_logprobs(each))]
    return kept
