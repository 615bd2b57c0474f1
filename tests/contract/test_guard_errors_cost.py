"""What an upstream's error costs its caller, over real sockets: nobody pays for a server that is down, and
nobody has one work without end by having it fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inbond.guard.sealer import Sealer
from tests.contract import mock_host as mock
from tests.guard_running import Running, running

LIMITS = "{tokens_per_day: 1000000, spend_usd_per_day: 10}"
PRICED = {"prompt_usd": 1.0, "completion_usd": 1.0, "default_max_tokens": 2_000}
"""A token costs a millionth of a dollar, which is what money is counted in."""
SHORT = {"error": {"message": "Something went wrong."}}
QUOTES = {"error": {"message": "Failed to parse input at pos 9: " + "x" * 1_500}}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "a" * 400}]}
HELD = 200 + 16


def spent(guard: Running) -> int:
    rows = guard.state._db.execute("SELECT sum(amount) FROM used WHERE counter LIKE '%|spend|day'")
    return rows.fetchone()[0] or 0


async def costs(folder: Path, status: int, said: Any, **policy: Any) -> tuple[int, int]:
    """Tokens and millionths of a dollar, of the same request whole and streamed, which cost the same."""
    behave = mock.status(status, said)
    async with running(folder, behave, LIMITS, unlisted={"reasoning": "pass", **PRICED, **policy}) as guard:
        found, _, _ = await guard.post(ASKED)
        assert found == status
        await guard.quiet()
        once = guard.used(), spent(guard)
        await guard.post(ASKED | {"stream": True})
        await guard.quiet()
        assert (guard.used(), spent(guard)) == (2 * once[0], 2 * once[1])
        assert guard.seen[-1].usage is not None
        assert guard.seen[-1].usage.tokens == once[0]
        return once


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 501, 502, 503, 504, 520, 529])
async def test_who_is_down_or_busy_or_asked_wrongly_costs_nothing(tmp_path: Path, status: int) -> None:
    assert await costs(tmp_path, status, QUOTES) == (0, 0)


@pytest.mark.parametrize("reasoning", ["pass", "strip"])
async def test_a_servers_own_failure_uses_up_what_was_held_for_the_prompt_and_costs_no_money(
    tmp_path: Path, reasoning: str
) -> None:
    assert await costs(tmp_path, 500, SHORT, reasoning=reasoning) == (HELD, 0)


async def test_for_an_error_nobody_asks_where_reasoning_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows nothing of the answer, and what it costs to tell a caller would have had for nothing."""
    monkeypatch.setattr(Sealer, "hiding", None)
    assert await costs(tmp_path, 400, SHORT, reasoning="strip") == (0, 0)


async def test_a_failure_that_quotes_an_answer_is_paid_as_one_by_whoever_gets_it(tmp_path: Path) -> None:
    tokens, micros = await costs(tmp_path, 500, QUOTES)
    assert HELD + 1_500 < tokens < HELD + 1_600
    assert micros == tokens
    (folder := tmp_path / "strip").mkdir()
    assert await costs(folder, 500, QUOTES, reasoning="strip") == (HELD, 0)


async def test_it_costs_no_more_than_was_held(tmp_path: Path) -> None:
    said = {"error": {"message": "x" * 50_000}}
    assert await costs(tmp_path, 500, said) == (HELD + 2_000, HELD + 2_000)


@pytest.mark.parametrize("status", [400, 500, 503])
@pytest.mark.parametrize("reasoning", ["pass", "strip"])
async def test_an_error_that_says_what_it_used_is_believed(
    tmp_path: Path, status: int, reasoning: str
) -> None:
    said = {**SHORT, "usage": {"prompt_tokens": 90, "completion_tokens": 7}}
    assert await costs(tmp_path, status, said, reasoning=reasoning) == (97, 97)


async def test_whoever_makes_a_server_fail_runs_into_his_limit_of_tokens(tmp_path: Path) -> None:
    limits = "{tokens_per_day: 3000}"
    async with running(tmp_path, mock.status(500, SHORT), limits, unlisted=PRICED) as guard:
        found = [(await guard.post(ASKED))[0] for _ in range(8)]
    assert found == [500, 500, 500, 500, 429, 429, 429, 429]
