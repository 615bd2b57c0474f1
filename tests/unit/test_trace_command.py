"""``inbond trace`` as a person meets it: what may be given as a target, and what the terminal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbond.cli.main import run as inbond
from inbond.cli.trace import describe, open_lineage
from inbond.digest import Digest
from inbond.ledger.flow import Duty
from inbond.ledger.ledger import Ledger
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, trace
from inbond.policy import library
from inbond.workspace import Workspace
from tests.exporting import CHAINS, TARGETS
from tests.unit.test_chains import LLAMA, OLMO, ask, chain
from tests.unit.test_trace_workspace import Command, Maker, command, first_run

__all__ = ["command"]


@pytest.fixture
def student(workspace: Workspace, ledger: Ledger) -> Path:
    """The folder with the student of run a."""
    first_run(Maker(workspace, ledger), b"the weights of a")
    return workspace.run("a") / "trained"


def digests(workspace: Workspace) -> list[Digest]:
    return sorted(open_lineage(workspace).graph.nodes["run:a"].digests)


# Targets ---------------------------------------------------------------------------------------------


def test_a_student_is_known_by_its_folder_its_file_and_its_digests(
    workspace: Workspace, student: Path, command: Command, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "copied.safetensors"
    elsewhere.write_bytes((student / "model.safetensors").read_bytes())
    known = digests(workspace)
    assert len(known) == 2, "the pin, and the one file of weights"
    names = [str(student), str(elsewhere), *known]
    names += [digest.removeprefix("sha256:")[:length] for digest in known for length in (12, 64)]
    for name in names:
        assert command("trace", name)["target"] == "run:a", name


@pytest.mark.usefixtures("student")
def test_a_file_that_nobody_knows_is_refused_by_its_digest(command: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"others")
    error = command("trace", str(other), code=2)["error"]
    assert error["expected"] == "a folder or a file with weights whose lineage is known"
    assert "sha256:" in error["found"]
    assert error["fix"].startswith(f"inbond import {other}")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no weights" in command("trace", str(empty), code=2)["error"]["found"]


@pytest.mark.usefixtures("student")
def test_eleven_digits_are_no_digest(workspace: Workspace, command: Command) -> None:
    short = digests(workspace)[0].removeprefix("sha256:")[:11]
    assert command("trace", short, code=2)["error"]["found"].endswith("not among it")


@pytest.mark.usefixtures("student")
def test_a_name_in_the_ledger_comes_before_a_folder_of_that_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert command("trace", "a")["target"] == "run:a"


def test_an_unknown_target_is_answered_with_the_nearest_names(command: Command, tmp_path: Path) -> None:
    nodes = "".join(f'[[node]]\nid = "hf:aa/m{number}"\nkind = "model"\n' for number in range(30))
    (tmp_path / "many.toml").write_text('format = "inbond.lineage/1"\n' + nodes)
    command("import", str(tmp_path / "many.toml"))
    command("import", str(CHAINS / "tulu-3.toml"))
    fix = command("trace", "tulu-3-8b-typo", code=2)["error"]["fix"]
    assert fix.startswith(f"known are {TARGETS['tulu-3']}, ")
    assert "and 26 more" in fix


@pytest.mark.usefixtures("student")
@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_no_question(command: Command, name: str) -> None:
    error = command("trace", "run:a", "--from", name, code=2)["error"]
    assert error["expected"] == "the name of a model or data to look for"


# What is said ----------------------------------------------------------------------------------------


def test_the_two_words_are_explained_where_they_stand() -> None:
    text = describe(ask(chain("olmo-3"), OLMO, "gpt-4o"))
    how = text.split("How\n")[1]
    assert how.startswith("  (wrote: the text is its own; touched: it wrote, changed, chose,")
    assert "touched 13.4% of the tokens in pretraining" in how
    assert "explained" not in text
    assert "(wrote:" not in describe(ask(chain("r1-distill-llama"), LLAMA))


def test_a_recorded_verdict_and_the_terms_on_file_ask_once() -> None:
    """An older ledger has the cause of an obligation in its source alone."""
    graph = enrich(chain("olmo-3"), library.shipped())
    target = "hf:allenai/olmOCR-7B-0225-preview"
    base = "hf:Qwen/Qwen2-VL-7B-Instruct"
    plain = trace(Known(graph, library.shipped()), target).obligations
    copies = [duty for duty in plain if duty.ancestor == base]
    assert copies
    told = [
        Duty(d.kind, d.text, d.when, f"{d.source}, for {d.ancestor}", target, "direct", "yes") for d in copies
    ]
    found = trace(Known(graph, library.shipped(), {}, {target: told}), target).obligations
    assert sorted(d.named for d in found) == sorted(d.named for d in plain)


def test_the_answer_comes_first_and_is_short(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ["--home", str(workspace.home)]
    assert inbond(["import", str(CHAINS / "olmo-3.toml"), *home]) == 0
    capsys.readouterr()
    assert inbond(["trace", "Olmo-3-1025-7B", "--from", "gpt-4o", *home]) == 0
    first = capsys.readouterr().out.partition("\n\n")[0].replace("\n", " ")
    assert first == ask(chain("olmo-3"), OLMO, "gpt-4o").sentence
    assert len(first) < 300
