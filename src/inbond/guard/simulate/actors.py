"""Who calls: the accounts of a scenario, with what those of one campaign or company have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from inbond.guard.simulate.arrivals import DAY_MS, HOUR_MS
from inbond.guard.simulate.dice import Dice, key, named
from inbond.guard.simulate.profiles import Profile, read_profiles
from inbond.guard.simulate.scenario import START_S, Scenario

CLIENTS = (
    "openai-python/2.1.0", "openai-python/1.99.6", "openai-node/6.3.0", "openai-node/5.20.1",
    "langchain/1.0.2", "litellm/1.80.0", "curl/8.9.1", "okhttp/4.12.0", "go-http-client/2.0", "reqwest/0.12",
    "axios/1.7.9", "web/2026.9",
)  # fmt: skip
TOOL = "quill/3.4.1"
_FREE_MAIL = tuple(
    f"{name}.example" for name in ("postbox", "quickletter", "mailhaven", "inboxly", "webpost")
)
_DISPOSABLE = tuple(f"drop{n}-mail.example" for n in range(24))
_NETWORKS = {
    "residential": (64_512, 300), "mobile": (64_900, 60), "hosting": (65_000, 40), "office": (65_100, 300),
    "campus": (65_450, 60),
}  # fmt: skip
_WIDE = (150, 250, 350, 450, 550, 700, 850, 1_100, 1_600, 4_000)
"""Per mille of the mean: how unlike people are in how much they ask. Their mean is 1,000."""
_RAMP_DAYS = 8
_AGED_DAYS = 400
_NAMES, _CARDS, _SIGN_UP, _HABITS, _FLEET, _RETURN, _FAMILY, _EAST = range(1, 9)


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One campaign, company or class. ``key`` is what its random numbers are made of, ``script`` the same for
    what its software says."""

    name: str
    profile: Profile
    key: int
    script: int
    domain: str
    fleet: str
    size: int
    born_s: int


@final
@dataclass(frozen=True, slots=True)
class Actor:
    """One account. It is at work from ``begins_ms`` until ``ends_ms`` after the start, ``east_h`` hours east
    of Greenwich, with ``factor`` times its profile's mean; ``voice`` is the key of what it does and says."""

    group: Group
    key: int
    voice: int
    tenant: str
    account: str
    org: str | None
    payment: str | None
    mail_domain: str
    created_s: int
    client: str | None
    model: str
    east_h: int
    factor: float
    begins_ms: int
    ends_ms: int

    def expected(self, day: int) -> float:
        """Requests on a day of the simulation, on the average."""
        profile = self.group.profile
        share = profile.by_day[day % len(profile.by_day)] / 1_000
        if profile.ramp:
            age = max(0, (START_S - self.created_s) // 86_400 + day)
            share *= min(_RAMP_DAYS, age + 1) / _RAMP_DAYS
        return profile.per_day * share * self.factor


def all_actors(scenario: Scenario, seed: int) -> Iterator[Actor]:
    """Every account of a scenario, group by group."""
    for name in scenario.profiles:
        profile = read_profiles()[name]
        for number in range(scenario.groups_of(profile)):
            yield from _members(_group(scenario, seed, name, number), scenario)


def _group(scenario: Scenario, seed: int, name: str, number: int) -> Group:
    profile = read_profiles()[name]
    own = key(seed, named(name), number)
    dice = Dice(own, _NAMES)
    youngest, oldest = profile.age_days
    age_s = youngest * 86_400 + dice.below((oldest - youngest) * 86_400 + 1)
    return Group(
        name=name,
        profile=profile,
        key=own,
        script=key(seed, named(name)) if profile.shared else own,
        domain=f"{dice.bits() >> 40:06x}.example",
        fleet=_fleet(profile, own),
        size=scenario.accounts_of(profile),
        born_s=START_S - max(age_s, profile.signup_hours * 3_600),
    )


def _fleet(profile: Profile, own: int) -> str:
    """What all of a group's software calls itself: a tool that others use too, or a build of its own."""
    if profile.wears == "coding-tool":
        return TOOL
    dice = Dice(own, _FLEET)
    return f"{dice.pick(CLIENTS)} build/{dice.bits() >> 48:04x}"


def _members(group: Group, scenario: Scenario) -> Iterator[Actor]:
    profile = group.profile
    lasts, banned = scenario.lasts_ms, profile.ban_day
    if banned is None or banned * DAY_MS >= lasts:
        yield from (_actor(group, scenario, i, 0, lasts, None) for i in range(group.size))
        return
    ban_ms = round(banned * DAY_MS)
    yield from (_actor(group, scenario, i, 0, ban_ms, None) for i in range(group.size))
    for i in range(group.size):
        begins = ban_ms + profile.failover_minutes * 60_000 + Dice(group.key, _RETURN, i).below(HOUR_MS)
        fresh = None if i < scenario.reserve_of(profile) else START_S + begins // 1_000 - 300
        yield _actor(group, scenario, group.size + i, begins, lasts, fresh)


def _actor(
    group: Group, scenario: Scenario, index: int, begins_ms: int, ends_ms: int, created_s: int | None
) -> Actor:
    profile, own = group.profile, key(group.key, index)
    dice = Dice(own, _NAMES)
    tenant = f"t-{(group.key if profile.tenancy == 'one' else dice.bits()) >> 16:012x}"
    account = f"a-{dice.bits() >> 16:012x}"
    habits = Dice(own, _HABITS)
    client: str | None = habits.pick(CLIENTS)
    hides = scenario.own_clients and not profile.lawful and profile.wears is None
    if profile.client in ("fleet", "none") and not hides:
        client = group.fleet if profile.client == "fleet" else None
    return Actor(
        group=group,
        key=own,
        voice=group.key if profile.in_step and not scenario.jitter else own,
        tenant=tenant,
        account=account,
        org=f"Org {group.key >> 40:06x}" if profile.org else None,
        payment=_payment(group, scenario, index),
        mail_domain=_mail(group, habits),
        created_s=_created(group, scenario, index) if created_s is None else created_s,
        client=client,
        model=habits.pick(profile.models),
        east_h=_east_h(group, index),
        factor=(habits.pick(_WIDE) if profile.spread == "wide" else 900 + habits.below(201)) / 1_000,
        begins_ms=begins_ms,
        ends_ms=ends_ms,
    )


def _east_h(group: Group, index: int) -> int:
    """Companies are in one place, campaigns and crowds in as many as their profile says, or anywhere."""
    zones = group.profile.zones or (1 if group.profile.groups > 1 else group.size)
    return Dice(group.key, index % zones, _EAST).below(24)


def _payment(group: Group, scenario: Scenario, index: int) -> str | None:
    profile = group.profile
    if profile.cards_of == 0:
        return None
    card = index // (1 if scenario.own_cards and not profile.lawful else profile.cards_of)
    if index % 2 and Dice(group.key, index, _FAMILY).chance(profile.family):
        card = index - 1
    dice = Dice(group.key, card, _CARDS)
    issuer = key(group.key, _CARDS, card % profile.bins) if profile.bins else key(dice.below(4_000))
    return f"{issuer >> 40:06x}-{dice.bits():016x}"


def _mail(group: Group, habits: Dice) -> str:
    match group.profile.mail:
        case "disposable":
            return habits.pick(_DISPOSABLE)
        case "free":
            return habits.pick(_FREE_MAIL)
        case "own":
            return group.domain
        case "campus":
            return "campus-" + group.domain


def _created(group: Group, scenario: Scenario, index: int) -> int:
    """Within hours of the group's others, or whenever it came to each."""
    dice, profile = Dice(group.key, index, _SIGN_UP), group.profile
    if scenario.aged and not profile.lawful:
        return START_S - 86_400 - dice.below(_AGED_DAYS * 86_400)
    if profile.signup_hours:
        return group.born_s + dice.below(profile.signup_hours * 3_600)
    youngest, oldest = profile.age_days
    return START_S - youngest * 86_400 - dice.below((oldest - youngest) * 86_400 + 1)


def address(group: Group, who: int, number: int) -> tuple[str, int]:
    """An IP address out of 10.0.0.0/8 and a private number of a network, of the kind its profile has."""
    first, many = _NETWORKS[group.profile.network]
    drawn = key(who, number)
    asn = first + drawn % many
    return f"10.{asn % 256}.{(drawn >> 32) & 255}.{(drawn >> 40) & 255}", asn
