"""Results of guard_detection.py as short Markdown tables, the bad beside the good. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from guard_cases import CURIOUS, REDUCED, VARIANTS, Case
from guard_trial import upper_bound

Found = Sequence[tuple[Case, dict[str, Any]]]
_TIERS = ("1", "2", "3")
_DAY_S = 86_400


def tables(found: Found) -> Iterator[str]:
    """Lines of all parts of which there is something."""
    for part, say in (
        ("lawful", _lawful), ("volume", _volume), ("illicit", _illicit), ("curious", _curious),
        ("peers", _peers),
    ):  # fmt: skip
        own = [each for each in found if each[0].part == part]
        if own:
            yield from ("", *say(own))
    yield ""
    yield from goals(found)
    rows = sum(result["rows"] for _, result in found)
    seconds = sum(result["seconds"] for _, result in found)
    rate = rows / max(seconds, 1e-9)
    yield f"\n{rows:,} rows made and judged in {seconds:,.0f} s of one core: {rate:,.0f} a second"


def goals(found: Found) -> Iterator[str]:
    """What was wanted, each as met or missed; a campaign counts from 10% of illicit requests on."""
    lawful = [each for case, result in found if case.part == "lawful" for each in result["profiles"].values()]
    hurt, accounts = sum(each["ever"]["2"] for each in lawful), sum(each["accounts"] for each in lawful)
    if lawful:
        bound = upper_bound(hurt, accounts)
        yield _goal(not hurt, f"no lawful account at tier 2: {hurt} of {accounts:,}, at most {bound:.3%}")
    moved = [len(result["changed"]) for case, result in found if case.part == "volume"]
    if moved:
        yield _goal(not any(moved), f"more volume changes no tier: {sum(moved)} changed")
    campaigns = [(case, result) for case, result in found if case.part == "illicit"]
    if campaigns:
        bystanders = sum(_lawful_at_two(result) for _, result in campaigns)
        yield _goal(not bystanders, f"no lawful bystander at tier 2: {bystanders}")
        tried = [(case, result) for case, result in campaigns if not case.name.split("/")[1].startswith("5%")]
        missed = sorted({case.name for case, result in tried if not _profile(case, result)["found"]})
        late = sorted({case.name for case, result in tried if _late(case, result)})
        yield _goal(not late, f"slow ring and relay within 24 h: {len(late)} later {', '.join(late)}")
        yield _goal(
            not missed, f"campaigns of 10% and more are found: {len(missed)} missed {', '.join(missed)}"
        )


def _goal(met: bool, what: str) -> str:
    return f"goal {'met' if met else 'MISSED'}: {what}".rstrip()


def _late(case: Case, result: dict[str, Any]) -> bool:
    found = _profile(case, result)["found"]
    return case.name.startswith(("slow-ring/", "relay/")) and not (found and found["at_s"] <= _DAY_S)


def _profile(case: Case, result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = result["profiles"][case.name.split("/")[0]]
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|--" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def _lawful(found: Found) -> Iterator[str]:
    yield f"Lawful, {len(found)} seeds: accounts that were at a tier at any window (and at the end)"
    yield ""
    names = sorted({name for _, result in found for name in result["profiles"]})
    rows = [_standing(name, [result["profiles"][name] for _, result in found]) for name in names]
    every = [each for _, result in found for each in result["profiles"].values()]
    yield from _table(
        ("profile", "accounts", "tier 1", "tier 2", "tier 3", "share at 2 or more", "bound"),
        [*rows, _standing("**all**", every)],
    )


def _standing(name: str, profiles: Sequence[dict[str, Any]]) -> list[object]:
    accounts = sum(each["accounts"] for each in profiles)
    ever = [sum(each["ever"][tier] for each in profiles) for tier in _TIERS]
    last = [sum(each["last"][tier] for each in profiles) for tier in _TIERS]
    both = [f"{a:,} ({b:,})" if a else "0" for a, b in zip(ever, last, strict=True)]
    return [name, f"{accounts:,}", *both, _share(ever[1], accounts), f"{upper_bound(ever[1], accounts):.3%}"]


def _volume(found: Found) -> Iterator[str]:
    for case, result in found:
        once, repeated, spread = result["requests"]
        yield (
            f"Volume, seed {case.seed}: {result['accounts']:,} lawful accounts, {once:,} requests. Three of"
            f" every profile with {case.sizes.times:,} times their requests at once ({repeated:,}):"
            f" {len(result['changed'])} tiers changed. As many of their own all over the day ({spread:,}):"
            f" {len(result['spread'])} changed {result['spread'] or ''}. Highest tier: {result['highest']}."
        )


def _illicit(found: Found) -> Iterator[str]:
    bad = sum(_lawful_at_two(result) for _, result in found)
    seeds = sorted({case.seed for case, _ in found})
    yield f"Illicit, seeds {seeds}. Lawful bystanders ever at tier 2, all cases together: {bad}"
    for name in REDUCED:
        own = [(case, result) for case, result in found if case.name.startswith(f"{name}/")]
        if not own:
            continue
        accounts = own[0][1]["profiles"][name]["accounts"]
        yield from ("", f"{name}, {accounts:,} accounts (x{REDUCED[name]:g})", "")
        by_variant = {each: [r for case, r in own if case.name == f"{name}/{each}"] for each in VARIANTS}
        yield from _table(
            ("purity and hiding", "found", "after h", "by", "illicit requests before", "tokens before",
             "all requests before", "accounts restricted at the end", "illicit requests unrestricted"),
            [_campaign(each, name, results) for each, results in by_variant.items() if results],
        )  # fmt: skip


def _lawful_at_two(result: dict[str, Any]) -> int:
    return sum(each["ever"]["2"] for each in result["profiles"].values() if each["lawful"])


def _campaign(variant: str, name: str, results: Sequence[dict[str, Any]]) -> list[object]:
    """Means over seeds; what leaked before it was found, in those in which it was."""
    profiles = [each["profiles"][name] for each in results]
    found = [each["found"] for each in profiles if each["found"]]
    restricted = sum(each["last"]["2"] for each in profiles)
    left = sum(each["unrestricted"].get("illicit_requests", 0) for each in profiles)
    sent = sum(each["sent"].get("illicit_requests", 0) for each in profiles)
    row: list[object] = [variant, f"{len(found)} of {len(profiles)}"]
    if found:
        hours = [each["at_s"] / 3_600 for each in found]
        row += [f"{sum(hours) / len(hours):.1f}", " ".join(sorted({each["by"] for each in found}))]
        row += [f"{_mean(found, key):,.0f}" for key in ("illicit_requests", "illicit_tokens", "requests")]
    else:
        row += ["-", "-", "-", "-", "-"]
    return [*row, _share(restricted, sum(each["accounts"] for each in profiles)), _share(left, sent)]


def _mean(found: Sequence[dict[str, Any]], key: str) -> float:
    return sum(float(each.get(key, 0)) for each in found) / len(found)


def _curious(found: Found) -> Iterator[str]:
    yield "Lawful people of whose requests a share quotes or tries what campaigns say, and who was at a tier"
    yield ""
    rows = []
    for share in CURIOUS:
        own = [result for case, result in found if float(case.name) == share]
        every = [each for result in own for each in result["profiles"].values()]
        classes = [result["profiles"]["classroom"] for result in own]
        if own:
            rows.append([f"{share:.1%}", *_standing("", every)[1:5], *_standing("", classes)[1:5]])
    head = ["share", "accounts", "tier 1", "tier 2", "tier 3", "students", "tier 1", "tier 2", "tier 3"]
    yield from _table(head, rows)


def _peers(found: Found) -> Iterator[str]:
    yield "The same traffic: accounts flagged, and what leaked before (illicit requests, tokens of answers)"
    yield ""
    names = sorted({(not each["lawful"], name) for _, r in found for name, each in r["profiles"].items()})
    rows = []
    for illicit, name in names:
        ours = [result["profiles"][name] for _, result in found]
        theirs = [result["honeypotllm"][name] for _, result in found]
        accounts = sum(each["accounts"] for each in ours)
        rows.append([
            name, f"{accounts:,}",
            _share(sum(each["ever"]["2"] for each in ours), accounts),
            _leak([each["unrestricted"] for each in ours], illicit),
            _share(sum(each["flagged"] for each in theirs), accounts),
            _leak([each["before"] for each in theirs], illicit),
            _of_requests([result["unmimic"].get(name, {}) for _, result in found], "other"),
            _of_requests([result["unmimic"].get(name, {}) for _, result in found], "illicit"),
        ])  # fmt: skip
    yield from _table(
        ("profile", "accounts", "inbond tier 2", "leaked", "honeypotllm flagged", "leaked",
         "unmimic: lawful or cover requests blocked, flagged", "illicit requests blocked, flagged"),
        rows,
    )  # fmt: skip


def _leak(sent: Sequence[dict[str, int]], illicit: bool) -> str:
    if not illicit:
        return "-"
    requests = sum(each.get("illicit_requests", 0) for each in sent)
    return f"{requests:,}, {sum(each.get('tokens', 0) for each in sent):,}"


def _of_requests(counts: Sequence[dict[str, Sequence[int]]], kind: str) -> str:
    own = [each[kind] for each in counts if kind in each]
    asked, flagged, blocked = (sum(each[i] for each in own) for i in range(3))
    return f"{_share(blocked, asked)}, {_share(flagged - blocked, asked)} of {asked}" if asked else "-"
