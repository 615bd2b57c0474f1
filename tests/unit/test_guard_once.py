"""What counted once counts no more, however often and in whatever order it comes back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.guard.detect import once
from inbond.guard.detect.judge import judge
from inbond.guard.detect.memory import WINDOW_S
from inbond.guard.marks import About, Mark, read
from tests.unit.guard_traffic import DAY, ELICIT, START, talk
from tests.unit.test_guard_detect import folded


def moved(conversations: int, windows: int, *, each: int = 4, name: str = "mover/a") -> list[Mark]:
    """Somebody goes on with old conversations of another account in turn."""
    rng = random.Random(3)
    return [
        read(
            About(
                START + w * 600.0, str(w), name, tenant=name.split("/")[0], sealed="foreign",
                conversation=f"c{w % conversations}",
                foreign=tuple(range(100 * (w % conversations) + 1, 100 * (w % conversations) + 1 + each)),
            ),
            "",
            talk(rng),
        )
        for w in range(windows)
    ]  # fmt: skip


@pytest.mark.parametrize("conversations", [1, 3, 5, 16])
def test_old_conversations_count_once_each_however_many_and_however_long(conversations: int) -> None:
    memory = folded(moved(conversations, 100))
    assert memory.accounts["mover/a"].foreign_requests == conversations


def test_who_goes_on_with_three_old_conversations_is_soon_at_tier_none() -> None:
    assert judge(folded(moved(3, 150))).accounts["mover/a"].tier == 0


def test_a_new_envelope_every_window_counts_every_time() -> None:
    memory = folded(moved(100, 100, each=1))
    assert memory.accounts["mover/a"].foreign_requests == 100
    assert judge(memory).accounts["mover/a"].tier == 1


def test_eliciting_texts_that_come_back_in_turn_count_once_each() -> None:
    rng = random.Random(4)
    texts = [f"{ELICIT} {talk(rng)}" for _ in range(30)]
    marks = [
        read(About(START + w * 600.0, str(w), "loop/a", tenant="loop", conversation=f"c{w % 30}"), "", text)
        for w, text in enumerate(texts * 4)
    ]
    assert folded(marks).accounts["loop/a"].eliciting_requests == 30


NUMBERS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, max_size=12))
def test_what_came_lately_is_known_and_nothing_else(windows: list[list[tuple[int, int]]]) -> None:
    kept, came = once.nothing(), set[tuple[int, int]]()
    for window, some in enumerate(windows, start=1):
        of = np.array([each[0] for each in some], dtype=np.uint64)
        found = once.keys(of, np.array([each[1] for each in some], dtype=np.uint64))
        assert once.known(kept, found).tolist() == [each in came for each in some]
        order = np.random.default_rng(window).permutation(len(some))
        kept, other = (once.remembered(kept, of[by], found[by], window) for by in (slice(None), order))
        assert kept.tobytes() == other.tobytes(), "the order within a window says nothing"
        came |= set(some)


def test_past_what_is_kept_of_each_the_one_that_was_away_for_longest_goes() -> None:
    kept, own = once.nothing(), np.array([1], dtype=np.uint64)
    for window in range(1, once.MOST_EACH + 10):
        back = np.array([1 if window % 2 else window], dtype=np.uint64)
        kept = once.remembered(kept, own, once.keys(own, back), window)
        kept = once.remembered(kept, own, once.keys(own, np.array([900 + window], dtype=np.uint64)), window)
    assert len(kept) == once.MOST_EACH
    assert once.known(kept, once.keys(own, np.array([1, 901], dtype=np.uint64))).tolist() == [True, False]
    stranger = np.array([2], dtype=np.uint64)
    assert not once.known(kept, once.keys(stranger, np.array([1], dtype=np.uint64))).any()


def test_what_was_away_for_sixty_days_or_is_too_many_for_all_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(once, "MOST", 5)
    kept, none = once.nothing(), np.zeros(0, dtype=np.uint64)
    for window in range(8):
        of = np.array([window], dtype=np.uint64)
        kept = once.remembered(kept, of, once.keys(of, of), START + window * WINDOW_S)
    assert sorted(kept["of"].tolist()) == [3, 4, 5, 6, 7]
    kept = once.remembered(kept, none, none, START + 5 * WINDOW_S + 60 * DAY)
    assert sorted(kept["of"].tolist()) == [5, 6, 7]
