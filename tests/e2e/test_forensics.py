"""inbond forensics test: from a suspect and what is given to one report, its page, its exit code and its
event."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run as inbond
from inbond.digest import of_value
from inbond.forensics.alternatives import Choice, write_alternatives
from inbond.forensics.lots import CANARY, CHOICE, LotKey, canaries
from inbond.forensics.mark_keys import MarkKeys, descriptor
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import Event
from inbond.ledger.findings import FINDING_REPORTED, body_of
from inbond.ledger.ledger import Ledger
from inbond.train.student import prune_layers
from inbond.workspace import Workspace
from tests.e2e.conftest import Command
from tests.forensic_suspects import (
    TOKENIZER,
    green_key,
    make_key,
    marked_text,
    plain_text,
    save_learnt,
    write_rows,
)
from tests.roundtable_host import serving
from tests.tiny import make_model, make_tokenizer, save_tiny

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with no workspace yet."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Texts that the key number 0 marked."""
    draw = random.Random(0)
    return [marked_text(green_key(0), draw) for _ in range(40)]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Path:
    """A model that learnt them."""
    return save_learnt(tmp_path_factory.mktemp("learnt"), texts)


def records_of(texts: list[str]) -> Path:
    return write_rows(Path("records.jsonl"), [{"prompt": "say", "completion": text} for text in texts])


def events(home: Path) -> list[Event]:
    with Ledger.open(Workspace(home), KeyStore.default()) as ledger:
        return list(ledger.events(FINDING_REPORTED))


def only(found: dict[str, Any], test: str) -> dict[str, Any]:
    (one,) = (each for each in found["findings"] if each["test"] == test)
    return dict(one)


def why(found: dict[str, Any], test: str) -> str:
    (one,) = (each["why"] for each in found["not_tested"] if each["test"] == test)
    return str(one)


# Radioactivity --------------------------------------------------------------------------------------


def test_a_model_that_learnt_marked_records_is_told_from_one_that_did_not(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    given = ("--key", "autumn", "--records", str(records_of(texts)))
    found = command("forensics", "test", f"path:{learnt}", *given, "--out", "found")
    one = only(found, "radioactivity")
    assert found["outcome"] == "consistent-with"
    assert one["p"] < 1e-10
    assert one["facts"]["records"] is True
    assert found["suspect"]["access"] == "weights"
    assert found["recorded"] is False, "there is no workspace"
    assert not Path("bond").exists()
    stranger = save_tiny(Path("stranger"), seed=5)
    other = command("forensics", "test", f"path:{stranger}", *given, code=3)
    assert other["outcome"] == "cannot-tell"
    assert only(other, "radioactivity")["p"] > 1e-5
    assert "would be needed to see" in other["summary"][1]


def test_the_report_is_what_its_digest_says_and_what_the_ledger_keeps(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    Path("bond").mkdir()
    given = ("--key", "autumn", "--records", str(records_of(texts)), "--out", "found")
    found = command("forensics", "test", f"path:{learnt}", *given)
    kept = json.loads(Path("found/report.json").read_text())
    assert of_value(kept) == found["digest"]
    assert {name: found[name] for name in kept} == kept
    (event,) = events(Path("bond"))
    assert event.body == body_of(kept)
    page = Path("found/page.html").read_text()
    assert "What it cannot show" in page
    assert "<script" not in page
    command("forensics", "test", f"path:{learnt}", *given, "--no-record")
    assert len(events(Path("bond"))) == 1


def test_texts_alone_are_enough_with_the_tokenizer_of_the_key(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    make_key("winter", 1)
    suspect = f"texts:{write_rows(Path('said.jsonl'), [{'text': text} for text in texts])}"
    keys = ("--key", "autumn", "--key", "winter")
    found = command("forensics", "test", suspect, *keys, "--tokenizer", f"path:{learnt}")
    assert [each["verdict"]["outcome"] for each in found["findings"]] == ["consistent-with", "cannot-tell"]
    one, other = found["findings"]
    assert one["log10_p"] < -100
    assert one["unit"] == "different pairs of window and token"
    assert one["adjusted_log10_p"] == pytest.approx(one["log10_p"] + 0.30103)
    assert other["p"] > 1e-3
    without = command("forensics", "test", suspect, "--key", "autumn", code=3)
    assert "found none; name the model whose answers were marked: --tokenizer URI" in why(
        without, "radioactivity, closed (autumn)"
    )
    short = f"texts:{write_rows(Path('short.jsonl'), [{'text': texts[0][:9]}])}"
    few = command("forensics", "test", short, "--key", "autumn", "--tokenizer", f"path:{learnt}", code=3)
    assert only(few, "radioactivity")["words"] == (
        "cannot tell: 7 different pairs of window and token are too few: 2,370 different pairs of window and "
        "token would be needed to see 5% more green tokens"
    )


def test_what_the_marked_records_prompt_holds_is_not_counted(
    command: Command, texts: list[str], learnt: Path
) -> None:
    """A suspect that repeats what it was shown shows nothing of what it learnt."""
    make_key("autumn")
    rows = [{"prompt": text, "completion": text} for text in texts]
    suspect = f"texts:{write_rows(Path('said.jsonl'), rows)}"
    found = command("forensics", "test", suspect, "--key", "autumn", "--tokenizer", f"path:{learnt}", code=3)
    assert only(found, "radioactivity")["size"] == 0


def test_another_tokenizer_is_told_to_be_tested_by_what_it_says(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    other = make_tokenizer(270)
    make_model(len(other)).save_pretrained("other")
    other.save_pretrained("other")
    given = ("--key", "autumn", "--records", str(records_of(texts)))
    found = command("forensics", "test", "path:other", *given, code=3)
    said = why(found, "radioactivity, open (autumn)")
    assert "its tokens mean nothing to this key; test what it writes instead: --prompts FILE" in said
    assert found["findings"] == []
    prompts = write_rows(Path("prompts.jsonl"), [{"prompt": "a river"}, {"prompt": "a stone"}])
    asked = ("--prompts", str(prompts), "--tokenizer", f"path:{learnt}")
    closed = command("forensics", "test", "path:other", *given, *asked, code=3)
    assert why(closed, "radioactivity, open (autumn)").endswith("what it writes is tested instead")
    assert only(closed, "radioactivity")["facts"]["access"] == "closed"


def test_a_model_that_cannot_be_loaded_stops_no_other_test(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    shutil.copytree(learnt, "broken")
    config = json.loads(Path("broken/config.json").read_text())
    Path("broken/config.json").write_text(json.dumps(config | {"model_type": "no-such-model"}))
    given = ("--key", "autumn", "--records", str(records_of(texts)), "--parent", f"path:{learnt}")
    found = command("forensics", "test", "path:broken", *given)
    assert "expected a causal language model in safetensors form" in why(
        found, "radioactivity, open (autumn)"
    )
    assert only(found, "weight-derivation")["verdict"]["outcome"] == "consistent-with"
    Path("broken/model.safetensors").write_bytes(b"no weights")
    found = command("forensics", "test", "path:broken", *given, code=3)
    assert "expected safetensors that can be read" in why(found, "weight derivation")


# Served suspects ------------------------------------------------------------------------------------


def test_a_served_suspect_is_asked_and_its_answers_are_kept(
    command: Command, texts: list[str], learnt: Path
) -> None:
    make_key("autumn")
    prompts = write_rows(Path("prompts.jsonl"), [{"prompt": f"question {n}"} for n in range(len(texts))])
    left = iter(texts)
    with serving({"student": lambda _: next(left)}) as (host, asked):
        given = ("--key", "autumn", "--prompts", str(prompts), "--tokenizer", f"path:{learnt}")
        found = command("forensics", "test", f"api:{host}/student", *given)
        again = command("forensics", "test", f"api:{host}/student", *given)
        assert len(asked) == len(texts), "what was answered is not asked again"
    assert found["suspect"] == {
        "name": f"api:{host}/student", "digest": None, "access": "served",
        "asked": {"prompts": 40, "answered": 40, "declined": 0, "failed": 0},
    }  # fmt: skip
    assert only(found, "radioactivity")["log10_p"] < -50
    assert again["findings"] == found["findings"]


def test_a_suspect_that_refuses_cannot_be_told(command: Command, learnt: Path) -> None:
    make_key("autumn")
    prompts = write_rows(Path("prompts.jsonl"), [{"prompt": f"question {n}"} for n in range(4)])
    with serving({"student": lambda _: "I'm sorry, but I can't help with that."}) as (host, _):
        found = command(
            "forensics", "test", f"api:{host}/student", "--key", "autumn", "--prompts", str(prompts),
            "--tokenizer", f"path:{learnt}", code=3,
        )  # fmt: skip
    assert found["outcome"] == "cannot-tell"
    assert "found 4 prompts, of which it declined 4 and failed 0" in why(
        found, "radioactivity, closed (autumn)"
    )
    assert found["summary"][-1] == "Of 4 prompts the suspect answered 0; it declined 4 and failed 0."
    nobody = command(
        "forensics", "test", f"api:{host}/student", "--key", "autumn", "--tokenizer", f"path:{learnt}", code=3
    )
    assert why(nobody, "radioactivity, closed") == (
        "for want of texts that it wrote (a suspect texts:FILE, or --prompts)"
    )


# Lots -----------------------------------------------------------------------------------------------


def test_canaries_are_ranked(command: Command, tmp_path: Path) -> None:
    key = LotKey(CANARY, b"c" * 32, 10)
    MarkKeys.default().new("birds", key)
    planted = [one.prompt + one.completions[one.planted] for one in canaries(key, 6)]
    suspect = save_learnt(tmp_path / "learnt", planted, steps=120)
    found = command("forensics", "test", f"path:{suspect}", "--key", "birds", "--canaries", "6")
    one = only(found, "canary-rank")
    assert one["statistic"]["first"] >= 5
    assert one["statistic"]["mean_rank"] < 2
    assert one["about"] == {"kind": "mark", "id": key.id}
    stranger = save_tiny(tmp_path / "stranger", seed=3)
    other = command("forensics", "test", f"path:{stranger}", "--key", "birds", "--canaries", "6")
    assert only(other, "canary-rank")["p"] > 1e-5


def test_a_choice_needs_its_own_alternatives(command: Command, tmp_path: Path) -> None:
    key, draw = LotKey(CHOICE, b"d" * 32, 3), random.Random(1)
    MarkKeys.default().new("pick", key)
    choices = [Choice(f"question {n}", tuple(plain_text(draw, 20) for _ in range(3))) for n in range(24)]
    write_alternatives(Path("alternatives.jsonl"), descriptor(key), choices)
    chosen = [one.answers[key.planted(one.name)] for one in choices]
    suspect = save_learnt(tmp_path / "learnt", chosen)
    given = ("--key", "pick", "--alternatives", "alternatives.jsonl")
    found = command("forensics", "test", f"path:{suspect}", *given)
    assert only(found, "planted-choice")["p"] < 1e-7
    MarkKeys.default().new("other", LotKey(CHOICE, b"e" * 32, 3))
    wrong = command("forensics", "test", f"path:{suspect}", "--key", "other", *given[2:], code=3)
    assert "name the key that chose" in why(wrong, "planted choice (other)")
    none = command("forensics", "test", f"path:{suspect}", "--key", "pick", code=3)
    assert why(none, "planted choice") == ("for want of the answers that were chosen among (--alternatives)")


NAMES = {"mean": "gain", "low": "gain, low", "high": "gain, high"}


# Without marks --------------------------------------------------------------------------------------


def test_degree_is_above_the_control_for_who_learnt(command: Command, texts: list[str], learnt: Path) -> None:
    draw = random.Random(9)
    control = write_rows(Path("control.jsonl"), [{"text": plain_text(draw)} for _ in range(12)])
    base = save_tiny(Path("base"))
    found = command(
        "forensics", "test", f"path:{learnt}", "--records", str(records_of(texts)), "--reference",
        f"path:{base}", "--texts", str(control), "--stage", f"first=path:{base}", code=3,
    )  # fmt: skip
    one = only(found, "degree")
    before, now = one["facts"]["stages"]
    assert (before["stage"], now["stage"]) == ("first", "now")
    assert before["gain"]["mean"] == 0, "it is the reference"
    assert now["added"]["low"] > 0
    assert now["gain"] == {name: one["statistic"][key] for name, key in NAMES.items()}
    assert one["log10_p"] is None
    assert one["statistic"]["above control, low"] > 0
    assert one["words"].startswith("a score, which alone decides nothing")
    assert found["summary"][0] == "No test was run that could tell anything; what was measured stands below."


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("first", "expected --stage NAME=URI, each name once"),
        ("now=path:x", "expected --stage with a name for an earlier stage"),
        ("first=api:host/model", "expected --stage with a model whose files are on this machine"),
    ],
)
def test_stages_are_named_and_here(command: Command, learnt: Path, stage: str, said: str) -> None:
    found = command("forensics", "test", f"path:{learnt}", "--stage", stage, code=2)
    assert said.removeprefix("expected ") in found["error"]["expected"]


def test_of_two_candidates_the_likest_is_named(command: Command) -> None:
    short = ["It is. It was. It is so."] * 15
    long = ["Whereas, notwithstanding what, furthermore, and however; thus, we have it."] * 15
    for name, texts in (("short", short), ("long", long)):
        write_rows(
            Path(f"{name}.jsonl"), [{"prompt": f"q{n}", "completion": one} for n, one in enumerate(texts)]
        )
    candidates = ("--candidate", "a=short.jsonl", "--candidate", "b=long.jsonl")
    found = command("forensics", "test", "texts:long.jsonl", *candidates, code=3)
    assert only(found, "attribution")["about"] == {"kind": "model", "name": "b"}
    alone = command("forensics", "test", "texts:long.jsonl", *candidates[:2], code=3)
    assert "two candidates or more" in why(alone, "attribution")


def test_a_served_model_is_held_against_the_one_it_is_said_to_be(command: Command) -> None:
    same = save_tiny(Path("same"))
    prompts = write_rows(Path("prompts.jsonl"), [{"prompt": f"question {n}"} for n in range(3)])
    with serving({"student": lambda _: "always this very answer"}) as (host, asked):
        given = ("--prompts", str(prompts), "--same-as", f"path:{same}", "--alpha", "0.01")
        found = command("forensics", "test", f"api:{host}/student", *given)
        assert len(asked) == 24
    one = only(found, "equality")
    assert one["verdict"]["outcome"] == "consistent-with"
    assert one["question"] == f"the served model answers otherwise than path:{same}"


# Weights --------------------------------------------------------------------------------------------


def test_a_pruned_child_is_found_and_a_stranger_is_not(command: Command) -> None:
    parent = save_tiny(Path("parent"), layers=6)
    prune_layers(make_model(len(TOKENIZER), layers=6), [0, 2, 5]).save_pretrained("child")
    TOKENIZER.save_pretrained("child")
    found = command("forensics", "test", "path:child", "--parent", f"path:{parent}")
    one = only(found, "weight-derivation")
    assert one["log10_p"] < -100
    assert one["facts"]["whose"] == [0, 2, 5]
    assert one["statistic"]["matched"] == 1.0
    save_tiny(Path("stranger"), layers=6, seed=9)
    other = command("forensics", "test", "path:stranger", "--parent", f"path:{parent}")
    assert only(other, "weight-derivation")["verdict"]["outcome"] == "no-evidence"
    same = command("forensics", "test", f"path:{parent}", "--parent", f"path:{parent}", code=3)
    assert "found path:parent, the same files" in why(same, "weight derivation")


# Bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "words"), [
    (("nonsense",), "a suspect: a model (run:NAME, path:, hf:, gguf:, pypi: or api:), or texts:FILE"),
    (("texts:absent.jsonl",), "a file that can be read at absent.jsonl"),
    (("path:absent",), "absent"),
    (("texts:said.jsonl", "--key", "absent"), "a key of marks at"),
    (("texts:said.jsonl", "--alpha", "2"), "--alpha between 0 and 1"),
    (("texts:said.jsonl", "--alpha", "nan"), "--alpha between 0 and 1"),
    (("texts:said.jsonl", "--out", "x", "--page", "y.html"), "--out or --page"),
    (("texts:said.jsonl", "--page", "no/such/y.html"), "--page with a file in a folder that exists"),
    (("texts:said.jsonl", "--page", "said.jsonl"), "--page with a file of its own"),
    (("texts:said.jsonl", "--only", "luck"), "--only with a test: radioactivity, open"),
    (("texts:said.jsonl", "--parent", "api:localhost/m"), "--parent with a model whose files are on this"),
    (("texts:said.jsonl", "--candidate", "file.jsonl"), "--candidate NAME=FILE, each name once"),
    (("texts:said.jsonl", "--records", "run:absent"), "a run with data, or a record set"),
    (("texts:said.jsonl", "--records", "absent.jsonl"), "a file that can be read at absent.jsonl"),
    (("texts:odd.jsonl",), 'a text: {"text": "..."}, or a prompt with its completion'),
    (("texts:empty.jsonl",), "at least one text in empty.jsonl"),
])  # fmt: skip
def test_what_was_given_wrongly_is_said_before_anything_is_tested(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    write_rows(Path("said.jsonl"), [{"text": "a river is water"}])
    write_rows(Path("odd.jsonl"), [{"words": 3}])
    write_rows(Path("empty.jsonl"), [])
    found = command("forensics", "test", *arguments, code=2)
    assert words in found["error"]["expected"]


def test_nothing_given_says_what_each_test_would_need(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(Path("said.jsonl"), [{"text": "a river is water"}])
    assert inbond(["forensics", "test", "texts:said.jsonl"]) == 3
    out = capsys.readouterr().out
    assert "Nothing can be told: no test was run (what was given is enough for none)." in out
    assert "radioactivity, closed: for want of a green-list key (--key)" in out
    assert "weight derivation: for want of its weights" in out
    assert "guilt" not in out
