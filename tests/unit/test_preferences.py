"""Preferences: which pairs are kept, what a file of them may hold, how an answer is revised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine import preferences, revising
from inbond.engine.preference_file import read_preferences
from inbond.engine.preferences import Preferred, Rules, choose
from inbond.engine.revising import Guide
from inbond.errors import InputError
from inbond.types import Message, Record

TEXTS = st.text(alphabet="ab ", min_size=1, max_size=8)
PAIRS = st.lists(
    st.builds(Preferred, st.sampled_from(["p", "q"]), TEXTS, TEXTS, st.floats(0.01, 1.0, allow_nan=False)),
    max_size=30,
)
RULES = st.builds(Rules, st.floats(0, 1), st.none() | st.floats(1, 4), st.booleans())


@given(PAIRS, RULES)
def test_what_is_kept_keeps_the_rules_and_all_else_is_counted(pairs: list[Preferred], rules: Rules) -> None:
    found = choose(pairs, rules)
    kept = [pairs[number] for number in found.rows]
    assert len(kept) + sum(found.dropped.values()) == len(pairs)
    assert set(found.dropped) <= set(preferences.REASONS)
    assert list(found.rows) == sorted(set(found.rows))
    assert all(pair.chosen.split() != pair.rejected.split() for pair in kept)
    assert all(pair.chosen.strip() and pair.rejected.strip() for pair in kept)
    assert all(pair.margin >= rules.margin_least for pair in kept)
    assert len({pair.id for pair in kept}) == len(kept)
    if rules.most_length_ratio is not None:
        most = rules.most_length_ratio * (1 + 1e-9)
        assert all(
            len(pair.chosen) <= most * len(pair.rejected) and len(pair.rejected) <= most * len(pair.chosen)
            for pair in kept
        )
    if rules.balance:
        signs = [len(pair.chosen) - len(pair.rejected) for pair in kept]
        assert sum(sign > 0 for sign in signs) == sum(sign < 0 for sign in signs)
        assert found.after.longer in (None, 0.5)


@given(PAIRS, RULES)
def test_the_order_of_pairs_decides_nothing_but_which_copy_stays(
    pairs: list[Preferred], rules: Rules
) -> None:
    first, second = choose(pairs, rules), choose(pairs[::-1], rules)
    assert {pairs[n].id for n in first.rows} == {pairs[::-1][n].id for n in second.rows}


@given(PAIRS)
def test_no_pair_is_kept_both_ways_round(pairs: list[Preferred]) -> None:
    kept = [pairs[number] for number in choose(pairs, Rules()).rows]
    assert not {(p.prompt, p.chosen, p.rejected) for p in kept} & {
        (p.prompt, p.rejected, p.chosen) for p in kept
    }


def test_each_reason_is_told_apart() -> None:
    pairs = [
        Preferred("p", " ", "a"),
        Preferred("p", "a b", "a  b\n"),
        Preferred("p", "one", "two", 0.1),
        Preferred("p", "up", "low"),
        Preferred("p", "low", "up"),
        Preferred("p", "yes", "not"),
        Preferred("p", "yes", "not"),
        Preferred("p", "aaaaaaa", "bbb"),
        Preferred("p", "aaaa", "bbb"),
        Preferred("q", "aaaaa", "bbb"),
        Preferred("q", "aa", "bbb"),
    ]
    found = choose(pairs, Rules(0.2, 2.0, balance=True))
    assert found.dropped == {
        "empty": 1, "equal": 1, "margin": 1, "contradicted": 2, "duplicate": 1, "length": 1, "balance": 1,
    }  # fmt: skip
    assert found.rows == (5, 8, 10)  # of the longer ones the nearer stays
    assert found.after.to_json() == {"pairs": 3, "chosen": 3.0, "rejected": 3.0, "longer": 0.5}
    assert "both answers are the same" in preferences.in_words(found.dropped)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


GOOD = {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_a_line_of_the_roundtables_is_read_whole(tmp_path: Path) -> None:
    row = {
        "id": "q1", "messages": [{"role": "user", "content": "川?"}], "chosen": "水", "rejected": "石",
        "margin": 0.5, "soft": 1.0, "principle": "all", "principles": {"right": 0.5},
        "votes": {"right": {"ann": "chosen", "kai": "inconsistent"}}, "length_chosen": 1,
        "length_rejected": 1, "format": "inbond.preference/1",
    }  # fmt: skip
    (told,) = read_preferences(write(tmp_path / "p.jsonl", row))
    assert told.pair == Preferred((Message("user", "川?"),), "水", "石", 0.5)
    assert told.votes == {"ann": {"right": "chosen"}, "kai": {"right": "inconsistent"}}


@pytest.mark.parametrize(
    ("row", "expected", "found"),
    [
        ({**GOOD, "colour": 1}, "only the fields prompt, messages, chosen", "line 2: 'colour'"),
        ({**GOOD, "rejected": " a "}, "two answers that differ", "the same text as chosen and as rejected"),
        ({**GOOD, "margin": 0}, "a margin above 0, at most 1", "line 2: 0"),
        ({**GOOD, "margin": True}, "a margin above 0", "True"),
        ({**GOOD, "margin": "1"}, "a margin above 0", "'1'"),
        ({"prompt": "p", "chosen": "a"}, "the text of an answer as 'rejected'", "nothing"),
        ({**GOOD, "chosen": ["a"]}, "the text of an answer as 'chosen'", "['a']"),
        ({**GOOD, "format": "inbond.preference/9"}, "the format inbond.preference/1", "preference/9"),
        ({**GOOD, "votes": {"right": "ann"}}, "votes as", "{'right': 'ann'}"),
        ({"chosen": "a", "rejected": "b"}, 'either "prompt"', "line 2"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_with_its_line(
    tmp_path: Path, row: dict[str, Any], expected: str, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_preferences(write(tmp_path / "p.jsonl", GOOD, row))
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert "line 2" in caught.value.found


def test_an_empty_file_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one preference in .*inbond roundtable judge"):
        read_preferences(write(tmp_path / "p.jsonl"))


RECORD = Record((Message("user", "Define {river}."),), "Water that flows.")
SHORT = Guide("short", "The answer is short.", pattern=r"^\S+( \S+){0,2}$")


def test_a_revision_follows_its_critique_in_one_conversation() -> None:
    asked = revising.ask_critique(RECORD, [SHORT])
    assert [message.role for message in asked] == ["user", "assistant", "user"]
    assert "The answer is short." in asked[-1].content
    again = revising.ask_revision(RECORD, "Too long {answer}.", [SHORT])
    assert again[:3] == asked
    assert [message.role for message in again[3:]] == ["assistant", "user"]
    assert again[3].content == "Too long {answer}."


def test_a_revision_with_places_is_asked_alone_and_texts_are_put_in_once() -> None:
    guide = Guide("short", "Short.", revision="Q: {prompt} A: {answer} C: {critique} {other}")
    (asked,) = revising.ask_revision(RECORD, "No {prompt}.", [guide])
    assert asked.content == "Q: Define {river}. A: Water that flows. C: No {prompt}. {other}"


def test_own_words_and_plain_ones_stand_together() -> None:
    own = Guide("kind", "unused", critique="Is it kind?")
    text = revising.ask_critique(RECORD, [own, SHORT])[-1].content
    assert text.startswith("Is it kind? Criticise your answer by this principle: The answer is short.")
    assert "unused" not in text


@given(st.integers(0, 5), st.integers(1, 6), st.text(max_size=5))
def test_principles_are_drawn_by_seed_and_record_alone(seed: int, count: int, text: str) -> None:
    guides = [Guide(f"g{place}", "x") for place in range(4)]
    record = Record("p", text)
    drawn = revising.drawn(guides, count, record, seed)
    assert drawn == revising.drawn(guides, count, record, seed)
    assert len(drawn) == min(count, 4)
    assert [guide.id for guide in drawn] == sorted(guide.id for guide in drawn)


def test_every_principle_is_drawn_by_some_record() -> None:
    guides = [Guide(f"g{place}", "x") for place in range(4)]
    drawn = {revising.drawn(guides, 1, Record("p", str(number)), 0)[0].id for number in range(60)}
    assert drawn == {"g0", "g1", "g2", "g3"}


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        (' "A river." \n', "A river."), ("“A river.”", "A river."), ('"A" or "B"', '"A" or "B"'),
        ("「川」", "川"), ('"', '"'), ("", ""), ("it's", "it's"),
    ],
)  # fmt: skip
def test_quotation_marks_around_a_revision_are_none_of_it(text: str, revision: str) -> None:
    assert revising.revision_of(text) == revision


def test_patterns_are_checked_and_not_believed() -> None:
    assert revising.keep([SHORT], "Flowing water.")
    assert not revising.keep([SHORT], "It is water that flows on and on.")
    assert revising.keep([Guide("kind", "Kind.")], "anything")
