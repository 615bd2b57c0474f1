"""benchmarks/roundtable.py as people run it, small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.roundtable_host import data_of, serving

FOLDER = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.slow


def run(*arguments: object, code: int = 0, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The benchmark in a process of its own."""
    command = [sys.executable, str(FOLDER / "roundtable.py"), "--small", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment |= {"XDG_CACHE_HOME": str(cache)} if cache is not None else {}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    return done


def test_worlds_whose_truth_is_known(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    said = run("--part", "world", "--world-items", 6, "--out", out).stdout
    found: dict[str, Any] = json.loads(out.read_text())["world"]
    assert found["problems"] == []
    assert len(found["cells"]) == 9
    assert "check passed: 54 sessions" in said
    assert "first vote against best single, talk is noise: won in" in said
    assert "of 4 worlds" in said, "worlds that differ in their second round alone have one first"
    assert "second vote against first vote, what is right persuades more: won in" in said
    for cell in found["cells"]:
        assert set(cell["ways"]) == {"best single", "self-consistency", "first vote", "second vote"}
        panel, draws = cell["ways"]["second vote"], cell["ways"]["self-consistency"]
        assert draws["tokens_an_item"] == pytest.approx(panel["tokens_an_item"], rel=0.35)
        assert panel["usd_an_item"] > cell["ways"]["first vote"]["usd_an_item"] * 0.99 > 0


def test_overhead_page_and_judging() -> None:
    found = json.loads(run("--part", "overhead", "page", "judge", "--json").stdout)
    assert set(found) == {"overhead", "page", "judge"}
    assert found["overhead"]["over_http"]["median_ms"] > 0
    assert all(20_000 < size < found["page"]["goal_bytes"] for size in found["page"]["bytes"].values())
    judged = found["judge"]
    assert judged["problems"] == []
    assert judged["killed_after"]["questions"] < judged["questions"]
    assert judged["rest"]["asked"] < judged["questions"]
    assert judged["chosen"] == {"a": 40}


def test_a_seat_that_cannot_be_is_told_of(tmp_path: Path) -> None:
    done = run("--part", "embedded", "--seat", "Ada=gguf:none.gguf", "--out", tmp_path / "x", code=2)
    assert "none.gguf" in done.stderr
    assert not (tmp_path / "x").exists()


def first_shown(body: dict[str, Any]) -> dict[str, Any]:
    """A seat that votes for the first option that it is shown, each seat another; and does so again."""
    vote = data_of(body)["options"][0]["id"]
    return {"reasoning": "It stands first.", "claims": [], "vote": vote, "confidence": 0.5}


def test_a_table_of_models_goes_on_where_it_was(tmp_path: Path) -> None:
    """A run asks for what is not there: nothing the second time, the rest of what was cut off."""
    names = ("ada", "bob", "cyd")
    with serving(dict.fromkeys(names, first_shown)) as (host, asked):
        options = ["--part", "embedded", "--json", *(f"--seat={name}=api:{host}/{name}" for name in names)]
        first = json.loads(run(*options, "--items", 3, cache=tmp_path).stdout)["embedded"]
        whole = len(asked)
        again = json.loads(run(*options, "--items", 3, cache=tmp_path).stdout)["embedded"]
        assert len(asked) == whole, "all of it was kept"
        assert again == first
        transcript = sorted(tmp_path.glob("**/panel-*/transcript.jsonl"))[0]
        lines = transcript.read_text().splitlines(keepends=True)
        answered = [n for n, line in enumerate(lines) if json.loads(line)["kind"] == "answered"]
        transcript.write_text("".join(lines[: answered[-1]]))
        run(*options, "--items", 3, cache=tmp_path)
        assert len(asked) == whole + 1, "what was in flight is asked again"
    draws = set(first["draws"].values())
    # Six calls for each item's panel, as three seats that never agree have two rounds.
    assert whole == 3 * 6 + sum(first["draws"][seat] for seat in first["best"])
    assert draws <= {3, 5, 7, 9, 11}
    assert first["two_rounds"] == 1.0
    assert first["statuses"] == {"voted": 9}
    assert first["changed"] == 0
    assert first["ways"]["first vote"]["usd_an_item"] is None, "nobody said a price"
