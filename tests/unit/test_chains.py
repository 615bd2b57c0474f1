"""The published chains: what the facts say of them is what a trace answers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.ledger import lineage_file
from inbond.ledger.lineage import Edge, Graph, Node, Part, Unknown
from inbond.ledger.shares import Share
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, Trace, find_target, trace
from inbond.ledger.weaving import build, join
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
LLAMA = "hf:meta-llama/Llama-3.1-8B"


def test_olmo_3_is_transitively_distilled_from_gpt_4o_as_a_transcriber() -> None:
    found = ask(chain("olmo-3"), "Olmo-3-1025-7B", "gpt-4o")
    assert found.outcome == "yes"
    assert found.sentence == (
        f"Yes: {OLMO} descends from {GPT}: a model taught by it, hf:allenai/olmOCR-7B-0225-preview, "
        "transcribed 13.4% of the tokens in pretraining; gpt-4o-2024-08-06 itself wrote none of them (as "
        "declared, not recorded)."
    )
    assert found.to_json()["answer"]["evidence"] == found.evidence == "declared"
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
    assert found.sentence == (
        f"Yes: {OLMO} descends from hf:Qwen/Qwen2-VL-7B-Instruct: a model made from it, "
        "hf:allenai/olmOCR-7B-0225-preview, transcribed 13.4% of the tokens in pretraining; "
        "Qwen2-VL-7B-Instruct itself wrote none of them (as declared, not recorded)."
    )
    assert (
        ask(chain("olmo-3"), "olmOCR-7B-0225-preview", "Qwen2-VL-7B-Instruct").ancestors[0].edge == "weights"
    )


SOME_GEMMA = "bom:Gemma (which one is not established)"
SOME_QWEN = "bom:Qwen (which one is not established)"


@pytest.mark.parametrize(
    ("name", "target"), [("olmo-2", "OLMo-2-1124-13B-Instruct"), ("tulu-3", "Llama-3.1-Tulu-3-8B")]
)
def test_which_gemma_it_was_is_not_established_and_so_no_certain_one_is_a_yes(name: str, target: str) -> None:
    found = ask(chain(name), target, "gemma-2-9b-it")
    assert found.outcome == "cannot-tell"
    assert f"descends from {SOME_GEMMA}, and whether that is gemma-2-9b-it is not said." in found.sentence
    assert any(unknown.what.startswith("which Gemma") for unknown in found.unknowns)
    assert ask(chain(name), target, "gemma").outcome == "yes"


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
        SOME_GEMMA: "LicenseRef-scancode-gemma-tou-2024-04-01",
        SOME_QWEN: "LicenseRef-scancode-qwen-2024",
    }
    edges = {ancestor.node.id: ancestor.edge for ancestor in found.ancestors}
    assert edges["hf:meta-llama/Llama-3.1-8B"] == "weights"
    assert edges[SOME_GEMMA] == edges[SOME_QWEN] == "outputs"
    kinds = {duty.kind for duty in found.obligations if duty.ancestor == "hf:meta-llama/Llama-3.1-8B"}
    assert {"name-prefix", "display", "licence-copy", "notice"} <= kinds


def test_a_part_nobody_declared_is_no_number() -> None:
    found = ask(chain("tulu-3"), "Llama-3.1-Tulu-3-8B", "gemma")
    assert only_share(found, SOME_GEMMA).to_json()["touched"] is None
    assert found.sentence == (
        f"Yes: hf:allenai/Llama-3.1-Tulu-3-8B descends from {SOME_GEMMA}, which had a hand in data that it "
        "learned from; how much that comes to is not known (as declared, not recorded)."
    )
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
    tuned = ask(graph, instruct.id, "gemma")
    assert tuned.outcome == "yes"
    assert tuned.ancestors[0].node.licence == "LicenseRef-scancode-gemma-tou-2024-04-01"
    plain = ask(graph, base.id, "gemma")
    assert plain.outcome == "cannot-tell"
    assert plain.obligations == ()


R1_DATA = "data:samples of DeepSeek-R1"


# 4. R1-Distill-Llama --------------------------------------------------------------------------------


def test_r1_distill_llama_keeps_the_terms_of_its_base_beside_a_teacher_under_mit() -> None:
    found = ask(chain("r1-distill-llama"), "DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1")
    assert found.sentence == (
        "Yes: hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B descends from hf:deepseek-ai/DeepSeek-R1, which "
        "had a hand in data that it learned from; how much that comes to is not known (as declared, not "
        "recorded)."
    )
    assert "how much of it DeepSeek-R1 wrote, and what else is in it" in about(found, R1_DATA)
    by_id = {ancestor.node.id: ancestor for ancestor in found.ancestors}
    assert by_id["hf:deepseek-ai/DeepSeek-R1"].node.licence == "MIT"
    assert by_id["hf:meta-llama/Llama-3.1-8B"].edge == "weights"
    prefixes = [duty for duty in found.obligations if duty.kind == "name-prefix"]
    assert prefixes
    assert {duty.ancestor for duty in prefixes} == {"hf:meta-llama/Llama-3.1-8B"}


# No, and what it takes ------------------------------------------------------------------------------


def closed() -> Graph:
    nodes = [
        Node("hf:a/student", "model", "MIT", source="a.toml", complete=True),
        Node("data:by hand", "data", "MIT", source="a.toml", complete=True),
        Node("hf:a/teacher", "model", "MIT", source="a.toml", complete=True),
        Node("data:answers", "data", "MIT", source="b.toml", complete=True),
    ]
    edges = [
        Edge("hf:a/teacher", "data:answers", "generated", ("author",), "", (Part("records", 1.0),)),
        Edge("data:answers", "hf:a/student", "trained-on", (), "SFT", (Part("records", 0.25, "SFT"),)),
        Edge("data:by hand", "hf:a/student", "trained-on", (), "SFT", (Part("records", 0.75, "SFT"),)),
    ]
    return build(nodes, [replace(edge, read="a.toml") for edge in edges])


def test_no_needs_a_lineage_in_which_nothing_is_open() -> None:
    graph = closed()
    found = ask(graph, "hf:a/student", "gpt-4o")
    assert found.sentence == (
        "No, as declared by a.toml and b.toml: everything that hf:a/student was made from is known, and "
        "nothing of it is gpt-4o."
    )
    assert found.to_json()["answer"]["evidence"] == "declared"
    opened = Graph(graph.nodes, graph.edges, (Unknown("data:by hand", "whose hand it was"),), graph.names)
    assert ask(opened, "hf:a/student", "gpt-4o").outcome == "cannot-tell"
    alone = "No, as declared by a.toml: hf:a/teacher descends from no other model."
    assert ask(graph, "hf:a/teacher").sentence == alone


@pytest.mark.parametrize("id_", ["hf:a/student", "data:by hand", "hf:a/teacher", "data:answers"])
def test_any_one_open_end_makes_no_impossible(id_: str) -> None:
    graph = closed()
    nodes = [Node(node.id, node.kind, complete=node.id != id_) for node in graph.nodes.values()]
    assert ask(build(nodes, graph.edges), "hf:a/student", "gpt-4o").outcome == "cannot-tell"


def test_what_runs_recorded_is_a_no_without_a_reservation() -> None:
    graph = build([Node("run:a", "model", evidence="recorded", complete=True)], [])
    found = ask(graph, "run:a", "gpt-4o")
    assert found.sentence == "No: everything that run:a was made from is known, and nothing of it is gpt-4o."
    assert found.evidence == "recorded"


def test_the_target_itself_is_a_yes_by_its_whole_name_alone() -> None:
    found = ask(closed(), "hf:a/student", "hf:a/student")
    assert found.sentence == "Yes: hf:a/student is itself what hf:a/student names."
    found = ask(closed(), "hf:a/student", "student")
    assert found.outcome == "cannot-tell"
    assert found.sentence == (
        "Cannot tell: hf:a/student is called student itself, and no other model of that name is known behind "
        "it; ask for the whole name of the one that you mean."
    )


def test_a_name_that_the_target_shares_is_looked_for_among_its_ancestors() -> None:
    """A copy of somebody else's model must not hide whose model it is."""
    nodes = [Node(id_, "model") for id_ in (LLAMA, "hf:unsloth/Llama-3.1-8B", "hf:me/student")]
    copy = Edge(LLAMA, "hf:unsloth/Llama-3.1-8B", "finetuned")
    graph = build(nodes, [copy, Edge("hf:unsloth/Llama-3.1-8B", "hf:me/student", "finetuned")])
    assert ask(graph, "hf:unsloth/Llama-3.1-8B", "Llama-3.1-8B").sentence == (
        f"Yes: hf:unsloth/Llama-3.1-8B was made from the weights of {LLAMA} (as declared, not recorded)."
    )
    assert ask(graph, "hf:me/student", "Llama-3.1-8B").sentence == (
        "Yes: hf:me/student was made from the weights of hf:unsloth/Llama-3.1-8B; it descends from "
        f"{LLAMA} too (as declared, not recorded)."
    )


def test_a_revision_and_its_model_are_one() -> None:
    nodes = [Node(id_, "model") for id_ in ("hf:a/base", "hf:a/base@v1", "hf:a/student")]
    graph = build(nodes, [Edge("hf:a/base@v1", "hf:a/student", "finetuned")])
    told = "was made from the weights of hf:a/base@v1 (as declared, not recorded)."
    assert ask(graph, "hf:a/student").sentence == f"Yes: hf:a/student {told}"
    assert ask(graph, "hf:a/student", "base").sentence == f"Yes: hf:a/student {told}"


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


# What several files say of one thing -----------------------------------------------------------------


def test_a_name_that_one_file_calls_complete_stays_open_while_another_leaves_it_so() -> None:
    """Nobody closes what others describe: three bare names with ``complete = true`` prove no absence."""
    described = chain("r1-distill-llama")
    forged = build([Node(id_, node.kind, complete=True) for id_, node in described.nodes.items()], [])
    for parts in ([described, forged], [forged, described]):
        graph = join(parts)
        assert not any(node.complete for node in graph.nodes.values())
        assert ask(graph, "DeepSeek-R1-Distill-Llama-8B", "mistral-large").outcome == "cannot-tell"


def test_what_a_run_recorded_of_its_inputs_is_not_opened_by_a_bare_mention() -> None:
    run = Node("run:a", "model", evidence="recorded", complete=True)
    for nodes in ([run, Node("run:a", "model")], [Node("run:a", "model"), run]):
        assert build(nodes, []).nodes["run:a"].complete


def test_a_model_may_go_on_from_an_earlier_revision_of_itself() -> None:
    nodes = [Node("hf:a/base", "model"), Node("hf:a/base@v1", "model"), Node("data:x", "data")]
    graph = build(nodes, [Edge("hf:a/base@v1", "hf:a/base", "finetuned")])
    assert [edge.relation for edge in graph.edges] == ["finetuned"]
    longer = [
        Edge("hf:a/base@v1", "data:x", "generated"),
        Edge("data:x", "hf:a/base", "trained-on", stage="SFT"),
    ]
    assert [edge.relation for edge in build(nodes, longer).edges] == ["generated", "trained-on"]


def test_two_models_that_go_on_from_one_anothers_revisions_are_no_cycle() -> None:
    nodes = [Node(id_, "model") for id_ in ("hf:o/a", "hf:o/a@1", "hf:o/b", "hf:o/b@1")]
    edges = [Edge("hf:o/a@1", "hf:o/b", "finetuned"), Edge("hf:o/b@1", "hf:o/a", "finetuned")]
    assert len(build(nodes, edges).edges) == 3


def test_other_weights_under_a_name_are_no_revision_of_it() -> None:
    """What they descend from is not kept, and so no edge says it."""
    pinned = f"hf:lab/two@{of_bytes(b'other weights')}"
    assert not build([Node("hf:lab/two", "model"), Node(pinned, "model")], []).edges
