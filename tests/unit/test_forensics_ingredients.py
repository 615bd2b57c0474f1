"""What tests of suspects are given: files read strictly, texts cut and drawn in a way that knows no key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes, of_file
from inbond.errors import InputError
from inbond.recipes.examining import Case, Ingredient, Trial, examine
from inbond.recipes.ingredients import Given, Records, Said, read_candidates, read_records, read_said
from inbond.recipes.suspects import Suspect, find_suspect
from inbond.recipes.trials import TRIALS, wanted
from inbond.recipes.trials_of_marks import cut, within
from inbond.recipes.watch import Silent
from inbond.teachers.protocols import TokenSequence
from inbond.types import Message, Record
from inbond.workspace import Workspace
from tests.forensic_suspects import write_rows

ONE, OTHER = of_bytes(b"one"), of_bytes(b"other")


def test_texts_come_with_their_prompts_or_without(tmp_path: Path) -> None:
    rows = [
        {"text": "a"}, {"completion": "b"}, {"prompt": "q", "completion": "c"},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "d"}]},
    ]  # fmt: skip
    assert read_said(write_rows(tmp_path / "texts.jsonl", rows)) == (
        Said("a"), Said("b"), Said("c", "q"), Said("d", (Message("user", "q"),)),
    )  # fmt: skip


@pytest.mark.parametrize("row", [{"text": " "}, {"text": 3}, {}, {"completion": None}])
def test_what_is_no_text_is_named_with_its_line(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write_rows(tmp_path / "texts.jsonl", [{"text": "a"}, row])
    with pytest.raises(InputError, match=r"a text: .*texts\.jsonl, line 2"):
        read_said(path)


def test_rows_may_say_which_key_marked_them(tmp_path: Path, workspace: Workspace) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "q", "completion": text, "inbond": {"mark": f"green-list/1 {mark}" if mark else ""}}
        for text, mark in (("a", ONE), ("b", OTHER), ("c", ""))
    ]
    path = write_rows(tmp_path / "records.jsonl", rows)
    found = read_records(str(path), workspace)
    assert found.digest == of_file(path)
    assert [one.completion for one in found.of(ONE)] == ["a"]
    assert found.of(of_bytes(b"third")) == []
    plain = Records("plain", ONE, (Record("q", "a"), Record("q", "b")), (None, None))
    assert len(plain.of(ONE)) == 2, "nothing says which are marked"


def test_a_folder_of_records_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    write_rows(tmp_path / "records.jsonl", [{"prompt": "q", "completion": "a"}])
    with pytest.raises(InputError, match="a file of records; found .*, a folder"):
        read_records(str(tmp_path), workspace)


@pytest.mark.parametrize("named", [["file.jsonl"], ["=file.jsonl"], ["a="], ["a=x.jsonl", "a=x.jsonl"]])
def test_candidates_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "x.jsonl", [{"text": "a"}])
    with pytest.raises(InputError, match="--candidate NAME=FILE, each name once"):
        read_candidates(named)


def test_a_suspect_by_its_texts_loads_nothing(tmp_path: Path, workspace: Workspace) -> None:
    path = write_rows(tmp_path / "said.jsonl", [{"text": "a"}])
    found = find_suspect(f"texts:{path}", workspace)
    assert (found.access, found.digest, found.said) == ("texts", of_file(path), (Said("a"),))
    assert find_suspect("api:localhost:1/m", workspace).access == "served"


# Texts that are read ---------------------------------------------------------------------------------

Sequences = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 20)).map(
        lambda pair: TokenSequence(tuple(range(sum(pair))), pair[0])
    ),
    max_size=30,
)


@given(Sequences, st.integers(1, 200))
def test_no_more_is_read_than_may_be_and_always_something(
    sequences: list[TokenSequence], tokens: int
) -> None:
    kept = within(sequences, tokens)
    assert bool(kept) == bool(sequences)
    assert sum(one.labels for one in kept) <= max(tokens, max((one.labels for one in kept), default=0))
    if sum(one.labels for one in sequences) <= tokens:
        assert kept == sequences
    assert kept == within(sequences, tokens)


@given(Sequences, st.integers(2, 30))
def test_texts_are_cut_to_what_a_model_reads(sequences: list[TokenSequence], context: int) -> None:
    kept = cut(sequences, context)
    assert all(len(one.ids) <= context and one.labels > 0 for one in kept)
    assert cut(sequences, None) == sequences


# Tests and what they need ----------------------------------------------------------------------------


def case_of(tmp_path: Path) -> Case:
    suspect = Suspect("texts:x", "texts", None, said=(Said("a"),))
    return Case(
        suspect, Given(), alpha=1e-5, tokens=9, workspace=Workspace(tmp_path / "bond"), environment={},
        watcher=Silent(),
    )  # fmt: skip


def test_what_goes_wrong_in_one_test_stops_no_other(tmp_path: Path) -> None:
    levels = list[float]()

    def fails(_: Case, item: str, level: float) -> list[Any]:
        levels.append(level)
        if item == "bad":
            raise InputError(expected="a good one", found="a bad one", fix="take another")
        return []

    there, absent = Ingredient("this", lambda _: True), Ingredient("that (--that)", lambda _: False)
    both = Trial("both", "How.", (there,), fails, lambda _: {"good": "good", "bad": "bad"})
    never = Trial("never", "How.", (there, absent), fails)
    ran, left = examine(case_of(tmp_path), [both, never])
    assert [one.test for one in ran] == ["both (good)"]
    assert [one.to_json() for one in left] == [
        {"test": "never", "why": "for want of that (--that)", "asked": False},
        {"test": "both (bad)", "why": "expected a good one; found a bad one; take another", "asked": True},
    ]
    assert levels == [5e-6, 5e-6], "each must pass what is left after Holm"


def test_tests_have_names_of_their_own_and_can_be_chosen() -> None:
    names = [trial.name for trial in TRIALS]
    assert len(set(names)) == len(names)
    assert wanted(()) == TRIALS
    assert [one.name for one in wanted(["attribution"])] == ["attribution"]
    with pytest.raises(InputError, match="--only with a test: radioactivity, open"):
        wanted(["luck"])


def test_every_test_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/forensics.md").read_text(encoding="utf-8")
    assert [trial.name for trial in TRIALS if f"| `{trial.name}` |" not in page] == []
