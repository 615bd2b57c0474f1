"""What a recipe does with a mark: told early, a part of every identity, in the origin of what it marks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import of_bytes
from inbond.engine.interchange import marks
from inbond.errors import InputError, TeacherError
from inbond.forensics.alternatives import FILE, read_alternatives
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import CANARY, CHOICE, LotKey
from inbond.forensics.mark_keys import Key, MarkKeys, descriptor
from inbond.ledger.ledger import Ledger
from inbond.ledger.records import read_rows
from inbond.recipes import answers, planting, sources
from inbond.recipes.models import TeacherSource, find_teacher
from inbond.recipes.own import read_own
from inbond.recipes.planned import Planned
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Trail
from inbond.recipes.watch import Silent
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.teachers.scripted import Scripted, failure
from inbond.types import Origin, parse_model_name
from inbond.workspace import Workspace
from tests.tiny import make_tokenizer, save_tiny
from tests.unit.test_recipe_answers import TERMS, WORDS, Source, recipe

SECRET = bytes(range(1, 33))
CHOOSES = LotKey(CHOICE, SECRET, 3)
GREEN = GreenKey(SECRET, 2, 0.25, 2.0, of_bytes(b"v"), 300)


def keep(**keys: Key) -> None:
    for name, key in keys.items():
        MarkKeys.default().new(name, key)


def marked(name: str = "autumn", **generate: Any) -> Recipe:
    return recipe(generate={"mark": name, "attempts": 1, "max_failed": 0.5, **generate})


def reply(request: Request) -> Reply | TeacherError:
    assert not isinstance(request.prompt, str)
    word = request.prompt[-1].content
    if word == "stone" and request.sample == 1:
        return failure("refused")
    return Reply(f"{word} is number {request.sample} of all things", "stop", 10, 5, "t", 0.0)


def generate(workspace: Workspace, ledger: Ledger, plan: Recipe, teacher: Scripted) -> Artifact:
    trail = Trail(workspace, ledger, plan.name, Silent())
    source = Source(teacher, mark=planting.key_of(plan))
    asked = sources.read_prompts(plan, Path(), workspace)
    return answers.generate(trail, Planned(plan, source, None), asked, TERMS)  # type: ignore[arg-type]


def test_the_key_chooses_which_sample_becomes_the_record(workspace: Workspace, ledger: Ledger) -> None:
    keep(autumn=CHOOSES)
    made = generate(workspace, ledger, marked(samples=3), Scripted(reply))
    rows, kept = read_rows(made.folder), read_alternatives(made.folder / FILE)
    assert [row.record.completion for row in rows] == [
        choice.answers[CHOOSES.planted(choice.name)] for choice in kept.choices
    ]
    assert len(rows) == len(WORDS) - 1, "one prompt has an answer too few to choose among"
    assert made.facts["alternatives"] == {"choices": 9, "incomplete": 1}
    assert made.facts["answers"] == 9
    assert made.facts["completion_tokens"] == 29 * 5, "what was not chosen was paid for too"
    assert {json.dumps(row.origin.sampling["mark"]) for row in rows} == {json.dumps(descriptor(CHOOSES))}
    assert FILE in made.manifest.files


def test_marked_and_unmarked_answers_never_mix(workspace: Workspace, ledger: Ledger) -> None:
    keep(autumn=CHOOSES, winter=LotKey(CHOICE, bytes(32), 3))
    asked = []
    for plan in (recipe(generate={"samples": 3, "attempts": 1, "max_failed": 0.5}), marked(samples=3),
                 marked("winter", samples=3), marked(samples=3)):  # fmt: skip
        teacher = Scripted(reply)
        made = generate(workspace, ledger, plan, teacher)
        asked.append(len(teacher.asked))
    assert asked == [30, 30, 30, 0], "the journal answers only what was asked with the same mark"
    assert made.status == "made"
    assert all(SECRET.hex().encode() not in path.read_bytes() for path in files(workspace))
    assert all(SECRET not in path.read_bytes() for path in files(workspace))


def files(workspace: Workspace) -> list[Path]:
    found = [path for path in workspace.home.rglob("*") if path.is_file()]
    assert len(found) > 5
    return found


@pytest.mark.parametrize(("plan", "words"), [
    (lambda: marked("none"), r"a key of marks at .*none.json; found No such file.*inbond forensics mark"),
    (lambda: marked("autumn"), r"generate.samples = 3, as the key autumn .*found generate.samples = 1"),
    (lambda: marked("bird"), r"for generate.mark; found bird, a key of another scheme: canary/1; fix: inbond "
                             r"forensics mark canaries bird"),
    (lambda: marked("autumn", samples=3).model_copy(update={"preferences": Judged()}),
     r"several answers to a prompt among the records.*found generate.mark = autumn"),
])  # fmt: skip
def test_a_key_that_cannot_be_is_told_at_once(plan: Any, words: str) -> None:
    keep(autumn=CHOOSES, bird=LotKey(CANARY, SECRET, 10))
    with pytest.raises(InputError, match=words):
        planting.key_of(plan())


class Judged:
    source = "judges"


def test_a_green_list_needs_a_teacher_that_is_drawn_from_here(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(spring=GREEN)
    served = marked("spring").model_copy(update={"teacher": "api:127.0.0.1:1/m"})
    with pytest.raises(InputError, match=r"weights are on this machine.*found api:127.0.0.1:1/m, which "
                       r"another machine runs; fix: make a key that chooses among whole"):  # fmt: skip
        find_teacher(served, workspace)
    with pytest.raises(InputError, match=r"found generate.runtime = embedded: llama.cpp draws by itself"):
        planting.check_green(marked("spring", runtime="embedded"), here=True)
    save_tiny(tmp_path / "teacher")
    monkeypatch.chdir(tmp_path)
    here = find_teacher(marked("spring").model_copy(update={"teacher": "path:teacher"}), workspace)
    assert here.runtime == "local"
    with pytest.raises(InputError, match=r"over the tokens of path:teacher \(vocabulary sha256.*found a key "
                       r"for another tokenizer .*mark key NEW --teacher path:teacher"):  # fmt: skip
        here.open_completes()


def test_a_marked_teacher_is_another_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inbond.teachers.tokens import vocabulary_digest

    save_tiny(tmp_path / "teacher")
    monkeypatch.chdir(tmp_path)
    tokenizer = make_tokenizer()
    key = replace(GREEN, vocabulary=vocabulary_digest(tokenizer), size=len(tokenizer))
    keep(spring=key)
    source = find_teacher(
        marked("spring").model_copy(update={"teacher": "path:teacher"}), Workspace(tmp_path)
    )
    assert source.open_completes().identity == f"{source.open_local().identity} marked {key.id}"
    assert repr(SECRET) not in repr(source)


def test_what_a_plan_says_of_its_mark() -> None:
    (words,) = planting.in_words(marked(), CHOOSES)
    assert "autumn" in words
    assert "chooses one of 3 answers" in words
    first, second = planting.in_words(marked("spring"), GREEN)
    assert "spring" in first
    assert "gamma 0.25, delta 2, window 2" in first
    assert "train.ce is 0" in second
    assert planting.in_words(recipe(), None) == []


def test_requests_without_a_mark_are_what_they_were() -> None:
    plain = Request("t", "q", Sampling())
    assert "mark" not in plain.to_json()
    assert plain.id != replace(plain, mark=CHOOSES.id).id


def test_marks_of_own_data_stand_in_its_origins(tmp_path: Path, workspace: Workspace) -> None:
    text = marks.planted_text(descriptor(CHOOSES))
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "completion": "b", marks.FIELD: {marks.PLANTED: text}},
        {"prompt": "c", "completion": "d"},
        {"prompt": "e", "completion": "f", marks.FIELD: {marks.PLANTED: "choice/1 sha256:zz"}},
    ]  # fmt: skip
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (own,) = read_own(recipe(own_data=[{"file": "own.jsonl"}]), tmp_path, workspace)
    assert [origin.sampling for origin in own.origins] == [
        {"mark": {"scheme": CHOICE, "id": CHOOSES.id}}, {}, {},
    ]  # fmt: skip
    assert own.left_out == {}
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:2]))
    (plain,) = read_own(recipe(own_data=[{"file": "own.jsonl"}]), tmp_path, workspace)
    assert "planted" not in plain.to_json()


def test_exported_rows_say_by_which_key_they_are_marked() -> None:
    by_key = Origin("t", "self-hosted", "author", {"mark": descriptor(GREEN)}, None)
    plain = Origin("t", "self-hosted", "author", {}, None)
    shown = marks.marked("runs/x/data/train", 0, of_bytes(b""), by_key, planted=True)
    assert marks.planted_of({marks.FIELD: shown}) == {"scheme": "green-list/1", "id": GREEN.id}
    assert marks.marked("d", 0, of_bytes(b""), plain, planted=True)["mark"] == ""
    assert "mark" not in marks.marked("d", 0, of_bytes(b""), plain)


def test_a_source_without_a_mark_opens_as_before() -> None:
    source = TeacherSource(parse_model_name("api:127.0.0.1:1/m"), "served", "127.0.0.1:1", None, {})
    source.check_mark()
    assert source.mark is None
