"""What follows from a tier: steps that can be taken back, and limits that still let something through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard import actions
from inbond.guard.callers import Limits

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
    other = {"n_probs": 5, "prompt_logprobs": 1, "logprob_token_ids": [1], "post_sampling_probs": True}
    kept = {"model": "m", "xtc_probability": 0.1, "include": ["reasoning.encrypted_content"]}
    include = ["message.output_text.logprobs", "reasoning.encrypted_content"]
    assert actions.without_logprobs({**kept, **other, "include": include}) == kept
