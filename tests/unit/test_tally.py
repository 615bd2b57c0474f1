"""Counting whose work is behind records, against the plain definition, record by record."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import TamperedError
from inbond.ledger.tally import Amount, Chunk, Tally, Tracer, Words


@dataclass(frozen=True)
class Plain:
    """A record set as lists: a bit, parents and tokens for each record."""

    origins: list[int]
    parents: list[list[int]]
    tokens: list[int]

    def chunks(self, size: int) -> list[Chunk]:
        """In pieces of ``size`` records, with offsets that do not begin at 0, as Parquet gives them."""
        offsets = np.cumsum([0, *map(len, self.parents)])
        values = np.array([parent for each in self.parents for parent in each], np.int32)
        return [
            Chunk(
                np.array(self.origins[at : at + size], np.int32),
                offsets[at : at + size + 1],
                values[offsets[at] : offsets[min(at + size, len(self.origins))]],
                np.array(self.tokens[at : at + size], np.int32),
            )
            for at in range(0, len(self.origins), size)
        ]

    def words(self, above: list[int], mark: int | None = None) -> list[int]:
        found = []
        for origin, parents in zip(self.origins, self.parents, strict=True):
            word = 1 << origin | (0 if mark is None else 1 << mark)
            for parent in parents:
                word |= above[parent]
            found.append(word)
        return found


@st.composite
def _plain(draw: st.DrawFn, bits: int, above: int) -> Plain:
    count = draw(st.integers(1, 25))
    parents = st.lists(st.integers(0, above - 1), max_size=3) if above else st.just([])
    return Plain(
        draw(st.lists(st.integers(0, bits - 1), min_size=count, max_size=count)),
        draw(st.lists(parents, min_size=count, max_size=count)),
        draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)),
    )


def counts(found: Tally) -> Counter[int]:
    """Records by word, as one number."""
    width = 8 * found.words.dtype.itemsize
    found_by: Counter[int] = Counter()
    for word, amount in zip(found.words.T, found.amounts[0], strict=True):
        found_by[sum(int(part) << place * width for place, part in enumerate(word))] += int(amount)
    return found_by


@given(st.data(), st.sampled_from([1, 2, 8, 9, 16, 17, 33, 64, 65, 130]), st.integers(1, 9))
def test_a_chain_of_sets_is_tallied_as_the_definition_says(data: st.DataObject, bits: int, size: int) -> None:
    """Two sets side by side, one made of both, and the last made of that."""
    tracer = Tracer(bits)
    first, second = data.draw(_plain(bits, 0)), data.draw(_plain(bits, 0))
    both = first.words([]) + second.words([])
    middle = data.draw(_plain(bits, len(both)))
    mark = data.draw(st.integers(0, bits - 1) | st.none())
    last = data.draw(_plain(bits, len(middle.origins)))
    above: list[Words] = [tracer.words(first.chunks(size), []), tracer.words(second.chunks(size), [])]
    own, own_mark = (
        data.draw(st.sets(st.integers(0, bits - 1))),
        data.draw(st.integers(0, bits - 1) | st.none()),
    )
    up = [tracer.words(middle.chunks(size), above, mark)]
    found = tracer.tally(last.chunks(size), up, own_mark, own)
    words = [
        word | (1 << own_mark if own_mark is not None and origin in own else 0)
        for word, origin in zip(last.words(middle.words(both, mark)), last.origins, strict=True)
    ]
    assert counts(found) == Counter(words)
    assert {bit: count for bit, count in enumerate(found.own[0]) if count} == Counter(last.origins)
    assert found.behind == functools.reduce(operator.or_, words)
    asked = data.draw(st.integers(0, 2**bits - 1))
    touched = found.touched(asked)
    hit = [number for number, word in enumerate(words) if word & asked]
    assert touched.records == len(hit)
    assert touched.tokens == sum(last.tokens[number] for number in hit)
    assert touched.uncounted == sum(not last.tokens[number] for number in hit)
    wrote = [number for number, origin in enumerate(last.origins) if asked >> origin & 1]
    assert found.authored(asked).records == len(wrote)
    assert found.whole.records == len(words)


def test_an_empty_set_has_an_empty_tally() -> None:
    assert Tracer(3).tally([], []).touched(7) == Tracer(3).tally([], []).whole == Amount()
    empty = Tracer(3).words([], [])
    assert Tracer(3).tally(Plain([0], [[]], [1]).chunks(1), [empty]).whole.records == 1


@pytest.mark.parametrize("parent", [3, -1])
def test_a_parent_that_is_not_there_is_an_error(parent: int) -> None:
    tracer = Tracer(2)
    above = tracer.words(Plain([0, 1, 1], [[], [], []], [1, 1, 1]).chunks(8), [])
    with pytest.raises(TamperedError, match=f"among the 3 records.*found parent {parent}"):
        tracer.tally(Plain([0], [[parent]], [1]).chunks(8), [above])
