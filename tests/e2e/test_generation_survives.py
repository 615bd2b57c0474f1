"""kill -9 and Ctrl-C in the middle of generation: a real process, a real host that counts, real signals."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from inbond.engine.journal import Journal
from inbond.teachers.protocols import Request, Sampling
from tests.contract import mock_host

GENERATE = """
import asyncio, sys
from pathlib import Path
from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.teachers.hosts import Host
from inbond.teachers.protocols import Request, Sampling
from inbond.teachers.served import Served
from inbond.types import parse_model_name

host, path, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
teacher = Served.open(parse_model_name(f"api:{host}/m"), {host: Host(concurrency=6)}, {})
requests = [Request("KEPT", f"q{i}", Sampling(16)) for i in range(count)]
Served.identity = property(lambda self: "KEPT")  # the port changes, the requests must not

async def main():
    with Journal.open(path) as journal:
        policy = FailurePolicy(base_wait_s=0.01, max_wait_s=0.05)
        try:
            done = await complete_all(teacher, requests, journal, policy, run="r",
                on_progress=lambda p: print(p.done, flush=True))
        finally:
            await teacher.close()
        print("whole", done.asked, done.from_journal, len(done.failures))

asyncio.run(main())
"""
COUNT = 150
REQUESTS = [Request("KEPT", f"q{i}", Sampling(16)) for i in range(COUNT)]


def start(host: str, journal: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", GENERATE, host, str(journal), str(COUNT)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answered(path: Path) -> set[str]:
    with Journal.open(path) as journal:
        entries = journal.find([request.id for request in REQUESTS])
    return {str(r.prompt) for r in REQUESTS if r.id in entries and entries[r.id].reply}


async def interrupted_runs(
    tmp_path: Path, signals: list[signal.Signals], rng: random.Random
) -> tuple[Counter[str], list[int]]:
    """Runs again and again, each time cut short after a random number of answers, then to the end."""
    served: Counter[str] = Counter()
    misbehave = random.Random(7)

    async def slow(
        mock: mock_host.MockHost, request: web.Request, body: dict[str, str]
    ) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        if misbehave.random() < 0.1:
            return web.Response(status=500)
        served[body["prompt"]] += 1
        return await mock_host.answering(f"answer to {body['prompt']}")(mock, request, body)

    path = tmp_path / "journal.db"
    asked_again: list[int] = []
    async with mock_host.running(slow) as mock:
        for number in signals:
            before = answered(path) if path.exists() else set()
            counts = dict(served)
            process = start(mock.host, path)
            assert process.stdout is not None
            reported = 0
            for _ in range(rng.randint(2, 40)):
                line = await asyncio.to_thread(process.stdout.readline)
                reported = int(line) if line.strip().isdigit() else reported
            process.send_signal(number)
            _, errors = await asyncio.to_thread(process.communicate)
            kept = answered(path)
            if process.returncode == 0:
                assert len(kept) == len(REQUESTS), "the signal came after the last answer"
            else:
                assert process.returncode in (-signal.SIGKILL, -signal.SIGINT, 1, 130), errors
            assert len(kept) >= reported, "what was reported as done is on disk"
            assert before <= kept
            assert all(served[prompt] == counts.get(prompt, 0) for prompt in before), "never asked again"
            asked_again.append(sum(served.values()) - len(kept))
        process = start(mock.host, path)
        out, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, errors
        assert out.splitlines()[-1].startswith("whole")
    assert answered(path) == {str(r.prompt) for r in REQUESTS}
    return served, asked_again


@pytest.mark.slow
async def test_kill_9_at_random_moments_loses_no_answer(tmp_path: Path) -> None:
    served, asked_again = await interrupted_runs(tmp_path, [signal.SIGKILL] * 4, random.Random(1))
    # Six in flight a kill: they may have been answered by the host while nobody was there to hear.
    assert sum(n - 1 for n in served.values()) <= 6 * 4, asked_again


@pytest.mark.slow
async def test_ctrl_c_keeps_everything_received(tmp_path: Path) -> None:
    served, _ = await interrupted_runs(tmp_path, [signal.SIGINT] * 3, random.Random(2))
    assert sum(n - 1 for n in served.values()) <= 6 * 3


FILL = """
import asyncio, resource, signal, sys
from pathlib import Path
from inbond.cli.output import print_error
from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.errors import InbondError
from inbond.teachers.protocols import Request, Sampling
from inbond.teachers.scripted import Scripted

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
teacher = Scripted(lambda request: "x" * 3000)
requests = [Request(teacher.identity, f"q{i}", Sampling(16)) for i in range(300)]

async def main():
    with Journal.open(Path(sys.argv[1])) as journal:
        done = await complete_all(teacher, requests, journal, FailurePolicy(), run="r")
        print(done.from_journal, done.asked)

try:
    asyncio.run(main())
except InbondError as error:
    print_error(error, as_json=False)
    sys.exit(error.exit_code)
"""


def fill(path: Path, limit: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FILL, str(path), str(limit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_full_disk_is_a_clear_error_and_the_state_is_intact(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    stopped = fill(path, 300_000)
    assert stopped.returncode == 2, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "run the same command again" in stopped.stderr or "run again" in stopped.stderr
    whole = fill(path, 0)
    from_journal, asked = map(int, whole.stdout.split())
    assert from_journal + asked == 300
    assert from_journal > 10


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_small_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        stopped = fill(disk / "journal.db", 0)
        assert stopped.returncode == 2, stopped.stderr
        assert "error: expected free space" in stopped.stderr or "takes writes" in stopped.stderr
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        whole = fill(disk / "journal.db", 0)
        from_journal, asked = map(int, whole.stdout.split())
        assert from_journal + asked == 300
        assert from_journal > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_two_processes_share_one_journal(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, str(tmp_path / "journal.db"), "0"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert sum(map(int, out.split())) == 300
