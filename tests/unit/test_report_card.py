"""The model card is read by huggingface_hub's own reader, whatever is in the data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from inbond.policy import library
from inbond.policy.decide import decide
from inbond.policy.facts import Facts, LicenceFinding
from inbond.report.card import render_card
from inbond.report.data import CardFacts, LearningFacts, VerdictView
from tests.report_examples import HOSTILE, demo, odd
from tests.unit.test_report_page import poisoned

OTHER = {"license": "other"}


def front_matter(card: str) -> dict[str, Any]:
    from huggingface_hub import ModelCard

    return ModelCard(card).data.to_dict()


def test_card_of_the_demo(golden: Any) -> None:
    golden("report_card.md", render_card(demo()))


def test_the_hub_reads_what_we_meant() -> None:
    front = front_matter(render_card(demo()))
    assert front["license"] == "apache-2.0"
    assert front["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert front["base_model_relation"] == "finetune"
    assert front["language"] == ["en"]
    assert front["tags"] == ["distillation", "inbond"]
    assert front["inbond"]["teacher"] == demo().teacher.name
    assert front["inbond"]["channel"] == "self-hosted"
    assert front["inbond"]["edges"] == ["outputs", "weights"]
    assert front["inbond"]["verdicts"][0] == {
        "outcome": "permit-with-obligations",
        "facts": demo().verdicts[0].verdict["facts"],
    }
    assert front["inbond"]["gates"][0] == {
        "name": "diversity",
        "outcome": "pass",
        "facts": demo().gates[0].verdict["facts"],
    }
    assert front["inbond"]["ledger"] == {
        "size": 17,
        "root": demo().ledger.root,
        "key": demo().ledger.key,
    }


def test_a_verdict_on_the_host_and_an_adapter_are_on_the_card() -> None:
    reason = {"rule": "answers", "finding": "0 of 8 dropped", "source": "docs/remote.md", "outcome": "agree"}
    verdict = {"outcome": "agree", "reasons": [reason], "facts": "sha256:ab", "decider": "remote-scores/1"}
    host = VerdictView("Is the host to be believed?", verdict, about="host")
    adapted = LearningFacts("KL", "top", adapter="LoRA of rank 8; merged into the weights")
    card = render_card(replace(demo(), verdicts=(*demo().verdicts, host), learning=adapted))
    assert "### Agrees: Is the host to be believed?" in card
    assert "- Agrees: 0 of 8 dropped Source: docs/remote.md" in card
    assert "- Learnt by: LoRA of rank 8; merged into the weights" in card
    entries = front_matter(card)["inbond"]["verdicts"]
    assert entries[-1] == {"about": "host", "outcome": "agree", "facts": "sha256:ab"}
    assert "about" not in entries[0]


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        (None, {"license": "unknown"}),
        ("MIT", {"license": "mit"}),
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("LicenseRef-Acme-1", OTHER | {"license_name": "LicenseRef-Acme-1"}),
        ("MIT AND Apache-2.0", OTHER | {"license_name": "MIT AND Apache-2.0"}),
    ],
)
def test_the_licence_is_the_one_in_the_data(licence: str | None, expected: dict[str, str]) -> None:
    front = front_matter(render_card(replace(demo(), card=CardFacts(licence))))
    assert {key: front[key] for key in front if key.startswith("license")} == expected


def test_names_that_the_hub_would_refuse_are_left_out() -> None:
    front = front_matter(render_card(odd()))
    assert "base_model" not in front
    assert "datasets" not in front
    assert front["language"] == ["ja"]
    assert front["license"] == "other"


@settings(max_examples=60)
@given(st.text(st.characters(codec=None)) | st.sampled_from(HOSTILE))
def test_any_text_in_every_field_is_read_back_and_runs_nothing(text: str) -> None:
    card = render_card(poisoned(demo(), text))
    front = front_matter(card)
    assert front["inbond"]["ledger"]["size"] == 17
    assert front["tags"][:2] == ["distillation", "inbond"]
    body = card.split("\n---\n", 1)[1]
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)
    for tag in ("<script", "<img", "<style", "<a ", "<iframe"):
        assert tag not in html.lower(), html
    assert html.count("<h2>") == 9
    assert html.count("<table>") == 2


def test_missing_numbers_are_said() -> None:
    card = render_card(odd())
    assert "| KL to the teacher, nats a token | not measured | not measured |" in card
    assert "Not measured: the teacher can be reached as text only" in card
    assert not re.search(r"\b(nan|inf)\b", card)


def test_the_card_is_not_legal_advice() -> None:
    assert "not legal advice" in render_card(demo())


def test_what_the_gate_decided_is_on_the_card_in_its_words() -> None:
    """A verdict as the policy gives it, and not as an example writes it."""
    weights = LicenceFinding("hf:a/b", "Apache-2.0", "declared", "a card")
    decision = decide(Facts("hf:a/b", weights, base_is_teacher=True), library.shipped().terms)
    assert decision.obligations
    view = VerdictView(
        "May it?", decision.verdict.to_json(), tuple(due.to_json() for due in decision.obligations)
    )
    card = re.sub(r"\\(.)", r"\1", render_card(replace(demo(), verdicts=(view,))))
    for due in decision.obligations:
        assert f"- {due.text} To be kept {due.when}." in card
