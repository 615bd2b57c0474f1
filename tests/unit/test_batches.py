"""Batches: every label once, the common prefix once, nothing at last tokens; and what groups them."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.losses.batches import WORTH, Batch, by_length, epoch_batches, make_batch
from inbond.teachers.protocols import TokenSequence

CPU = torch.device("cpu")
PAD = 0


def sequences() -> st.SearchStrategy[list[TokenSequence]]:
    """Sequences that begin alike, or not at all, over few tokens so that they also do so by chance."""
    tokens = st.lists(st.integers(1, 3), max_size=6)
    row = st.tuples(tokens, tokens)

    def build(common: list[int], rows: list[tuple[list[int], list[int]]]) -> list[TokenSequence]:
        prompts = [(*common, *own) or (1,) for own, _ in rows]
        return [
            TokenSequence((*prompt, *answer), len(prompt))
            for prompt, (_, answer) in zip(prompts, rows, strict=True)
        ]

    common = st.integers(0, 40).flatmap(lambda n: st.lists(st.integers(1, 9), min_size=n, max_size=n))
    return st.builds(build, common, st.lists(row, min_size=1, max_size=5))


def inputs(batch: Batch, row: int) -> list[int]:
    return [*batch.prefix_P.tolist(), *batch.ids_BT[row].tolist()]


@given(sequences(), st.booleans())
def test_a_batch_is_its_sequences_without_their_last_tokens(rows: list[TokenSequence], share: bool) -> None:
    batch = make_batch(rows, PAD, CPU, share=share)
    labels = iter(torch.split(batch.labels_N, list(batch.lengths)))
    prefix = len(batch.prefix_P)
    for number, row in enumerate(rows):
        read = inputs(batch, number)
        assert read[: len(row.ids) - 1] == list(row.ids[:-1])
        assert set(read[len(row.ids) - 1 :]) <= {PAD}
        assert next(labels).tolist() == list(row.ids[row.prompt_length :])
        places = [prefix + place for place in batch.predicts_BT[number].nonzero().flatten().tolist()]
        assert places == list(range(row.prompt_length - 1, len(row.ids) - 1))
    assert batch.lengths == tuple(row.labels for row in rows)
    assert batch.longest == max(len(read) for read in (inputs(batch, 0), [0]))
    assert batch.ids_BT.shape[1] == max(1, *(len(row.ids) - 1 - prefix for row in rows))
    assert (batch.ids_BT.dtype, batch.labels_N.dtype) == (torch.int64, torch.int64)


@given(sequences())
def test_the_prefix_is_the_longest_that_leaves_every_label_to_the_rest(rows: list[TokenSequence]) -> None:
    prefix = len(make_batch(rows, PAD, CPU).prefix_P)
    most = min(row.prompt_length for row in rows) - 1
    longest = max(n for n in range(most + 1) if len({row.ids[:n] for row in rows}) == 1)
    assert prefix == (longest if longest * (len(rows) - 1) >= WORTH else 0)


def test_one_row_or_a_short_prefix_is_not_worth_a_second_pass() -> None:
    long, short = tuple(range(1, 41)), (1, 2, 3)
    assert not len(make_batch([TokenSequence((*long, 5), 40)], PAD, CPU).prefix_P)
    assert not len(make_batch([TokenSequence((*short, 5, 6), 4)] * 3, PAD, CPU).prefix_P)
    assert len(make_batch([TokenSequence((*long, 5), 40)] * 2, PAD, CPU).prefix_P) == 39
    assert not len(make_batch([TokenSequence((*long, 5), 40)] * 2, PAD, CPU, share=False).prefix_P)


def test_a_sequence_without_a_prompt_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="a prompt token comes first"):
        make_batch([TokenSequence((1, 2), 0)], PAD, CPU)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300), st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_holds_everything_once_and_is_the_same_every_time(
    lengths: list[int], size: int, epoch: int
) -> None:
    batches = epoch_batches(lengths, size, seed=5, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert batches == epoch_batches(lengths, size, seed=5, epoch=epoch)


def padding(lengths: list[int], batches: list[list[int]]) -> float:
    """The share of a batch's positions that hold no token."""
    held = sum(lengths)
    return 1 - held / sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)


def test_little_is_padding_and_epochs_differ() -> None:
    """Answers of about 12 to 48 tokens behind 12 of their own prompt, as in the demo, in batches of 16."""
    draw = random.Random(0)
    lengths = [12 + min(48, max(6, round(draw.gauss(28, 9)))) for _ in range(512)]
    order = draw.sample(range(512), 512)
    assert padding(lengths, [order[i : i + 16] for i in range(0, 512, 16)]) > 0.2
    epochs = [epoch_batches(lengths, 16, seed=0, epoch=epoch) for epoch in range(4)]
    assert all(padding(lengths, batches) < 0.04 for batches in epochs)
    assert padding(lengths, by_length(lengths, 16)) < 0.02
    together = [
        {pair for batch in batches for pair in itertools.pairwise(sorted(batch))} for batches in epochs
    ]
    again = [len(one & other) / len(one) for one, other in itertools.pairwise(together)]
    assert max(again) < 0.4, "neighbours of one epoch are mostly not those of the next"
