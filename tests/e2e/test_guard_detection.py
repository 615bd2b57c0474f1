"""The benchmark of detection: it says what the guard says, counts what leaked, and can be taken up again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inbond.guard.evaluate import evaluate
from inbond.guard.simulate import Scenario

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The benchmark's module, as its script imports it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import guard_trial

    yield guard_trial
    for name in [name for name in sys.modules if name.startswith("guard_")]:
        del sys.modules[name]


@pytest.mark.usefixtures("trials")
def test_a_goal_that_is_missed_is_said_as_plainly_as_one_that_is_met() -> None:
    import guard_cases
    import guard_tables

    def case(part: str, name: str) -> Any:
        return guard_cases.Case(part, name, 0, guard_cases.Sizes())

    def profile(lawful: bool, ever: int, at_s: float | None) -> dict[str, Any]:
        found = None if at_s is None else {"at_s": at_s, "by": "payment"}
        return {"lawful": lawful, "accounts": 100, "ever": {"1": 9, "2": ever, "3": 0}, "found": found}

    good = {"profiles": {"relay": profile(False, 90, 600.0), "ordinary": profile(True, 0, None)}}
    late = {"profiles": {"relay": profile(False, 90, 90_000.0), "ordinary": profile(True, 2, 600.0)}}
    none = {"profiles": {"hydra-10": profile(False, 0, None)}}
    people = {"profiles": {"ordinary": profile(True, 0, None)}}

    met = [(case("illicit", "relay/10%"), good), (case("lawful", "all"), people)]
    assert list(guard_tables.goals(met)) == [
        "goal met: no lawful account at tier 2: 0 of 100, at most 2.951%",
        "goal met: no lawful bystander at tier 2: 0",
        "goal met: slow ring and relay within 24 h: 0 later",
        "goal met: campaigns of 10% and more are found: 0 missed",
    ]
    assert list(guard_tables.goals([(case("volume", "x"), {"changed": [["a", 0, 1]]})])) == [
        "goal MISSED: more volume changes no tier: 1 changed"
    ]
    missed = [(case("illicit", "relay/10%"), late), (case("illicit", "hydra-10/10%"), none)]
    assert list(guard_tables.goals([*missed, (case("illicit", "hydra-10/5%"), none)])) == [
        "goal MISSED: no lawful bystander at tier 2: 2",
        "goal MISSED: slow ring and relay within 24 h: 1 later relay/10%",
        "goal MISSED: campaigns of 10% and more are found: 1 missed hydra-10/10%",
    ]


def quiet(_rows: int, _at_s: float) -> None:
    """Nobody is told."""


def test_the_bound_is_clopper_and_pearsons(trials: Any) -> None:
    assert trials.upper_bound(0, 200) == pytest.approx(1 - 0.05 ** (1 / 200))
    assert trials.upper_bound(5, 100) == pytest.approx(0.10225, abs=1e-5)
    assert trials.upper_bound(3, 3) == 1.0
    assert trials.upper_bound(0, 0) == 1.0


@pytest.mark.slow
def test_a_trial_ends_with_what_evaluate_says_and_counts_what_leaked(trials: Any) -> None:
    campaign = Scenario(("relay",), scale=0.1, days=0.5)
    people = Scenario(("ordinary", "reasoning-audit"), scale=0.05, days=0.5, most=10)
    traffic = trials.Traffic(((campaign, 1),), (people, 2))
    rows = list(traffic.rows())
    assert [row.ts for row in rows] == sorted(row.ts for row in rows)
    told = evaluate("traffic", [row.line().encode() for row in rows]).to_json()["accounts"]
    trial = trials.Trial(quiet).watch(traffic.seen())
    assert {name: each.last for name, each in trial.callers.items()} == {
        name: each["tier"] for name, each in told.items()
    }
    found = trial.to_json()["profiles"]
    sent = Counter(row.truth.profile for row in rows)
    assert {name: each["sent"]["requests"] for name, each in found.items()} == sent
    assert found["ordinary"]["ever"] == {1: 0, 2: 0, 3: 0}
    assert found["ordinary"]["unrestricted"] == found["ordinary"]["sent"]
    relay = found["relay"]
    assert relay["found"]["at_s"] % 600 == 0
    until = [row for row in rows if row.truth.profile == "relay" and row.ts < row_end(relay)]
    assert relay["found"]["requests"] == len(until)
    assert relay["found"]["illicit_tokens"] == sum(row.output_tokens for row in until if row.truth.illicit)
    assert relay["found"]["requests"] < relay["unrestricted"]["requests"] < relay["sent"]["requests"]


def row_end(profile: Any) -> float:
    """When it was found, seconds since 1970."""
    from inbond.guard.simulate import START_S

    return float(START_S + profile["found"]["at_s"])


@pytest.mark.slow
def test_a_run_prints_tables_and_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--small", "--seeds", "1", "--processes", "1", *more]
        return subprocess.run(
            [sys.executable, str(FOLDER / "guard_detection.py"), *arguments],
            capture_output=True, text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path)},
        )  # fmt: skip

    first = run("--part", "illicit", "--only", "relay/10%", "coercion/own")
    assert "Lawful bystanders ever at tier 2, all cases together: 0" in first.stdout
    assert "| 10% | " in first.stdout
    assert "goal met: no lawful bystander at tier 2: 0" in first.stdout
    assert "2 cases done, 0 left" in first.stderr
    more = run("--part", "illicit", "lawful", "--only", "relay/10%", "all", "--out", str(tmp_path / "o.json"))
    assert "1 cases done, 0 left" in more.stderr
    kept = json.loads((tmp_path / "o.json").read_text())["cases"]
    assert [(each["part"], each["name"]) for each in kept] == [("illicit", "relay/10%"), ("lawful", "all")]
    lawful = next(line for line in more.stdout.splitlines() if line.startswith("| **all** |"))
    accounts = sum(each["accounts"] for each in kept[1]["found"]["profiles"].values())
    assert lawful.split("|")[2].strip() == f"{accounts:,}"
