"""The mark's function: fixed, even, and independent of everything but its key."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.forensics.exact import upper_tail
from inbond.forensics.green import GreenKey, Tally, count, pairs_of

V = 1000
KEY = GreenKey(hashlib.sha256(b"test").digest(), 2, 0.25, 2.0, of_bytes(b"v"), V)
WINDOWS = st.tuples(st.integers(0, V - 1), st.integers(0, V - 1))


@given(WINDOWS, st.integers(0, V - 1))
def test_one_token_is_asked_as_all_are(window: tuple[int, int], token: int) -> None:
    assert KEY.is_green(window, token) == bool(KEY.green_V(window)[token])


def test_the_function_is_fixed_for_ever() -> None:
    """Keys are kept for years: another numpy must not change what is green."""
    assert np.flatnonzero(KEY.green_V((3, 4)))[:12].tolist() == [3, 5, 10, 11, 13, 19, 21, 23, 29, 37, 39, 44]


def test_every_part_of_the_key_and_window_counts() -> None:
    base = KEY.green_V((3, 4))
    others = [
        replace(KEY, secret=hashlib.sha256(b"another").digest()).green_V((3, 4)),
        KEY.green_V((4, 3)),
        KEY.green_V((3, 5)),
        replace(KEY, window=1).green_V((3,)),
    ]
    for other in others:
        both = int((base & other).sum())
        assert 20 < both < 110, "as often both as chance has it (62.5)"


def test_green_tokens_are_as_many_as_gamma_says() -> None:
    greens = sum(int(KEY.green_V((i, i + 1)).sum()) for i in range(200))
    assert upper_tail(greens, 200 * V, 0.25) > 1e-4
    assert upper_tail(200 * V - greens, 200 * V, 0.75) > 1e-4


def test_the_id_tells_no_secret_and_covers_it() -> None:
    assert KEY.secret.hex() not in str(KEY.public())
    ids = {
        KEY.id,
        replace(KEY, secret=b"x" * 32).id,
        replace(KEY, window=3).id,
        replace(KEY, gamma=0.5).id,
        replace(KEY, delta=1.0).id,
        replace(KEY, vocabulary=of_bytes(b"w")).id,
    }
    assert len(ids) == 6


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), max_size=60), st.integers(0, 10))
def test_a_pair_counts_once(ids: list[int], first: int) -> None:
    pairs = list(pairs_of(ids, 2, first))
    assert len(pairs) == max(0, len(ids) - max(first, 2))
    tally = count(KEY, iter(pairs * 3))
    assert tally.pairs == len(set(pairs))
    assert tally.green == sum(KEY.is_green(w, t) for w, t in set(pairs))
    assert count(KEY, iter(pairs), seen=set(pairs)) == Tally(0, 0)
