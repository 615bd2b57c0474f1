"""``inbond roundtable judge`` as people run it: killed in the middle, over HTTP, with a real small model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.contract import mock_host

INBOND = [sys.executable, "-c", "from inbond.cli.main import main; main()"]
JUDGES = ("m1", "m2", "m3")


def write_pairs(path: Path, count: int) -> None:
    rows = [{"prompt": f"question {i}", "a": f"short {i}", "b": f"a longer answer {i}"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_constitution(path: Path) -> None:
    path.write_text(
        "title: One\nprinciples:\n  - id: brief\n    text: The better answer is brief and right.\n"
    )


def vote_of(text: str) -> str:
    """For the shorter answer, out of the prompt that the judge got."""
    fence = next(line for line in text.split("\n") if line.startswith("====="))
    shown = json.loads(text.split(fence)[1])
    return "first" if len(shown["first"]) < len(shown["second"]) else "second"


async def over_http(
    served: Counter[tuple[str, str]], mock: mock_host.MockHost, request: web.Request, body: Any
) -> web.StreamResponse:
    await asyncio.sleep(0.005)
    text = body["messages"][1]["content"]
    served[body["model"], text] += 1
    said = json.dumps({"reasoning": "it is shorter", "vote": vote_of(text)})
    return await mock_host.answering(structured=said)(mock, request, body)


async def test_killed_and_run_again_it_loses_nothing_and_asks_nothing_twice(tmp_path: Path) -> None:
    """The command in a process of its own, against a host that counts; SIGKILL twice."""
    write_pairs(tmp_path / "pairs.jsonl", 40)
    write_constitution(tmp_path / "one.yaml")
    served: Counter[tuple[str, str]] = Counter()
    asked_for = 3 * 2 * (40 + 3)

    async with mock_host.running(lambda *call: over_http(served, *call)) as mock:
        command = [*INBOND, "roundtable", "judge", "pairs.jsonl", "--constitution", "one.yaml", "--json"]
        for name in JUDGES:
            command += ["--judge", f"{name}=api:{mock.host}/{name}"]
        for some in (asked_for // 5, asked_for // 2):
            killed = await asyncio.create_subprocess_exec(
                *command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            while served.total() < some:
                assert killed.returncode is None
                await asyncio.sleep(0.005)
            killed.send_signal(signal.SIGKILL)
            await killed.communicate()
        last = await asyncio.create_subprocess_exec(
            *command, "--out", "out.jsonl", cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await last.communicate()
        assert last.returncode == 0, (out + err).decode()
    assert len(served) == asked_for, "everything was asked"
    # Four in flight for each judge a kill: answered by the host while nobody was there to hear.
    assert served.total() - asked_for <= 2 * 3 * 4
    found = json.loads(out)
    assert found["chosen"] == {"a": 40, "b": 0, "undecided": 0}
    assert sum(judge["from_journal"] for judge in found["judges"]) >= asked_for // 2 - 2 * 3 * 4
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == found["preferences_written"] == 40
    assert b"replies (" in err
    assert "Pairs: 40, canaries: 3, principles: 1, judges: 3; questions: 258" in err.decode()


THOUSAND = """
import asyncio, json, os, sys
from pathlib import Path
from inbond.engine.journal import Journal
from inbond.roundtable.judge.asking import ask
from inbond.roundtable.judge.batch import Batch, Judge
from inbond.roundtable.judge.hearing import Asking
from inbond.roundtable.judge.constitution import read_constitution
from inbond.roundtable.judge.pairs import read_pairs
from inbond.teachers.scripted import Scripted
from tests.e2e.test_roundtable_judge import JUDGES, vote_of

log = os.open("asked.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def judge(name):
    def answer(request):
        os.write(log, f"{request.id}\\n".encode())
        return json.dumps({"reasoning": "", "vote": vote_of(request.prompt[1].content)})
    return Judge(name, f"api:h/{name}", Scripted(answer, identity=name, latency_s=0.0005))

async def main():
    batch = Batch(read_pairs(Path("pairs.jsonl")), read_constitution("one.yaml"))
    with Journal.open(Path("journal.db")) as journal:
        judgements, usage = await ask(batch, [judge(name) for name in JUDGES], journal, Asking())
    print(sum(each.chosen == "a" for each in judgements[:1000]), sum(u.asked for u in usage.values()))

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_thousand_pairs_by_three_judges_after_kill_9(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl", 1000)
    write_constitution(tmp_path / "one.yaml")
    log, asked_for = tmp_path / "asked.log", 3 * 2 * (1000 + 20 + 12)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", THOUSAND]
    for share in (0.2, 0.5, 0.8):
        child = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
        while not log.exists() or log.read_bytes().count(b"\n") < share * asked_for:
            assert child.poll() is None, child.communicate()[1]
            time.sleep(0.01)
        child.kill()
        child.communicate()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    chosen, fresh = map(int, done.stdout.split())
    counts = Counter(log.read_text().split())
    assert chosen == 1000
    assert len(counts) == asked_for
    assert counts.total() - asked_for <= 3 * 3 * 8, "eight in flight for each judge a kill"
    assert fresh <= asked_for * 0.2 + 3 * 3 * 8


@pytest.mark.slow
def test_a_real_small_model_judges_and_says_what_it_is_worth(smollm2_gguf: Path, tmp_path: Path) -> None:
    """What comes of so small a model is what it is: all of it is kept, and nothing invented."""
    rows = [{"prompt": "What is the capital of France?", "a": "Paris.", "b": "Lyon, of course."}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_constitution(tmp_path / "one.yaml")
    command = [*INBOND, "roundtable", "judge", "pairs.jsonl", "--constitution", "one.yaml", "--json"]
    command += ["--judge", f"small=gguf:{smollm2_gguf}", "--max-tokens", "96"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    found = json.loads(done.stdout)
    (judge,) = found["judges"]
    assert sum(judge["votes"].values()) == 1
    assert judge["families"] == ["huggingface"]
    assert found["agreement"]["all"]["alpha"]["value"] is None
    folder = Path(tmp_path / found["folder"])
    judgements = [json.loads(line) for line in (folder / "judgements.jsonl").read_text().splitlines()]
    assert len(judgements) == 1 + found["canaries"]
    heard = [each for row in judgements for vote in row["votes"] for each in vote["heard"].values()]
    assert len(heard) == 2 * len(judgements)
    assert all(each["raw"] or each["status"] == "error" for each in heard)
    assert {each["path"] for each in heard if each["status"] == "said"} == {"json_schema"}, (
        "llama.cpp holds it"
    )


ONE = ["pairs.jsonl", "--judge", "a=api:h/m"]


@pytest.mark.parametrize(
    ("arguments", "expected", "found"),
    [
        (["none.jsonl", "--judge", "a=api:h/m"], "a file that can be read", "No such file"),
        (["pairs.jsonl"], "at least one judge", "none"),
        (["pairs.jsonl", "--judge", "api:h/m"], "a judge as NAME=URI", "'api:h/m'"),
        (["pairs.jsonl", "--judge", "a=h/m"], "one of hf:", "'h/m'"),
        ([*ONE, "--judge", "a=api:h/n"], "judges whose names differ", "'a' twice"),
        ([*ONE, "--family", "b=qwen"], "--family NAME=FAMILY of a judge", "'b'"),
        ([*ONE, "--family", "qwen"], "a judge's family as NAME=FAMILY", "'qwen'"),
        ([*ONE, "--family", "a=gtp"], "a family that is in families.yaml", "'gtp'"),
        ([*ONE, "--family", "a=qwen", "--family", "a=gtp"], "a family that is in families.yaml", "'gtp'"),
        ([*ONE, "--budget", "0"], "a price for api:h/m, since --budget is set", "none, or 0"),
        ([*ONE, "--constitution", "no"], "a constitution that can be read", "No such file"),
        (["pairs.jsonl", "--judge", "a=gguf:none.gguf"], "a GGUF file at none.gguf", "nothing"),
        ([*ONE, "--out", "pairs.jsonl"], "--out with a file of its own", "pairs.jsonl"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
    found: str,
) -> None:
    from inbond.cli.main import run

    write_pairs(tmp_path / "pairs.jsonl", 2)
    monkeypatch.chdir(tmp_path)
    assert run(["roundtable", "judge", *arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert expected in error["expected"]
    assert found in error["found"]
    assert not (tmp_path / "bond" / "journal.db").exists()
