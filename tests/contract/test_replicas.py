"""Several servers of one model: who is asked, who rests, what a killed one costs, and who gets the key."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.completions import Completions, FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.errors import InputError, TeacherError
from inbond.teachers.hosts import Host, read_hosts
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.teachers.replicas import MOST_REST_S, REST_S, Replicas
from inbond.teachers.served import Served
from inbond.types import Message, parse_model_name
from tests.contract import mock_host
from tests.contract.mock_host import DONE, USAGE, Behaviour, MockHost, answering, chunk, event, status, stream

ROOT = Path(__file__).parents[2]
KEY = "sk-this-key-must-never-be-shown-0123456789"
POLICY = FailurePolicy(base_wait_s=0.01, max_wait_s=0.02, timeout_s=20)


def ask(number: int, teacher: str) -> Request:
    return Request(teacher, (Message("user", f"question {number}"),), Sampling(16))


def served(*hosts: str, concurrency: int = 4, **more: Any) -> Served:
    host = Host(concurrency=concurrency, key_env="THE_KEY", replicas=hosts[1:], **more)
    name = parse_model_name(f"api:{hosts[0]}/m")
    return Served.open(name, {hosts[0]: host}, {"THE_KEY": KEY})


# Whom to ask ----------------------------------------------------------------------------------------


def test_the_one_with_the_fewest_in_flight_is_next() -> None:
    pool = Replicas(("a", "b", "c"))
    for name, count in {"a": 2, "b": 1, "c": 3}.items():
        next(each for each in pool.all if each.name == name).in_flight = count
    chosen = pool.next(0.0)
    assert chosen is not None
    assert chosen.name == "b"


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.floats(0, 5)), max_size=60))
def test_there_is_always_somebody_to_ask_and_nobody_twice(steps: list[tuple[int, bool, float]]) -> None:
    pool, now_s = Replicas(("a", "b", "c")), 0.0
    for _, works, passed in steps:
        now_s += passed
        tried: list[str] = []
        while (replica := pool.next(now_s, tried)) is not None:
            assert replica.name not in tried
            tried.append(replica.name)
            resting = [each for each in pool.all if each.until_s > now_s]
            assert replica not in resting or len(resting) == 3
            if works:
                replica.answered()
                assert replica.until_s <= now_s
                break
            replica.failed(now_s)
            assert now_s + REST_S <= replica.until_s <= now_s + MOST_REST_S
        assert tried


# Over sockets ---------------------------------------------------------------------------------------


async def asked_all(teacher: Served, count: int, folder: Path) -> Completions:
    with Journal.open(folder / "journal.db") as journal:
        try:
            requests = [ask(number, teacher.identity) for number in range(count)]
            return await complete_all(teacher, requests, journal, POLICY, run="r")
        finally:
            await teacher.close()


def slowly(seconds: float) -> Behaviour:
    async def behave(_: MockHost, request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return await stream(
            request, event(chunk("x")), seconds, event(chunk(finish="stop")), event(USAGE), DONE
        )

    return behave


async def test_requests_are_spread_and_a_slow_one_gets_fewer(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        quick, other, slow = [
            await stack.enter_async_context(mock_host.running(slowly(seconds)))
            for seconds in (0.01, 0.01, 0.3)
        ]
        teacher = served(quick.host, other.host, slow.host, concurrency=2)
        assert teacher.concurrency == 6
        assert teacher.identity == f"api:{quick.host}/m"  # where else it is served is no part of it
        done = await asked_all(teacher, 80, tmp_path)
    assert not done.failures
    counts = [len(each.bodies) for each in (quick, other, slow)]
    assert sum(counts) == 80
    assert 0 < counts[2] < min(counts[:2]), counts
    assert {each.headers[0]["Authorization"] for each in (quick, other, slow)} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "behaviour", [status(500, b"broken"), status(429, b"slow", {"Retry-After": "30"})], ids=["500", "429"]
)
async def test_one_that_gives_nothing_is_passed_over_and_rests(tmp_path: Path, behaviour: Behaviour) -> None:
    async with mock_host.running(behaviour) as bad, mock_host.running(answering()) as good:
        done = await asked_all(served(bad.host, good.host, concurrency=2), 20, tmp_path)
        assert not done.failures
        assert len(good.bodies) == 20
        assert len(bad.bodies) <= 4, "it rests after its first failures"


async def test_a_place_where_nobody_listens_costs_no_answer(tmp_path: Path) -> None:
    async with mock_host.running(answering()) as good:
        done = await asked_all(served("127.0.0.1:9", good.host), 10, tmp_path)
    assert all(isinstance(outcome, Reply) for outcome in done.outcomes)


async def test_when_all_fail_the_failure_is_the_callers() -> None:
    async with mock_host.running(status(500, b"one")) as one, mock_host.running(status(500, b"two")) as two:
        teacher = served(one.host, two.host)
        for _ in range(2):  # resting or not
            with pytest.raises(TeacherError, match="status 500") as caught:
                await teacher.complete(ask(1, teacher.identity))
            assert KEY not in f"{caught.value!r} {caught.value.__context__!r}"
        await teacher.close()
        assert len(one.bodies) + len(two.bodies) == 3


async def test_a_rejected_request_is_no_fault_of_the_replica() -> None:
    async with mock_host.running(status(400, b"too long")) as one, mock_host.running(answering()) as two:
        teacher = served(one.host, two.host)
        with pytest.raises(TeacherError, match="too long"):
            await teacher.complete(ask(1, teacher.identity))
        await teacher.close()
        assert two.bodies == []


async def test_replicas_of_different_models_stop_the_run(tmp_path: Path) -> None:
    async def other(_: MockHost, request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        said = [chunk("x") | {"model": "mock-2"}, chunk(finish="stop") | {"model": "mock-2"}, USAGE]
        return await stream(request, *map(event, said), DONE)

    async with mock_host.running(answering()) as one, mock_host.running(other) as two:
        with pytest.raises(InputError) as caught:
            await asked_all(served(one.host, two.host), 20, tmp_path)
    assert "that serve the same model" in str(caught.value)
    assert "'mock-2'" in str(caught.value)
    with Journal.open(tmp_path / "journal.db") as journal:
        assert journal.runs() == ["r"]


@pytest.mark.parametrize("replicas", [["https://x"], ["a:1", "a:1"], ["HOST:8000"], "b:1"])
def test_replicas_are_other_hosts_each_once(tmp_path: Path, replicas: Any) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(f"host:8000:\n  replicas: {replicas}\n")
    with pytest.raises(InputError, match="replicas"):
        read_hosts(path)
    path.write_text("host:8000:\n  insecure: true\n  replicas: [b.lan:1, c.lan:2]\n")
    assert read_hosts(path)["host:8000"].replicas == ("b.lan:1", "c.lan:2")


# Killed ---------------------------------------------------------------------------------------------


@pytest.fixture
def servers() -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.contract.replica_server", "m-1", "0.2"]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    yield started
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_one_that_is_killed_amid_answers_costs_none(
    servers: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    hosts = []
    for process in servers:
        assert process.stdout is not None
        hosts.append(process.stdout.readline().strip())
    victim = servers[1]

    def kill_once_asked() -> None:
        assert victim.stdout is not None
        for _ in range(4):
            victim.stdout.readline()
        victim.kill()  # with four answers begun

    teacher = served(*hosts, concurrency=4)
    done, _ = await asyncio.gather(asked_all(teacher, 60, tmp_path), asyncio.to_thread(kill_once_asked))
    assert victim.wait() != 0
    assert not done.failures
    texts = [outcome.text for outcome in done.outcomes if isinstance(outcome, Reply)]
    assert texts == [f"re: question {number}" for number in range(60)]
