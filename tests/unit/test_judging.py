"""Accepting a gate: what was shown, in the very run it was shown of, by its name; advice in recipe fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.evaluate import advice, diversity
from inbond.evaluate.intervals import RecordSums
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row
from inbond.recipes import comparison, judging
from inbond.recipes.compared import Compared
from inbond.recipes.comparison import COMPLETED, family
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact
from inbond.types import Origin, Record
from inbond.workspace import Workspace
from tests.unit.test_generality import measured

LEARNING = advice.Learning(3, ("reverse_kl",), 0.7, 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(Workspace(tmp_path / "bond"), KeyStore(tmp_path / "keys")) as opened:
        yield opened


def recipe(name: str = "tiny") -> Recipe:
    stop = {"action": "stop"}
    gates = {"diversity": stop, "generality": stop, "capacity": {"action": "warn"}}
    return Recipe.model_validate(
        {"name": name, "teacher": "path:t", "prompts": {"items": ["a"]}, "gates": gates}
    )


def facts_of(number: int, gate: str) -> str:
    return of_value([number, gate])


@pytest.fixture
def judged(tmp_path: Path) -> Artifact:
    """Diversity and generality failed."""
    return judged_in(tmp_path / "gates", 1)


def judged_in(folder: Path, number: int) -> Artifact:
    folder.mkdir(exist_ok=True)
    verdicts = {
        name: {
            "verdict": {"outcome": "fail", "reasons": [{"finding": "it"}], "facts": facts_of(number, name)},
            "found": {},
        }
        for name in ("diversity", "generality")
    }
    (folder / judging.GATES).write_text(json.dumps(verdicts))
    return Artifact("judge", folder, Manifest(Identity("judge", 1, {}, {}), {}), "found")


def ends(ledger: Ledger, stopped_by: Mapping[str, str], run: str = "tiny") -> None:
    """What a run that comes to its end records."""
    ledger.record(COMPLETED, {"run": run, "stopped_by": dict(stopped_by)})


def stopping(ledger: Ledger, judged: Artifact, run: str = "tiny") -> list[str]:
    return [gate.name for gate in judging.read_judged(recipe(run), judged, ledger) if gate.stops]


BOTH = {name: facts_of(1, name) for name in ("diversity", "generality")}


def test_a_reason_lets_out_only_the_gates_it_names(ledger: Ledger, judged: Artifact) -> None:
    ends(ledger, BOTH)
    for habit in ("I know what I do", "probe: my own host", "capacity: fine"):
        judging.accept(ledger, recipe(), judged, habit)
        assert stopping(ledger, judged) == ["diversity", "generality"], habit
    judging.accept(ledger, recipe(), judged, "diversity: Ada has read the report")
    assert stopping(ledger, judged) == ["generality"]
    error = judging.stopped(recipe(), judging.read_judged(recipe(), judged, ledger), Path("report.html"))
    assert error is not None
    assert error.fix.endswith('run it again with --accept "generality: REASON"')
    judging.accept(ledger, recipe(), judged, "diversity, generality: both are fine")
    assert stopping(ledger, judged) == []
    reasons = [event.body["reason"] for event in ledger.events(judging.ACCEPTED)]
    assert reasons == ["Ada has read the report", "both are fine"]


def test_what_no_report_has_shown_is_not_accepted(ledger: Ledger, judged: Artifact, tmp_path: Path) -> None:
    reason = "diversity, generality: seen"
    judging.accept(ledger, recipe(), judged, reason)
    assert len(stopping(ledger, judged)) == 2, "a run that was killed before its report has no last event"
    ends(ledger, BOTH)
    other = judged_in(tmp_path / "other", 2)
    judging.accept(ledger, recipe(), other, reason)
    assert len(stopping(ledger, other)) == 2, "the report showed another student"
    ends(ledger, {})
    judging.accept(ledger, recipe(), judged, reason)
    assert len(stopping(ledger, judged)) == 2, "the run was not stopped when it last ended"


def test_an_acceptance_is_that_of_its_run_and_gate(ledger: Ledger, judged: Artifact) -> None:
    """Two runs, and two gates, whose facts are the same."""
    text = (judged.folder / judging.GATES).read_text()
    (judged.folder / judging.GATES).write_text(text.replace(BOTH["generality"], BOTH["diversity"]))
    ends(ledger, dict.fromkeys(BOTH, BOTH["diversity"]))
    judging.accept(ledger, recipe(), judged, "diversity: narrow is wanted")
    assert stopping(ledger, judged) == ["generality"]
    assert stopping(ledger, judged, "other") == ["diversity", "generality"]


def test_an_empty_reason_is_refused(ledger: Ledger, judged: Artifact) -> None:
    ends(ledger, BOTH)
    with pytest.raises(InputError, match="a reason for handing out a student that its gates keep in"):
        judging.accept(ledger, recipe(), judged, "diversity: ")


def test_without_a_teacher_each_student_and_gate_has_facts_of_its_own(judged: Artifact) -> None:
    def facts(gate: str, student: str, teacher: str) -> str:
        trained = replace(judged, manifest=Manifest(Identity("train", 1, {"s": student}, {}), {}))
        bench: Any = SimpleNamespace(teacher=SimpleNamespace(pinned=teacher, weights=None))
        models = Compared(bench, judged, trained)
        found: str = judging._without_teacher(gate, across=False)(models, judged)["verdict"]["facts"]
        return found

    of_one = facts("diversity", "one", "api:a/m")
    assert of_one == facts("diversity", "one", "api:a/m")
    others = [
        ("generality", "one", "api:a/m"),
        ("diversity", "two", "api:a/m"),
        ("diversity", "one", "api:b/m"),
    ]
    assert len({of_one, *(facts(*other) for other in others)}) == 4


def test_a_student_of_own_data_alone_has_no_capacity_to_measure(judged: Artifact) -> None:
    own = Row(Record("a", "b"), Origin("data:f", "own", "author", {}, None))
    bench: Any = SimpleNamespace(
        teacher=SimpleNamespace(pinned="t"), recipe=recipe(), train_rows=[own], outside=[], held_out=[own]
    )
    models = Compared(bench, judged, judged)
    for name, measure in (("capacity", judging._capacity), ("generality", judging._generality)):
        found = measure(models, judged)
        assert found["verdict"]["outcome"] == "cannot-tell"
        assert found["verdict"]["reasons"][0]["rule"] == f"{name}.too-few"
        assert found["found"] == {}


def test_each_prompt_is_asked_once() -> None:
    origin = Origin("t", "c", "author", {}, None)
    rows = [Row(Record(prompt, answer), origin) for prompt in "abc" for answer in "12"]
    kept = [row.record for row in judging.distinct([*rows, *rows])]
    assert kept == [Record("a", "1"), Record("b", "1"), Record("c", "1")]


def test_runs_are_of_one_family_by_what_was_asked_and_of_whom(judged: Artifact) -> None:
    def asked(prompts: str, teacher: str, seed: int) -> Artifact:
        identity = Identity("generate", 1, {"teacher": teacher, "seed": seed}, {"prompts": of_value(prompts)})
        return replace(judged, manifest=Manifest(identity, {}))

    assert family(asked("p", "path:a sha256:1", 0)) == family(asked("p", "path:a sha256:1", 1))
    assert family(asked("p", "path:a sha256:1", 0)) != family(asked("q", "path:a sha256:1", 0))
    assert family(asked("p", "path:a sha256:1", 0)) != family(asked("p", "path:a sha256:2", 0))


def test_the_last_end_of_a_run_counts(ledger: Ledger) -> None:
    assert comparison.stopped_by("tiny", ledger) == {}
    ends(ledger, BOTH)
    ends(ledger, {}, run="other")
    assert comparison.stopped_by("tiny", ledger) == BOTH


def narrow(student: float, prompts: int = 16) -> diversity.Diversity:
    values = tuple(0.8 * float(x) for x in np.random.default_rng(0).uniform(0.9, 1.1, prompts))
    measures = tuple(
        diversity.Measure(name, values, tuple(student * value for value in values))
        for name in diversity.LABELS
    )
    return diversity.Diversity(measures, prompts, 8, {})


def field_names(value: Any, path: str = "") -> Iterator[str]:
    for name, field in value.model_fields.items():
        yield f"{path}{name}"
        if hasattr(field.annotation, "model_fields"):
            yield from field_names(field.annotation, f"{path}{name}.")


def test_advice_names_fields_of_the_recipe() -> None:
    """Whatever the outcome and however the student began."""
    known = set(field_names(Recipe))
    few = {side: RecordSums((1.0,) * 3, (1,) * 3, (2,) * 3) for side in ("before_outside", "after_outside")}
    lines = [
        *advice.for_diversity(narrow(0.5), "fail", LEARNING),
        *advice.for_diversity(narrow(0.5), "fail", replace(LEARNING, temperature=1.0)),
        *advice.for_diversity(narrow(0.8), "cannot-tell", LEARNING),
        *advice.for_generality(measured(1, 1, **few), "cannot-tell", LEARNING),
        *advice.for_generality(measured(3, 3), "cannot-tell", LEARNING),
        *(
            line
            for start in ("prune", "model", "scratch")
            for line in advice.for_generality(measured(2, 4, start=start), "fail", LEARNING)
        ),
    ]
    assert len(lines) > 15
    for line in lines:
        field, colon, rest = line.partition(":")
        assert colon
        assert field in known, line
        assert rest
        assert all(
            name in known for name in re.findall(r"\b(?:train|generate|student|gates)\.[\w.]*\w", line)
        )


def test_advice_is_about_what_the_recipe_did() -> None:
    failed = advice.for_diversity(narrow(0.5), "fail", LEARNING)
    assert failed[0].startswith("train.reverse_kl: less of it")
    assert any(line.startswith("train.epochs: fewer than 3;") for line in failed)
    plain = advice.for_diversity(narrow(0.5), "fail", advice.Learning(1, (), 1.0, 4))
    assert plain == ("prompts: more, and more varied ones.",)
    assert advice.for_diversity(narrow(1.0), "pass", LEARNING) == ()
    assert advice.for_generality(measured(3, 2), "pass", LEARNING) == ()
    assert "more than 16" in advice.for_diversity(narrow(0.8), "cannot-tell", LEARNING)[0]
