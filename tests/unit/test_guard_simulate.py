"""Simulated traffic: its format, its order, its volumes, its parts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli.main import run
from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.guard.simulate import START_S, Row, Scenario, choose, profiles, simulate
from inbond.guard.simulate.arrivals import read_traces
from inbond.guard.simulate.dice import Dice, cumulative, mixed
from inbond.guard.simulate.texts import parsed, read_phrasings, read_templates, read_tongues
from tests.unit.simulated import DAY_S, ILLICIT, LAWFUL, PROFILES, by_account, rows, some

FIELDS = """
ts request_id tenant account org registered ip asn client payment mail_domain created plan model
conversation system prompt prompt_tokens output_tokens sealed refused truth
"""


def digest(found: Iterable[Row]) -> str:
    return of_bytes("\n".join(row.line() for row in found).encode())


# Format, order, sameness -------------------------------------------------------------------------------


def test_all_profiles_of_the_reference_are_there() -> None:
    assert set(ILLICIT) == {
        "burst-ring", "slow-ring", "relay", "harness", "synchronised", "pivot", "hydra-5", "hydra-10",
        "hydra-30", "coercion",
    }  # fmt: skip
    assert set(LAWFUL) == {
        "ordinary", "nightly-evaluation", "release-day-benchmarker", "synthetic-data",
        "synthetic-data-registered", "rag-bot", "translator", "ci-review", "backfill", "shared-team-key",
        "corporate-gateway", "failover-router", "twin-tenants", "reasoning-audit", "classroom", "popular-app",
        "security-research",
    }  # fmt: skip
    assert choose("all") == tuple(PROFILES)
    assert choose("classroom") == ("classroom",)


@pytest.mark.parametrize("name", PROFILES)
def test_a_row_has_the_fields_of_evaluate(name: str) -> None:
    found = some(name)
    assert len(found) > 20
    for row in found:
        value = json.loads(row.line())
        assert list(value) == FIELDS.split()
        assert list(value["truth"]) == ["profile", "lawful", "illicit"]
        assert value == row.to_json()
        assert isinstance(value["ts"], float)
        assert value["truth"]["lawful"] == PROFILES[name].lawful
        assert value["registered"] is PROFILES[name].registered
        assert value["sealed"] in (None, "ok", "rejected", "foreign")
        assert value["prompt"].strip()
        assert "{" not in value["prompt"]
        assert value["created"] <= value["ts"]
        assert value["prompt_tokens"] > 0
        assert 1 <= value["output_tokens"] <= PROFILES[name].max_tokens
        assert re.fullmatch(r"10(\.\d{1,3}){3}", value["ip"])


def test_no_name_tells_the_profile() -> None:
    for row in rows(Scenario(choose("all"), scale=0.004, most=2)):
        value = row.to_json()
        del value["truth"], value["system"], value["prompt"]
        assert not any(name in str(value) for name in PROFILES)


scenarios = st.builds(
    Scenario,
    profiles=st.lists(st.sampled_from(choose("all")), min_size=1, max_size=4, unique=True).map(tuple),
    days=st.sampled_from((0.3, 1.0, 2.2)),
    scale=st.just(0.003),
    most=st.sampled_from((1.0, 7.5, 40.0)),
    purity=st.none() | st.floats(0, 1),
    paraphrase=st.booleans(),
    jitter=st.booleans(),
    own_cards=st.booleans(),
    own_clients=st.booleans(),
    aged=st.booleans(),
    held_out=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(scenarios, st.integers(0, 2**70))
def test_rows_are_in_order_within_their_time_and_each_is_one_request(scenario: Scenario, seed: int) -> None:
    found = list(islice(simulate(scenario, seed), 3_000))
    assert all(first.ts <= second.ts for first, second in pairwise(found))
    assert all(START_S <= row.ts < START_S + scenario.days * DAY_S for row in found)
    assert len({row.request_id for row in found}) == len(found)
    assert len({row.account for row in found}) >= len({row.tenant for row in found})
    assert all(not (row.truth.lawful and row.truth.illicit) for row in found)
    owners = {(row.account, row.tenant, row.payment, row.mail_domain, row.created) for row in found}
    assert len(owners) == len({row.account for row in found})


@settings(max_examples=10, deadline=None)
@given(scenarios, st.integers(0, 2**70))
def test_a_seed_decides_every_byte(scenario: Scenario, seed: int) -> None:
    once = list(islice(simulate(scenario, seed), 300))
    assert digest(once) == digest(islice(simulate(scenario, seed), 300))
    assert not once or digest(once) != digest(islice(simulate(scenario, seed + 1), 300))


@settings(max_examples=10, deadline=None)
@given(scenarios)
def test_how_the_illicit_hide_changes_nothing_lawful(scenario: Scenario) -> None:
    lawful = tuple(name for name in scenario.profiles if PROFILES[name].lawful)
    plain = Scenario(lawful, days=scenario.days, scale=scenario.scale, most=scenario.most)
    there = (row for row in simulate(scenario, 3) if row.truth.lawful)
    assert digest(islice(there, 300)) == digest(islice(simulate(plain, 3), 300))


GOLDEN = "sha256:f4bf0ba0d92ab6cd24c92173f9548b5d5c4674e1137aef36c9f3b6ad975d27e7"


def test_the_bytes_are_those_of_every_other_machine() -> None:
    """Pinned: it changes with the data or the rules, and with nothing else."""
    found = rows(Scenario(choose("all"), scale=0.01, most=3))
    assert (len(found), digest(found)) == (3492, GOLDEN)


def test_another_process_with_another_hash_seed_writes_the_same() -> None:
    code = (
        "from inbond.guard.simulate import *\n"
        "from inbond.digest import of_bytes\n"
        "found = simulate(Scenario(choose('all'), scale=.01, most=3), 7)\n"
        "print(of_bytes('\\n'.join(row.line() for row in found).encode()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "99", "LC_ALL": "C"},
    ).stdout.strip()
    assert told == digest(rows(Scenario(choose("all"), scale=0.01, most=3)))


def test_memory_grows_with_a_days_plan_and_not_with_its_text() -> None:
    def peak(most: float) -> tuple[int, int]:
        tracemalloc.start()
        many = sum(1 for _ in simulate(Scenario(("rag-bot",), scale=0.02, most=most), 1))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return many, top

    peak(10)
    (few, low), (many, high) = peak(100), peak(800)
    assert many > few + 2_000
    assert (high - low) / (many - few) < 80


# Volumes -------------------------------------------------------------------------------------------------


STATED = {
    "burst-ring": (3_500, 470),
    "slow-ring": (25_000, 26),
    "relay": (5_380, 5.6),
    "hydra-10": (20_000, None),
}


@pytest.mark.parametrize("name", STATED)
def test_accounts_and_volumes_are_as_stated(name: str) -> None:
    accounts, per_day = STATED[name]
    assert PROFILES[name].accounts == accounts
    assert per_day is None or PROFILES[name].per_day == per_day
    assert Scenario((name,)).accounts_of(PROFILES[name]) == accounts


def test_the_burst_rings_days_have_the_stated_mean_and_peak() -> None:
    ring = PROFILES["burst-ring"]
    assert sum(ring.by_day) / len(ring.by_day) == 1_000
    assert max(ring.by_day) * ring.per_day / 1_000 == pytest.approx(857, abs=0.5)
    assert ring.accounts * 857 == pytest.approx(3e6, rel=0.01)
    assert ring.accounts + ring.reserve == 5_000


@pytest.mark.parametrize("name", PROFILES)
def test_an_account_sends_what_its_profile_says(name: str) -> None:
    """Whole cycles of days, each account's volume scaled to about ten a day."""
    profile = PROFILES[name]
    days = len(profile.by_day)
    volume = min(1.0, 10 / profile.per_day)
    scenario = Scenario(
        (name,), days=days, volume=volume, scale=min(1.0, 200 / (profile.accounts * profile.groups))
    )
    found = rows(scenario)
    accounts = scenario.accounts_of(profile) * scenario.groups_of(profile)
    meant = profile.per_day * volume * sum(profile.by_day) / 1_000
    spread = 1.1 if profile.spread == "wide" else 0.06
    # A ban leaves an hour or so without anybody; new accounts begin slowly where profiles ramp.
    assert len(found) / accounts == pytest.approx(meant, rel=4 * spread / accounts**0.5 + 0.02)


def test_the_most_an_account_sends_leaves_small_senders_alone() -> None:
    capped, free = (Scenario(("ordinary", "rag-bot"), scale=0.02, most=most) for most in (60, None))
    ordinary = [[row for row in rows(each) if row.truth.profile == "ordinary"] for each in (capped, free)]
    assert digest(ordinary[0]) == digest(ordinary[1])
    sizes = [len(own) for own in by_account(rows(capped)).values()]
    assert max(sizes) <= 60
    assert max(len(own) for own in by_account(rows(free)).values()) > 1_000


# Parts ---------------------------------------------------------------------------------------------------


def test_the_generator_is_splitmix64() -> None:
    """The first outputs for the seed 1234567, as published with the generator's test vectors."""
    step = 0x9E3779B97F4A7C15
    state, out = 1_234_567, []
    for _ in range(3):
        state = (state + step) % 2**64
        out.append(mixed(state))
    assert out == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, 2**64), st.lists(st.integers(0, 9), min_size=1).filter(any))
def test_dice_stay_within_their_bounds(seed: int, weights: list[int]) -> None:
    dice = Dice(seed, 1)
    assert 0 <= dice.below(7) < 7
    assert 0 <= dice.unit() < 1
    assert dice.pick("abc") in "abc"
    assert weights[dice.weighted(cumulative(weights))] > 0


def test_traces_keep_the_mean_time_between_requests() -> None:
    """3,501.7 s over 19,365 gaps and 3,435.9 s over 8,818, as the data's files have it."""
    for name, mean_ms in (("conv", 180.83), ("code", 389.65)):
        trace, dice = read_traces()[name], Dice(5)
        drawn = [trace.gap_ms(dice, 1_000) for _ in range(40_000)]
        assert sum(trace.gaps_us) / len(trace.gaps_us) / 1_000 == pytest.approx(mean_ms, rel=0.002)
        assert sum(drawn) / len(drawn) / 1_000 == pytest.approx(mean_ms, rel=0.12)
    assert read_traces()["conv"].bin_sums[-1] == 19_366
    assert read_traces()["code"].bin_sums[-1] == 8_819


def test_every_pattern_of_every_language_can_be_filled() -> None:
    for tongue in read_tongues().values():
        for pattern in (*tongue.sentences, *tongue.questions, *tongue.follow_ups):
            assert "{" not in tongue.filled(pattern, Dice(1), Dice(2))
        for held_out in (False, True):
            for pattern in (each for found in read_phrasings(held_out).values() for each in found):
                assert not set("[]{}|") & set(tongue.filled(pattern, Dice(3), Dice(4)))
    with pytest.raises(ValueError):
        parsed("a {slot} that nobody knows")


def test_profiles_name_templates_and_phrasings_that_exist() -> None:
    kinds = {*read_phrasings(False), "native"}
    for profile in PROFILES.values():
        assert profile.says in {*read_templates(), "chat", "homework"}
        assert set(profile.elicits) <= kinds
        assert set(profile.languages) <= read_tongues().keys()
        assert profile.lawful or profile.elicits or profile.replays
        assert not (profile.lawful and (profile.purity or profile.replays))
    used = {profile.says for profile in PROFILES.values()}
    assert read_templates().keys() <= used


def test_every_knob_of_a_profile_is_turned_somewhere() -> None:
    folder = Path(profiles.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    unread = [name for name in type(PROFILES["relay"]).model_fields if f".{name}" not in source]
    assert unread == ["summary", "stated"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"days": 0}, "expected days above 0 and at most 3650; found 0"),
        ({"days": float("nan")}, "found nan"),
        ({"scale": -1}, "expected scale above 0"),
        ({"volume": 1e9}, "expected volume above 0"),
        ({"most": 0}, "expected most above 0"),
        ({"purity": 1.5}, "expected a purity from 0 to 1; found 1.5"),
        ({"purity": float("nan")}, "found nan"),
        ({"profiles": ("all",)}, "expected names of profiles, each once; found 'all'"),
        ({"profiles": ("relay", "relay")}, "each once"),
    ],
)
def test_what_cannot_be_simulated_is_said(changes: dict[str, object], found: str) -> None:
    with pytest.raises(InputError, match=re.escape(found)):
        Scenario(**{"profiles": ("relay",), **changes})  # type: ignore[arg-type]


def test_an_unknown_scenario_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="expected one of all, lawful, illicit, burst-ring, .*found 'rely'"):
        choose("rely")


# The command ---------------------------------------------------------------------------------------------


def test_the_command_writes_the_rows_and_tells_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "traffic.jsonl"
    arguments = ["--scenario", "classroom,hydra-30", "--scale", "0.02", "--seed", "5", "--out", str(out)]
    assert run(["guard", "simulate", *arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    written = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    meant = rows(Scenario(("classroom", "hydra-30"), scale=0.02), 5)
    assert written == [row.to_json() for row in meant]
    assert summary["file"] == str(out)
    assert summary["rows"] == len(meant)
    assert summary["accounts"] == len(by_account(meant))
    assert summary["by_profile"]["hydra-30"] == {
        "lawful": False,
        "rows": sum(row.truth.profile == "hydra-30" for row in meant),
        "illicit": sum(row.truth.illicit for row in meant),
        "accounts": len({row.account for row in meant if row.truth.profile == "hydra-30"}),
        "output_tokens": sum(row.output_tokens for row in meant if row.truth.profile == "hydra-30"),
    }
    assert summary["by_profile"]["classroom"]["illicit"] == 0


def test_every_switch_reaches_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "traffic.jsonl"
    hiding = ["--paraphrase", "--jitter", "--own-cards", "--own-clients", "--aged", "--held-out"]
    switches = [*hiding, "--purity", "0.5", "--most", "4"]
    numbers = ["--days", "0.5", "--volume", "2", "--scale", "0.002"]
    assert run(["guard", "simulate", "--scenario", "slow-ring", "--out", str(out), *switches, *numbers]) == 0
    scenario = Scenario(
        ("slow-ring",), days=0.5, volume=2, scale=0.002, most=4, purity=0.5, paraphrase=True, jitter=True,
        own_cards=True, own_clients=True, aged=True, held_out=True,
    )  # fmt: skip
    assert out.read_text("utf-8").splitlines() == [row.line() for row in rows(scenario, 0)]
    told = capsys.readouterr().out
    assert "slow-ring" in told
    assert f"{len(rows(scenario, 0)):,} rows of" in told


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--scenario", "rely", "--out", "x.jsonl"], "expected one of all, lawful, illicit"),
        (["--scenario", "relay", "--out", "."], "expected --out with a file"),
        (["--scenario", "relay", "--out", "bond/x.jsonl"], "found: bond/x.jsonl, which is in bond"),
        (["--scenario", "relay", "--out", "x.jsonl", "--purity", "2"], "expected a purity from 0 to 1"),
    ],
)
def test_what_the_command_cannot_do_is_said_and_nothing_is_written(
    arguments: list[str],
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["guard", "simulate", *arguments]) == 2
    assert found in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
