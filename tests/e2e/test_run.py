"""``inbond run`` from the command line, with a real (tiny) transformers model as the teacher."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tiny import save_tiny

INBOND = [sys.executable, "-c", "from inbond.cli.main import main; main()"]
WORDS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge"]
OTHERS = ["window", "silver", "candle", "forest", "mirror", "dragon", "planet"]


@dataclass(frozen=True)
class Place:
    """A folder with a teacher and a recipe, and the command run in it."""

    folder: Path

    @property
    def run_folder(self) -> Path:
        return self.folder / "bond" / "runs" / "tiny"

    def write(self, **changes: Any) -> None:
        recipe: dict[str, Any] = {
            "name": "tiny",
            "teacher": "path:teacher",
            "prompts": {"items": [f"{a} and {b}" for a in WORDS for b in OTHERS]},
            "generate": {"max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5},
            "filters": {"truncated": False, "near_duplicates": None, "personal_data": False},
            "capture": {"k": 16, "shard": 8},
            "student": {"layers": 2, "probe": 4},
            "train": {"epochs": 4, "lr": 0.003, "checkpoint_seconds": 0.2},
            "evaluate": {"samples": 2, "sample_tokens": 6},
        }
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **changes}))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*INBOND, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def inbond(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs with --json and returns the object, once the exit code is the one expected."""
        child = self.start(*arguments, "--json")
        out, err = child.communicate(timeout=300)
        assert child.returncode == code, f"{out}\n{err}"
        value: dict[str, Any] = json.loads(out)
        return value


def is_whole(place: Place, *arguments: str) -> bool:
    """Whether nothing was changed: ``verify`` says so, or that nothing is recorded yet to check."""
    child = place.start("verify", *arguments, "--json")
    out, err = child.communicate(timeout=300)
    assert child.returncode in (0, 2), f"{out}\n{err}"
    value = json.loads(out)
    return value["ok"] if child.returncode == 0 else "there is nothing to check" in value["error"]["found"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One finished run, for all tests that only look."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    place = Place(tmp_path_factory.mktemp("finished"))
    save_tiny(place.folder / "teacher", padding=5)
    place.write()
    place.inbond("run", "recipe.yaml")
    os.environ["INBOND_TEST_FINISHED_CONFIG"] = os.environ["XDG_CONFIG_HOME"]
    patch.undo()
    return place


@pytest.fixture
def copy(finished: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The finished run somewhere else, to be changed at will."""
    monkeypatch.setenv("XDG_CONFIG_HOME", os.environ["INBOND_TEST_FINISHED_CONFIG"])
    shutil.copytree(finished.folder, tmp_path / "moved", symlinks=True)
    return Place(tmp_path / "moved")


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    """A teacher and a recipe, nothing run yet."""
    place = Place(tmp_path / "new")
    place.folder.mkdir()
    save_tiny(place.folder / "teacher")
    place.write()
    return place


def test_a_run_gives_what_the_design_promises(finished: Place) -> None:
    result = json.loads((finished.run_folder / "result.json").read_text())
    assert {"run", "outcome", "student", "metrics", "seconds", "tokens", "cost", "artifacts"} <= set(result)
    metrics = result["metrics"]
    assert metrics["kl_after"] < metrics["kl_before"]
    assert all(0 <= metrics[f"agreement_{side}"] <= 1 for side in ("before", "after"))
    assert metrics["student_params"] < metrics["teacher_params"]
    assert metrics["speedup"] > 0
    assert result["tokens"] > 0
    assert result["cost"] == 0
    assert list(result["seconds"]) == [
        "generate", "filter", "hold out", "capture", "start", "train", "evaluate", "judge", "export",
    ]  # fmt: skip


def test_plain_transformers_loads_the_student(finished: Place) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished.run_folder / "student"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.num_hidden_layers == 2
    ids = tokenizer("a river", return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=3).shape[1] > ids["input_ids"].shape[1]


def test_the_card_names_teacher_edges_and_terms(finished: Place) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(finished.run_folder / "student" / "README.md")
    assert card.data.license == "mit"
    block = card.data.to_dict()["inbond"]
    assert block["teacher"] == "path:teacher"
    assert block["edges"] == ["outputs", "weights"]
    assert block["verdicts"][0]["outcome"] == "permit-with-obligations"
    assert "not legal advice" in card.text
    assert (finished.run_folder / "student" / "NOTICE").read_text().startswith("tiny\n")


def test_the_report_stands_alone(finished: Place) -> None:
    page = (finished.run_folder / "report.html").read_text()
    assert "<script" not in page
    assert "http-equiv" in page
    assert len(page) < 400_000


def test_the_second_run_finds_everything_and_adds_nothing(copy: Place) -> None:
    before = copy.inbond("verify")
    first = json.loads((copy.run_folder / "result.json").read_text())
    assert copy.inbond("run", "recipe.yaml") == first
    after = copy.inbond("verify")
    assert after["checked"] == before["checked"]


def test_a_moved_workspace_verifies_and_every_change_is_named(copy: Place) -> None:
    assert copy.inbond("verify")["ok"]
    for relative in (
        "student/model.safetensors",
        "data/train/records.jsonl",
        "targets/targets-00000.shard",
    ):
        path = copy.run_folder / relative
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()  # a second name of the same bytes is another file
        path.write_bytes(data)
        problems = copy.inbond("verify", code=4)["problems"]
        assert any(relative in problem for problem in problems), problems
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert copy.inbond("verify")["ok"]


def test_a_change_remakes_what_depends_on_it_and_no_more(copy: Place) -> None:
    first = json.loads((copy.run_folder / "result.json").read_text())
    second = copy.inbond("run", "recipe.yaml", "--set", "train.lr=0.001")
    kept = {stage for stage, id_ in second["artifacts"].items() if id_ == first["artifacts"][stage]}
    assert kept == {"generate", "filter", "hold out", "capture", "start"}
    assert copy.inbond("verify")["ok"]


def test_fresh_makes_all_anew_without_asking_again(copy: Place) -> None:
    first = json.loads((copy.run_folder / "result.json").read_text())
    shutil.rmtree(copy.folder / "bond" / "runs" / "tiny" / "student")
    second = copy.inbond("run", "recipe.yaml", "--fresh")
    assert second["artifacts"] == first["artifacts"], "the same identity"
    assert second["metrics"]["kl_after"] == pytest.approx(first["metrics"]["kl_after"], rel=1e-3)
    assert copy.inbond("verify")["ok"]


def test_erased_text_leaves_a_run_that_verifies_and_is_complete(copy: Place) -> None:
    sample = json.loads((copy.run_folder / "data/held_out/records.jsonl").read_text().splitlines()[0])
    prompt = sample["messages"][-1]["content"].encode()
    copy.inbond("erase", "tiny")
    holders = [
        path for path in (copy.folder / "bond").rglob("*") if path.is_file() and prompt in path.read_bytes()
    ]
    assert holders == []
    assert copy.inbond("verify")["ok"]
    assert copy.inbond("run", "recipe.yaml")["outcome"] == "done"
    assert copy.inbond("verify")["ok"]


def test_own_data_is_mixed_in_and_never_measured_on(empty: Place) -> None:
    lines = [{"prompt": f"my own question {i}", "completion": f"answer {i}"} for i in range(9)]
    (empty.folder / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    empty.write(own_data=[{"file": "own.jsonl", "weight": 2.5}], train={"epochs": 1, "kl": 0.5, "ce": 0.5})
    empty.inbond("run", "recipe.yaml")
    facts = json.loads((empty.run_folder / "data/train/manifest.json").read_text())["facts"]
    assert 0 < facts["own"] <= 9
    import pyarrow.parquet as pq

    weights = pq.read_table(empty.run_folder / "data/train/lineage.parquet")["weight"].to_pylist()
    assert weights.count(2.5) == facts["own"]


def test_a_student_becomes_the_teacher_of_the_next_run(copy: Place) -> None:
    recipe = yaml.safe_load((copy.folder / "recipe.yaml").read_text())
    recipe |= {"name": "second", "teacher": "run:tiny"}
    recipe["student"] = {"layers": 1, "probe": 4}
    (copy.folder / "second.yaml").write_text(yaml.safe_dump(recipe))
    assert copy.inbond("run", "second.yaml")["run"] == "second"
    assert copy.inbond("verify")["ok"]


@pytest.mark.parametrize(
    "student",
    [
        {"init": "scratch", "config": {"num_hidden_layers": 1, "hidden_size": 16}},
        {"init": "model", "base": "path:other"},
        {"init": "prune", "keep": [0, 3]},
    ],
)
def test_every_start_runs(empty: Place, student: dict[str, Any]) -> None:
    save_tiny(empty.folder / "other", layers=1, padding=3, seed=4)
    empty.write(student=student, train={"epochs": 1})
    assert empty.inbond("run", "recipe.yaml")["outcome"] == "done"


def test_the_gate_stops_before_anything_is_made(empty: Place) -> None:
    (empty.folder / "teacher" / "README.md").write_text("---\nlicense: other\n---\n")
    error = empty.inbond("run", "recipe.yaml", code=3)["error"]
    assert "path:teacher" in error["found"]
    assert "--accept REASON" in error["fix"]
    assert not (empty.folder / "bond" / "journal.db").exists()
    assert not (empty.run_folder / "data").exists()
    done = empty.inbond("run", "recipe.yaml", "--accept", "the author told me so")
    assert done["verdict"] == "review"
    assert "the author told me so" in (empty.run_folder / "report.html").read_text()
    assert empty.inbond("run", "recipe.yaml")["outcome"] == "done", "an acceptance is kept"


LARGER = "a student of at most the teacher's"
FROM_FILE = {"prompts": {"file": "p.jsonl", "licence": "own"}}
BAD: list[tuple[str, Callable[[Place], None], dict[str, Any], str]] = [
    ("no recipe", lambda p: (p.folder / "recipe.yaml").unlink(), {}, "a recipe file, or the name"),
    ("unknown field", lambda _: None, {"trian": {}}, "only fields that a recipe has"),
    ("k over V", lambda _: None, {"capture": {"k": 100_000}}, "k from 1 to 300"),
    ("too many layers", lambda _: None, {"student": {"layers": 4}}, "smaller than its teacher of 4"),
    ("no teacher", lambda p: shutil.rmtree(p.folder / "teacher"), {}, "weights that can be read at teacher"),
    ("no prompts file", lambda _: None, {"prompts": {"file": "none.jsonl", "licence": "own"}}, "none.jsonl"),
    ("empty data", lambda p: (p.folder / "p.jsonl").write_text("\n"), FROM_FILE, "at least one row"),
    (
        "broken line",
        lambda p: (p.folder / "p.jsonl").write_text('{"prompt": "a"}\n{"prompt": \n'),
        FROM_FILE,
        "line 2",
    ),
    (
        "duplicate ids",
        lambda p: (p.folder / "p.jsonl").write_text('{"prompt": "a", "id": 1}\n{"prompt": "b", "id": 1}\n'),
        FROM_FILE,
        "every id once",
    ),
    (
        "another tokenizer",
        lambda p: _other_tokenizer(p.folder / "other"),
        {"student": {"init": "model", "base": "path:other"}},
        "a student whose tokenizer has the teacher's tokens",
    ),
    (
        "a larger student",
        lambda p: save_tiny(p.folder / "other", layers=9),
        {"student": {"init": "model", "base": "path:other"}},
        LARGER,
    ),
    (
        "a corrupt GGUF",
        lambda p: (p.folder / "m.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 64),
        {"teacher": "gguf:m.gguf"},
        "",
    ),
]  # fmt: skip


def _other_tokenizer(folder: Path) -> None:
    save_tiny(folder, layers=1)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"<|start|>"', '"<|begin|>"'))
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace("<|start|>", "<|begin|>"))


@pytest.mark.parametrize(
    ("spoil", "changes", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_is_refused_with_nothing_half_written(
    empty: Place, spoil: Callable[[Place], Any], changes: dict[str, Any], expected: str
) -> None:
    empty.write(**changes)
    spoil(empty)
    accept = ("--accept", "test") if "gguf" in str(changes) else ()
    error = empty.inbond("run", "recipe.yaml", *accept, code=2)["error"]
    assert expected in f"{error['expected']} {error['found']}"
    assert error["fix"]
    if expected != LARGER:  # its size is only known once it is loaded
        assert not (empty.folder / "bond" / "journal.db").exists(), "found out before anything was asked"
    if (empty.folder / "bond" / "ledger.db").exists():
        assert is_whole(empty), "whatever was completed before is whole"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes nobody, which takes root")
def test_a_home_without_permission_is_an_error_of_ours() -> None:
    """As nobody, who may not write where root keeps things; all is imported while it still may be read."""
    code = """
import os
import inbond.recipes.run
from inbond.cli.main import run
run(["check", "demo", "--quiet"])
os.setuid(65534)
raise SystemExit(run(["run", "demo", "--home", "/root/bond", "--json"]))
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode == 2, child.stdout + child.stderr
    error = json.loads(child.stdout)["error"]
    assert error["expected"] == "permission to write at /root/bond"
    assert "choose another with --home" in error["fix"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_an_error_of_ours_and_leaves_what_was_done(empty: Place, disk: Path) -> None:
    """Full in the journal, in the records, and while weights are written; then the disk grows."""
    home = ("--home", str(disk / "bond"))
    for size, where in (("120k", (".db",)), ("860k", (".db", "data/answers"))):
        resize(disk, size)
        error = empty.inbond("run", "recipe.yaml", *home, code=2)["error"]
        assert "free space" in error["expected"]
        assert any(place in error["expected"] for place in where)
        assert "free some space" in error["fix"]
    resize(disk, "20m")
    assert is_whole(empty, *home)
    assert empty.inbond("run", "recipe.yaml", *home)["outcome"] == "done"

    used = sum(path.stat().st_blocks * 512 for path in {p.stat().st_ino: p for p in disk.rglob("*")}.values())
    resize(disk, str(used + 64 * 1024))
    error = empty.inbond("run", "recipe.yaml", "--set", "train.lr=0.001", *home, code=2)["error"]
    # The checkpoint or the weights: whichever is written when the last bytes go.
    assert any(place in error["expected"] for place in ("trained", "work/checkpoints"))
    assert "free some space" in error["fix"]
    resize(disk, "20m")
    assert empty.inbond("verify", *home)["ok"]
    assert empty.inbond("run", "recipe.yaml", "--set", "train.lr=0.001", *home)["outcome"] == "done"
    assert empty.inbond("verify", *home)["ok"]


def test_a_home_that_is_a_file_is_refused(empty: Place) -> None:
    (empty.folder / "bond").write_text("")
    error = empty.inbond("run", "recipe.yaml", code=2)["error"]
    assert "a folder" in error["expected"]


@pytest.mark.slow
def test_killed_anywhere_the_next_run_goes_on(empty: Place) -> None:
    """SIGKILL at ever later moments; every attempt starts from what the last one kept."""
    for delay in (1.5, 3.0, 4.5, 5.5, 6.5, 7.5):
        child = empty.start("run", "recipe.yaml", "--quiet")
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if (empty.folder / "bond" / "ledger.db").exists():
            assert child.returncode != -9 or is_whole(empty)
    killed = empty.inbond("run", "recipe.yaml")
    assert empty.inbond("verify")["ok"]
    whole = empty.inbond("run", "recipe.yaml", "--home", "whole")
    assert killed["artifacts"] == whole["artifacts"]
    assert killed["metrics"]["kl_after"] == pytest.approx(whole["metrics"]["kl_after"], rel=0.02)


@pytest.mark.slow
def test_two_at_once_do_not_tread_on_each_other(empty: Place) -> None:
    first = empty.start("run", "recipe.yaml", "--quiet")
    while not (empty.run_folder / ".lock").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    error = empty.inbond("run", "recipe.yaml", code=2)["error"]
    assert "another process" in error["found"]
    assert first.wait(timeout=120) == 0
    first.communicate()


def test_interrupting_keeps_what_was_done(empty: Place) -> None:
    child = empty.start("run", "recipe.yaml")
    time.sleep(2.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode in (130, 0)
    if child.returncode == 130:
        assert "run the same command to go on" in err
    assert empty.inbond("run", "recipe.yaml")["outcome"] == "done"
