"""Radioactivity: even p-values for whoever never saw the mark, small ones for who learnt it, no pair
twice."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from inbond.digest import of_bytes
from inbond.forensics.finding import ALPHA, together
from inbond.forensics.green import GreenKey, Tally
from inbond.forensics.radioactivity import (
    Read,
    Written,
    judge,
    tally_closed,
    tally_open,
    windows_of,
)

V = 60


def key(number: int = 0) -> GreenKey:
    return GreenKey(hashlib.sha256(str(number).encode()).digest(), 2, 0.25, 2.0, of_bytes(b"v"), V)


def text(draw: random.Random, length: int = 40) -> list[int]:
    return [draw.randrange(V) for _ in range(length)]


def marked(mark: GreenKey, draw: random.Random, length: int = 40) -> list[int]:
    ids = text(draw, 2)
    while len(ids) < length:
        ids.append(max((draw.random() + 0.6 * mark.is_green(ids[-2:], one), one) for one in text(draw, 8))[1])
    return ids


def test_who_never_saw_the_mark_has_even_p_values() -> None:
    texts = [Written(text(random.Random(i))) for i in range(6)]
    read = [Read(one.ids, 0, text(random.Random(100 + i))) for i, one in enumerate(texts)]
    for tally in (
        [tally_closed(key(n), texts) for n in range(300)],
        [tally_open(key(n), read) for n in range(300)],
    ):
        ps = np.array([judge(key(), one, access="open", with_records=False).p for one in tally])
        for alpha in (0.01, 0.05, 0.2, 0.5):
            assert (ps <= alpha).mean() <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / 300)
        assert (ps <= 0.6).mean() > 0.4


def test_reading_marked_text_is_no_evidence_against_who_reads_it() -> None:
    """A stranger that foretells marked text better than chance, since it is text, still has even p-values."""
    ps = []
    for number in range(200):
        mark, draw = key(number), random.Random(number)
        ids = [marked(mark, draw) for _ in range(4)]
        stranger = [Read(one, 0, [(7 * a + b) % V for a, b in zip([0, *one], [0, 0, *one])]) for one in ids]  # noqa: B905
        found = judge(
            mark, tally_open(mark, stranger, windows_of(mark, ids)), access="open", with_records=True
        )
        ps.append(found.p)
    assert np.mean(np.array(ps) <= 0.05) <= 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / 200)


def test_who_learnt_the_mark_is_found() -> None:
    mark, draw = key(), random.Random(0)
    own = [Written(marked(mark, draw, 200)) for _ in range(4)]
    found = judge(mark, tally_closed(mark, own), access="closed", with_records=False)
    assert found.p is not None
    assert found.p < 1e-5
    assert found.outcome() == "consistent-with"
    assert found.words() == f"consistent with: the suspect learnt from text marked with {mark.id[:19]}"
    strange = judge(key(1), tally_closed(key(1), own), access="closed", with_records=False)
    assert strange.outcome() == "cannot-tell"


def test_what_a_prompt_holds_is_not_the_suspects() -> None:
    mark, draw = key(), random.Random(0)
    ids = marked(mark, draw, 200)
    assert tally_closed(mark, [Written(ids, prompt=ids)]) == Tally(0, 0)
    assert tally_closed(mark, [Written(ids), Written([1, 2, 3], prompt=ids)]).pairs <= 1


def test_a_window_counts_once_and_only_where_it_was_marked() -> None:
    mark, ids = key(), [1, 2, 3, 1, 2, 4, 5]
    read = [Read(ids, 0, ids), Read(ids, 0, ids)]
    assert tally_open(mark, read).pairs == 4  # 1 2, 2 3, 3 1 and 2 4
    assert tally_open(mark, read, {(2, 3), (9, 9)}).pairs == 1
    assert tally_open(mark, [Read(ids, 5, ids[5:])]).pairs == 1, "1 2 was met in what is not looked at"
    assert windows_of(mark, [ids]) == {(1, 2), (2, 3), (3, 1), (2, 4)}


def test_too_little_text_cannot_tell_and_says_how_much_it_would_take() -> None:
    few = judge(key(), Tally(100, 25), access="closed", with_records=False)
    assert few.outcome() == "cannot-tell"
    assert few.words() == (
        "cannot tell: 100 different pairs of window and token are too few: "
        "2,370 different pairs of window and token would be needed to see 5% more green tokens"
    )
    enough = judge(key(), Tally(5000, 1250), access="closed", with_records=False)
    assert enough.outcome() == "no-evidence"
    assert "would most likely have been seen" in enough.words()
    nothing = judge(key(), Tally(0, 0), access="closed", with_records=False)
    assert (nothing.outcome(), nothing.p) == ("cannot-tell", 1.0)


def test_several_tests_pay_for_their_number() -> None:
    near = judge(key(), Tally(400, 150), access="closed", with_records=False)
    assert near.log10_p is not None
    assert near.log10_p < math.log10(ALPHA)
    alone, *_ = together([near])
    assert alone.outcome() == "consistent-with"
    assert alone.adjusted_log10_p == pytest.approx(near.log10_p)
    score = replace(near, log10_p=None)
    first, *_, last = together([near] * 1000 + [score])
    assert first.adjusted_log10_p == pytest.approx(near.log10_p + 3)
    assert (last.adjusted_log10_p, last.outcome()) == (None, "cannot-tell")


def test_the_same_facts_give_the_same_verdict() -> None:
    one, two = (judge(key(), Tally(400, 150), access="closed", with_records=False) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert one.to_json()["about"] == {"kind": "mark", "id": key().id}
    assert (
        one.verdict().facts
        != judge(key(), Tally(400, 151), access="closed", with_records=False).verdict().facts
    )
