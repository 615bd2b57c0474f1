"""The gate of a run: a denial stops it, a written agreement lets it through, and the ledger has both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from inbond.errors import DecisionNeededError, DeniedError, InputError
from inbond.ledger.ledger import Ledger
from inbond.policy.decide import Decision
from inbond.policy.facts import Facts
from inbond.policy.terms import Catalogue
from inbond.recipes import gate
from inbond.recipes.plan import facts_of, my_library, plan_of
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.workspace import Workspace

AGREEMENT = """
parties: [OpenAI OpCo LLC, うちの会社]
teacher: api:api.openai.com/gpt-4o
from: "2026-01-01"
until: "{until}"
digest: "sha256:{digest}"
scope: {{use: [commercial], release: [weights], topics: [outputs]}}
"""


def agreed(folder: Path, until: str = "2099-12-31") -> None:
    value = yaml.safe_load(AGREEMENT.format(until=until, digest="0" * 64))
    (folder / "agreement.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def recipe(**purpose: object) -> Recipe:
    return parse(
        {
            "name": "falcon-tiny", "teacher": "api:api.openai.com/gpt-4o", "prompts": {"items": ["a"]},
            "student": {"init": "model", "base": "hf:HuggingFaceTB/SmolLM2-135M"}, "purpose": purpose,
        },
        "a test",
    )  # fmt: skip


def test_a_denied_run_is_not_begun_and_no_reason_lifts_that(
    tmp_path: Path, workspace: Workspace, ledger: Ledger
) -> None:
    for accept in (None, "please"):
        with pytest.raises(DeniedError) as caught:
            gate.pass_gate(recipe(competes="yes"), tmp_path, workspace, ledger, accept)
    assert "a denial is lifted only by a written agreement (purpose.agreements)" in caught.value.fix
    [decided] = [event.body for event in ledger.events("gate.decided")]
    assert decided["verdict"]["outcome"] == "deny"
    assert list(ledger.events("gate.accepted")) == []


def test_an_agreement_lets_it_through_and_is_in_the_ledger_once(
    tmp_path: Path, workspace: Workspace, ledger: Ledger
) -> None:
    agreed(tmp_path)
    asked = recipe(competes="yes", agreements=["agreement.json"])
    passed = [gate.pass_gate(asked, tmp_path, workspace, ledger, None) for _ in range(2)]
    assert passed[0].decision.verdict.outcome == "permit-with-obligations"
    assert passed[0].facts.digest == passed[1].facts.digest
    [decided] = [event.body for event in ledger.events("gate.decided")]
    assert decided["plan"]["agreements"][0]["parties"] == ["OpenAI OpCo LLC", "うちの会社"]
    assert decided["verdict"]["outcome"] == "permit-with-obligations"


def test_an_agreement_that_has_ended_lifts_nothing(
    tmp_path: Path, workspace: Workspace, ledger: Ledger
) -> None:
    agreed(tmp_path, until="2026-01-02")
    with pytest.raises(DeniedError, match="the plan is not within that time"):
        gate.pass_gate(
            recipe(competes="yes", agreements=["agreement.json"]), tmp_path, workspace, ledger, None
        )


def test_an_agreement_is_looked_for_beside_the_recipe(
    tmp_path: Path, workspace: Workspace, ledger: Ledger
) -> None:
    with pytest.raises(InputError, match="an agreement that can be read at"):
        gate.pass_gate(recipe(agreements=["agreement.json"]), tmp_path / "x", workspace, ledger, None)


def test_a_review_is_a_persons_and_says_what_settles_it(
    tmp_path: Path, workspace: Workspace, ledger: Ledger
) -> None:
    with pytest.raises(DecisionNeededError) as caught:
        gate.pass_gate(recipe(), tmp_path, workspace, ledger, None)
    assert "a person's finding on whether the model competes" in caught.value.fix
    passed = gate.pass_gate(recipe(), tmp_path, workspace, ledger, "Counsel found that it does not.")
    assert passed.accepted == "Counsel found that it does not."


def test_the_facts_of_a_recipe_are_those_it_states(tmp_path: Path, workspace: Workspace) -> None:
    asked = recipe(
        kind="classifier",
        mau=7,
        revenue_usd=1e6,
        territory="JP",
        domains=["coding"],
        release="none",
        use="internal",
    )
    facts = facts_of(plan_of(asked, tmp_path), workspace, my_library())
    assert (facts.kind, facts.mau, facts.revenue_usd, facts.territory) == ("classifier", 7, 1e6, "JP")
    assert (facts.domains, facts.release, facts.use, facts.name) == (
        ("coding",),
        "none",
        "internal",
        "falcon-tiny",
    )
    assert (facts.host_terms, facts.host_models) == ("LicenseRef-inbond-openai-api-2026-01-01", "own")
    named = facts_of(plan_of(recipe(name="Llama-tiny"), tmp_path), workspace, my_library())
    assert named.name == "Llama-tiny"


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        ({"territory": "UK"}, "'UK' is not an ISO 3166-1 code"),
        ({"mau": -1}, "purpose.mau"),
        ({"revenue_usd": float("inf")}, "purpose.revenue_usd"),
        ({"kind": "chat"}, "purpose.kind"),
        ({"name": "two\nlines"}, "purpose.name"),
        ({"name": ""}, "purpose.name"),
        ({"name": " x"}, "purpose.name"),
    ],
)
def test_what_a_purpose_may_not_say(purpose: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe(**purpose)
    assert text in str(caught.value)


@pytest.mark.parametrize("said", ["api.deepseek.com", "self-hosted", "API.OpenAI.com:8443"])
def test_a_channel_that_contradicts_the_teachers_name_is_refused(
    tmp_path: Path, workspace: Workspace, said: str
) -> None:
    """The host in the name is the one that is called: another one's terms would permit what it forbids."""
    asked = recipe().model_copy(update={"channel": said})
    with pytest.raises(InputError) as caught:
        facts_of(plan_of(asked, tmp_path), workspace, my_library())
    assert caught.value.expected == (
        "api:api.openai.com/gpt-4o to be reached through api.openai.com, the host in its name"
    )
    assert caught.value.found == f"the channel {said}"


def test_a_channel_may_repeat_the_name_and_ones_own_server_is_self_hosted(
    tmp_path: Path, workspace: Workspace
) -> None:
    asked = recipe().model_copy(update={"channel": "API.openai.com"})
    assert facts_of(plan_of(asked, tmp_path), workspace, my_library()).channel == "api.openai.com"
    own = recipe().model_copy(update={"teacher": "api:gpu-box.local/m", "channel": "self-hosted"})
    facts = facts_of(plan_of(own, tmp_path), workspace, my_library())
    assert (facts.channel, facts.host_terms) == ("self-hosted", None)


def test_an_acceptance_holds_for_what_was_found_and_not_for_new_findings(
    tmp_path: Path, workspace: Workspace, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = recipe(competes="no")
    assert gate.pass_gate(asked, tmp_path, workspace, ledger, "counsel said so").accepted == "counsel said so"
    assert gate.pass_gate(asked, tmp_path, workspace, ledger, None).accepted == "counsel said so"
    told = gate.decide

    def read_anew(facts: Facts, catalogue: Catalogue) -> Decision:
        """The same outcome for another reason: the text was read again."""
        decision = told(facts, catalogue)
        first, *rest = decision.verdict.reasons
        reasons = (replace(first, finding=f"{first.finding} And a new clause."), *rest)
        return replace(decision, verdict=replace(decision.verdict, reasons=reasons))

    monkeypatch.setattr(gate, "decide", read_anew)
    with pytest.raises(DecisionNeededError):
        gate.pass_gate(asked, tmp_path, workspace, ledger, None)
