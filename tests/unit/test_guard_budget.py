"""Windows, claims and money: whole numbers that add up, on every day there is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.budget import Price, Usage, bounds, claims, kept_until, seats, settled
from inbond.guard.callers import Limits

ALL = Limits(
    concurrency=3, requests_per_minute=1, requests_per_day=2, tokens_per_minute=3, tokens_per_day=4,
    spend_usd_per_day=0.5, spend_usd_per_month=12.25,
)  # fmt: skip
TIMES = st.floats(0, 4e9).map(lambda at: round(at, 3))
TOKENS = st.integers(0, 10**7)
USAGES = st.builds(Usage, TOKENS, TOKENS)
PRICES = st.builds(Price, st.floats(0, 1_000), st.floats(0, 1_000))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "window", "begins", "ends"),
    [
        ("2024-02-29T23:59:59.9", "month", "2024-02-01", "2024-03-01"),
        ("2024-02-29T23:59:59.9", "day", "2024-02-29", "2024-03-01"),
        ("2023-02-28T12:00", "month", "2023-02-01", "2023-03-01"),
        ("2024-12-31T23:59:59", "month", "2024-12-01", "2025-01-01"),
        ("2025-01-01", "month", "2025-01-01", "2025-02-01"),
        ("2025-01-01", "minute", "2025-01-01T00:00", "2025-01-01T00:01"),
        ("2025-03-30T01:30", "day", "2025-03-30", "2025-03-31"),
        ("2016-12-31T23:59:59.9", "minute", "2016-12-31T23:59", "2017-01-01"),
    ],
)
def test_windows_are_utcs(at: str, window: str, begins: str, ends: str) -> None:
    assert bounds(window, seconds(at)) == (seconds(begins), seconds(ends))


@given(TIMES, st.sampled_from(["minute", "day", "month"]))
def test_every_time_is_in_one_window_and_windows_meet(at: float, window: str) -> None:
    begins, ends = bounds(window, at)
    assert begins <= at < ends
    assert bounds(window, begins) == bounds(window, ends - 0.001) == (begins, ends)
    assert bounds(window, ends)[0] == ends
    if window == "month":
        assert timedelta(days=28) <= timedelta(seconds=ends - begins) <= timedelta(days=31)


def test_every_limit_that_is_set_is_a_claim_or_a_seat() -> None:
    found = claims((("key:x", ALL), ("tenant:t", Limits())), Usage(10, 20), Price(1.5, 2.0), 0.0)
    assert [(each.counter, each.amount, each.cap) for each in found] == [
        ("key:x|requests|minute", 1, 1), ("key:x|requests|day", 1, 2), ("key:x|tokens|minute", 30, 3),
        ("key:x|tokens|day", 30, 4), ("key:x|spend|day", 55, 500_000), ("key:x|spend|month", 55, 12_250_000),
    ]  # fmt: skip
    assert [(each.counter, each.cap) for each in seats((("key:x", ALL), ("tenant:t", Limits())))] == [
        ("key:x", 3)
    ]


@given(USAGES, USAGES, PRICES, TIMES)
def test_what_is_held_and_settled_comes_to_what_was_used(
    held: Usage, used: Usage, price: Price, at: float
) -> None:
    found = claims((("key:x", ALL),), held, price, at)
    exact = {
        "requests": 1,
        "tokens": used.tokens,
        "spend": price.micros(used.prompt_tokens, used.completion_tokens),
    }
    for claim, change in settled(found, used, price):
        assert isinstance(change, int)
        assert claim.amount + change == exact[claim.kind]


@given(st.lists(USAGES, max_size=20), PRICES)
def test_money_is_never_too_little_and_at_most_a_millionth_a_request_too_much(
    requests: list[Usage], price: Price
) -> None:
    kept = sum(price.micros(each.prompt_tokens, each.completion_tokens) for each in requests)
    dollars = math.fsum(
        each.prompt_tokens * price.prompt + each.completion_tokens * price.completion for each in requests
    )
    assert dollars * (1 - 1e-12) <= kept <= dollars * (1 + 1e-12) + len(requests) + 1e-6


@given(USAGES, USAGES, PRICES)
def test_more_tokens_never_cost_less(one: Usage, more: Usage, price: Price) -> None:
    alone = price.micros(one.prompt_tokens, one.completion_tokens)
    both = price.micros(
        one.prompt_tokens + more.prompt_tokens, one.completion_tokens + more.completion_tokens
    )
    assert both >= alone


@given(TIMES)
def test_a_window_is_kept_for_as_long_again_and_ten_minutes(at: float) -> None:
    for claim in claims((("key:x", ALL),), Usage(1, 1), Price(), at):
        assert kept_until(claim) - claim.ends == claim.ends - claim.begins + 600
