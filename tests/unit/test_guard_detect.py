"""The four invariants of detection, as properties; and what fold and judge do with small traffic."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.guard.detect import memory as memories
from inbond.guard.detect.families import FAMILIES
from inbond.guard.detect.fold import fold, window_of
from inbond.guard.detect.judge import Judgement, judge, tiers
from inbond.guard.detect.memory import WINDOW_S, Account, Accounts, Memory
from inbond.guard.detect.replaying import CARRIES
from inbond.guard.evaluate import parse
from inbond.guard.marks import Mark
from tests.unit.guard_traffic import (
    DAY,
    ELICIT,
    START,
    classroom,
    ordinary,
    relay,
    ring,
    row,
    steady,
    talk,
    times,
)

QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(rows: Iterable[Mapping[str, Any]]) -> list[Mark]:
    return [parse("test", 1, json.dumps(each).encode()) for each in rows]


def folded(marks: Iterable[Mark], memory: Memory | None = None) -> Memory:
    by_window: dict[int, list[Mark]] = {}
    for mark in marks:
        by_window.setdefault(window_of(mark.ts_ms), []).append(mark)
    memory = memory or Memory()
    for window in sorted(by_window):
        memory = fold(memory, window, by_window[window])
    return memory


def mixed(seed: int) -> list[Mark]:
    rng = random.Random(seed)
    return read([*ordinary(rng, 12, 6), *ring(rng, 10, 12, purity=0.5), *relay(rng, 10), *classroom(rng, 12)])


# 1. Volume alone ----------------------------------------------


def often(marks: Iterable[Mark], account: str, factor: int) -> Iterator[Mark]:
    """The same traffic, with every request of one account sent many times over."""
    for mark in marks:
        yield mark
        if mark.account == account:
            yield from (replace(mark, request=f"{mark.request}+{i}") for i in range(factor - 1))


@QUICK
@given(st.integers(0, 10**6), st.data())
def test_a_multiple_of_anyones_requests_changes_no_count_that_is_tested(
    seed: int, data: st.DataObject
) -> None:
    marks = mixed(seed)[:260]
    account = data.draw(st.sampled_from(sorted({mark.account for mark in marks})))
    before, after = folded(marks), folded(often(marks, account, 25))
    told = after.accounts[account]
    shown = {
        name: getattr(before.accounts[account], name)
        for name in ("requests", "output_tokens", "refused", "asked_plainly")
    }
    assert replace(told, **shown) == before.accounts[account]
    assert told.requests == 25 * before.accounts[account].requests
    assert before.capital.tobytes() == after.capital.tobytes()
    assert tiers(before) == tiers(after)


@pytest.mark.slow
def test_a_thousand_times_a_benign_tenants_requests_is_the_same_tier() -> None:
    rng = random.Random(4)
    audit = "Restate the reasoning behind your previous answer for the audit file."
    marks = read([*ordinary(rng, 30), *steady(rng, 3, "audit", audit, 6), *classroom(rng, 40)])
    before = tiers(folded(marks))
    for account in ("ordinary3-a", "audit1-a", "student7-a"):
        assert tiers(folded(often(marks, account, 1_000))) == before


def test_a_tenant_who_sends_far_more_of_the_same_kind_stays_at_none() -> None:
    rng = random.Random(5)
    rows = [*ordinary(rng, 20), *steady(rng, 4, "evaluation", "Grade the answer from one to five.", 1_500)]
    found = tiers(folded(read(rows)))
    assert set(found.values()) == {0}


# 2. Two families ----------------------------------------------


@pytest.mark.parametrize("family", ["elicitation", "replay", "template"])
def test_one_family_alone_restricts_nobody(family: str) -> None:
    rng = random.Random(6)
    rows = list(ordinary(rng, 30))
    for i in range(12):
        more: dict[str, Any] = {}
        if family == "template":
            more |= {"created": START - DAY * 3}
        if family == "replay":
            more |= {"sealed": "foreign"}
        for ts in times(rng, 60):
            prompt = {
                "elicitation": f"{talk(random.Random(i), 6)} {ELICIT} {talk(rng, 60)}"
                if i == 0
                else talk(rng),
                "template": f"Solve it in small verified stages, number each and prove it. {talk(rng, 12)}",
            }.get(family, talk(rng))
            rows.append(row(rng, ts, f"one{i}", prompt=prompt, **more))
    found = tiers(folded(read(rows)))
    assert max(found.values()) == 1, "it is seen"
    assert found["one0-a"] == 1


def test_shared_cards_alone_are_a_group_and_nobody_in_it_is_watched() -> None:
    rng = random.Random(6)
    rows = list(ordinary(rng, 30))
    same = {"created": START - DAY * 3, "client": "one-client"}
    rows += [
        row(rng, ts, f"one{i}", payment=f"card{i // 3}", **same) for i in range(15) for ts in times(rng, 20)
    ]
    judgement = judge(folded(read(rows)))
    assert set(judgement.accounts.tiers.values()) == {0}
    assert [(each.kind, each.tier, each.members) for each in judgement.clusters] == [("cohort", 1, ())]


def seen_families(judgement: Judgement, account: str) -> set[str]:
    return {
        reason.detail["feature"]
        for reason in judgement.accounts[account].verdict.reasons
        if reason.detail.get("seen")
    }


def own_families(judgement: Judgement, account: str) -> set[str]:
    """What an account shows itself, by its own e-value, or by what it pays with."""
    reasons = judgement.accounts[account].verdict.reasons
    own = {
        reason.detail["feature"]
        for reason in reasons
        if reason.source == "account" and reason.detail.get("log_e", 0) >= CARRIES
    }
    tier = next(reason for reason in reasons if reason.rule == "tier")
    return own | ({"payment"} if tier.detail["shares"] else set())


@QUICK
@given(st.integers(0, 10**6), st.floats(0.05, 1.0), st.integers(0, 5))
def test_whoever_is_restricted_shows_two_families_and_one_of_means_itself(
    seed: int, purity: float, cards: int
) -> None:
    rng = random.Random(seed)
    rows = [*ordinary(rng, 10, 8), *ring(rng, 12, 20, purity=purity), *relay(rng, 12, purity=purity)]
    same = {name: rows[-1][name] for name in ("client", "created")}
    rows += [
        row(rng, ts, f"stranger{i}", payment=f"agency{i // 3}", **same)
        for i in range(3 * cards)
        for ts in times(rng, 10)
    ]
    judgement = judge(folded(read(rows)))
    means = {family.name for family in FAMILIES if family.means}
    for name, each in judgement.accounts.items():
        if each.tier >= 2:
            seen = seen_families(judgement, name) & own_families(judgement, name)
            assert len(seen) >= 2
            assert seen & means
        if each.tier == 0:
            assert not seen_families(judgement, name)


# 3. Registered customers ----------------------------------------------


def test_a_registered_customer_is_not_judged_on_templates() -> None:
    rng = random.Random(7)
    rows = [*ordinary(rng, 10), *ring(rng, 16, 30, purity=1.0, elicit="", cards=1)]
    assert tiers(folded(read(rows)))["ring3-a"] == 1
    registered = [{**each, "registered": each["tenant"] == "ring3"} for each in rows]
    judgement = judge(folded(read(registered)))
    assert judgement.accounts["ring3-a"].tier == 0
    assert judgement.accounts["ring4-a"].tier == 1
    assert "A registration is in force" in judgement.accounts["ring3-a"].verdict.reasons[-1].finding


def test_elicitation_and_replay_count_for_a_registered_customer_too() -> None:
    rng = random.Random(8)
    rows = [
        row(rng, ts, "lab", registered=True, sealed="foreign", prompt=f"{ELICIT} {talk(rng)}")
        for ts in times(rng, 80)
    ]
    judgement = judge(folded(read([*ordinary(rng, 10), *rows])))
    assert judgement.accounts["lab-a"].tier == 2
    assert seen_families(judgement, "lab-a") == {"elicitation", "replay"}


# 4. Bit for bit, in any interleaving ----------------------------------------------


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 5), st.randoms())
def test_any_interleaving_over_replicas_folds_to_the_same_bytes(seed: int, replicas: int, order: Any) -> None:
    marks = mixed(seed)[:200]
    queues = [marks[i::replicas] for i in range(replicas)]
    order.shuffle(queues)
    arrived = [mark for queue in queues for mark in queue]
    order.shuffle(arrived)
    assert folded(arrived).to_bytes() == folded(marks).to_bytes()


@QUICK
@given(st.integers(0, 10**6))
def test_a_verdict_replays_from_stored_memory(seed: int) -> None:
    memory = folded(mixed(seed))
    stored = memory.to_bytes()
    again = memories.from_bytes(stored)
    assert again.to_bytes() == stored
    first, second = judge(memory), judge(again)
    assert {name: each.verdict for name, each in first.accounts.items()} == {
        name: each.verdict for name, each in second.accounts.items()
    }
    assert first.clusters == second.clusters


def test_folding_on_from_stored_memory_is_folding_through() -> None:
    marks = mixed(9)
    half = START * 1_000 + DAY * 500
    first = folded(mark for mark in marks if window_of(mark.ts_ms) * 1_000 < half)
    on = folded(
        (mark for mark in marks if window_of(mark.ts_ms) * 1_000 >= half),
        memories.from_bytes(first.to_bytes()),
    )
    assert on.to_bytes() == folded(marks).to_bytes()


def test_fold_changes_nothing_it_was_given() -> None:
    marks = mixed(10)
    memory = folded(marks)
    before = memory.to_bytes()
    fold(memory, memory.window + WINDOW_S, marks)
    assert memory.to_bytes() == before


STORED = Memory(600, Accounts.of({"a": Account(party=1, leaders=((2, 3),))})).to_bytes()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 5_000))
def test_bytes_that_are_no_memory_are_refused(junk: bytes, cut: int) -> None:
    good = STORED
    for data in (b"x" + junk, memories.FORMAT + junk, good[: cut % len(good)] or b"x", good + b"\0"):
        with pytest.raises(ValueError):
            memories.from_bytes(data)


# What it remembers, and for how long ----------------------------------------------


def test_idle_accounts_are_forgotten_after_sixty_days() -> None:
    rng = random.Random(12)
    early, late = row(rng, START, "early"), row(rng, START + 61 * DAY, "late")
    assert set(folded(read([early])).accounts) == {"early-a"}
    assert set(folded(read([early, late])).accounts) == {"late-a"}


def test_a_conversation_that_moved_counts_in_one_window_only() -> None:
    rng = random.Random(13)
    moved = [row(rng, START + i * WINDOW_S, "mover", conversation="c1", sealed="foreign") for i in range(30)]
    memory = folded(read(moved))
    account = memory.accounts["mover-a"]
    assert (account.windows, account.foreign_requests) == (30, 1)
    assert judge(memory).accounts["mover-a"].tier == 0


def test_tier_three_takes_a_day_of_two_families_of_means() -> None:
    rng = random.Random(14)
    rows = [*ordinary(rng, 10, days=3), *ring(rng, 16, 60, purity=0.5, days=3)]
    for each in rows:
        if each["tenant"].startswith("ring") and each.get("illicit"):
            each["sealed"] = "foreign"
    marks = read(rows)
    after = {
        days: tiers(folded(m for m in marks if m.ts_ms < (START + days * DAY) * 1_000)) for days in (0.9, 2.5)
    }
    assert after[0.9]["ring2-a"] == 2
    assert after[2.5]["ring2-a"] == 3
    assert after[2.5]["ordinary2-a"] == 0


def test_a_tier_goes_when_its_evidence_does() -> None:
    rng = random.Random(15)
    bad = [row(rng, START + i * WINDOW_S, "turned", prompt=f"{ELICIT} {talk(rng)}") for i in range(12)]
    good = [row(rng, START + (12 + i) * WINDOW_S, "turned") for i in range(1_500)]
    assert tiers(folded(read(bad)))["turned-a"] == 1
    assert tiers(folded(read([*bad, *good])))["turned-a"] == 0


def test_a_verdict_says_what_was_seen_what_was_not_and_what_would_change_it() -> None:
    rng = random.Random(16)
    rows = [row(rng, ts, "asker", prompt=f"{ELICIT} {talk(rng)}") for ts in times(rng, 60)]
    verdict = judge(folded(read(rows))).accounts["asker-a"].verdict
    assert verdict.outcome == "watched"
    seen, unseen = verdict.reasons[:2]
    assert seen.finding.startswith(
        "Seen: the account sends texts with wording by which hidden reasoning is asked for ("
    )
    assert "It would change with requests without such wording" in seen.finding
    assert unseen.finding.startswith(
        "Not seen: no more reasoning of other accounts than a moved conversation"
    )
    assert {"feature", "value", "bound", "sums", "log_e", "e_value", "window", "version"} <= set(seen.detail)
    assert verdict.reasons[-2].finding == "Tier 1: one bound is broken."
    assert "Shown, and no evidence: 60 requests, 12,000 tokens" in verdict.reasons[-1].finding


def test_a_little_more_than_the_bound_is_said_to_be_that_and_not_nothing() -> None:
    rng = random.Random(17)
    rows = [
        row(rng, START + i * WINDOW_S, "few", prompt=f"{ELICIT if i in (0, 3) else ''} {talk(rng)}")
        for i in range(20)
    ]
    verdict = judge(folded(read(rows))).accounts["few-a"].verdict
    assert verdict.outcome == "none"
    assert verdict.reasons[0].finding == (
        "Too little to tell: the account sends texts with wording by which hidden reasoning is asked for"
        " (1 of 19 windows of the last 32 to 64 days); that is more than the 2.0% of lawful callers, and may"
        " still be chance."
    )
