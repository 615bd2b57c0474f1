"""The published chains: what the facts say of them is what a trace answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.ledger import lineage_file
from inbond.ledger.lineage import Edge, Graph, Node, Part, Unknown
from inbond.ledger.shares import Share
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, Trace, find_target, trace
from inbond.ledger.weaving import build
from inbond.policy import library

CHAINS = Path(__file__).parents[1] / "fixtures" / "chains"


def chain(name: str) -> Graph:
    data = (CHAINS / f"{name}.toml").read_bytes()
    return lineage_file.parse(f"{name}.toml", data, of_bytes(data)).graph


def ask(graph: Graph, target: str, asked: str | None = None) -> Trace:
    known = enrich(graph, library.shipped())
    return trace(Known(known, library.shipped()), find_target(target, known), asked)


def about(found: Trace, id_: str) -> list[str]:
    return [unknown.what for unknown in found.unknowns if unknown.about == id_]


def only_share(found: Trace, id_: str) -> Share:
    (share,) = next(ancestor.shares for ancestor in found.ancestors if ancestor.node.id == id_)
    return share


# 1. gpt-4o -> olmOCR-mix -> olmOCR-7B -> olmocr_science_pdfs -> Olmo 3 -------------------------------

OLMO = "hf:allenai/Olmo-3-1025-7B"
GPT = "api:api.openai.com/gpt-4o-2024-08-06"


def test_olmo_3_is_transitively_distilled_from_gpt_4o_as_a_transcriber() -> None:
    found = ask(chain("olmo-3"), "Olmo-3-1025-7B", "gpt-4o")
    assert found.outcome == "yes"
    assert found.sentence == (
        f"Yes: {OLMO} descends from {GPT} through 4 hops; it touched 13.4% of the tokens in pretraining of "
        f"{OLMO} as transcriber, and wrote none of them. That is as declared, not as recorded."
    )
    first = found.ancestors[0]
    assert (first.node.id, first.edge, first.hops, first.roles) == (GPT, "outputs", 4, ("transcriber",))
    assert first.evidence == "declared"
    assert only_share(found, GPT).to_json() == {
        "stage": "pretraining", "of": OLMO, "unit": "tokens", "authored": 0.0, "touched": 0.134,
        "by_role": {"transcriber": 0.134}, "scored": 0.0, "evidence": "declared",
    }  # fmt: skip
    assert [edge.relation for edge in first.paths.paths[0]] == [
        "generated",
        "trained-on",
        "generated",
        "trained-on",
    ]


def test_what_is_not_established_about_olmo_3_is_said() -> None:
    found = ask(chain("olmo-3"), OLMO, "gpt-4o")
    assert "which version of olmOCR made which of its tokens" in about(found, "data:olmocr_science_pdfs")
    assert "where 86.6% of the tokens of pretraining are from" in about(found, OLMO)


def test_the_api_clause_binds_whoever_called_the_api() -> None:
    (clause,) = [duty for duty in ask(chain("olmo-3"), OLMO).obligations if duty.ancestor == GPT]
    assert clause.kind == "no-compete"
    assert clause.text.endswith("(as others quote it)"), "weak evidence says so"
    assert (clause.reach, clause.binds) == ("indirect", "caller")


def test_what_nothing_says_of_olmo_3_cannot_be_told() -> None:
    found = ask(chain("olmo-3"), OLMO, "gpt-4o-mini")
    assert found.outcome == "cannot-tell"
    assert found.sentence.startswith(f"Cannot tell: nothing known says that {OLMO} descends from gpt-4o-mini")
    assert not any(ancestor.asked for ancestor in found.ancestors)


def test_the_base_of_the_transcriber_is_an_ancestor_by_outputs_and_not_by_weights() -> None:
    found = ask(chain("olmo-3"), OLMO, "Qwen2-VL-7B-Instruct")
    assert found.ancestors[0].edge == "outputs"
    assert found.ancestors[0].paths.paths[0][0].kind == "weights"
    assert (
        ask(chain("olmo-3"), "olmOCR-7B-0225-preview", "Qwen2-VL-7B-Instruct").ancestors[0].edge == "weights"
    )


# 2. Tulu 3 ------------------------------------------------------------------------------------------


def test_the_notice_of_tulu_3_has_three_texts_behind_it() -> None:
    found = ask(chain("tulu-3"), "Llama-3.1-Tulu-3-8B")
    licences = {
        ancestor.node.id: ancestor.node.licence
        for ancestor in found.ancestors
        if ancestor.node.kind == "model"
    }
    assert licences == {
        "hf:meta-llama/Llama-3.1-8B": "LicenseRef-scancode-llama-3.1-license-2024",
        "hf:google/gemma-2-9b-it": "LicenseRef-scancode-gemma-tou-2024-04-01",
        "hf:Qwen/Qwen2.5-72B-Instruct": "LicenseRef-scancode-qwen-2024",
    }
    edges = {ancestor.node.id: ancestor.edge for ancestor in found.ancestors}
    assert edges["hf:meta-llama/Llama-3.1-8B"] == "weights"
    assert edges["hf:google/gemma-2-9b-it"] == edges["hf:Qwen/Qwen2.5-72B-Instruct"] == "outputs"
    kinds = {duty.kind for duty in found.obligations if duty.ancestor == "hf:meta-llama/Llama-3.1-8B"}
    assert {"name-prefix", "display", "licence-copy", "notice"} <= kinds


def test_a_part_nobody_declared_is_no_number() -> None:
    found = ask(chain("tulu-3"), "Llama-3.1-Tulu-3-8B", "gemma-2-9b-it")
    assert only_share(found, "hf:google/gemma-2-9b-it").to_json()["touched"] is None
    assert "how much of its training that touched is not established" in found.sentence
    assert any(
        what.startswith("which Gemma and which Qwen models")
        for what in about(found, "data:allenai/tulu-3-sft-mixture")
    )


# 3. OLMo 2 base and Instruct ------------------------------------------------------------------------


def test_olmo_2_base_and_instruct_differ_though_their_licence_field_does_not() -> None:
    graph = chain("olmo-2")
    base, instruct = (
        graph.nodes["hf:allenai/OLMo-2-1124-13B"],
        graph.nodes["hf:allenai/OLMo-2-1124-13B-Instruct"],
    )
    assert base.licence == instruct.licence == "Apache-2.0"
    tuned = ask(graph, instruct.id, "gemma-2-9b-it")
    assert tuned.outcome == "yes"
    assert tuned.ancestors[0].node.licence == "LicenseRef-scancode-gemma-tou-2024-04-01"
    plain = ask(graph, base.id, "gemma-2-9b-it")
    assert plain.outcome == "cannot-tell"
    assert plain.obligations == ()


# 4. R1-Distill-Llama --------------------------------------------------------------------------------


def test_r1_distill_llama_keeps_the_terms_of_its_base_beside_a_teacher_under_mit() -> None:
    found = ask(chain("r1-distill-llama"), "DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1")
    assert found.sentence == (
        "Yes: hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B descends from hf:deepseek-ai/DeepSeek-R1 through 2 "
        "hops; it wrote 100% of the records in SFT of hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B. "
        "That is as declared, not as recorded."
    )
    by_id = {ancestor.node.id: ancestor for ancestor in found.ancestors}
    assert by_id["hf:deepseek-ai/DeepSeek-R1"].node.licence == "MIT"
    assert by_id["hf:meta-llama/Llama-3.1-8B"].edge == "weights"
    prefixes = [duty for duty in found.obligations if duty.kind == "name-prefix"]
    assert prefixes
    assert {duty.ancestor for duty in prefixes} == {"hf:meta-llama/Llama-3.1-8B"}


# No, and what it takes ------------------------------------------------------------------------------


def closed() -> Graph:
    nodes = [
        Node("hf:a/student", "model", "MIT", complete=True),
        Node("data:by hand", "data", "MIT", complete=True),
        Node("hf:a/teacher", "model", "MIT", complete=True),
        Node("data:answers", "data", "MIT", complete=True),
    ]
    edges = [
        Edge("hf:a/teacher", "data:answers", "generated", ("author",), "", (Part("records", 1.0),)),
        Edge("data:answers", "hf:a/student", "trained-on", (), "SFT", (Part("records", 0.25, "SFT"),)),
        Edge("data:by hand", "hf:a/student", "trained-on", (), "SFT", (Part("records", 0.75, "SFT"),)),
    ]
    return build(nodes, edges)


def test_no_needs_a_lineage_in_which_nothing_is_open() -> None:
    graph = closed()
    assert ask(graph, "hf:a/student", "gpt-4o").sentence == (
        "No: everything that hf:a/student was made from is known, and nothing of it is gpt-4o."
    )
    opened = Graph(graph.nodes, graph.edges, (Unknown("data:by hand", "whose hand it was"),), graph.names)
    assert ask(opened, "hf:a/student", "gpt-4o").outcome == "cannot-tell"
    assert ask(graph, "hf:a/teacher").sentence == "No: hf:a/teacher descends from no other model."


@pytest.mark.parametrize("id_", ["hf:a/student", "data:by hand", "hf:a/teacher", "data:answers"])
def test_any_one_open_end_makes_no_impossible(id_: str) -> None:
    graph = closed()
    nodes = [Node(node.id, node.kind, complete=node.id != id_) for node in graph.nodes.values()]
    assert ask(build(nodes, graph.edges), "hf:a/student", "gpt-4o").outcome == "cannot-tell"


def test_the_target_itself_is_a_yes() -> None:
    assert ask(closed(), "hf:a/student", "student").sentence == (
        "Yes: hf:a/student is itself the model that student names."
    )


def test_parts_of_a_mixture_add_up_and_nothing_else_does() -> None:
    share = only_share(ask(closed(), "hf:a/student"), "hf:a/teacher")
    assert (share.touch.authored.exact, share.touch.touched.exact) == (0.25, 0.25)


def test_two_hands_in_the_same_data_leave_a_range() -> None:
    """A judge of half and an author of half: whether they are the same half is not known."""
    graph = closed()
    half = (Part("records", 0.5),)
    edges = [
        Edge("hf:a/teacher", "data:answers", "generated", ("author",), "", half),
        Edge("hf:a/teacher", "data:answers", "generated", ("judge",), "", half),
        *graph.edges[1:],
    ]
    share = only_share(ask(build(graph.nodes.values(), edges), "hf:a/student"), "hf:a/teacher")
    assert share.touch.authored.exact == 0.125
    assert (share.touch.touched.low, share.touch.touched.high) == (0.125, 0.25)
    assert share.to_json()["touched"] is None
    assert share.to_json()["by_role"] == {"author": 0.125, "judge": 0.125}


def test_stages_of_weights_that_a_model_began_as_are_stages_of_its_own() -> None:
    graph = closed()
    nodes = [*graph.nodes.values(), Node("hf:a/tuned", "model", complete=True)]
    found = ask(
        build(nodes, [*graph.edges, Edge("hf:a/student", "hf:a/tuned", "finetuned")]), "hf:a/tuned", "teacher"
    )
    assert only_share(found, "hf:a/teacher").stage.words == "SFT of hf:a/student"
    assert found.ancestors[0].edge == "outputs"


def test_the_file_that_the_docs_show_is_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```", text, re.S | re.M)
    graph = lineage_file.parse("import.md", shown.encode(), of_bytes(shown.encode())).graph
    found = ask(graph, "olmOCR-7B-0225-preview", "gpt-4o")
    assert found.outcome == "yes"
    assert found.ancestors[0].hops == 2


# Licences that no one licence holds ------------------------------------------------------------------


def learnt(*licences: str) -> Graph:
    """A model trained on data under each of these."""
    data = [Node(f"data:{number}", "data", licence) for number, licence in enumerate(licences)]
    edges = [Edge(node.id, "hf:a/student", "trained-on", stage="SFT") for node in data]
    return build([Node("hf:a/student", "model", "MIT"), *data], edges)


def test_a_trace_names_what_cannot_share_one_licence() -> None:
    (conflict,) = ask(learnt("CC-BY-SA-4.0", "CC-BY-NC-4.0"), "hf:a/student").conflicts
    assert conflict.to_json() == {
        "terms": ["CC-BY-SA-4.0", "CC-BY-NC-4.0"],
        "finding": "CC-BY-SA-4.0, which data:0 is under, asks for itself as the student's licence; "
        "CC-BY-NC-4.0, which data:1 is under, asks for a licence that stays non-commercial. No one "
        "licence is known to do both.",
    }


@pytest.mark.parametrize("licences", [("CC-BY-SA-4.0", "MIT"), ("CC-BY-SA-4.0 OR MIT", "CC-BY-NC-4.0")])
def test_what_can_share_a_licence_or_leaves_a_choice_is_no_conflict(licences: tuple[str, str]) -> None:
    assert not ask(learnt(*licences), "hf:a/student").conflicts


def test_a_conflict_further_up_the_chain_is_at_second_hand_and_not_claimed() -> None:
    """Somebody's model learnt from both; what one makes of its words is its own question."""
    below = learnt("CC-BY-SA-4.0", "CC-BY-NC-4.0")
    more = [Node("data:said", "data"), Node("hf:a/next", "model")]
    edges = [
        Edge("hf:a/student", "data:said", "generated", roles=("author",)),
        Edge("data:said", "hf:a/next", "trained-on", stage="SFT"),
    ]
    chained = build([*below.nodes.values(), *more], [*below.edges, *edges])
    found = ask(chained, "hf:a/next")
    assert {duty.kind for duty in found.obligations if duty.binds == "unclear"} >= {"non-commercial"}
    assert not found.conflicts
