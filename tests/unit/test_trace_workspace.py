"""``inbond trace`` and ``inbond import`` on a workspace: recorded runs, and what is declared."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run as inbond
from inbond.digest import Digest, of_bytes
from inbond.ledger import manifest, pins, records
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row
from inbond.policy.foreign import hub_name
from inbond.types import OWN, Message, Origin, Record, Role
from inbond.workspace import Workspace

Command = Callable[..., dict[str, Any]]


def origin(teacher: str, role: Role = "author", channel: str = "self-hosted") -> Origin:
    return Origin(teacher, channel, role, {}, None)


def rows(*made: tuple[Origin, tuple[int, ...], int]) -> list[Row]:
    """Records that differ, each with (origin, parents, completion tokens)."""
    return [
        Row(Record((Message("user", f"{number}"),), f"答え {number}"), who, parents, 1, tokens)
        for number, (who, parents, tokens) in enumerate(made)
    ]


class Maker:
    """Writes runs as recipes do, without their models."""

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self.workspace = workspace
        self.ledger = ledger

    def stage(
        self, run: str, place: str, stage: str, config: dict[str, Any], inputs: dict[str, Digest],
        made: Sequence[Row] | bytes, **facts: Any,
    ) -> Manifest:  # fmt: skip
        folder = self.workspace.run(run) / place
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if isinstance(made, bytes):
            root = None
            (folder / "model.safetensors").write_bytes(made)
        else:
            root = records.write_rows(folder, made)
        whole = Manifest(Identity(stage, 1, config, inputs), manifest.digest_files(folder), root, facts)
        manifest.write(folder, whole)
        body = {
            "run": run, "stage": stage, "artifact": whole.id, "manifest": whole.digest,
            "folder": folder.relative_to(self.workspace.home).as_posix(), "records_root": root,
        }  # fmt: skip
        self.ledger.record("stage.completed", body)
        return whole

    def run(
        self, name: str, teacher: str, answers: Sequence[Row], learnt: Sequence[Row], *, weights: bytes,
        init: str = "prune", **facts: Any,
    ) -> dict[str, Manifest]:  # fmt: skip
        """A run's artifacts by stage; ``teacher`` is pinned. The plan is that of a gate that let it pass."""
        plan = {
            "teacher": teacher.partition(" ")[0], "base_is_teacher": init == "prune", "base": None,
            "weights": {"subject": teacher.partition(" ")[0], "licence": "MIT"},
            "data": [{"uri": "the recipe's own list of prompts", "licence": "MIT"}],
        }  # fmt: skip
        due = {"kind": "notice", "text": "Keep the notice.", "when": "always", "from": "MIT condition"}
        self.ledger.record("gate.decided", {"run": name, "plan": plan, "verdict": {"obligations": [due]}})
        said = self.stage(
            name, "data/answers", "generate", {"teacher": teacher}, {"prompts": of_bytes(b"")}, answers
        )
        kept = self.stage(
            name, "data/train", "filter-train", {"run": name}, {"answers": said.id}, learnt, **facts
        )
        start = self.stage(
            name, "start", "start", {"teacher": teacher, "init": init}, {"train": kept.id}, b""
        )
        inputs = {"train": kept.id, "start": start.id, "targets": said.id}
        trained = self.stage(name, "trained", "train", {"teacher": teacher}, inputs, weights)
        return {"generate": said, "filter-train": kept, "start": start, "train": trained}


@pytest.fixture
def maker(workspace: Workspace, ledger: Ledger) -> Maker:
    return Maker(workspace, ledger)


@pytest.fixture
def command(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        found = inbond([*arguments, "--home", str(workspace.home), "--json"])
        out, err = capsys.readouterr()
        assert found == code, f"{out}\n{err}"
        value: dict[str, Any] = json.loads(out)
        return value

    return call


FIRST, JUDGE = (
    origin("hf:lab/first"),
    origin("api:api.openai.com/gpt-4o-2024-08-06", "judge", "api.openai.com"),
)
MINE = origin("data:mine.jsonl", channel=OWN)


def first_run(maker: Maker, weights: bytes = b"a") -> dict[str, Manifest]:
    """Four answers of 10, 20, 30 and 40 tokens; the second and the fourth are judged and kept, and one
    record is the user's own."""
    answers = rows((FIRST, (), 10), (FIRST, (), 20), (JUDGE, (), 30), (FIRST, (), 40))
    learnt = [
        *(replace(answers[number], parents=parents) for number, parents in ((1, (1,)), (3, (2, 3)))),
        Row(Record("own", "text"), MINE, (), 0, 30),
    ]
    return maker.run("a", "hf:lab/first", answers, learnt, weights=weights)


def shares(found: dict[str, Any], id_: str, of: str) -> dict[str, Any]:
    """Shares of an ancestor in a model's training, by unit."""
    (ancestor,) = [each for each in found["ancestors"] if each["id"] == id_]
    return {share["unit"]: share for share in ancestor["shares"] if share["of"] == of}


def parts(share: dict[str, Any]) -> tuple[Any, ...]:
    return share["authored"], share["touched"], share["by_role"]


def test_preferences_show_who_criticised_and_who_rewrote(maker: Maker, command: Command) -> None:
    """Two answers, one of them criticised and revised; the run learns from the pair."""
    made = first_run(maker)
    train, run = made["filter-train"], "a"
    critic, rewriter = origin("hf:lab/critic", "judge"), origin("hf:lab/writer", "rewriter")
    said = rows((critic, (0,), 5))
    above = [train.id]
    critiques = maker.stage(run, "data/critiques", "criticise", {}, {"train": train.id}, said, parents=above)
    revised = rows((rewriter, (0, 3), 30))
    above = [train.id, critiques.id]
    revisions = maker.stage(run, "data/revisions", "revise", {}, {"train": train.id}, revised, parents=above)
    both = rows((rewriter, (4,), 30), (FIRST, (0,), 10))
    above = [*above, revisions.id]
    pairs = maker.stage(run, "data/pairs", "pairs", {}, {"train": train.id}, both, parents=above)
    inputs = {"pairs": pairs.id, "start": made["start"].id}
    maker.stage(run, "trained", "train", {"teacher": "hf:lab/first", "kl": 0.0}, inputs, b"w")

    found = command("trace", "run:a")
    by_tokens = {id_: parts(shares(found, id_, "run:a")["tokens"]) for id_ in (
        "hf:lab/first", "hf:lab/critic", "hf:lab/writer",
    )}  # fmt: skip
    assert by_tokens["hf:lab/first"] == (0.25, 1.0, {"author": 1.0})
    assert by_tokens["hf:lab/critic"] == (0.0, 0.75, {"judge": 0.75})
    assert by_tokens["hf:lab/writer"] == (0.0, 0.75, {"rewriter": 0.75})
    assert shares(found, "data:runs/a/data/revisions", "run:a")["records"]["touched"] == 0.5


def test_a_recorded_runs_picture_has_its_counted_shares(maker: Maker, tmp_path: Path) -> None:
    first_run(maker)
    svg, page = tmp_path / "a.svg", tmp_path / "a.html"
    home = str(maker.workspace.home)
    assert inbond(["trace", "run:a", "--svg", str(svg), "--page", str(page), "--home", home, "-q"]) == 0
    root = ElementTree.fromstring(svg.read_text("utf-8"))
    words = [" ".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "100% of train records, 100% of train tokens" in words
    classes = [each.attrib.get("class") for each in root.iter("{http://www.w3.org/2000/svg}path")]
    assert "edge outputs" in classes  # recorded ones are not dashed
    text = page.read_text("utf-8")
    assert "44.4%" in text
    assert "inbond verify run:a" in text


def test_a_run_is_traced_record_by_record(maker: Maker, command: Command) -> None:
    first_run(maker)
    found = command("trace", "run:a", "--from", "first")
    assert found["answer"]["outcome"] == "yes"
    by_unit = shares(found, "hf:lab/first", "run:a")
    assert parts(by_unit["records"]) == (0.666667, 0.666667, {"author": 0.666667})
    assert parts(by_unit["tokens"]) == (0.666667, 0.666667, {"author": 0.666667})
    by_unit = shares(found, JUDGE.teacher, "run:a")
    assert parts(by_unit["records"]) == (0.0, 0.333333, {"judge": 0.333333})
    assert parts(by_unit["tokens"]) == (0.0, 0.444444, {"judge": 0.444444})
    assert shares(found, "data:mine.jsonl", "run:a")["records"]["authored"] == 0.333333
    assert found["ancestors"][0]["evidence"] == "recorded"
    assert {"id", "kind", "edge", "evidence", "hops", "paths", "roles", "shares", "stance"} <= set(
        found["ancestors"][0]
    )


def test_the_object_is_what_the_design_promises(maker: Maker, command: Command) -> None:
    first_run(maker)
    found = command("trace", "run:a")
    lineage = ["target", "answer", "ancestors", "edges", "obligations", "conflicts", "unknowns"]
    assert list(found) == [*lineage, "findings", "contradictions", "findings_notes"]
    assert found["target"] == "run:a"
    first = next(each for each in found["ancestors"] if each["id"] == "hf:lab/first")
    assert (first["edge"], first["hops"], first["roles"]) == ("weights", 1, ["author"])
    assert {tuple(path["kinds"]) for path in first["paths"]} == {
        ("weights",),
        ("outputs",),
        ("outputs", "outputs"),
    }
    assert {"kind": "notice", "text": "Keep the notice.", "when": "always", "from": "MIT condition",
            "ancestor": "run:a", "reach": "direct", "binds": "yes"} in found["obligations"]  # fmt: skip
    assert {"about": "hf:lab/first", "what": "what it was made from and trained on"} in found["unknowns"]
    assert command("trace", "run:a", "--from", "gpt-4o")["answer"]["outcome"] == "yes"
    assert command("trace", "run:a", "--from", "gpt-4o-mini", code=3)["answer"]["outcome"] == "cannot-tell"


def test_a_chain_of_runs_is_followed_through_student_and_records(maker: Maker, command: Command) -> None:
    """b is taught by a's student, and learns two of a's records as they are."""
    a = first_run(maker)
    pinned = f"run:a {pins.pin(a['train'].files)}"
    taught = rows((origin("run:a"), (), 10), (origin("run:a"), (), 10))
    earlier = records.read_rows(maker.workspace.run("a") / "data/train")
    taken = [
        replace(earlier[number], origin=replace(earlier[number].origin, channel=OWN), parents=(2 + number,))
        for number in (1, 2)
    ]
    learnt = [*(replace(row, parents=(number,)) for number, row in enumerate(taught)), *taken]
    sets = [a["filter-train"].id]
    said = Identity("generate", 1, {"teacher": pinned}, {"prompts": of_bytes(b"")}).id
    maker.run("b", pinned, taught, learnt, weights=b"b", parents=[said, *sets])
    found = command("trace", "run:b", "--from", "first")
    assert found["answer"]["sentence"].startswith(
        "Yes: run:b was made from the weights of hf:lab/first, through run:a; it and a model taught by it, "
        "run:a, wrote 75% of the records and 66.7% of the tokens that it was trained on"
    )
    by_unit = shares(found, "hf:lab/first", "run:b")
    assert parts(by_unit["records"]) == (0.25, 0.75, {"author": 0.75})
    assert parts(by_unit["tokens"]) == (0.444444, 0.666667, {"author": 0.666667})
    assert parts(shares(found, "run:a", "run:b")["records"]) == (0.5, 0.5, {"author": 0.5})
    # gpt-4o judged what a learnt from: all that a says descends from it, and one of the records taken
    assert parts(shares(found, JUDGE.teacher, "run:b")["records"]) == (
        0.0,
        0.75,
        {"author": 0.5, "judge": 0.25},
    )
    assert shares(found, "data:runs/a/data/train", "run:b")["records"]["touched"] == 1.0
    assert shares(found, "hf:lab/first", "run:a")["records"]["authored"] == 0.666667
    nodes = {tuple(path["nodes"]) for each in found["ancestors"] if each["asked"] for path in each["paths"]}
    assert ("hf:lab/first", "data:runs/a/data/train", "data:runs/b/data/train", "run:b") in nodes


def test_a_student_made_anew_is_another_model(maker: Maker, command: Command) -> None:
    """b learnt from a's first weights; a then learnt from b, the same words. By name it is a cycle."""
    a = first_run(maker)
    old = pins.pin(a["train"].files)
    taught = rows((origin("run:a"), (), 1))
    b = maker.run("b", f"run:a {old}", taught, [replace(taught[0], parents=(0,))], weights=b"b")
    again = rows((origin("run:b"), (), 1))
    maker.run(
        "a", f"run:b {pins.pin(b['train'].files)}", again, [replace(again[0], parents=(0,))], weights=b"new"
    )
    found = command("trace", "run:a")
    assert [each["id"] for each in found["ancestors"] if each["kind"] == "model"] == ["run:b", f"run:a@{old}"]
    what = "these are other weights than run:a has elsewhere; what they descend from is not kept"
    assert {"about": f"run:a@{old}", "what": what} in found["unknowns"]


def test_records_that_are_gone_are_unknown_and_text_that_is_erased_is_not_missed(
    maker: Maker, command: Command
) -> None:
    first_run(maker)
    for text in maker.workspace.home.rglob(records.TEXT):
        text.unlink()
    assert command("trace", "run:a", "--from", "first")["answer"]["outcome"] == "yes"
    shutil.rmtree(maker.workspace.run("a") / "data/answers")
    found = command("trace", "run:a", "--from", "first")
    whats = [item["what"] for item in found["unknowns"] if item["about"] == "data:runs/a/data/train"]
    assert any("the records it was made from" in what and "are not there any more" in what for what in whats)
    assert shares(found, "hf:lab/first", "run:a")["records"]["authored"] == 0.666667


def test_without_token_counts_shares_of_tokens_are_not_established(maker: Maker, command: Command) -> None:
    answers = rows((FIRST, (), 5), (JUDGE, (), 0))
    maker.run(
        "a",
        "hf:lab/first",
        answers,
        [replace(row, parents=(n,)) for n, row in enumerate(answers)],
        weights=b"a",
    )
    found = command("trace", "run:a")
    assert shares(found, "hf:lab/first", "run:a")["tokens"]["touched"] is None
    what = "1 of the 2 records have no token count, so shares of tokens are not established"
    assert {"about": "data:runs/a/data/train", "what": what} in found["unknowns"]


def test_what_was_changed_is_not_traced_through(maker: Maker, command: Command) -> None:
    first_run(maker)
    place = maker.workspace.run("a") / "data/train"
    kept = manifest.read(place)
    assert kept is not None
    manifest.write(place, Manifest(kept.identity, kept.files, kept.records_root, {"mine": 1}))
    error = command("trace", "run:a", code=4)["error"]
    assert "inbond verify names what changed" in error["fix"]
    manifest.write(place, kept)
    (place / records.LINEAGE).write_bytes(b"PAR1")
    assert "lineage.parquet cannot be read" in command("trace", "run:a", code=4)["error"]["found"]


def test_an_unknown_target_or_an_empty_workspace_is_an_error(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker)
    error = command("trace", "run:none", code=2)["error"]
    assert error["found"] == "'run:none', which is not among it"
    assert "known are api:api.openai.com/gpt-4o-2024-08-06, hf:lab/first, run:a" in error["fix"]
    empty = tmp_path / "empty"
    assert inbond(["trace", "x", "--home", str(empty), "--json"]) == 2
    assert not empty.exists(), "asking makes nothing"


# Declared and recorded, joined ----------------------------------------------------------------------


def declared(folder: Path, *edges: dict[str, Any], **nodes: str) -> Path:
    values = {
        "format": "inbond.lineage/1",
        "node": [{"id": id_, "kind": kind} for id_, kind in nodes.items()],
        "edge": list(edges),
    }
    path = folder / "x.lineage.json"
    path.write_text(json.dumps(values))
    return path


def test_a_declaration_lengthens_a_recorded_chain(maker: Maker, command: Command, tmp_path: Path) -> None:
    first_run(maker)
    assert command("trace", "run:a", "--from", "gpt-3.5-turbo", code=3)["answer"]["outcome"] == "cannot-tell"
    path = declared(
        tmp_path,
        {
            "source": "api:api.openai.com/gpt-3.5-turbo-0613",
            "target": "data:sft",
            "relation": "generated",
            "roles": ["author"],
        },
        {"source": "data:sft", "target": "hf:lab/first", "relation": "trained-on", "stage": "SFT"},
        **{"api:api.openai.com/gpt-3.5-turbo-0613": "model", "data:sft": "data", "hf:lab/first": "model"},
    )
    imported = command("import", str(path))["imported"]
    assert [(item["form"], item["new"], item["edges"]) for item in imported] == [("lineage-file", True, 2)]
    found = command("trace", "run:a", "--from", "gpt-3.5-turbo")
    first = found["ancestors"][0]
    assert (first["id"], first["hops"], first["evidence"]) == (
        "api:api.openai.com/gpt-3.5-turbo-0613",
        3,
        "declared",
    )
    share = shares(found, first["id"], "run:a")["records"]
    assert parts(share) == (0.0, 0.666667, {"author": 0.666667}), "what first wrote descends from it"
    assert command("import", str(path))["imported"][0]["new"] is False
    assert len(list(maker.ledger.events("lineage.declared"))) == 1


def test_a_later_import_of_the_same_file_takes_the_place_of_the_earlier(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker)
    nodes = {"hf:x/base": "model", "hf:lab/first": "model"}
    command(
        "import",
        str(
            declared(
                tmp_path, {"source": "hf:x/base", "target": "hf:lab/first", "relation": "merged"}, **nodes
            )
        ),
    )
    assert command("trace", "run:a", "--from", "base")["answer"]["outcome"] == "yes"
    command("import", str(declared(tmp_path, **{"hf:lab/first": "model"})))
    assert command("trace", "run:a", "--from", "base", code=3)["answer"]["outcome"] == "cannot-tell"


def test_a_student_that_was_handed_on_is_known_by_its_bytes(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker, weights=b"the very weights")
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"the very weights")
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: lab/first\n---\n")
    command("import", str(folder), "--name", "hf:me/renamed")
    found = command("trace", "hf:me/renamed", "--from", "gpt-4o")
    assert found["target"] == "run:a"
    assert found["answer"]["outcome"] == "yes"


def test_what_cannot_be_true_together_is_refused_and_not_kept(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker)
    nodes = {"run:a": "model", "hf:lab/first": "model"}
    cycle = declared(tmp_path, {"source": "run:a", "target": "hf:lab/first", "relation": "merged"}, **nodes)
    error = command("import", str(cycle), code=2)["error"]
    assert error["found"].startswith("a cycle: ")
    assert {"run:a", "hf:lab/first"} <= set(error["found"].removeprefix("a cycle: ").split(" -> "))
    nodes = {"run:gone": "model", "hf:x/y": "model"}
    gone = declared(tmp_path, {"source": "run:gone", "target": "hf:x/y", "relation": "merged"}, **nodes)
    error = command("import", str(gone), code=2)["error"]
    assert error["found"] == "no such run"
    assert "run:gone" in error["expected"]
    assert list(maker.ledger.events("lineage.declared")) == []


def test_a_credential_in_a_foreign_file_never_reaches_the_ledger(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    key = "sk-" + "a" * 40
    path = tmp_path / "README.md"
    path.write_text(f"---\nbase_model: a/b\nlicense: other\nlicense_name: {key}\n---\n")
    assert "what looks like one" in command("import", str(path), code=2)["error"]["found"]
    assert key not in maker.workspace.ledger.read_bytes().decode("latin-1")


def test_a_declaration_of_a_newer_version_is_a_clear_error(maker: Maker, command: Command) -> None:
    first_run(maker)
    node = {"id": "hf:a/b", "kind": "model", "licence": None, "digests": [], "source": "", "complete": False}
    edge = {
        "source": "hf:a/b",
        "target": "hf:a/b",
        "relation": "dreamt",
        "roles": [],
        "stage": "",
        "parts": [],
    }
    graph = {"nodes": [node], "edges": [{**edge, "channel": None, "read": ""}], "unknowns": []}
    body = {"form": "card", "read": "x", "subject": "hf:a/b", "digest": of_bytes(b""), "graph": graph}
    maker.ledger.record("lineage.declared", body)
    error = command("trace", "run:a", code=2)["error"]
    assert error["found"] == "ValueError: relation 'dreamt'"
    assert "or a newer one" in error["fix"]


def test_data_that_is_asked_for_says_what_it_is_behind(maker: Maker, command: Command) -> None:
    first_run(maker)
    assert command("trace", "run:a", "--from", "data:mine.jsonl")["answer"]["sentence"] == (
        "Yes: run:a descends from data:mine.jsonl, which is behind 33.3% of the records that it was trained "
        "on."
    )


def test_a_path_is_no_name_on_the_hub() -> None:
    assert hub_name("/meta-llama/Llama-3.1-8B") == "hf:/meta-llama/Llama-3.1-8B"
    assert hub_name("https://huggingface.co/org/name/") == "hf:org/name"


# What others declare of theirs ----------------------------------------------------------------------


def handed_on(maker: Maker, folder: Path, form: str = "cyclonedx", run: str = "run:a") -> Path:
    """A document about a run of this workspace, as whoever gets it sees it."""
    path = folder / f"a.{form}.json"
    assert inbond(["export", form, run, "-o", str(path), "--home", str(maker.workspace.home), "--quiet"]) == 0
    return path


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[Maker]:
    """Somebody else, whose run has the same name."""
    workspace = Workspace(tmp_path / "bob")
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        yield Maker(workspace, ledger)


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_document_about_somebody_elses_run_leaves_ours_alone(
    maker: Maker, bob: Maker, command: Command, tmp_path: Path, form: str
) -> None:
    base = origin("hf:meta/base")
    bob.run("a", "hf:meta/base", rows((base, (), 5)), rows((base, (0,), 5)), weights=b"bob")
    first_run(maker)
    before = command("trace", "run:a")
    command("import", str(handed_on(bob, tmp_path, form)))
    assert command("trace", "run:a") == before
    assert command("import", str(tmp_path), "--forget", code=2)["error"]["found"] == str(tmp_path)
    theirs = command("trace", _theirs(command), "--from", "hf:meta/base")
    assert theirs["answer"]["outcome"] == "yes"
    assert len(command("import", str(tmp_path / f"a.{form}.json"), "--forget")["forgotten"]) == 1


def _theirs(command: Command) -> str:
    """What somebody else's run:a is called here."""
    fix = command("trace", "run:none", code=2)["error"]["fix"]
    return next(word.rstrip(",;") for word in fix.split() if word.startswith("bom:") and "#run/a" in word)


def test_the_same_bytes_are_ours_and_what_was_recorded_of_them_stands(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker, weights=b"the very weights")
    before = command("trace", "run:a")
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"the very weights")
    (folder / "README.md").write_text("---\nbase_model: thief/other\n---\n")
    found = command("import", str(folder), "--name", "hf:me/mine")
    assert [(edge["source"], edge["target"]) for edge in found["passed_over"]] == [
        ("hf:thief/other", "hf:me/mine")
    ]
    assert command("trace", "run:a") == before
    assert command("trace", "hf:me/mine")["target"] == "run:a"


def test_an_edge_of_ones_own_file_into_a_recorded_run_is_an_error(
    maker: Maker, command: Command, tmp_path: Path
) -> None:
    first_run(maker)
    edge = {"source": "hf:x/y", "target": "run:a", "relation": "merged"}
    error = command("import", str(declared(tmp_path, edge, **{"hf:x/y": "model", "run:a": "model"})), code=2)
    assert error["error"]["found"] == "hf:x/y -> run:a; all that it was made from was recorded"
    assert list(maker.ledger.events("lineage.declared")) == []


def test_a_file_in_another_folder_takes_no_ones_place(
    maker: Maker, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first_run(maker)
    places = []
    for person, base in (("p1", "hf:x/one"), ("p2", "hf:x/two")):
        (tmp_path / person / "meta").mkdir(parents=True)
        edge = {"source": base, "target": "hf:lab/first", "relation": "merged"}
        nodes = {base: "model", "hf:lab/first": "model"}
        places.append(declared(tmp_path / person / "meta", edge, **nodes))
        assert command("import", str(places[-1]))["imported"][0]["replaces"] is False
    for base in ("one", "two"):
        assert command("trace", "run:a", "--from", base)["answer"]["outcome"] == "yes"
    places[0].write_text(places[0].read_text().replace("hf:x/one", "hf:x/three"))
    assert inbond(["import", str(places[0]), "--home", str(maker.workspace.home)]) == 0
    assert "declared; replaces what meta/x.lineage.json said before" in capsys.readouterr().out
    assert command("trace", "run:a", "--from", "hf:x/three")["answer"]["outcome"] == "yes"
    assert command("trace", "run:a", "--from", "hf:x/one", code=3)["answer"]["outcome"] == "cannot-tell"


def test_two_folders_are_two_and_a_relative_path_names_one(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, base in (("m1", "meta-llama/Llama-2-7b"), ("m2", "Qwen/Qwen3-8B")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"---\nlicense: mit\nbase_model: {base}\n---\n")
        monkeypatch.chdir(tmp_path / name)
        command("import", "README.md")
    monkeypatch.chdir(tmp_path)
    found = command("trace", "path:m1", "--from", "Llama-2-7b")
    assert (found["target"], found["answer"]["outcome"]) == (f"path:{tmp_path / 'm1'}", "yes")
    assert command("trace", "path:m1", "--from", "Qwen3-8B", code=3)["answer"]["outcome"] == "cannot-tell"


def test_an_import_can_be_taken_back(
    maker: Maker, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first_run(maker)
    edge = {"source": "hf:x/base", "target": "hf:lab/first", "relation": "merged"}
    path = declared(tmp_path, edge, **{"hf:x/base": "model", "hf:lab/first": "model"})
    error = command("import", str(path), "--forget", code=2)["error"]
    assert (error["found"], error["fix"]) == (str(path), "nothing was imported here")
    command("import", str(path))
    error = command("import", "hf:no/such", "--forget", code=2)["error"]
    assert error["fix"] == f"imported are: {path}"
    path.unlink()
    assert inbond(["import", str(path), "--forget", "--home", str(maker.workspace.home)]) == 0
    assert f"{tmp_path.name}/x.lineage.json (lineage-file): forgotten" in capsys.readouterr().out
    assert command("trace", "run:a", "--from", "hf:x/base", code=3)["answer"]["outcome"] == "cannot-tell"
    assert len(list(maker.ledger.events("lineage.declared"))) == 1, "the ledger keeps what was said"
    card = tmp_path / "README.md"
    card.write_text("---\nbase_model: hf:x/base\n---\n")
    command("import", str(card), "--name", "hf:lab/first")
    assert command("trace", "run:a", "--from", "hf:x/base")["answer"]["outcome"] == "yes"
    forgotten = command("import", "hf:lab/first", "--forget")["forgotten"]
    assert forgotten == [{"form": "card", "place": str(card), "subject": "hf:lab/first"}]
    assert command("trace", "run:a", "--from", "hf:x/base", code=3)["answer"]["outcome"] == "cannot-tell"
    assert "leave it out" in command("import", "x", "--forget", "--name", "hf:a/b", code=2)["error"]["fix"]
