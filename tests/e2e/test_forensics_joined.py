"""From a mark to a flag: a recipe marks answers, a suspect learnt such text, its lineage does not say so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.forensic_suspects import make_key, marked_text, save_learnt, write_rows
from tests.tiny import save_tiny

pytestmark = pytest.mark.slow


def test_a_mark_that_the_lineage_does_not_explain_is_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "teacher")
    key = make_key("autumn")
    Place(tmp_path).write(
        generate={"mark": "autumn", "max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5},
        train={"epochs": 1},
        evaluate={"samples": 0},
        gates={**OFF, "capacity": {"action": "off"}},
    )
    command("run", "recipe.yaml")
    draw = random.Random(0)
    texts = [marked_text(key, draw) for _ in range(40)]
    given = ["--key", "autumn", "--records", str(write_rows(
        Path("records.jsonl"), [{"prompt": "say", "completion": text} for text in texts]
    ))]  # fmt: skip
    save_learnt(Path("suspect"), texts)
    Path("suspect/README.md").write_text("---\nlicense: mit\nbase_model: lab/base\n---\n")
    command("import", "suspect", "--name", "hf:me/suspect")
    plain = command("trace", "hf:me/suspect")

    report = command("forensics", "test", "path:suspect", *given)
    assert report["recorded"] is True
    found = command("trace", "hf:me/suspect")
    new = {name: found.pop(name) for name in ("findings", "contradictions", "findings_notes")}
    assert found == {name: value for name, value in plain.items() if name not in new}
    (flagged,) = new["contradictions"]
    assert (flagged["stands"], flagged["closed"]) == ("unexplained", False)
    assert "data:runs/tiny/data/train" in flagged["words"]
    assert "from path:teacher, are not behind hf:me/suspect" in flagged["words"]
    first = new["findings"][0]
    assert (first["test"], first["report"], first["known_by"]) == (
        "radioactivity",
        report["digest"],
        "digest",
    )
    assert first["about"]["id"] == key.id

    # Its own student learnt these very records, whatever a test of so few can see, and began as its teacher.
    given = ["--key", "autumn", "--records", "run:tiny", "--parent", "path:teacher"]
    command("forensics", "test", "run:tiny", *given)
    own = command("trace", "run:tiny")
    assert {each["known_by"] for each in own["findings"]} == {"digest"}
    stands = {each["test"]: (each["outcome"], each["stands"]) for each in own["findings"]}
    assert stands["weight-derivation"] == ("consistent-with", "agrees")
    assert stands["radioactivity"] == ("cannot-tell", "says-nothing")
    assert own["contradictions"] == []
    assert command("verify")["ok"]
