"""A student copied to a machine that has nothing but the folder and its maker's public key."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from inbond.ledger.attest import read_public_key
from tests.e2e.test_run import INBOND, OTHERS, WORDS, Place
from tests.tiny import save_tiny

MODEL, PROVENANCE, VERDICT = (
    "urn:inbond:attestation:model:1",
    "https://slsa.dev/provenance/v1",
    "https://in-toto.io/attestation/svr/v0.2",
)
RECORDS = "bond/runs/tiny/data/train/records.jsonl"


@dataclass(frozen=True)
class Elsewhere:
    """An empty place with an empty home."""

    folder: Path

    def inbond(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        environment = {"HOME": str(self.folder / "home"), "PATH": str(Path(sys.executable).parent)}
        done = subprocess.run(
            [*INBOND, *arguments, "--json"], cwd=self.folder, env=environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert list((self.folder / "home").iterdir()) == [], "verifying makes nothing"
        value: dict[str, Any] = json.loads(done.stdout)
        return value


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where a student was made, what can be proven about it, and the public key that its maker hands out."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    place = Place(tmp_path_factory.mktemp("maker"))
    save_tiny(place.folder / "teacher", padding=5)
    asked = [f"{a} and {b}" for a in WORDS for b in OTHERS]
    place.write(prompts={"items": asked, "system": "秘密の指示", "licence": "own"}, purpose={"mau": 4321})
    place.inbond("run", "recipe.yaml")
    (place.folder / "key.pem").write_text(place.inbond("keys", "show")["public_key"])
    place.inbond("verify", "--save-head", "head.json")
    line = (place.folder / RECORDS).read_bytes().splitlines()[0]
    hashed = subprocess.run(["sha256sum"], input=line, capture_output=True, check=True).stdout.split()[0]
    record = f"sha256:{hashed.decode()}"
    (place.folder / "record.txt").write_text(record)
    data = "bond/runs/tiny/data/train"
    place.inbond("verify", data, "--record", record, "--save-proof", "record.json")
    place.inbond("verify", "bond/runs/tiny/student", "--save-proof", "student.json")
    place.inbond("keys", "rotate")
    place.inbond("verify", "--head", "head.json", "--save-proof", "grown.json")
    patch.undo()
    return place


@pytest.fixture
def elsewhere(maker: Place, tmp_path: Path) -> Elsewhere:
    (tmp_path / "home").mkdir()
    shutil.copytree(maker.run_folder / "student", tmp_path / "学生")
    for name in ("key.pem", "head.json", "record.json", "student.json", "grown.json"):
        shutil.copy(maker.folder / name, tmp_path / name)
    return Elsewhere(tmp_path)


def test_a_copied_student_verifies_with_nothing_but_the_key(elsewhere: Elsewhere) -> None:
    found = elsewhere.inbond("verify", "学生", "--key", "key.pem")
    assert (found["ok"], found["problems"]) == (True, [])
    assert "signed these 9 files, and no others, as the student 'tiny'" in found["proved"][0]
    assert [what.split(" gate")[0].rpartition(" ")[2] for what in found["proved"][2:]] == [
        "policy", "diversity", "generality", "capacity"
    ]  # fmt: skip
    assert found["not_proved"]
    assert found["head"]["format"] == "inbond.head/1"


def test_a_proof_and_a_student_are_tied(elsewhere: Elsewhere) -> None:
    asked = ("verify", "学生", "--key", "key.pem", "--proof")
    found = elsewhere.inbond(*asked, "student.json")
    assert found["problems"] == []
    assert found["proved"][-1] == "what the proof is about is this very folder, manifest and files"
    (problem,) = elsewhere.inbond(*asked, "record.json", code=4)["problems"]
    assert problem.startswith("the proof is about another artifact: one with the manifest sha256:")


def test_one_byte_is_enough_in_any_file(elsewhere: Elsewhere) -> None:
    for path in sorted((elsewhere.folder / "学生").iterdir()):
        old = path.read_bytes()
        path.write_bytes(old[: len(old) // 2] + bytes([old[len(old) // 2] ^ 1]) + old[len(old) // 2 + 1 :])
        found = elsewhere.inbond("verify", "学生", "--key", "key.pem", code=4)
        path.write_bytes(old)
        assert found["proved"] == []
        assert found["problems"][0].startswith(f"{path.name}: "), found["problems"]


def test_extra_and_missing_files_are_named(elsewhere: Elsewhere) -> None:
    (elsewhere.folder / "学生" / "added_tokens.json").write_text("{}")
    (elsewhere.folder / "学生" / "NOTICE").unlink()
    assert elsewhere.inbond("verify", "学生", "--key", "key.pem", code=4)["problems"] == [
        "NOTICE: it is missing; the signed statement recorded it",
        "added_tokens.json: no signed statement speaks of this file",
    ]


def test_a_record_is_proven_without_the_workspace(elsewhere: Elsewhere, maker: Place) -> None:
    record = (maker.folder / "record.txt").read_text()
    asked = ("verify", "record.json", "--key", "key.pem", "--head", "head.json", "--record")
    found = elsewhere.inbond(*asked, record)
    assert found["ok"]
    assert f"the record {record} is one of that artifact's records" in found["proved"]
    text = (elsewhere.folder / "record.json").read_text()
    (elsewhere.folder / "record.json").write_text(text.replace(record, f"sha256:{'0' * 64}"))
    assert not elsewhere.inbond(*asked, record, code=4)["ok"]


def test_that_the_ledger_grew_is_proven_without_it_and_across_a_change_of_keys(elsewhere: Elsewhere) -> None:
    found = elsewhere.inbond("verify", "grown.json", "--key", "key.pem", "--head", "head.json")
    assert found["ok"]
    assert "events begins with the" in found["proved"][0]


def test_the_reference_library_reads_every_statement(maker: Place) -> None:
    key = read_public_key(maker.folder / "key.pem")
    known = SSlibKey(key.id, "ed25519", "ed25519", {"public": key.raw.hex()})
    statements = []
    for line in (maker.run_folder / "student" / "attestation.jsonl").read_text("utf-8").splitlines():
        read = Envelope.from_dict(json.loads(line))
        assert set(read.verify([known], 1)) == {key.id}
        statements.append(json.loads(read.payload))
    assert [each["predicateType"] for each in statements] == [MODEL, PROVENANCE, *[VERDICT] * 4]
    assert all(each["subject"] == statements[0]["subject"] for each in statements)
    build = statements[1]["predicate"]["buildDefinition"]
    assert build["externalParameters"]["recipe"]["teacher"] == "path:teacher"
    assert [each["name"] for each in build["resolvedDependencies"]] == ["teacher", "prompts"]
    made = statements[1]["predicate"]["runDetails"]["byproducts"]
    assert [each["annotations"]["stage"] for each in made] == [
        "generate", "filter", "hold out", "capture", "start", "train", "evaluate", "judge"
    ]  # fmt: skip
    for verdict in statements[2:]:
        predicate = verdict["predicate"]
        assert set(predicate) == {"verifier", "timeCreated", "properties", "inbond"}
        assert set(predicate["verifier"]) == {"id", "policies"}
        passed = predicate["inbond"]["outcome"] in ("permit", "permit-with-obligations", "pass")
        assert bool(predicate["properties"]) == passed


def test_no_prompt_leaves_with_the_statements(maker: Place) -> None:
    text = (maker.run_folder / "student" / "attestation.jsonl").read_bytes()
    payloads = b"".join(Envelope.from_dict(json.loads(line)).payload for line in text.splitlines())
    assert b"river and window" not in payloads
    assert b"(49 prompts, not shown)" in payloads
    assert "秘密の指示".encode() not in payloads
    assert not re.search(rb"(?<![\w.])4321(?![\w.])", payloads), "a digest may hold these digits"
    recipe = json.loads(Envelope.from_dict(json.loads(text.splitlines()[1])).payload)
    shown = recipe["predicate"]["buildDefinition"]["externalParameters"]["recipe"]
    assert (shown["prompts"]["system"], shown["prompts"]["template"]) == ("(not shown)", None)
    assert shown["purpose"]["mau"] == "(not shown)"


def test_the_workspace_knows_its_statements(maker: Place, tmp_path: Path) -> None:
    shutil.copytree(maker.folder, tmp_path / "moved")
    place = Place(tmp_path / "moved")
    path = place.run_folder / "student" / "attestation.jsonl"
    old = path.read_bytes()
    path.write_bytes(old[:-2] + b" \n")
    (problem,) = place.inbond("verify", "run:tiny", code=4)["problems"]
    assert problem.startswith("runs/tiny/student/attestation.jsonl: it was changed; event ")
    path.unlink()
    (problem,) = place.inbond("verify", "run:tiny", code=4)["problems"]
    assert problem.startswith("runs/tiny/student/attestation.jsonl: it is missing; event ")
    path.write_bytes(old)
    assert place.inbond("verify", "run:tiny")["ok"]


def test_a_run_again_signs_nothing_again(maker: Place, tmp_path: Path) -> None:
    shutil.copytree(maker.folder, tmp_path / "moved", symlinks=True)
    place = Place(tmp_path / "moved")
    before = (place.run_folder / "student" / "attestation.jsonl").read_bytes()
    checked = place.inbond("verify")["checked"]
    place.inbond("run", "recipe.yaml")
    assert (place.run_folder / "student" / "attestation.jsonl").read_bytes() == before
    assert place.inbond("verify")["checked"] == checked
