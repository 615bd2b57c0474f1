"""``inbond run`` with preferences from the command line: a run that is killed asks nothing twice."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.records import read_rows
from tests.e2e.test_run import Place, is_whole
from tests.roundtable_host import serving
from tests.tiny import save_tiny

WORDS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge", "window", "silver", "candle"]


def says(served: Counter[str], body: dict[str, Any]) -> str:
    """A long answer, a critique, a short revision; slow enough to be killed in between."""
    served[json.dumps(body["messages"])] += 1
    time.sleep(0.05)
    first, last = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "again" in last:
        return f"Short: {first}."
    return "Too long." if "Criticise" in last else f"A long answer about the word {first}, and more of it."


def write(folder: Path, host: str) -> Place:
    place = Place(folder)
    save_tiny(folder / "base", layers=2)
    place.write(
        teacher=f"api:{host}/teacher",
        prompts={"items": WORDS},
        generate={"max_tokens": 16},
        preferences={"source": "revision", "most_length_ratio": None},
        student={"init": "model", "base": "path:base"},
        train={"epochs": 1, "kl": 0.0, "ce": 1.0},
    )
    (folder / "config").mkdir()
    return place


@pytest.mark.slow
def test_killed_while_it_criticises_and_revises_it_goes_on(tmp_path: Path) -> None:
    served: Counter[str] = Counter()
    with serving({"teacher": lambda body: says(served, body)}) as (host, _):
        place = write(tmp_path, host)
        accepted = ("run", "recipe.yaml", "--accept", "a host of this test")
        for enough in (13, 24):  # ten answers; then critiques, then revisions
            child = place.start(*accepted)
            while len(served) < enough and child.poll() is None:
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
            child.communicate()
            assert is_whole(place)
        result = place.inbond(*accepted)
    asked_again = sum(count - 1 for count in served.values())
    assert asked_again <= 16, "at most those in flight at each kill"
    learnt = len(read_rows(place.run_folder / "data" / "train"))
    assert len(served) == 10 + 2 * learnt, "answers, critiques and revisions"
    assert result["preferences"]["pairs"] == learnt
    assert result["tokens"] == 150 * len(served)
    rows = read_rows(place.run_folder / "data" / "pairs")
    assert [row.origin.role for row in rows] == ["rewriter", "author"] * learnt
    assert all(a.record.prompt == b.record.prompt for a, b in zip(rows[0::2], rows[1::2], strict=True))
    assert is_whole(place)
    page = (place.run_folder / "report.html").read_text()
    assert f"{learnt} pairs, answers and their revisions" in page
    assert "the longer one is chosen in 0% of them" in page
