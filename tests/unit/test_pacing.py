"""Backoff, throttle and budget: properties of the pure rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.pacing import Budget, FailurePolicy, Throttle, backoff_s, most_usd
from inbond.teachers.protocols import Price, Request, Sampling
from inbond.types import Message

draws = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    FailurePolicy,
    base_wait_s=st.floats(0, 10),
    max_wait_s=st.floats(0, 300),
    patience_s=st.floats(1, 10_000),
)


@given(st.integers(1, 10_000), policies, draws)
def test_backoff_stays_within_its_bounds(attempt: int, policy: FailurePolicy, draw: float) -> None:
    wait = backoff_s(attempt, policy, draw)
    assert 0 <= wait <= policy.max_wait_s
    assert wait <= policy.base_wait_s * 2.0 ** min(attempt - 1, 60)


@given(st.integers(1, 50), policies)
def test_the_bound_of_backoff_never_shrinks(attempt: int, policy: FailurePolicy) -> None:
    assert backoff_s(attempt, policy, 0.999) <= backoff_s(attempt + 1, policy, 0.999)


def test_backoff_doubles_until_its_cap() -> None:
    policy = FailurePolicy(base_wait_s=1, max_wait_s=10)
    assert [backoff_s(n, policy, 0.5) for n in range(1, 7)] == [0.5, 1, 2, 4, 5, 5]


money = st.floats(0, 10, allow_nan=False)


@given(money, st.lists(st.tuples(money, st.floats(0, 1), st.booleans()), max_size=60))
def test_the_cap_is_never_passed(cap: float, steps: list[tuple[float, float, bool]]) -> None:
    """However requests come and go, as long as none costs more than was reserved for it."""
    budget = Budget(cap)
    in_flight: list[tuple[float, float]] = []
    for amount, part, settle_one in steps:
        if budget.reserve(amount):
            in_flight.append((amount, amount * part))
        assert budget.spent_usd + budget.reserved_usd <= cap + 1e-9
        if settle_one and in_flight:
            budget.settle(*in_flight.pop(0))
            assert budget.spent_usd + budget.reserved_usd <= cap + 1e-9
    for pair in in_flight:
        budget.settle(*pair)
    assert budget.reserved_usd == 0
    assert budget.spent_usd <= cap + 1e-9


@given(money, money, money)
def test_waiting_is_only_for_what_may_fit(cap: float, held: float, amount: float) -> None:
    budget = Budget(cap)
    assert not budget.must_wait(amount), "with nothing in flight there is nothing to wait for"
    if budget.reserve(held):
        waits, fits = budget.must_wait(amount), budget.reserve(amount)
        assert not (waits and fits)
        assert waits == (not fits and amount <= cap)


def test_without_a_cap_everything_fits() -> None:
    assert Budget(None).reserve(1e12)


@given(st.text(max_size=50), st.text(max_size=50), st.integers(1, 4096))
def test_a_request_never_costs_more_than_its_upper_bound(user: str, system: str, most: int) -> None:
    """A byte-level tokenizer makes at most one token of a byte; templates add a few."""
    price = Price(1.0, 2.0)
    request = Request("t", (Message("system", system), Message("user", user)), Sampling(most))
    worst = len((user + system).encode()) + 2 * 12 + 8
    assert most_usd(request, price) >= price.cost(worst, most)


def test_a_rate_limit_stops_everyone_for_as_long_as_the_host_asks() -> None:
    throttle = Throttle(8, FailurePolicy(base_wait_s=1))
    assert throttle.wait_s(0.0, 7) == 0.0
    throttle.limited(10.0, 30.0, 0.5)
    assert throttle.wait_s(10.0, 0) == 30.5
    assert throttle.wait_s(40.4, 0) is not None
    assert throttle.wait_s(40.6, 0) == 0.0
    assert throttle.wait_s(40.6, 4) is None, "half as many at once"


@given(policies, st.integers(1, 64), draws)
def test_a_storm_is_one_event_and_recovery_is_gradual(policy: FailurePolicy, most: int, draw: float) -> None:
    throttle = Throttle(most, policy)
    for _ in range(most):
        throttle.limited(0.0, 5.0, draw)
    assert throttle.storm == 1
    assert throttle.allowed == max(1.0, most / 2)
    for _ in range(most * most + most):
        throttle.answered()
        assert 1 <= throttle.allowed <= most
    assert int(throttle.allowed + 1e-6) == most
    assert not throttle.hopeless(1e9)


@given(policies, st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(0, 100), draws), max_size=30))
def test_someone_may_always_ask_in_the_end(
    policy: FailurePolicy, limits: list[tuple[float, float | None, float]]
) -> None:
    throttle, now = Throttle(4, policy), 0.0
    for later, retry_after, draw in limits:
        now += later
        throttle.limited(now, retry_after, draw)
    assert throttle.wait_s(throttle.until_s, 0) == 0.0


def test_patience_ends() -> None:
    throttle = Throttle(4, FailurePolicy(patience_s=60))
    throttle.limited(0.0, 10.0, 0.0)
    assert not throttle.hopeless(0.0)
    throttle.limited(55.0, 10.0, 0.0)
    assert throttle.hopeless(55.0), "it asks for longer than we would wait"
    throttle.answered()
    assert not throttle.hopeless(1000.0)
