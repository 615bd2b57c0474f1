"""What rulings come to: pass@k, what is kept, rewards and advantages."""

from __future__ import annotations

import io
import json
from itertools import combinations
from statistics import fmean

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.verifying import verdicts
from inbond.engine.verifying.rewards import Group, advantages, as_jsonl, as_parquet
from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed, read
from inbond.errors import InputError
from inbond.types import Message

YES, NO, UNSURE = passed("right"), failed("wrong", "wrong"), cannot_tell("too slow", "slow")
rulings = st.lists(st.sampled_from([YES, NO, UNSURE]), min_size=1, max_size=7)


@given(rulings, st.data())
def test_pass_at_k_is_the_share_of_draws_that_pass(found: list[Ruling], data: st.DataObject) -> None:
    """By its definition: over all ways to draw k of the answers."""
    k = data.draw(st.integers(1, len(found)))
    draws = list(combinations([one.outcome == "passed" for one in found], k))
    count = sum(one.outcome == "passed" for one in found)
    assert verdicts.pass_at(k, len(found), count) == pytest.approx(sum(map(any, draws)) / len(draws))


@given(st.lists(rulings, max_size=6))
def test_pass_rates_grow_with_k_and_stop_at_the_fewest_answers(prompts: list[list[Ruling]]) -> None:
    rates = verdicts.pass_rates(prompts)
    assert list(rates.values()) == sorted(rates.values())
    if prompts:
        assert max(map(int, rates)) == min(map(len, prompts))
        assert rates["1"] == pytest.approx(
            fmean(sum(one.outcome == "passed" for one in found) / len(found) for found in prompts)
        )
    else:
        assert rates == {}


def test_counts_keep_what_failed_and_what_could_not_be_told_apart() -> None:
    assert verdicts.counted([YES, NO, NO, UNSURE]) == {
        "outcomes": {"passed": 1, "failed": 2, "cannot-tell": 1},
        "reasons": {"cannot-tell: too slow": 1, "failed: wrong": 2},
    }


def test_what_is_kept_of_a_prompts_answers() -> None:
    groups, found = {"a": [0, 2, 4], "b": [1, 3], "c": [5]}, [NO, YES, YES, YES, YES, UNSURE]
    tokens = [1, 5, 9, 5, 8, 1]
    assert verdicts.chosen("all", groups, found, tokens) == [1, 2, 3, 4]
    assert verdicts.chosen("first", groups, found, tokens) == [1, 2]
    assert verdicts.chosen("best", groups, found, tokens) == [1, 4]


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=8))
def test_advantages_are_those_of_grpo(rewards: list[float]) -> None:
    """As TRL's GRPOTrainer reckons them: the deviation of the sample, and 1e-4."""
    values = torch.tensor(rewards, dtype=torch.float64)
    expected = (values - values.mean()) / (values.std() + 1e-4)
    assert advantages(rewards) == pytest.approx(expected.tolist(), abs=1e-12)


def test_one_answer_alone_and_none_have_no_advantage() -> None:
    assert advantages([1.0]) == [0.0]
    assert advantages([]) == []


def test_groups_as_trainers_read_them() -> None:
    groups = [Group((Message("user", "q"),), ("a", "b"), (1.0, 0.0))]
    (row,) = pq.read_table(io.BytesIO(as_parquet(groups))).to_pylist()
    assert row == groups[0].to_json()
    assert row["prompt"] == [{"role": "user", "content": "q"}]
    assert row["completions"][0] == [{"role": "assistant", "content": "a"}]
    assert row["rewards"] == [1.0, 0.0]
    plain = Group("q ", ("a",), (1.0,)).to_json()
    assert (plain["prompt"], plain["completions"]) == ("q ", ["a"])
    assert as_jsonl(groups).endswith(b"\n")


CHAT = (Message("user", "q"),)


@pytest.mark.parametrize(
    "groups",
    [[], [Group("q", (), ())], [Group(CHAT, (), ())],
     [Group("q", ("a", "b"), (0.0, 0.0)), Group("é\0", ("",), (1.0,))],
     [Group(CHAT, ("a",) * 3, (1.0,) * 3), Group(CHAT, ("b", "c"), (0.0, 1.0))]],
    ids=["none", "no answer", "no answer in a conversation", "plain", "conversations"],
)  # fmt: skip
def test_a_table_gives_back_what_went_in(groups: list[Group]) -> None:
    table = pq.read_table(io.BytesIO(as_parquet(groups)))
    assert table.to_pylist() == [group.to_json() for group in groups]
    assert [json.loads(line) for line in as_jsonl(groups).splitlines()] == table.to_pylist()
    assert table.column_names == ["prompt", "completions", "rewards", "advantages"]
    assert table.schema.field("rewards").type == pa.list_(pa.float64()), "typed, whatever is in it"


def test_conversations_among_plain_text_make_no_table() -> None:
    groups = [Group("q", ("a",), (1.0,)), Group(CHAT, ("a",), (1.0,))]
    with pytest.raises(InputError, match="found conversations and plain text"):
        as_parquet(groups)
    assert as_jsonl(groups).count(b"\n") == 2


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_where_all_answers_are_alike_nothing_is_to_be_learnt(reward: float) -> None:
    assert advantages([reward] * 4) == [0.0] * 4


def test_of_equally_short_answers_the_first_is_the_best_and_none_is_made_up() -> None:
    groups, found = {"a": [0, 1, 2], "b": [3], "c": []}, [NO, YES, YES, NO]
    assert verdicts.chosen("best", groups, found, [1, 5, 5, 1]) == [1]
    assert verdicts.chosen("all", groups, [NO] * 4, [1] * 4) == []
    assert verdicts.chosen("first", {}, [], []) == []


def test_prompts_with_fewer_answers_than_asked_for_count_as_far_as_they_go() -> None:
    assert verdicts.pass_rates([[YES, NO, NO, NO], [YES]]) == {"1": 0.625}
    assert verdicts.pass_rates([[YES, NO, NO], [NO, NO, YES, UNSURE]]).keys() == {"1", "2", "3"}
    assert verdicts.pass_rates([[YES], []]) == {}
    assert verdicts.pass_rates([[NO, NO], [NO, NO]]) == {"1": 0.0, "2": 0.0}
    assert verdicts.pass_rates([[YES, YES], [YES, YES]]) == {"1": 1.0, "2": 1.0}


@given(
    st.one_of(st.none(), st.text(), st.lists(st.text(), max_size=4), st.dictionaries(st.text(), st.text()))
)
def test_anything_is_read_as_a_ruling_or_as_none(value: object) -> None:
    ruling = read(value)
    assert ruling is None or ruling == read(ruling.to_json())


@given(st.text())
def test_reasons_are_one_line_that_can_be_stored(text: str) -> None:
    reason = failed("wrong", text + "\ud800").reason
    assert reason.encode()
    assert "\n" not in reason
    assert len(reason) <= 300
