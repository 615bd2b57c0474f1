"""``inbond export`` from the command line: of declared lineages, and of a real run of a tiny model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from inbond.cli.main import run
from inbond.digest import of_bytes
from tests.e2e.test_run import Place
from tests.exporting import CHAINS
from tests.standards import check_cyclonedx, check_eu_summary, check_spdx, read_croissant, read_prov
from tests.tiny import save_tiny

OLMO = "hf:allenai/Olmo-3-1025-7B"
STUDENT = "run:tiny"


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace in ./bond that knows one declared chain and no run."""
    monkeypatch.chdir(tmp_path)
    assert run(["import", str(CHAINS / "olmo-3.toml")]) == 0
    capsys.readouterr()
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["export", *arguments]) == code
    return capsys.readouterr().out


@pytest.mark.usefixtures("declared")
def test_what_is_only_declared_can_be_exported_too(capsys: pytest.CaptureFixture[str]) -> None:
    check_cyclonedx(printed(capsys, "cyclonedx", OLMO), "1.6")
    check_cyclonedx(printed(capsys, "cyclonedx", "Olmo-3-1025-7B", "--spec-version", "1.7"), "1.7")
    check_spdx(printed(capsys, "spdx", OLMO))
    read_prov(printed(capsys, "prov", OLMO))
    read_croissant(printed(capsys, "croissant", "data:allenai/olmOCR-mix-0225"))
    assert ModelCard(printed(capsys, "card", OLMO)).data.license == "apache-2.0"
    assert DatasetCard(printed(capsys, "card", "data:olmocr_science_pdfs")).data.license == "unknown"
    assert "gpt-4o-2024-08-06" in printed(capsys, "notice", OLMO)
    assert "Cannot tell" in printed(capsys, "eu-summary", OLMO)


def test_a_file_is_written_whole_and_told(declared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, "cyclonedx", OLMO, "-o", "deep/bom.json", "--json"))
    data = (declared / "deep" / "bom.json").read_bytes()
    assert told == {
        "format": "cyclonedx", "target": OLMO, "output": "deep/bom.json",
        "bytes": len(data), "digest": of_bytes(data),
    }  # fmt: skip
    check_cyclonedx(data.decode(), "1.6")
    assert (declared / "deep" / "bom.json").stat().st_mode & 0o777 == 0o644
    assert printed(capsys, "eu-summary", OLMO, "-o", "summary.md").startswith(
        f"eu-summary of {OLMO}: summary.md"
    )
    assert (declared / "summary.md").read_text().startswith("# Synthetic data")
    printed(capsys, "eu-summary", OLMO, "-o", "summary.json", "--quiet")
    assert json.loads((declared / "summary.json").read_text())["used"] == "cannot-tell"


@pytest.mark.usefixtures("declared")
def test_json_holds_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, "prov", OLMO, "--json"))
    assert (told["format"], told["target"]) == ("prov", OLMO)
    read_prov(json.dumps(told["document"]))
    assert json.loads(printed(capsys, "notice", OLMO, "--json"))["document"].startswith("allenai/Olmo-3")
    assert json.loads(printed(capsys, "eu-summary", OLMO, "--json"))["document"]["used"] == "cannot-tell"


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["spdx", "hf:no/body"], ["a model or data whose lineage is known", "hf:no/body"]),
        (["spdx", OLMO, "--spec-version", "1.7"], ["--spec-version with cyclonedx alone"]),
        (["croissant", OLMO], ["data for inbond export croissant", f"{OLMO}, which is a model"]),
        (["eu-summary", "data:olmocr_science_pdfs"], ["a model for inbond export eu-summary"]),
        (["intoto", OLMO], ["a run whose student was handed out with signed statements"]),
        (["pdf", OLMO], ["one of cyclonedx, spdx, prov", "found: pdf", "inbond export --help"]),
        (
            ["gguf", "run:demo"],
            ["expected a finished run 'demo'", "no complete student", "run its recipe first"],
        ),
        (["onnx", "run:demo"], ["no complete student", "name the workspace with --home"]),
        (["cyclonedx", OLMO, "--spec-version", "1.5"], ["'1.5' is not one of", "1.6"]),
        (["card", OLMO, "-o", "bond/ledger.db"], ["a file outside the workspace", "in bond"]),
        (["card", OLMO, "-o", "."], ["a file outside the workspace", "a folder"]),
        (["card", OLMO, "-o", "/dev/null/card.md"], ["/dev/null"]),
    ],
)
def test_what_cannot_be_exported_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert run(["export", *arguments]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "fix:" in said


def test_a_place_without_a_ledger_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", "spdx", "run:demo"]) == 2
    assert "run:demo" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_we_export_can_be_imported(
    declared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another workspace that is given our BOM still finds the base and the data, as declared."""
    for form in ("cyclonedx", "spdx"):
        printed(capsys, form, OLMO, "-o", f"{form}.json")
        other = declared / f"of {form}"
        other.mkdir()
        monkeypatch.chdir(other)
        assert run(["import", f"../{form}.json"]) == 0
        capsys.readouterr()
        assert run(["trace", "hf:allenai/olmOCR-7B-0225-preview", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        ids = {each["id"] for each in found["ancestors"]}
        assert "hf:Qwen/Qwen2-VL-7B-Instruct" in ids
        assert [id_ for id_ in ids if id_.endswith("allenai/olmOCR-mix-0225")], "a name within that document"
        monkeypatch.chdir(declared)


# A real run -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished run of a tiny teacher, with the keys it was signed with."""
    place = Place(tmp_path_factory.mktemp("exported"))
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(place.folder / "config"))
    save_tiny(place.folder / "teacher", padding=5)
    place.write()
    place.inbond("run", "recipe.yaml")
    patch.undo()
    return place


@pytest.fixture
def real(finished: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    shutil.copytree(finished.folder, tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "moved" / "config"))
    return Place(tmp_path / "moved")


@pytest.mark.slow
def test_the_bom_of_a_real_run_is_valid_and_names_its_bytes(
    real: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("1.6", "1.7"):
        text = printed(capsys, "cyclonedx", STUDENT, "--spec-version", version)
        check_cyclonedx(text, version)
    student = json.loads(text)["metadata"]["component"]
    weights = of_bytes((real.run_folder / "student" / "model.safetensors").read_bytes())
    assert student["hashes"][0]["content"] == weights.removeprefix("sha256:")
    assert student["modelCard"]["modelParameters"]["modelArchitecture"] == "LlamaForCausalLM"
    result = json.loads((real.run_folder / "result.json").read_text())
    measured = {
        each["type"]: float(each["value"])
        for each in student["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    }
    assert measured["kl_after"] == result["metrics"]["kl_after"]
    tasks = json.loads(text)["formulation"][0]["workflows"][0]["tasks"]
    assert [task["name"] for task in tasks] == [
        "generate", "filter-train", "filter-held_out", "capture", "start", "train", "evaluate", "judge",
        "export",
    ]  # fmt: skip
    used = [task["name"] for task in tasks if {"resource": {"ref": "path:teacher"}} in task["inputs"]]
    assert used == ["generate", "capture", "start"], "training reads what was captured, and no teacher"
    shares = [
        json.loads(item["value"])
        for each in json.loads(text)["components"]
        if each["bom-ref"] == "path:teacher"
        for item in each["properties"]
        if item["name"] == "inbond:share"
    ]
    assert [(share["unit"], share["authored"]) for share in shares] == [("records", 1), ("tokens", 1)]


@pytest.mark.slow
def test_a_real_run_passes_the_other_validators(real: Place, capsys: pytest.CaptureFixture[str]) -> None:
    check_spdx(printed(capsys, "spdx", STUDENT))
    read_prov(printed(capsys, "prov", STUDENT))
    card = ModelCard(printed(capsys, "card", STUDENT))
    assert card.data.license == "mit"
    assert "path:teacher" in card.text
    made = ModelCard((real.run_folder / "student" / "README.md").read_text())
    assert _hub(card) == _hub(made), "both cards say the same to the Hub"
    assert {"license", "library_name", "pipeline_tag", "tags"} <= _hub(card).keys()
    found = json.loads(printed(capsys, "eu-summary", STUDENT, "--json"))["document"]
    check_eu_summary(found)
    assert found["used"] == "yes"
    assert found["scored_by"] == ["path:teacher"]
    notice = printed(capsys, "notice", STUDENT)
    assert "MIT permission notice" in notice
    assert (real.run_folder / "student" / "NOTICE").read_text() == notice, "one notice, wherever it is read"
    statements = printed(capsys, "intoto", STUDENT)
    assert statements.encode() == (real.run_folder / "student" / "attestation.jsonl").read_bytes()


def _hub(card: ModelCard) -> dict[str, object]:
    return {key: value for key, value in card.data.to_dict().items() if key != "inbond"}


@pytest.mark.slow
def test_mlcroissant_reads_the_records_of_a_real_run(real: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Put beside the data, the document leads to it: digests are checked, and every completion is read."""
    data = real.run_folder / "data" / "train"
    found = read_croissant(printed(capsys, "croissant", STUDENT), data)
    completions = [
        json.loads(line)["completion"] for line in (data / "records.jsonl").read_text().splitlines()
    ]
    rows = [each["records/completion"].decode() for each in found.records("records")]
    assert rows == completions
    assert len(rows) > 20


@pytest.mark.slow
def test_the_same_workspace_gives_the_same_bytes_anywhere(real: Place) -> None:
    """Another process, hash seed, folder and time."""
    elsewhere = shutil.copytree(real.folder / "bond", real.folder / "other" / "bond")

    def export(form: str, home: Path, seed: str) -> bytes:
        code = "import sys; from inbond.cli.main import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "export", form, STUDENT, "--home", str(home)]
        return subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout

    for form in ("cyclonedx", "spdx", "prov", "croissant", "card", "notice", "eu-summary"):
        assert export(form, real.folder / "bond", "1") == export(form, Path(elsewhere), "2"), form


@pytest.mark.slow
def test_what_was_changed_is_not_exported(real: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for place, form, words in (
        ("student/config.json", "cyclonedx", "found: other bytes"),
        ("result.json", "card", "found: other bytes"),
        ("student/attestation.jsonl", "intoto", "found: other bytes"),
        ("student/manifest.json", "spdx", "manifest.json is not one, or was changed"),
    ):
        path = real.run_folder / place
        kept = path.read_bytes()
        path.write_bytes(kept.replace(b"a", b"b", 1))
        assert run(["export", form, STUDENT]) == 4, place
        assert words in capsys.readouterr().err
        path.write_bytes(kept)
    assert run(["export", "cyclonedx", STUDENT]) == 0
    check_cyclonedx(capsys.readouterr().out, "1.6")


@pytest.mark.slow
@pytest.mark.usefixtures("real")
def test_text_that_was_erased_is_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["erase", "tiny"]) == 0
    capsys.readouterr()
    text = printed(capsys, "croissant", STUDENT)
    read_croissant(text)
    assert "records.jsonl" not in text
    assert "sha256" in text
    card = DatasetCard(printed(capsys, "card", "data:runs/tiny/data/train"))
    assert "configs" not in card.data.to_dict()
    check_cyclonedx(printed(capsys, "cyclonedx", STUDENT), "1.6")


@pytest.mark.slow
def test_every_export_of_the_demo_passes_its_validator(
    demo: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo as it ships, with its real teacher; it is only read here."""
    folder, config = demo
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    for version in ("1.6", "1.7"):
        text = printed(capsys, "cyclonedx", "run:demo", "--spec-version", version)
        check_cyclonedx(text, version)
    refs = {each["bom-ref"] for each in json.loads(text)["components"]}
    assert {"hf:HuggingFaceTB/SmolLM2-135M-Instruct", "data:runs/demo/data/train"} <= refs
    check_spdx(printed(capsys, "spdx", "run:demo"))
    read_prov(printed(capsys, "prov", "run:demo"))
    read_croissant(printed(capsys, "croissant", "run:demo"))
    summary = json.loads(printed(capsys, "eu-summary", "run:demo", "--json"))["document"]
    check_eu_summary(summary)
    assert summary["used"] == "yes"
    card = ModelCard(printed(capsys, "card", "run:demo"))
    student = Path("bond/runs/demo/student")
    assert _hub(card) == _hub(ModelCard((student / "README.md").read_text()))
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    notice = printed(capsys, "notice", "run:demo")
    assert (student / "NOTICE").read_text() == notice
    assert "Apache License 2.0" in notice
    statements = printed(capsys, "intoto", "run:demo")
    assert statements == (student / "attestation.jsonl").read_text()
