"""Tiers, suspensions and appeals: every step can be taken back, and silence is never the provider's gain."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.guard import actions, appeals
from inbond.guard.callers import Limits
from inbond.ledger.events import Event
from inbond.ledger.ledger import Ledger

COUNTS = st.none() | st.integers(0, 10_000)
LIMITS = st.builds(
    Limits,
    concurrency=COUNTS,
    requests_per_minute=COUNTS,
    requests_per_day=COUNTS,
    tokens_per_minute=COUNTS,
    tokens_per_day=COUNTS,
    spend_usd_per_day=st.none() | st.floats(0, 1e6),
    spend_usd_per_month=st.none() | st.floats(0, 1e6),
)


@given(LIMITS, LIMITS)
def test_a_restriction_never_widens_a_limit_and_leaves_the_tenants(account: Limits, tenant: Limits) -> None:
    scopes = (("account:t/a", account), ("tenant:t", tenant))
    (_, kept), other = actions.restricted(scopes, actions.steps(2))
    assert other == ("tenant:t", tenant)
    for name, value in account.model_dump().items():
        now = getattr(kept, name)
        if value is not None:
            assert now <= value
            assert isinstance(value, float) or now >= min(value, 1), "a limit that let something through does"
    assert kept.requests_per_minute is not None
    assert kept.requests_per_minute <= 30


@pytest.mark.parametrize("tier", [0, 1])
def test_watching_changes_nothing(tier: actions.Tier) -> None:
    scopes = (("account:t/a", Limits(requests_per_minute=7)),)
    assert actions.restricted(scopes, actions.steps(tier)) == scopes
    assert actions.steps(tier).words == ()


def test_a_restriction_is_said_in_words() -> None:
    assert actions.steps(3).words == (
        "no log-probabilities are given",
        "hidden reasoning is never shown, whatever the model's policy",
        "limits are 25% of what they were, at most 30 requests a minute",
    )
    asked = {"model": "m", "logprobs": True, "top_logprobs": 5}
    assert actions.without_logprobs(asked) == {"model": "m"}


# Suspensions and appeals ------------------------------------------------------------------------------

DIGEST = "sha256:" + "0" * 64


def suspended(ledger: Ledger) -> appeals.Suspension:
    ledger.record(appeals.SUSPENDED, appeals.suspend("t/a", 3, DIGEST, "Ben", "replay across 40 accounts"))
    return now(ledger)["t/a"]


def now(ledger: Ledger) -> dict[str, appeals.Suspension]:
    return appeals.suspensions(ledger.events())


def objected(ledger: Ledger) -> str:
    body = appeals.appeal(now(ledger)["t/a"], "t/a", " 私たちは研究室です。 ", "2026-11-22T10:00:00Z")
    ledger.record(appeals.APPEALED, body)
    return str(body["id"])


def test_a_suspension_stands_from_its_signature_until_it_is_lifted(ledger: Ledger) -> None:
    held = suspended(ledger)
    assert (held.by, held.verdict) == ("Ben", DIGEST)
    assert held.stands(held.at + timedelta(days=365))
    ledger.record(appeals.LIFTED, appeals.lift("t/a", "Ben", "a mix-up of cards"))
    assert now(ledger) == {}


def test_an_appeal_that_nobody_answers_lifts_by_itself(ledger: Ledger) -> None:
    suspended(ledger)
    objected(ledger)
    held = now(ledger)["t/a"]
    (appeal,) = held.appeals
    assert appeal.text == "私たちは研究室です。"
    assert appeal.due - appeal.at == timedelta(hours=24)
    assert held.stands(appeal.due - timedelta(seconds=1))
    assert not held.stands(appeal.due)


@pytest.mark.parametrize(("outcome", "stands"), [("upheld", True), ("lifted", False)])
def test_an_answer_decides(ledger: Ledger, outcome: appeals.Outcome, stands: bool) -> None:
    suspended(ledger)
    id_ = objected(ledger)
    body = appeals.answer(now(ledger), id_, outcome, "Chie", "read all of it again")
    ledger.record(appeals.ANSWERED, body)
    held = now(ledger)["t/a"]
    assert held.stands(held.at + timedelta(days=30)) is stands
    with pytest.raises(InputError) as caught:
        appeals.answer(now(ledger), id_, "lifted", "Ben", "again")
    assert caught.value.found == f"{id_}, which was {outcome}"


def test_one_appeal_at_a_time_and_a_second_after_an_answer(ledger: Ledger) -> None:
    suspended(ledger)
    id_ = objected(ledger)
    with pytest.raises(InputError) as caught:
        appeals.appeal(now(ledger)["t/a"], "t/a", "please", "2026-11-22T11:00:00Z")
    assert caught.value.expected == "no open appeal of t/a"
    ledger.record(appeals.ANSWERED, appeals.answer(now(ledger), id_, "upheld", "Ben", "seen"))
    assert appeals.appeal(now(ledger)["t/a"], "t/a", "please", "2026-11-22T11:00:00Z")["id"] != id_


def test_a_new_suspension_begins_without_the_old_ones_appeals(ledger: Ledger) -> None:
    suspended(ledger)
    objected(ledger)
    ledger.record(appeals.LIFTED, appeals.lift("t/a", "Ben", "granted"))
    assert suspended(ledger).appeals == ()


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: appeals.suspend("t/a", 2, DIGEST, "Ben", "why"), "tier 2"),
        (lambda: appeals.suspend("t/a", 3, DIGEST, " ", "why"), "no by"),
        (lambda: appeals.suspend("t/a", 3, DIGEST, "Ben", ""), "no reason"),
        (lambda: appeals.lift("t/a", "Ben", " "), "no reason"),
        (lambda: appeals.appeal(None, "t/b", "text", "now"), "t/b"),
        (lambda: appeals.answer({}, "abc", "lifted", "Ben", "why"), "abc, which is not known"),
    ],
)
def test_what_is_refused(call: Any, found: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.found == found


KINDS = (appeals.SUSPENDED, appeals.LIFTED, appeals.APPEALED, appeals.ANSWERED)


@given(st.lists(st.sampled_from(KINDS), max_size=8))
def test_any_order_of_events_can_be_read(kinds: list[str]) -> None:
    told = {"verdict": DIGEST, "by": "b", "reason": "r", "text": "t"}
    body = {"account": "t/a", "id": "x", "outcome": "upheld", **told}
    at, key = "2026-11-22T10:00:00Z", Digest(DIGEST)
    events = [Event(seq, at, kind, body, None, key, key) for seq, kind in enumerate(kinds)]
    found = appeals.suspensions(events)
    last = [kind for kind in kinds if kind in (appeals.SUSPENDED, appeals.LIFTED)]
    assert bool(found) == (last[-1:] == [appeals.SUSPENDED])
