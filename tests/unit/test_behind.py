"""What a plan's sources descend from reaches its verdict: no run launders what another was bound to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run as inbond
from inbond.ledger.flow import reaches
from inbond.ledger.ledger import Ledger
from inbond.ledger.lineage import Edge, Graph, Node, Relation
from inbond.ledger.weaving import build
from inbond.workspace import Workspace
from tests.unit.test_trace_workspace import Maker, origin, rows

GPT = "api:api.openai.com/gpt-4o-2024-08-06"
Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Check:
    def call(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        inbond(["check", *arguments, "--home", str(workspace.home), "--json"])
        out, err = capsys.readouterr()
        value: dict[str, Any] = json.loads(out)
        assert "outcome" in value, f"{out}\n{err}"
        return value

    return call


def student_of_gpt(workspace: Workspace, ledger: Ledger, name: str = "a") -> None:
    """A run whose teacher was GPT-4o behind OpenAI's API, and whose student was handed out as MIT."""
    maker, wrote = Maker(workspace, ledger), origin(GPT, channel="api.openai.com")
    said = rows((wrote, (), 10), (wrote, (), 20))
    made = maker.run(name, GPT, said, said, weights=b"w", init="random")
    maker.stage(name, "student", "export", {}, {"trained": made["train"].id}, b"w")
    (workspace.run(name) / "student" / "README.md").write_text("---\nlicense: mit\n---\n")


def declare(workspace: Workspace, tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.lineage.toml"
    file.write_text(f'format = "inbond.lineage/1"\ntitle = "A chain"\n{text}')
    assert inbond(["import", str(file), "--home", str(workspace.home), "-q"]) == 0


def chain(*, licence: str, who: str = "hf:lab/old", channel: str = "") -> str:
    """``who`` wrote data that a model under the MIT licence was trained on."""
    under = f'licence = "{licence}"' if licence else ""
    return f"""
[[node]]
id = "{who}"
kind = "model"
{under}
[[node]]
id = "data:lab/said"
kind = "data"
[[node]]
id = "hf:microsoft/phi-4"
kind = "model"
licence = "MIT"
[[edge]]
source = "{who}"
target = "data:lab/said"
relation = "generated"
{channel}
[[edge]]
source = "data:lab/said"
target = "hf:microsoft/phi-4"
relation = "trained-on"
stage = "SFT"
"""


def lineage_reasons(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [reason for reason in found["reasons"] if reason["rule"] == "lineage"]


def test_a_student_of_ones_own_api_answers_carries_the_apis_terms_into_the_next_run(
    workspace: Workspace, ledger: Ledger, check: Check
) -> None:
    student_of_gpt(workspace, ledger)
    found = check("--teacher", "run:a", "--base", "none", "--competes", "yes")
    assert found["outcome"] == "review"
    (reason,) = lineage_reasons(found)
    assert reason["stance"] == "competing-only"
    assert GPT in reason["finding"]
    assert (
        f"Here another model lies between: the text does not say whether that reaches a model made of what "
        f"another says that learnt from {GPT}." in reason["finding"]
    )


def test_weights_that_learnt_from_an_api_are_bound_as_if_it_were_asked_again(
    workspace: Workspace, ledger: Ledger, check: Check
) -> None:
    student_of_gpt(workspace, ledger)
    assert (
        check("--teacher", "hf:microsoft/phi-4", "--base", "run:a", "--competes", "yes")["outcome"] == "deny"
    )


def test_the_folder_of_a_student_is_the_run_itself(
    workspace: Workspace, ledger: Ledger, check: Check
) -> None:
    student_of_gpt(workspace, ledger)
    place = f"path:{workspace.run('a') / 'student'}"
    assert check("--teacher", place, "--competes", "yes")["outcome"] == "deny"


def test_records_of_an_earlier_run_are_not_ones_own_by_being_called_so(
    workspace: Workspace, ledger: Ledger, check: Check
) -> None:
    student_of_gpt(workspace, ledger)
    records = workspace.run("a") / "data" / "train" / "records.jsonl"
    assert records.exists()
    found = check("--teacher", "hf:microsoft/phi-4", "--data", f"{records}=own", "--competes", "yes")
    assert found["outcome"] == "deny", "GPT-4o wrote them, whoever calls them their own"
    assert [reason["stance"] for reason in lineage_reasons(found)] == ["competing-only"]


def test_a_recipe_is_judged_with_its_lineage_too(
    workspace: Workspace, ledger: Ledger, check: Check, tmp_path: Path
) -> None:
    student_of_gpt(workspace, ledger)
    recipe = tmp_path / "b.yaml"
    recipe.write_text(
        "name: b\nteacher: run:a\nprompts: {items: [Hello]}\nstudent: {init: prune}\n"
        "purpose: {competes: yes}\n".replace("yes", '"yes"')
    )
    assert check(str(recipe))["outcome"] == "deny"


@pytest.mark.parametrize(
    ("sentence", "licence", "arguments", "outcome"),
    [
        ("BLOOM's restrictions pass on, however many models lie between.",
         "LicenseRef-scancode-bigscience-rail-1.0", ("--domain", "medical"), "deny"),
        ("They are owed by an ordinary student too.",
         "LicenseRef-scancode-bigscience-rail-1.0", (), "permit-with-obligations"),
        ("What is made of a Llama 2 student's words is not in Llama 2's text.",
         "LicenseRef-scancode-llama-2-license-2023", (), "review"),
        ("Apache-2.0 asks nothing of anybody's words.", "Apache-2.0", (), "permit"),
        ("A declared ancestor of unknown licence is an open question of the trace's.", "", (), "permit"),
    ],
)  # fmt: skip
def test_declared_ancestors(
    workspace: Workspace, check: Check, tmp_path: Path,
    sentence: str, licence: str, arguments: tuple[str, ...], outcome: str,
) -> None:  # fmt: skip
    declare(workspace, tmp_path, chain(licence=licence))
    found = check("--teacher", "hf:microsoft/phi-4", "--base", "none", *arguments)
    assert found["outcome"] == outcome, sentence
    named = [reason for reason in lineage_reasons(found) if "hf:lab/old" in reason["finding"]]
    assert bool(named) == (outcome != "permit")


def test_llama_31_names_at_second_hand_are_said_to_be_perhaps_owed(
    workspace: Workspace, check: Check, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, chain(licence="LicenseRef-scancode-llama-3.1-license-2024"))
    found = check("--teacher", "hf:microsoft/phi-4", "--base", "none", "--name", "Falcon-tiny")
    (due,) = [due for due in found["obligations"] if due["kind"] == "name-prefix"]
    assert due["text"].startswith("If it reaches this far: ")


def test_an_api_that_others_called_binds_them_and_not_the_plan(
    workspace: Workspace, check: Check, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, chain(licence="", who=GPT, channel='channel = "api.openai.com"'))
    assert not lineage_reasons(
        check("--teacher", "hf:microsoft/phi-4", "--base", "none", "--competes", "yes")
    )


def test_a_workspace_that_recorded_nothing_changes_no_verdict(workspace: Workspace, check: Check) -> None:
    assert check("--teacher", "hf:microsoft/phi-4")["outcome"].startswith("permit")
    assert not workspace.home.exists(), "asking makes nothing"


# How far a text reaches --------------------------------------------------------------------------------


def graph(*edges: tuple[str, str, Relation]) -> Graph:
    """Nodes named d... are data, all others models."""
    names = dict.fromkeys(name for source, target, _ in edges for name in (source, target))
    nodes = [Node(name, "data" if name.startswith("d") else "model") for name in names]
    return build(nodes, [Edge(*edge) for edge in edges])


TWO_STEPS: tuple[tuple[str, str, Relation], ...] = (
    ("t", "d1", "generated"),
    ("d1", "a", "trained-on"),
    ("a", "d2", "generated"),
    ("d2", "s", "trained-on"),
)


@pytest.mark.parametrize(
    ("sentence", "edges", "expected"),
    [
        ("A teacher reaches its student.",
         (("t", "d1", "generated"), ("d1", "s", "trained-on")), {"t": "direct", "d1": "direct"}),
        ("It reaches what is made of that student's weights.",
         (("t", "d1", "generated"), ("d1", "a", "trained-on"), ("a", "b", "pruned"), ("b", "s", "quantized")),
         {"t": "direct", "d1": "direct", "a": "direct", "b": "direct"}),
        ("Past the student's own words it is at second hand, and so is its data.",
         TWO_STEPS, {"t": "indirect", "d1": "indirect", "a": "direct", "d2": "direct"}),
        ("A copy speaks with the words of its original.",
         (("t", "q", "quantized"), ("q", "d1", "generated"), ("d1", "s", "trained-on")),
         {"t": "direct", "q": "direct", "d1": "direct"}),
        ("One direct way is enough.",
         (*TWO_STEPS, ("d1", "s", "trained-on")),
         {"t": "direct", "d1": "direct", "a": "direct", "d2": "direct"}),
        ("Probabilities are words too.",
         (("t", "a", "scored"), ("a", "s", "scored")), {"t": "indirect", "a": "direct"}),
    ],
)  # fmt: skip
def test_reaches(sentence: str, edges: tuple[tuple[str, str, Relation], ...], expected: dict) -> None:
    assert reaches(graph(*edges), "s") == expected, sentence
