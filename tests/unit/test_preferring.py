"""The stage ``pairs`` with teacher and judges behind a real HTTP host: rows, parents, counts, errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import of_bytes, of_file
from inbond.engine import erasure
from inbond.errors import InputError
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes.answers import Datasets
from inbond.recipes.models import TeacherSource
from inbond.recipes.planned import Planned
from inbond.recipes.preferring import Setting, prefer
from inbond.recipes.reading import load, parse, rooted
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.watch import Silent
from inbond.types import OWN, Message, Origin, Record, parse_model_name
from inbond.workspace import Workspace
from tests.roundtable_host import serving

TERMS = of_bytes(b"terms")
RULED = {"source": "revision", "constitution": "own.yaml", "most_length_ratio": None}
CONSTITUTION = """
title: Short
principles:
  - id: short
    text: The answer has at most three words.
    pattern: '^\\S+( \\S+){0,2}$'
"""


def row(prompt: str, answer: str, teacher: str, channel: str = "h") -> Row:
    origin = Origin(teacher, channel, "author", {}, TERMS)
    return Row(Record((Message("user", prompt),), answer), origin, (0,), 3, len(answer), finish="stop")


@dataclass
class Scene:
    """A trail with answers, a host whose models do as they are told, and what it was asked."""

    workspace: Workspace
    ledger: Ledger
    folder: Path
    host: str
    asked: list[dict[str, Any]]

    def setting(
        self,
        section: Mapping[str, Any],
        answers: Sequence[Row],
        more: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Setting:
        teacher = f"api:{self.host}/teacher"
        recipe = parse(
            {
                "name": "r", "teacher": teacher, "prompts": {"items": ["a"]}, "preferences": dict(section),
                "generate": {"max_tokens": 16, **changes}, **(more or {}),
            },
            "test",
        )  # fmt: skip
        name = parse_model_name(teacher)
        plan = Planned(recipe, TeacherSource(name, "served", name.channel, None, dict(os.environ)), None)
        trail = Trail(self.workspace, self.ledger, "r", Silent())
        train = self._set(trail, "data/train", "filter-train", answers)
        held = self._set(trail, "data/held_out", "filter-held_out", [row("held?", "yes", teacher)])
        judges = dict.fromkeys(recipe.preferences.judges if recipe.preferences else {}, TERMS)
        return Setting(trail, plan, Datasets(train, held, train), TERMS, judges, self.folder)

    def _set(self, trail: Trail, place: str, stage: str, rows: Sequence[Row]) -> Artifact:
        def make(folder: Path) -> Made:
            return Made({"rows": len(rows)}, write_rows(folder, rows))

        ids = {str(number): one.record.id for number, one in enumerate(rows)}
        return trail.stage(stage, place, Identity(stage, 1, {}, ids), make)

    def answer(self, prompt: str, text: str) -> Row:
        return row(prompt, text, f"api:{self.host}/teacher", self.host)

    @property
    def data(self) -> Path:
        return self.workspace.run("r") / "data"


Say = Callable[[dict[str, Any]], Any]


@pytest.fixture
def models() -> dict[str, Say]:
    """What each model of the host says; tests change it."""
    return {"teacher": lambda body: said(body), "first": lambda _: vote("first"), "brief": brief}


def said(body: Mapping[str, Any]) -> str:
    """Revises to three words, and criticises."""
    last = body["messages"][-1]["content"]
    return '"Quite short now."' if "again" in last else "It is too long."


def vote(which: str) -> dict[str, str]:
    return {"reasoning": "so", "vote": which}


def brief(body: Mapping[str, Any]) -> dict[str, str]:
    """For the shorter answer."""
    text = body["messages"][1]["content"]
    fence = next(line for line in text.split("\n") if line.startswith("====="))
    shown = json.loads(text.split(fence)[1])
    return vote("first" if len(shown["first"]) < len(shown["second"]) else "second")


@pytest.fixture
def scene(workspace: Workspace, ledger: Ledger, tmp_path: Path, models: dict[str, Say]) -> Iterator[Scene]:
    (tmp_path / "own.yaml").write_text(CONSTITUTION)
    with serving(models) as (host, asked):
        yield Scene(workspace, ledger, tmp_path, host, asked)


def made(setting: Setting) -> Artifact:
    found = prefer(setting)
    assert found is not None
    return found


LONG = "A long answer that says a lot."


def test_answer_critique_and_revision_are_kept_with_their_parents(scene: Scene) -> None:
    answers = [scene.answer("one?", LONG), scene.answer("two?", LONG)]
    pairs = made(scene.setting(RULED, answers))
    critiques, revisions = read_rows(scene.data / "critiques"), read_rows(scene.data / "revisions")
    assert [(one.origin.role, one.parents) for one in critiques] == [("judge", (0,)), ("judge", (1,))]
    assert [(one.origin.role, one.parents) for one in revisions] == [
        ("rewriter", (0, 2)),
        ("rewriter", (1, 3)),
    ]
    chosen, rejected, *_ = rows = read_rows(pairs.folder)
    assert len(rows) == 4
    assert chosen.record == Record(answers[0].record.prompt, "Quite short now.")
    assert (chosen.origin.role, chosen.parents) == ("rewriter", (4,))
    assert rejected.record == answers[0].record
    assert (rejected.origin.role, rejected.parents) == ("author", (0,))
    assert pairs.facts["lengths"]["after"] == {"pairs": 2, "chosen": 16.0, "rejected": 30.0, "longer": 0.0}
    assert len(pairs.facts["parents"]) == 3


def test_found_complete_nothing_is_asked_and_a_new_seed_asks_no_critique_twice(scene: Scene) -> None:
    answers = [scene.answer("one?", LONG)]
    made(scene.setting(RULED, answers))
    before = len(scene.asked)
    assert made(scene.setting(RULED, answers)).status == "found"
    assert made(scene.setting({**RULED, "seed": 1}, answers)).status == "made"
    assert len(scene.asked) == before == 2  # one principle: whichever seed, the same questions


def test_revisions_that_are_none_make_no_pair_and_are_counted(scene: Scene, models: dict[str, Say]) -> None:
    replies = {"same?": LONG, "broken?": LONG, "short?": "Three short words", "mute?": LONG, "good?": LONG}
    revised = {"same?": LONG, "broken?": "It is still much too long.", "short?": "Two words", "mute?": " "}

    def teacher(body: dict[str, Any]) -> str:
        first, last = body["messages"][0]["content"], body["messages"][-1]["content"]
        return revised.get(first, "Good and short") if "again" in last else "It is too long."

    models["teacher"] = teacher
    setting = scene.setting(
        RULED, [scene.answer(*each) for each in replies.items()], max_failed=0.5, attempts=1
    )
    pairs = made(setting)
    assert pairs.facts["without"] == {
        "revisions that do not keep the principle's pattern": 2,
        "answers that kept the principle's pattern before": 1,
    }
    assert pairs.facts["kept"] == 1

    (scene.folder / "own.yaml").write_text("title: T\nprinciples: [{id: a, text: Be short.}]\n")
    plain = made(
        scene.setting(RULED, [scene.answer(*each) for each in replies.items()], max_failed=0.5, attempts=1)
    )
    assert plain.facts["dropped"] == {"equal": 1}
    assert plain.facts["kept"] == 3


def test_own_text_is_not_criticised(scene: Scene) -> None:
    own = Row(Record("mine", "my words"), Origin("data:mine.jsonl", OWN, "author", {}, None))
    pairs = made(scene.setting(RULED, [own, scene.answer("one?", LONG)]))
    assert [one.parents for one in read_rows(scene.data / "critiques")] == [(1,)]
    assert pairs.facts["kept"] == 1


def test_a_constitution_without_principles_is_named(scene: Scene) -> None:
    (scene.folder / "own.yaml").write_text("title: T\nprinciples: []\n")
    with pytest.raises(InputError) as caught:
        prefer(scene.setting(RULED, [scene.answer("one?", LONG)]))
    assert "a title and principles" in caught.value.expected
    assert "principles = []" in caught.value.found
    assert scene.asked == []


JUDGED = {"source": "judges", "constitution": "own.yaml", "most_length_ratio": None}


def test_judges_decide_and_their_replies_are_parents(scene: Scene) -> None:
    answers = [
        scene.answer("one?", "A long answer here"),
        scene.answer("one?", "Brief"),
        scene.answer("two?", "alone"),
        scene.answer("three?", "the same"),
        scene.answer("three?", "the  same"),
    ]
    uri = f"api:{scene.host}/brief"
    pairs = made(scene.setting({**JUDGED, "judges": {"ann": uri}}, answers, samples=2))
    replies = read_rows(scene.data / "comparisons")
    assert [(one.origin.teacher, one.origin.role, one.parents) for one in replies] == [
        (uri, "judge", (0, 1))
    ] * 2
    chosen, rejected = read_rows(pairs.folder)
    assert (chosen.record.completion, chosen.parents) == ("Brief", (1, 5, 6))
    assert (rejected.record.completion, rejected.parents) == ("A long answer here", (0, 5, 6))
    assert (chosen.origin.role, pairs.facts["margin"]) == ("author", 1.0)
    assert "Brief" not in (scene.data / "comparisons" / "votes.json").read_text()


def test_what_judges_were_asked_is_erased_with_the_run(scene: Scene) -> None:
    answers = [scene.answer("one?", "A very long answer"), scene.answer("one?", "Brief")]
    section = {**JUDGED, "judges": {"ann": f"api:{scene.host}/brief"}}
    made(scene.setting(section, answers, samples=2))
    home = scene.workspace.home
    assert b"A very long answer" in scene.workspace.journal.read_bytes()
    planned = erasure.plan(scene.workspace, name="r", older_than=None)
    assert planned.entries == 2 * (1 + 3)  # both orders, the canaries too
    erasure.erase(scene.workspace, planned, scene.ledger)
    holders = [path for path in home.rglob("*") if path.is_file() and b"very long" in path.read_bytes()]
    assert holders == []


def test_a_judge_that_always_says_first_decides_nothing(scene: Scene) -> None:
    answers = [scene.answer("one?", "A long answer here"), scene.answer("one?", "Brief")]
    section = {**JUDGED, "judges": {"ann": f"api:{scene.host}/first"}}
    with pytest.raises(InputError) as caught:
        prefer(scene.setting(section, answers, samples=2))
    assert "at least one pair of a chosen and a rejected answer" in caught.value.expected
    assert "1 pairs that the judges did not decide; 1 votes of ann inconsistent" in caught.value.found
    assert "choose other judges" in caught.value.fix


def test_in_one_order_such_a_judge_goes_unseen(scene: Scene) -> None:
    answers = [scene.answer("one?", "A long answer here"), scene.answer("one?", "Brief")]
    section = {**JUDGED, "judges": {"ann": f"api:{scene.host}/first"}, "both_orders": False}
    pairs = made(scene.setting(section, answers, samples=2))
    assert read_rows(pairs.folder)[0].record.completion == "A long answer here"
    assert len(read_rows(scene.data / "comparisons")) == 1


def test_a_file_knows_its_judges_where_the_ledger_does(scene: Scene) -> None:
    answers = [scene.answer("one?", LONG)]
    lines = [
        {"messages": [{"role": "user", "content": "one?"}], "chosen": "Brief", "rejected": LONG,
         "votes": {"short": {"ann": "chosen", "kai": "equal"}}, "margin": 0.5},
        {"prompt": "other?", "chosen": "yes", "rejected": "no"},
        {"messages": [{"role": "user", "content": "held?"}], "chosen": "yes", "rejected": "no"},
    ]  # fmt: skip
    path = scene.folder / "p.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    section = {"source": "file", "file": "p.jsonl", "licence": "own", "most_length_ratio": None}
    unknown = made(scene.setting(section, answers))
    assert read_rows(scene.data / "votes") == []
    assert unknown.facts["without"] == {"pairs whose prompt is held out": 1}

    judges = [{"name": "ann", "identity": f"gguf:m.gguf {of_bytes(b'm')}"}]
    files = {"preferences.jsonl": of_file(path)}
    scene.ledger.record("roundtable.judged", {"judges": judges, "files": files})
    pairs = made(scene.setting(section, answers))
    (vote_row,) = read_rows(scene.data / "votes")
    assert (vote_row.origin.teacher, vote_row.origin.role) == ("gguf:m.gguf", "judge")
    rows = read_rows(pairs.folder)
    assert [(one.origin.teacher, one.parents) for one in rows] == [
        ("data:p.jsonl", (1,)), (f"api:{scene.host}/teacher", (0, 1)),
        ("data:p.jsonl", ()), ("data:p.jsonl", ()),
    ]  # fmt: skip
    assert pairs.facts["margin"] == 0.75
    assert [one.weight for one in rows] == [1.0] * 4
    weighed = made(scene.setting({**section, "weigh": True}, answers))
    assert [one.weight for one in read_rows(weighed.folder)] == [0.5, 0.5, 1.0, 1.0]


def test_texts_of_a_file_are_asked_and_held_out_as_the_recipes_are(scene: Scene) -> None:
    lines = [
        {"prompt": " held?\n", "chosen": "yes", "rejected": "no"},
        {"prompt": "other?", "chosen": "yes", "rejected": "no"},
    ]
    (scene.folder / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    section = {"source": "file", "file": "p.jsonl", "licence": "own", "most_length_ratio": None}
    pairs = made(scene.setting(section, [scene.answer("one?", LONG)]))
    assert pairs.facts["without"] == {"pairs whose prompt is held out": 1}
    assert {row.record.prompt for row in read_rows(pairs.folder)} == {(Message("user", "other?"),)}


def test_of_verified_samples_the_passed_are_preferred_to_the_failed(scene: Scene) -> None:
    said = [("one?", "1, and right"), ("one?", "2"), ("one?", "3 and wrong"), ("one?", "who knows"),
            ("two?", "right"), ("held?", "wrong")]  # fmt: skip
    answers = [scene.answer(*each) for each in said]
    outcomes = ("passed", "failed", "failed", "cannot-tell", "passed", "failed")
    origin = Origin("tool:regex", "self-hosted", "verifier", {}, None)
    rulings = [
        Row(Record(f"{number}", json.dumps({"outcome": one, "kind": "k", "reason": "r"})), origin, (number,))
        for number, one in enumerate(outcomes)
    ]
    section = {"source": "verified", "most_length_ratio": None}
    setting = scene.setting(
        section, [answers[0], answers[4]], more={"verify": {"kind": "regex", "expect": "right"}}, samples=3
    )
    scene._set(setting.trail, "data/answers", "generate", answers)
    scene._set(setting.trail, "data/verdicts", "verify", rulings)
    pairs = made(setting)
    rows = read_rows(pairs.folder)
    assert [one.record.completion for one in rows] == ["1, and right", "3 and wrong"]
    assert [one.parents for one in rows] == [(0,), (2 + 2, 2 + 6 + 2)]
    assert pairs.facts["without"] == {"prompts of which no answer failed": 1}


def test_without_a_section_there_is_no_stage(scene: Scene) -> None:
    setting = scene.setting(RULED, [scene.answer("one?", LONG)])
    plain = setting.plan.recipe.model_copy(update={"preferences": None})
    plan = Planned(plain, setting.plan.teacher, None)
    assert prefer(Setting(setting.trail, plan, setting.data, TERMS, {}, scene.folder)) is None
    assert scene.asked == []


@pytest.mark.parametrize(
    ("section", "found"),
    [
        ({"source": "judges"}, "source: judges needs judges"),
        ({"source": "revision", "judges": {"ann": "api:h/m"}}, "judges are for source: judges"),
        ({"source": "file"}, "source: file needs file"),
        ({"source": "revision", "file": "x"}, "file and licence are for source: file"),
        ({"source": "judges", "judges": {"ann": "api:h/m"}}, "generate.samples must be 2 or more, not 1"),
        ({"source": "verified"}, "source: verified needs the section verify"),
        ({"source": "judges", "judges": {"a b": "api:h/m"}}, "should match pattern"),
        ({"source": "revision", "most_length_ratio": 0.5}, "greater than or equal to 1"),
    ],
)
def test_sections_that_do_not_fit_are_named(section: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse({"name": "r", "teacher": "api:h/t", "prompts": {"items": ["a"]}, "preferences": section}, "t")
    assert found in f"{caught.value.expected} {caught.value.found}"


def test_records_alone_have_no_pairs() -> None:
    with pytest.raises(InputError, match="student.init: none ends with the records: it makes no pairs"):
        parse(
            {
                "name": "r", "teacher": "api:h/t", "prompts": {"items": ["a"]}, "student": {"init": "none"},
                "preferences": {"source": "revision"},
            },
            "t",
        )  # fmt: skip


def test_a_recipe_that_is_printed_finds_its_files_from_anywhere() -> None:
    found = rooted(*load("preferred"))
    assert found.preferences is not None
    assert Path(found.preferences.constitution).is_file()
    judged = {"source": "judges", "judges": {"ann": "api:h/m"}}
    values = {"name": "r", "teacher": "api:h/t", "prompts": {"items": ["a"]}, "generate": {"samples": 2}}
    plain = rooted(parse({**values, "preferences": judged}, "t"), Path("/else"))
    assert plain.preferences is not None
    assert plain.preferences.constitution == "default"
    file = {"source": "file", "file": "p.jsonl", "licence": "own"}
    given = rooted(parse({**values, "preferences": file}, "t"), Path("/else"))
    assert given.preferences is not None
    assert given.preferences.file == "/else/p.jsonl"
