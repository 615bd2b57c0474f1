"""Callers read anew while requests go on: large files in a process of their own, and to the same."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.guard.callers import hash_of, parse_callers
from inbond.guard.callers_file import CallersFile, read_callers


def _write(path: Path, tenants: int, limit: int = 5) -> None:
    lines = ["tenants:"]
    for t in range(tenants):
        lines += [f"  t{t}:", "    limits: {spend_usd_per_day: 9}", "    accounts:"]
        for a in range(5):
            limits = f"{{requests_per_minute: {limit}}}"
            lines.append(f'      a{a}: {{keys: ["{hash_of(f"{t}/{a}")}"], limits: {limits}}}')
    path.write_text("\n".join(lines))
    os.utime(path, ns=(0, time.monotonic_ns()))


def _wait(callers: CallersFile, said: list[str]) -> float:
    """Looks until something is said; the longest that a look took, in seconds."""
    longest, deadline = 0.0, time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        began = time.monotonic()
        callers.look()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    return longest


def test_a_large_file_is_read_beside_and_comes_to_the_same(tmp_path: Path) -> None:
    path, said = tmp_path / "callers.yaml", []
    _write(path, 100)
    callers = CallersFile(path, said.append)
    assert callers.now == parse_callers("x", path.read_bytes())
    one, other = callers.now.find("7/1"), callers.now.find("7/2")
    assert one is not None
    assert other is not None
    assert one.limits is other.limits, "what is alike is kept once"
    _write(path, 100, limit=6)
    before = callers.now
    callers.look()
    assert callers.now is before, "nobody waits for it"
    _wait(callers, said)
    assert said == ["callers were read anew: 500 keys"]
    assert callers.now == parse_callers("x", path.read_bytes())
    assert callers.now != before


def test_a_large_file_that_is_wrong_leaves_the_callers_and_says_what(tmp_path: Path) -> None:
    path, said = tmp_path / "callers.yaml", []
    _write(path, 100)
    callers = CallersFile(path, said.append)
    before = callers.now
    path.write_text(path.read_text().replace("t99:", "t98:\n    nonsense: 1", 1))
    _wait(callers, said)
    assert said[0].startswith(f"callers are as before: expected tenants with their accounts in {path}; found")
    assert callers.now is before
    with pytest.raises(InputError, match="expected tenants with their accounts in"):
        CallersFile(path, said.append)


def test_a_small_file_is_read_at_once(tmp_path: Path) -> None:
    path, said = tmp_path / "callers.yaml", []
    _write(path, 1)
    callers = CallersFile(path, said.append)
    _write(path, 2)
    callers.look()
    assert said == ["callers were read anew: 10 keys"]
    path.unlink()
    callers.look()
    assert said[1].startswith(f"callers are as before: expected a file that can be read at {path}")
    assert len(callers.now.by_hash) == 10


def test_of_guard_yaml_only_the_tenants_are_taken_up(tmp_path: Path) -> None:
    path, said = tmp_path / "guard.yaml", []
    _write(path, 1)
    callers = CallersFile(path, said.append, within=True)
    path.write_text("unlisted: {}\n" + path.read_text())
    _wait(callers, said)
    assert said == ["callers were read anew: 5 keys; all else in the file takes a restart"]


def test_an_account_takes_a_few_hundred_bytes(tmp_path: Path) -> None:
    path = tmp_path / "callers.yaml"
    _write(path, 1_000)
    read_callers(path)  # what is imported and cached once is not the accounts'
    tracemalloc.start()
    try:
        callers = read_callers(path)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(callers.by_hash) == 5_000
    assert held / 5_000 < 500


def test_a_broken_file_is_wrong_in_the_same_words_however_long_it_is(tmp_path: Path) -> None:
    path, said = tmp_path / "callers.yaml", []
    _write(path, 1)
    callers = CallersFile(path, said.append, lambda _: None)
    before = callers.now
    for text in ("tenants: {a: {accounts: {b: {created: 2026-13-01}}}}", "[" * 50_000 + "]" * 50_000):
        said.clear()
        path.write_text(text)
        _wait(callers, said)
        assert said[0].startswith(f"callers are as before: expected tenants with their accounts in {path}")
        assert callers.now is before


def test_a_file_in_which_nobody_has_a_key_is_taken_and_said(tmp_path: Path) -> None:
    path, said, news = tmp_path / "callers.yaml", [], []
    _write(path, 1)
    callers = CallersFile(path, said.append, news.append)
    path.write_text("tenants: {}")
    _wait(callers, said)
    assert news == ["callers were read anew: 0 keys"]
    assert said == ["nobody may call: no account has a key; inbond guard key makes one"]
