"""Who may push evidence out of the table of capital, and what goes first."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from inbond.guard.detect import capital
from inbond.guard.detect.capital import ACCOUNT, WINDOWS, bet, bounded, ids, log_e, none, opened
from inbond.guard.detect.families import ELICITATION, WHOLE
from inbond.guard.detect.judge import tiers
from inbond.guard.detect.memory import WINDOW_S, Memory, from_bytes
from tests.unit.guard_traffic import DAY, ELICIT, START, row, talk
from tests.unit.test_guard_detect import folded, read


def keys(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(numbers, dtype=np.uint64)


def test_rows_that_won_least_go_first_and_then_those_that_are_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capital, "MOST", (2, 1, 9, 9, 9))
    kept = none()
    for window in (1, 2, 3, 4):  # the first wins, the second loses, nobody bets on the others
        kept = opened(kept, [ids(keys(window), ACCOUNT, ELICITATION)], window * WINDOW_S)
    for number, won in ((1, WHOLE), (2, 0)):
        bet(
            kept, ELICITATION, WINDOWS, ids(keys(number), ACCOUNT, ELICITATION), np.array([won]), 5 * WINDOW_S
        )
    groups = [ids(keys(number), 1, ELICITATION) for number in (1, 2)]
    kept = opened(opened(kept, groups[:1], 5 * WINDOW_S), groups[1:], 6 * WINDOW_S)
    left = set(bounded(kept)["id"].tolist())
    assert left == {
        *ids(keys(1, 4), ACCOUNT, ELICITATION).tolist(),
        *groups[1].tolist(),
    }
    assert (np.diff(bounded(kept)["id"].astype(object)) > 0).all(), "in order"
    assert log_e(bounded(kept), ids(keys(1), ACCOUNT, ELICITATION))[0] > 0


def test_kinds_are_told_apart_and_no_family_makes_another() -> None:
    every = {int(ids(keys(5), kind, family)[0]) for kind in range(5) for family in range(4)}
    assert len(every) == 20
    assert Counter(number & 7 for number in every) == dict.fromkeys(range(5), 4)


def names_of_clients(windows: int) -> list[dict[str, object]]:
    """Three accounts that elicit under the name of another client in every window."""
    rng = random.Random(2)
    same = {"created": START - DAY, "sealed": "foreign"}
    return [
        row(
            rng, START + w * WINDOW_S + i * 100 + again, f"f{i}", client=f"client-{(w + again) // 2}", **same,
            prompt=f"{ELICIT} {talk(rng)}",
        )
        for w in range(windows)
        for i in range(3)
        for again in range(2)
    ]  # fmt: skip


def lone(windows: int) -> list[dict[str, object]]:
    rng = random.Random(7)
    return [
        row(
            rng, START + w * WINDOW_S + 9, f"bad{i}", created=START - (60 * i + 40) * DAY,
            sealed="foreign" if rng.random() < 0.5 else None,
            prompt=f"{ELICIT if rng.random() < 0.5 else ''} {talk(rng)}",
        )
        for i in range(8)
        for w in range(windows)
    ]  # fmt: skip


def pushed_out(windows: int) -> Memory:
    return folded(read([*names_of_clients(windows), *lone(windows)]))


def test_names_of_clients_push_out_no_evidence_of_accounts_and_it_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = pushed_out(60)
    assert before.pushed_out == 0
    found = tiers(before)
    cohorts = int((before.capital["id"] & np.uint64(7) == 1).sum())
    assert cohorts > 8, "otherwise nothing is tested"
    monkeypatch.setattr(capital, "MOST", (2**16, 4, 4, 4, 4))
    after = pushed_out(60)
    assert int((after.capital["id"] & np.uint64(7) == 1).sum()) == 4
    assert after.pushed_out >= cohorts - 4
    assert from_bytes(after.to_bytes()).pushed_out == after.pushed_out
    now = tiers(after)
    assert {name: tier for name, tier in now.items() if name.startswith("bad")} == {
        name: tier for name, tier in found.items() if name.startswith("bad")
    }
    assert max(tier for name, tier in now.items() if name.startswith("bad")) >= 2
