"""What a profile is: who calls, how often, with what, and what of it is illicit. Data: data/profiles.toml."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Annotated, Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from inbond.errors import InputError
from inbond.guard.simulate.arrivals import TraceName
from inbond.guard.simulate.reading import read_data

_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1)]


@final
class Profile(BaseModel):
    """One kind of caller. A *group* is one campaign, company or class: what its accounts have in common.

    Volume: ``per_day`` requests an account on the average, times ``by_day`` (per mille, over and over) and
    ``spread`` between accounts; ``session`` requests follow each other, at the trace's gaps times
    ``stretch``, in ``zones`` time zones (0: anywhere). ``in_step``: all of a group do the same at once.
    Text: ``says`` is chat, homework or a template; ``items`` how many different requests there are, over and
    over (0: all are new); ``shared``: one template for all groups; ``wears`` a system prompt that others wear
    too. ``elicits``: kinds of phrasings (native: in the caller's language), put at ``place``.
    Illicit: the share ``purity`` of the requests elicit, or hand sealed reasoning back that is not theirs
    (``replays``: the share of these that do, ``of_others``: the share that was another account's).
    Accounts: ``cards_of`` accounts share one card (0: none has any), from ``bins`` issuers (0: anybody's);
    ``family``: the share whose card is also the next one's; ``age_days`` before the start, all within
    ``signup_hours`` of each other when that is given; ``ramp``: new ones begin slowly.
    ``broken``: the share of envelopes handed back that do not open, as compacted histories have them.
    ``curious``: the share of a lawful profile's requests that quote or try what campaigns say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    stated: bool = True
    lawful: bool
    groups: _Count = 1
    accounts: _Count = 1
    reserve: Annotated[int, Field(ge=0)] = 0
    ban_day: float | None = None
    failover_minutes: int = 0
    tenancy: Literal["each", "one"] = "each"
    per_day: Annotated[float, Field(gt=0)]
    by_day: tuple[int, ...] = (1000,)
    spread: Literal["even", "wide"] = "even"
    hours: Literal["people", "office", "flat", "night", "lesson", "burst"]
    trace: TraceName
    session: _Count
    stretch: Annotated[float, Field(gt=0)]
    zones: Annotated[int, Field(ge=0)] = 0
    in_step: bool = False
    says: str
    wears: Literal["coding-tool", "app"] | None = None
    shared: bool = False
    items: Annotated[int, Field(ge=0)] = 0
    elicits: tuple[str, ...] = ()
    place: Literal["system", "before", "after"] = "before"
    purity: _Share = 0.0
    replays: _Share = 0.0
    of_others: _Share = 0.0
    broken: _Share = 0.02
    curious: _Share = 0.0
    languages: tuple[str, ...]
    end_users: _Count = 1
    conversations: bool = True
    refusals: _Share = 0.005
    org: bool = False
    registered: bool = False
    plan: str = "pay-as-you-go"
    cards_of: Annotated[int, Field(ge=0)] = 1
    bins: Annotated[int, Field(ge=0)] = 0
    family: _Share = 0.0
    mail: Literal["disposable", "free", "own", "campus"]
    age_days: tuple[int, int]
    signup_hours: Annotated[int, Field(ge=0)] = 0
    ramp: bool = False
    network: Literal["residential", "mobile", "hosting", "office", "campus"]
    addresses: Literal["own", "pool", "nat", "fresh"]
    address_count: _Count = 1
    client: Literal["habit", "person", "fleet", "fresh", "none"]
    models: tuple[str, ...]
    mixes_models: bool = False
    moves: _Share = 0.0
    moves_in_hours: _Count = 24
    max_tokens: _Count
    wordy: Annotated[float, Field(gt=0)] = 1.0


@lru_cache(maxsize=1)
def read_profiles() -> dict[str, Profile]:
    """All profiles, by name."""
    found = tomllib.loads(read_data("profiles.toml"))
    return {name: Profile.model_validate(_whole(found, name)) for name in found}


def _whole(found: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A profile that is like another takes from it what it does not say itself."""
    own = dict(found[name])
    like = own.pop("like", None)
    return own if like is None else {**_whole(found, like), **own}


def choose(name: str) -> tuple[str, ...]:
    """The profiles that a name stands for: its own, or all, lawful, illicit. Raises InputError."""
    known = read_profiles()
    if name in known:
        return (name,)
    if name == "all":
        return tuple(known)
    if name in ("lawful", "illicit"):
        return tuple(each for each in known if known[each].lawful == (name == "lawful"))
    raise InputError(
        expected="one of all, lawful, illicit, " + ", ".join(known),
        found=repr(name),
        fix="name one of these scenarios; docs/guard-simulate.md says what each is",
    )
