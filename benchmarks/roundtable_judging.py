"""1,000 pairs by three scripted judges in a process that is killed in the middle, and then gone on with.

Each judge notes every question that it is asked, so that what was asked twice can be counted: nothing but
what was in flight at the kill may be. The pairs and judges say nothing of how well panels judge.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from inbond.engine.journal import Journal
from inbond.roundtable.judge.asking import ask
from inbond.roundtable.judge.batch import Batch, Judge
from inbond.roundtable.judge.constitution import read_constitution
from inbond.roundtable.judge.hearing import Asking
from inbond.roundtable.judge.pairs import read_pairs
from inbond.teachers.protocols import Request
from inbond.teachers.scripted import Scripted

PAIRS: Final = 1_000
JUDGES: Final = ("j1", "j2", "j3")
_AT_ONCE: Final = 8
_LOG, _JOURNAL, _PAIRS, _CONSTITUTION = "asked.log", "journal.db", "pairs.jsonl", "one.yaml"


def write(folder: Path, pairs: int) -> None:
    """Pairs of which the shorter answer is the better one, and a constitution that says so."""
    rows = [{"prompt": f"question {n}", "a": f"short {n}", "b": f"a longer answer {n}"} for n in range(pairs)]
    (folder / _PAIRS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / _CONSTITUTION).write_text(
        "title: One\nprinciples:\n  - id: brief\n    text: The better answer is brief and right.\n"
    )


def _batch(folder: Path) -> Batch:
    return Batch(read_pairs(folder / _PAIRS), read_constitution(str(folder / _CONSTITUTION)))


async def judged(folder: Path) -> dict[str, Any]:
    """Judges what is not judged yet: in the process that may be killed."""
    log = os.open(folder / _LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def answer(request: Request) -> str:
        os.write(log, f"{request.id}\n".encode())
        assert not isinstance(request.prompt, str)
        text = request.prompt[1].content
        fence = next(line for line in text.split("\n") if line.startswith("====="))
        shown = json.loads(text.split(fence)[1])
        vote = "first" if len(shown["first"]) < len(shown["second"]) else "second"
        return json.dumps({"reasoning": "It is the shorter one.", "vote": vote})

    judges = [
        Judge(name, f"api:127.0.0.1:1/{name}", Scripted(answer, identity=name, concurrency=_AT_ONCE))
        for name in JUDGES
    ]
    batch = _batch(folder)
    began = time.perf_counter()
    with Journal.open(folder / _JOURNAL) as journal:
        judgements, usage = await ask(batch, judges, journal, Asking())
    chosen = Counter(each.chosen for each in judgements[: len(batch.pairs)])
    os.close(log)
    return {
        "chosen": {str(side): count for side, count in chosen.items()},
        "asked": sum(each.asked for each in usage.values()),
        "from_journal": sum(each.from_journal for each in usage.values()),
        "seconds": time.perf_counter() - began,
    }


def _begin(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _asked(folder: Path) -> list[str]:
    path = folder / _LOG
    return path.read_text().split() if path.exists() else []


def _kill_at(folder: Path, count: int) -> float:
    """Seconds that it ran until so many questions were asked, and it was killed."""
    began = time.perf_counter()
    child = _begin(folder)
    while len(_asked(folder)) < count:
        if child.poll() is not None:
            raise AssertionError(f"it ended before it was killed: {child.communicate()[1][-2000:]}")
        time.sleep(0.01)
    child.kill()
    child.communicate()
    return time.perf_counter() - began


def measure(pairs: int = PAIRS) -> dict[str, Any]:
    """Once without a kill, for the time; once killed half-way, and gone on with."""
    with tempfile.TemporaryDirectory() as name:
        whole, broken = Path(name) / "whole", Path(name) / "broken"
        for folder in (whole, broken):
            folder.mkdir()
            write(folder, pairs)
        straight = _finished(whole)
        all_ = len(_asked(whole))
        ran_s = _kill_at(broken, all_ // 2)
        before = len(_asked(broken))
        rest = _finished(broken)
        counts = Counter(_asked(broken))
    found = {
        "pairs": pairs,
        "judges": len(JUDGES),
        "questions": all_,
        "seconds": straight["seconds"],
        "questions_a_second": all_ / straight["seconds"],
        "killed_after": {"questions": before, "seconds": ran_s},
        "rest": rest,
        "asked_twice": counts.total() - len(counts),
        "in_flight_at_most": _AT_ONCE * len(JUDGES),
        "chosen": rest["chosen"],
    }
    return {**found, "problems": _problems(found, len(counts), straight["chosen"])}


def _finished(folder: Path) -> dict[str, Any]:
    child = _begin(folder)
    out, error = child.communicate()
    assert child.returncode == 0, error[-2000:]
    value: dict[str, Any] = json.loads(out)
    return value


def _problems(found: dict[str, Any], different: int, straight: dict[str, int]) -> list[str]:
    said = []
    if different != found["questions"]:
        said.append(f"{different} different questions were asked, not {found['questions']}")
    if found["asked_twice"] > found["in_flight_at_most"]:
        said.append(f"{found['asked_twice']} questions were asked twice")
    if found["chosen"] != straight:
        said.append(f"{found['chosen']} was chosen, {straight} without a kill")
    return said


def lines(found: dict[str, Any]) -> list[str]:
    """Times, and the goal."""
    killed, rest = found["killed_after"], found["rest"]
    return [
        f"{found['pairs']:,} pairs x {found['judges']} judges, canaries with them: {found['questions']:,} "
        f"questions in {found['seconds']:.1f} s ({found['questions_a_second']:,.0f} a second)",
        f"killed after {killed['questions']:,} questions and {killed['seconds']:.1f} s; gone on with: "
        f"{rest['from_journal']:,} from the journal, {rest['asked']:,} asked, {rest['seconds']:.1f} s",
        f"goal {'MISSED' if found['problems'] else 'met'}: {found['asked_twice']} asked twice (wanted: at "
        f"most {found['in_flight_at_most']}, those in flight), nothing lost",
        *found["problems"],
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(judged(Path(sys.argv[1])))))
