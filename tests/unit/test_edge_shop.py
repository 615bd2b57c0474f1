"""What goes with a file, which teacher it is measured beside, and what its identity holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes import formats, trying
from inbond.recipes.sections.export import Export
from inbond.recipes.shop import Beside, Shop, _teacher
from inbond.recipes.trail import Trail
from inbond.recipes.watch import Silent
from inbond.teachers.opening import Weights
from inbond.workspace import Workspace
from tests.tiny import save_tiny


def _trail(home: Path) -> Trail:
    return Trail(Workspace(home), None, "tiny", Silent())  # type: ignore[arg-type]


def _begun(trail: Trail, teacher: str) -> Trail:
    folder = trail.folder / "start"
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(folder, Manifest(Identity("start", 1, {"teacher": teacher}, {}), {}))
    return trail


def test_the_papers_of_student_and_teacher_go_with_a_file(tmp_path: Path) -> None:
    wanted = ["LICENSE", "NOTICE", "README.md", "TEACHER-LICENSE.txt"]
    for name in (*wanted, "config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    assert [path.name for path in formats.papers(tmp_path)] == wanted


def test_a_teacher_that_is_an_api_or_another_one_now_is_not_measured_beside(tmp_path: Path) -> None:
    api = _teacher(_begun(_trail(tmp_path / "home"), "api:127.0.0.1:9/big"))
    assert (api.weights, api.why) == (None, "the weights of api:127.0.0.1:9/big are not here, only its API")
    name = f"path:{save_tiny(tmp_path / 'teacher')}"
    other = _teacher(_begun(_trail(tmp_path / "home"), f"{name} {of_bytes(b'before')}"))
    assert other.why == f"{name} is another one now than the student learnt from"
    gone = _teacher(_begun(_trail(tmp_path / "home"), f"path:{tmp_path / 'gone'} {of_bytes(b'')}"))
    assert gone.weights is None
    assert "is not here any more" in gone.why


def _shop(home: Path, beside: Beside) -> Shop:
    student = Manifest(Identity("export", 1, {}, {}), {})
    return Shop(_trail(home), student, home, student, Export(), beside)


def test_versions_of_what_writes_and_runs_a_file_are_in_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(tmp_path, Beside(None))
    ids = {formats._identity(shop, kind).id for kind in ("q8_0", "onnx")}
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0.0.1")
    later = {formats._identity(shop, kind).id for kind in ("q8_0", "onnx")}
    assert len(ids | later) == 4
    told = formats._identity(shop, "q8_0").config["made_with"]
    assert told.keys() == {"inbond", "gguf", "xllamacpp"}


def test_the_type_of_the_teachers_own_file_is_advised_against(smollm2_gguf: Path, tmp_path: Path) -> None:
    weights = Weights("own", "gguf", smollm2_gguf, of_bytes(b""))
    shop = _shop(tmp_path, Beside(weights))
    assert "take another type than q4_1, which is the type of the teacher's own file" in trying._advice(
        shop, "q4_1"
    )
    assert trying._advice(shop, "q4_0") == trying._advice(shop, "onnx") == ""
