"""The cases of detection: which simulated traffic each is, and what is kept of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, final

from guard_trial import Seen, Traffic, Trial, telling

from inbond.guard.simulate import Row, Scenario, choose, simulate
from inbond.guard.simulate.profiles import read_profiles

REDUCED: Mapping[str, float] = {
    "burst-ring": 0.01, "slow-ring": 0.05, "relay": 1.0, "harness": 0.02, "synchronised": 1.0, "pivot": 0.05,
    "hydra-10": 0.05, "coercion": 1.0,
}  # fmt: skip
"""How large each campaign is here, times its accounts; hydra's other purities are variants of it."""
_SHARES: Mapping[str, float | None] = {"own": None, "30%": 0.3, "10%": 0.1, "5%": 0.05}
_HIDING: Mapping[str, Mapping[str, bool]] = {
    "": {},
    " own cards": {"own_cards": True},
    " jitter": {"jitter": True},
    " paraphrase": {"paraphrase": True},
    " held out": {"held_out": True},
    " own cards and clients": {"own_cards": True, "own_clients": True},
    " aged too": {"own_cards": True, "own_clients": True, "aged": True},
    " all": {
        "own_cards": True,
        "own_clients": True,
        "aged": True,
        "jitter": True,
        "paraphrase": True,
        "held_out": True,
    },
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    share + how: {"purity": purity, **hiding}
    for share, purity in _SHARES.items()
    for how, hiding in _HIDING.items()
    if how in ("", " own cards") or (how == " all" and share in ("10%", "5%")) or share == "10%"
}
CURIOUS = (0.002, 0.01, 0.03, 0.1)
_LAWFUL = choose("lawful")
_NOT_CLASSES = tuple(name for name in _LAWFUL if name != "classroom")
_THREE = 1e-6
"""A scale so small that three tenants are left of every profile."""
_FEW = 4.0
"""Requests a day of those three before they are multiplied."""
_BYSTANDERS = 500
_CLASSES = 1_000
_SAMPLE = 40


@final
@dataclass(frozen=True)
class Sizes:
    """``most`` requests a day of a lawful account; ``share`` of everybody, below 1 for a quick look only."""

    most: float = 300.0
    days: float = 1.0
    classes: int = 10
    times: int = 1_000
    share: float = 1.0
    every: int = 1


@final
@dataclass(frozen=True)
class Peers:
    """``python`` of a venv with unmimic and honeypotllm; ``stand_in`` embeddings where no hub is reached."""

    python: str
    stand_in: bool = True


@final
@dataclass(frozen=True)
class Case:
    """A piece of work that is kept when it is done."""

    part: str
    name: str
    seed: int
    sizes: Sizes
    peers: Peers | None = None

    def run(self) -> dict[str, Any]:
        """What was found. Takes minutes."""
        runs: Mapping[str, Callable[[Case], dict[str, Any]]] = {
            "lawful": _lawful, "volume": _volume, "illicit": _illicit, "curious": _curious, "peers": _peers,
        }  # fmt: skip
        return runs[self.part](self)

    def __str__(self) -> str:
        return f"{self.part} {self.name} seed {self.seed}"


def cases(parts: Iterable[str], seeds: Iterable[int], sizes: Sizes, peers: Peers | None) -> list[Case]:
    """All that is to be done, the shortest parts first."""
    names: Mapping[str, Iterable[str]] = {
        "illicit": [f"{name}/{each}" for name in REDUCED for each in VARIANTS if _differs(name, each)],
        "curious": [str(share) for share in CURIOUS],
        "peers": ["same traffic"] if peers else [],
        "volume": ["x1000"],
        "lawful": ["all"],
    }
    chosen = set(parts)
    return [
        Case(part, name, seed, sizes, peers if part == "peers" else None)
        for part in names
        if part in chosen
        for seed in seeds
        for name in names[part]
    ]


def _differs(name: str, variant: str) -> bool:
    """Whether a purity of its own is not one of the others."""
    return not (variant.startswith("own") and read_profiles()[name].purity in _SHARES.values())


def _bystanders(sizes: Sizes, seed: int) -> tuple[Scenario, int]:
    scale = 0.1 * sizes.share
    return Scenario(_LAWFUL, days=sizes.days, scale=scale, most=20), seed + _BYSTANDERS


def _trial(case: Case, traffic: Traffic) -> Trial:
    return Trial(telling(str(case), traffic.lasts_s), case.sizes.every).watch(traffic.seen())


def _lawful(case: Case) -> dict[str, Any]:
    """Every lawful profile at its full number of tenants, and whole classes."""
    sizes = case.sizes
    most = Scenario(_NOT_CLASSES, days=sizes.days, scale=sizes.share, most=sizes.most)
    lesson = Scenario(("classroom",), days=sizes.days, scale=sizes.share)
    classes = tuple((lesson, case.seed * _CLASSES + i) for i in range(sizes.classes))
    return _trial(case, Traffic(((most, case.seed), *classes))).to_json()


def _volume(case: Case) -> dict[str, Any]:
    """Three tenants of every lawful profile among others: what they send once; each of it many times at once;
    as many requests of their own all over the day, which is more time as well as more volume."""
    sizes = case.sizes
    few = Scenario(_LAWFUL, days=sizes.days, scale=_THREE, most=_FEW)
    many = replace(few, volume=float(sizes.times), most=_FEW * sizes.times)
    others = _bystanders(sizes, case.seed)
    plain = Traffic(((few, case.seed),), others)
    once, spread = _trial(case, plain), _trial(case, Traffic(((many, case.seed),), others))
    own = {row.account for row in simulate(few, case.seed)}
    again = _repeated(plain.seen(), own, sizes.times)
    repeated = Trial(telling(f"{case}, repeated", plain.lasts_s), sizes.every).watch(again)
    trials = (once, repeated, spread)
    return {
        "requests": [each.rows for each in trials],
        "accounts": len(once.callers),
        "changed": _changed(once, repeated),
        "spread": _changed(once, spread),
        "highest": max(each.ever for trial in trials for each in trial.callers.values()),
        "seconds": round(sum(each.seconds for each in trials), 1),
        "rows": sum(each.rows for each in trials),
    }


def _repeated(seen: Iterable[Seen], own: set[str], times: int) -> Iterator[Seen]:
    for row, mark in seen:
        yield row, mark
        if mark.account in own:
            yield from ((row, replace(mark, request=f"{mark.request}+{i}")) for i in range(times - 1))


def _changed(once: Trial, often: Trial) -> list[tuple[str, int, int]]:
    """Whose highest tier is another: profile, before, after."""
    return [
        (each.profile, each.ever, often.callers[name].ever)
        for name, each in once.callers.items()
        if each.ever != often.callers[name].ever
    ]


def _illicit(case: Case) -> dict[str, Any]:
    """One campaign among lawful people."""
    name, variant = case.name.split("/")
    sizes = case.sizes
    campaign = Scenario((name,), days=sizes.days, scale=REDUCED[name] * sizes.share, **VARIANTS[variant])
    return _trial(case, Traffic(((campaign, case.seed),), _bystanders(sizes, case.seed))).to_json()


def _curious(case: Case) -> dict[str, Any]:
    """Lawful people alone, of whom so many requests quote or try what campaigns say."""
    sizes, share = case.sizes, float(case.name)
    most = Scenario(_NOT_CLASSES, days=sizes.days, scale=0.2 * sizes.share, most=20, curious=share)
    lesson = Scenario(("classroom",), days=sizes.days, scale=sizes.share, curious=share)
    classes = tuple((lesson, case.seed * _CLASSES + i) for i in range(2))
    return _trial(case, Traffic(((most, case.seed), *classes))).to_json()


# Peers ---------------------------------------------------------------------------------------------------


def _peers(case: Case) -> dict[str, Any]:
    """All campaigns and three to thirty tenants of every lawful profile at their full volume."""
    assert case.peers is not None
    sizes, lawful = (
        case.sizes,
        replace(_bystanders(case.sizes, 0)[0], scale=0.015 * case.sizes.share, most=None),
    )
    crowds = tuple(
        (Scenario((name,), days=sizes.days, scale=0.2 * REDUCED[name] * sizes.share), case.seed)
        for name in REDUCED
    )
    traffic = Traffic(((lawful, case.seed), *crowds))
    ours = _trial(case, traffic).to_json()
    return {
        **ours,
        "honeypotllm": _accounts_flagged(list(_asked(case.peers, "honeypotllm", traffic.rows()))),
        "unmimic": _requests_flagged(list(_asked(case.peers, "unmimic", _sample(traffic.rows())))),
    }


def _asked(peers: Peers, name: str, rows: Iterable[Row]) -> Iterator[tuple[Row, int]]:
    """Each row with a peer's answer. A peer that fails ends the case with its own words."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as digits:
        arguments: list[str] = []
        if name == "unmimic" and peers.stand_in:
            normal = Path(folder) / "normal.jsonl"
            with normal.open("w") as file:
                _write(file, Traffic(((Scenario(("ordinary",), scale=0.1, curious=0.0), 99),)).rows())
            arguments = ["--stand-in", str(normal)]
        script = Path(__file__).with_name("guard_peers.py")
        child = subprocess.Popen(
            [peers.python, str(script), name, *arguments], stdin=subprocess.PIPE, stdout=digits, text=True
        )
        assert child.stdin is not None
        kept = _write(child.stdin, rows)
        child.stdin.close()
        if child.wait():
            raise RuntimeError(f"{name} failed; benchmarks/guard_peers.py says how to install it")
        digits.seek(0)
        yield from zip(kept, map(int, digits.read()), strict=True)


def _write(file: IO[str], rows: Iterable[Row]) -> list[Row]:
    """Rows as a peer reads them; returned without their texts."""
    kept = []
    for row in rows:
        told = {"ts": row.ts, "account": row.account, "prompt": row.prompt}
        file.write(json.dumps(told, ensure_ascii=True) + "\n")
        kept.append(replace(row, prompt="", system=None))
    return kept


def _sample(rows: Iterable[Row]) -> Iterator[Row]:
    """The first so many lawful and illicit requests of every profile, one of an account and ten minutes."""
    seen: set[tuple[str, int]] = set()
    counts: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        kind, place = (row.truth.profile, row.truth.illicit), (row.account, int(row.ts // 600))
        if counts[kind] < _SAMPLE and place not in seen:
            counts[kind] += 1
            seen.add(place)
            yield row


def _accounts_flagged(judged: Iterable[tuple[Row, int]]) -> dict[str, Any]:
    """By profile: accounts, those that were ever flagged, and what they sent before."""
    accounts: dict[str, str] = {}
    flagged: set[str] = set()
    before: dict[str, Counter[str]] = {}
    for row, answer in judged:
        accounts[row.account] = row.truth.profile
        if answer and row.account not in flagged:
            flagged.add(row.account)
        if row.account not in flagged:
            sent = before.setdefault(row.truth.profile, Counter())
            sent.update(_sent(row))
    return {
        name: {
            "accounts": sum(each == name for each in accounts.values()),
            "flagged": sum(accounts[each] == name for each in flagged),
            "before": dict(before.get(name, {})),
        }
        for name in sorted(set(accounts.values()))
    }


def _sent(row: Row) -> dict[str, int]:
    sent = {"requests": 1, "tokens": row.output_tokens}
    if row.truth.illicit:
        sent |= {"illicit_requests": 1, "illicit_tokens": row.output_tokens}
    return sent


def _requests_flagged(judged: Iterable[tuple[Row, int]]) -> dict[str, Any]:
    """By profile and by what the request is: how many, flagged (or blocked), blocked."""
    found: dict[str, dict[str, list[int]]] = {}
    for row, answer in judged:
        kind = "illicit" if row.truth.illicit else "other"
        counts = found.setdefault(row.truth.profile, {}).setdefault(kind, [0, 0, 0])
        for at, holds in enumerate((True, answer >= 1, answer >= 2)):
            counts[at] += holds
    return found


PARTS = ("lawful", "volume", "illicit", "curious", "peers")
