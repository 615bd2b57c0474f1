"""Redis as it is: gone, frozen, restarted, behind a password, raced for by real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.guard.budget import Full
from inbond.guard.state import Held, StateLostError
from inbond.guard.state_redis import RedisState
from tests.contract.guard_traffic import AT, claim, seat
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


async def test_gone_is_said_and_back_is_used_again(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    await state.ping()
    redis.stop()
    with pytest.raises(
        StateLostError, match=rf"Redis to answer at 127.0.0.1:{redis.port}; found ConnectionE"
    ):
        await state.reserve("1", [claim()], [], AT, 120.0)
    with pytest.raises(StateLostError):
        await state.ping()
    redis.start()
    assert isinstance(await state.reserve("1", [claim()], [], AT, 120.0), Held)
    await state.close()


async def test_frozen_is_noticed_within_seconds(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    await state.ping()
    redis.freeze()
    began = time.monotonic()
    with pytest.raises(StateLostError):
        await state.reserve("1", [claim()], [], AT, 120.0)
    assert time.monotonic() - began < 10
    redis.thaw()
    await state.ping()
    await state.close()


async def test_a_restart_that_lost_everything_is_noticed(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    first = await state.reserve("1", [claim(amount=10)], [], AT, 120.0)
    assert isinstance(first, Held)
    assert state.losses == 0
    redis.stop()
    redis.start()
    with contextlib.suppress(StateLostError):
        await state.ping()  # over a connection of before
    await state.ping()
    await state.ping()
    assert state.losses == 1
    assert isinstance(await state.reserve("2", [claim(amount=3)], [], AT, 120.0), Held), "it begins anew"
    assert await state.settle(first, [(claim(amount=10), -4)]), "and what was under way is counted, once"
    assert not await state.settle(first, [(claim(amount=10), -4)])
    assert isinstance(await state.reserve("3", [claim(amount=2)], [], AT, 120.0), Full)
    assert isinstance(await state.reserve("4", [claim(amount=1)], [], AT, 120.0), Held)
    await state.close()


async def test_another_data_set_than_the_one_before_is_accepted_by_name(redis: RedisServer) -> None:
    url = redis.new_url()
    state = RedisState(url)
    assert (state.name, await state.accepted()) == ("", False)
    await state.ping()
    name = state.name
    assert name
    again, other = RedisState(url, name), RedisState(url, "of before")
    await again.ping()
    await other.ping()
    assert (again.losses, other.losses, other.name) == (0, 1, name)
    await state.accept()
    assert await other.accepted()
    await state._redis.flushdb()
    await other.ping()
    assert (other.losses, await other.accepted()) == (2, False), "that was said of the one before"
    for each in (state, again, other):
        await each.close()


async def test_scripts_come_back_after_they_were_flushed(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    await state.ping()
    await state._redis.script_flush()
    assert isinstance(await state.reserve("1", [claim()], [], AT, 120.0), Held)
    await state.close()


async def test_every_key_of_a_budget_expires(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    month = claim("m", window="month")
    first = await state.reserve("1", [claim(), month], [seat()], AT, 120.0)
    assert isinstance(first, Held)
    await state.settle(first, [(claim(), 1), (month, 1)])
    await state.reserve("2", [claim()], [seat()], AT, 120.0)
    await state.put_marks("x", 600, [b"a"])
    seconds = {key.decode(): await state._redis.ttl(key) for key in await state._redis.keys("*")}
    kept = {"{inbond}:born", "{inbond}:windows", "{inbond}:marks:600"}
    assert {key for key, ttl in seconds.items() if ttl == -1} == kept
    assert max(seconds.values()) < 70 * 86_400
    await state.close()


async def test_what_a_dead_replica_brought_for_a_fold_goes_by_itself(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    assert await state.fold(600, b"m", {})
    assert not await state.fold(600, b"other", {})
    keys = {key.decode() for key in await state._redis.keys("*")}
    assert keys == {"{inbond}:last", "{inbond}:memory"}
    assert await state._redis.ttl("{inbond}:memory") == -1
    await state.close()


async def test_full_of_memory_is_lost_and_nothing_is_half_held(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    await state.ping()
    await state._redis.config_set("maxmemory", "1")
    with pytest.raises(StateLostError, match="found ResponseError"):
        await state.reserve("1", [claim()], [seat()], AT, 120.0)
    await state._redis.config_set("maxmemory", "0")
    assert await state._redis.keys("*") == [b"{inbond}:born"]
    assert isinstance(await state.reserve("1", [claim()], [seat()], AT, 120.0), Held)
    await state.close()


async def test_a_redis_that_evicts_is_doubted(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    assert await state.doubt() is None
    await state._redis.config_set("maxmemory-policy", "volatile-lru")
    assert await state.doubt() == (
        f"Redis at 127.0.0.1:{redis.port} evicts keys as soon as maxmemory is set "
        "(maxmemory-policy volatile-lru), and budgets with them: set maxmemory-policy noeviction"
    )
    await state._redis.config_set("maxmemory", "100mb")
    assert "evicts keys at 104,857,600 bytes (maxmemory-policy volatile-lru)" in (await state.doubt() or "")
    redis.stop()
    with pytest.raises(StateLostError):
        await state.doubt()
    await state.close()


@pytest.mark.parametrize(
    "url",
    ["http://user:hunter2@host/1", "redis://:hunter2@host:hunter2/1", "redis://:hunter2@/1",
     "redis://:hunter2@host/1?socket_timeout=hunter2", "rediss://:hunter2@[host/1"],
)  # fmt: skip
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError) as caught:
        RedisState(url)
    assert "hunter2" not in str(caught.value) + str(caught.value.__cause__) + repr(caught.value.to_json())
    assert str(caught.value).startswith("expected state as redis://[user:password@]host[:port][/number]")
    assert caught.value.__context__ is None or caught.value.__suppress_context__


async def test_a_password_is_used_and_in_no_message() -> None:
    redis = RedisServer("--requirepass", "hunter2")
    try:
        state = RedisState(f"redis://:hunter2@127.0.0.1:{redis.port}/1")
        await state.ping()
        await state.close()
        state = RedisState(f"redis://:hunter3@127.0.0.1:{redis.port}/1")
        with pytest.raises(StateLostError) as caught:
            await state.ping()
        assert "hunter" not in str(caught.value)
        assert "found AuthenticationError" in str(caught.value)
        await state.close()
    finally:
        redis.remove()


_RACER = """
import asyncio, json, random, sys
from inbond.guard.budget import Full
from inbond.guard.state_redis import RedisState
from tests.contract.guard_traffic import AT, claim, seat

async def main(url, name, seed):
    state, dice, counts, now, most = RedisState(url), random.Random(seed), [0, 0], 0, 0
    async def one(number):
        asked = [claim("shared", 3, 600), claim("other", 1, 10_000)]
        found = await state.reserve(f"{name}/{number}", asked, [seat("s", 4)], AT, 600.0)
        while isinstance(found, Full) and found.what == "requests at a time":  # no cap, but a queue
            await asyncio.sleep(dice.random() / 500)
            found = await state.reserve(f"{name}/{number}", asked, [seat("s", 4)], AT, 600.0)
        if isinstance(found, Full):
            return
        await asyncio.sleep(dice.random() / 500)
        keep = dice.random() < 0.5
        counts[0] += 1
        counts[1] += 3 if keep else 1
        await state.settle(found, [(asked[0], 0 if keep else -2), (asked[1], 0)])
    for batch in range(60):
        await asyncio.gather(*(one(batch * 10 + each) for each in range(10)))
    await state.close()
    print(json.dumps(counts))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[2])))
"""


@pytest.mark.slow
async def test_processes_that_race_never_go_over_a_cap_and_lose_nothing(redis: RedisServer) -> None:
    url = redis.new_url()
    racers = [
        subprocess.Popen([sys.executable, "-c", _RACER, url, str(n)], cwd=ROOT, stdout=subprocess.PIPE)
        for n in range(4)
    ]
    counts = [json.loads(racer.communicate(timeout=120)[0]) for racer in racers]
    state = RedisState(url)
    used = sum(tokens for _, tokens in counts)
    shared = claim("shared", 1, used)
    assert isinstance(await state.reserve("over", [shared], [], AT, 1.0), Full), "what was settled stands"
    assert isinstance(await state.reserve("fits", [claim("shared", 1, used + 1)], [], AT, 1.0), Held)
    assert 590 <= used <= 600, "the cap was reached and not passed"
    requests = sum(number for number, _ in counts)
    assert isinstance(await state.reserve("o", [claim("other", 1, requests)], [], AT, 1.0), Full)
    assert isinstance(await state.reserve("f", [claim("other", 1, requests + 1)], [], AT, 1.0), Held)
    await state.close()


async def test_a_replica_that_is_killed_frees_its_seat_and_keeps_its_claim(redis: RedisServer) -> None:
    url = redis.new_url()
    code = (
        "import asyncio, os, signal\nfrom inbond.guard.state_redis import RedisState\n"
        "from tests.contract.guard_traffic import AT, claim, seat\n"
        f"async def main():\n    state = RedisState({url!r})\n"
        "    await state.reserve('1', [claim(amount=6)], [seat()], AT, 120.0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\nasyncio.run(main())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    state = RedisState(url)
    assert isinstance(await state.reserve("2", [], [seat()], AT + 119, 120.0), Full)
    assert isinstance(await state.reserve("3", [], [seat()], AT + 120, 120.0), Held)
    assert isinstance(await state.reserve("4", [claim(amount=5)], [], AT, 120.0), Full)
    assert isinstance(await state.reserve("5", [claim(amount=4)], [], AT, 120.0), Held)
    await state.close()


# A call cancelled while it connects leaves its socket to the collector: the client library's doing.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_call_that_is_cancelled_spoils_no_connection(redis: RedisServer) -> None:
    state = RedisState(redis.new_url())
    await state.ping()
    for number in range(200):
        task = asyncio.ensure_future(state.reserve(f"{number}", [claim(cap=10**6)], [], AT, 120.0))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await state.memory() == (None, b""), "an answer of before is not taken for this one's"
    await state.close()
