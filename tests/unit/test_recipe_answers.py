"""From prompts to records: what is asked, what it cost, what is learnt from and what is measured on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import of_bytes
from inbond.engine.journal import Journal
from inbond.errors import InputError, TeacherError
from inbond.forensics.mark_keys import Key
from inbond.ledger.ledger import Ledger
from inbond.ledger.records import read_rows
from inbond.recipes import answers, sources
from inbond.recipes.own import read_own
from inbond.recipes.planned import Planned
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import Prompts
from inbond.recipes.trail import Trail
from inbond.recipes.watch import Silent
from inbond.teachers.protocols import Completes, Price, Reply, Request
from inbond.teachers.scripted import Scripted, failure
from inbond.workspace import Workspace

TERMS = of_bytes(b"terms")
WORDS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge", "window", "silver", "candle"]


@dataclass
class Source:
    """A teacher before it is opened, as ``TeacherSource`` is, with written answers behind it."""

    completes: Scripted
    name: str = "path:t"
    pinned: str = "path:t sha256:00"
    runtime: str = "local"
    channel: str = "self-hosted"
    weights: None = None
    mark: Key | None = None

    def check_mark(self) -> None: ...

    def open_completes(self, _: int = 0) -> Completes:
        return self.completes


def reply(request: Request) -> Reply:
    assert not isinstance(request.prompt, str)
    text = f"{request.prompt[-1].content} is a thing that people know well"
    return Reply(text, "stop", 10, 5, "t", 0.0)


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": "demo",
        "teacher": "path:t",
        "prompts": {"items": WORDS},
        "filters": {"near_duplicates": None, "personal_data": False, "secrets": False},
        "generate": {"attempts": 1, "max_failed": 0.5},
    }
    return parse({**values, **changes}, "test")


def planned(plan: Recipe, teacher: Scripted) -> Planned:
    return Planned(plan, Source(teacher), None)  # type: ignore[arg-type]


@dataclass
class Run:
    workspace: Workspace
    ledger: Ledger

    def generate(self, plan: Recipe, teacher: Scripted, *, fresh: bool = False) -> tuple[Trail, Any]:
        trail = Trail(self.workspace, self.ledger, plan.name, Silent())
        if fresh:
            trail.discard()
        asked = sources.read_prompts(plan, Path(), self.workspace)
        return trail, answers.generate(trail, planned(plan, teacher), asked, TERMS)

    def divide(self, plan: Recipe, folder: Path) -> answers.Datasets:
        teacher = Scripted(reply)
        trail, answered = self.generate(plan, teacher)
        return answers.filter_and_split(
            trail, planned(plan, teacher), answered, read_own(plan, folder, self.workspace)
        )


@pytest.fixture
def run(workspace: Workspace, ledger: Ledger) -> Run:
    return Run(workspace, ledger)


def write_own(path: Path, count: int) -> dict[str, Any]:
    lines = [{"prompt": f"{WORDS[i % 10]} number {i * 7919}", "completion": f"own {i}"} for i in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"file": path.name, "weight": 2.5}


def test_own_data_is_learnt_and_only_the_teachers_answers_are_held_out(run: Run, tmp_path: Path) -> None:
    plan = recipe(own_data=[write_own(tmp_path / "own.jsonl", 200)])
    data = run.divide(plan, tmp_path)
    assert data.train.facts["own"] == 200
    assert data.held_out.facts["own"] == 0
    assert data.held_out.facts["rows"] >= 1
    train, held = read_rows(data.train.folder), read_rows(data.held_out.folder)
    assert {row.weight for row in train if not row.parents} == {2.5}
    given = read_rows(data.train.folder.parent / "answers")
    assert all(row.record == given[row.parents[0]].record for row in [*train, *held] if row.parents)


def test_own_data_near_a_held_out_prompt_is_not_learnt(run: Run, tmp_path: Path) -> None:
    lines = [{"prompt": f"{word.upper()}!", "completion": "mine"} for word in WORDS]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = run.divide(recipe(own_data=[{"file": "own.jsonl"}], held_out=0.4), tmp_path)
    said = [{row.record.prompt[-1].content.lower().strip("!") if not isinstance(row.record.prompt, str)
             else row.record.prompt.lower().strip("!") for row in read_rows(side.folder)}
            for side in (data.train, data.held_out)]  # fmt: skip
    assert said[0] & said[1] == set()
    assert said[0] | said[1] == set(WORDS)


def test_another_name_of_own_data_is_another_origin(run: Run, tmp_path: Path) -> None:
    one = run.divide(recipe(own_data=[write_own(tmp_path / "one.jsonl", 5)]), tmp_path)
    other = run.divide(recipe(own_data=[write_own(tmp_path / "other.jsonl", 5)]), tmp_path)
    assert one.train.id != other.train.id
    named = {row.origin.teacher for row in read_rows(other.train.folder) if not row.parents}
    assert named == {"data:other.jsonl"}


def test_a_filter_that_cannot_be_is_refused_before_anything_is_asked(run: Run) -> None:
    teacher = Scripted(reply)
    with pytest.raises(InputError, match="languages: codes of languages"):
        run.generate(recipe(filters={"languages": ["xx"]}), teacher)
    assert teacher.asked == []


def test_the_cost_is_that_of_all_askings(run: Run) -> None:
    """An interrupted run, and one made anew, say what their answers cost, not what the last call did."""
    price = Price(prompt=0.0, completion=1e6)  # a dollar a token, five tokens an answer
    bad: list[TeacherError] = [failure("empty")]

    def sometimes(request: Request) -> Reply | TeacherError:
        return bad[0] if "river" in str(request.prompt) else reply(request)

    first = Scripted(sometimes, price=price)
    with pytest.raises(InputError, match="answers to all but 0%"):
        run.generate(recipe(generate={"attempts": 1, "max_failed": 0.0}), first)
    _, done = run.generate(recipe(), Scripted(reply, price=price))
    assert done.facts["answers"] == 9
    paid = done.facts["cost_usd"]
    assert paid >= 45
    _, again = run.generate(recipe(), Scripted(reply, price=price), fresh=True)
    assert again.status == "made"
    assert again.facts["cost_usd"] == paid


def test_old_text_leaves_the_journal_also_when_everything_is_found(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = recipe(generate={"retain_days": 1})
    run.generate(plan, Scripted(reply))
    with Journal.open(workspace.journal) as journal:
        assert journal.erasable() == 10
    now = answers.time.time()
    monkeypatch.setattr(answers.time, "time", lambda: now + 2 * 86_400)
    _, found = run.generate(plan, Scripted([]))
    assert found.status == "found"
    with Journal.open(workspace.journal) as journal:
        assert journal.erasable() == 0


def test_plain_text_prompts_stay_plain_text(workspace: Workspace) -> None:
    plain = Recipe(name="r", teacher="path:t", prompts=Prompts(items=("The river",), chat=False))
    assert sources.read_prompts(plain, Path(), workspace) == ["The river"]
    with pytest.raises(ValueError, match="a system message is for conversations"):
        Prompts(items=("x",), chat=False, system="Be kind.")
