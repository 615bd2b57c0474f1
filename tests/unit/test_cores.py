"""How many cores there are for us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inbond import cores


def test_no_more_than_the_scheduler_allows_and_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_MINE", Path("/no/such/file"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert cores.available() == 3
    monkeypatch.setattr(cores, "_paid", lambda *_: 1.5)
    assert cores.available() == 2
    monkeypatch.setattr(cores, "_paid", lambda *_: 0.01)
    assert cores.available() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(cores, "_paid", lambda *_: None)
    assert cores.available() == 64


@pytest.mark.parametrize(
    ("told", "threads"), [("1", 1), ("2", 2), ("9", 3), ("0", 3), ("", 3), ("many", 3), ("２", 3), ("-1", 3)]
)
def test_as_many_threads_as_told(monkeypatch: pytest.MonkeyPatch, told: str, threads: int) -> None:
    monkeypatch.setattr(cores, "available", lambda: 3)
    assert cores.threads({"OMP_NUM_THREADS": told}) == threads
    assert cores.threads({}) == 3


@pytest.mark.parametrize(
    ("groups", "files", "paid"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4.0),
        ("0::/outside/c1", {"cpu.max": "200000 100000"}, 2.0),
        ("4:memory:/x\n3:cpu,cpuacct:/x",
         {"cpu/x/cpu.cfs_quota_us": "50000", "cpu/x/cpu.cfs_period_us": "100000"}, 0.5),
        ("3:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, None),
        ("0::/", {"cpu.max": "nonsense"}, None), ("nonsense", {}, None),
        ("0::/../..", {"cpu.max": "x"}, None),
    ],
    ids=["two", "no limit", "a parent's", "its own root", "one", "one without", "broken", "none", "above"],
)  # fmt: skip
def test_what_control_groups_pay_for(
    tmp_path: Path, groups: str, files: dict[str, str], paid: float | None
) -> None:
    (tmp_path / "mine").write_text(groups)
    for name, text in files.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_text(text)
    assert cores._paid(tmp_path / "mine", tmp_path / "all") == paid
    assert cores._paid(tmp_path / "none", tmp_path / "all") is None
