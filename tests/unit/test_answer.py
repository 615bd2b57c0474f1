"""The answer's sentence: what a name means or may mean, whose terms are open, who did what to how much."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inbond.errors import InputError
from inbond.ledger.lineage import Edge, Evidence, Graph, Node, Part, Relation
from inbond.ledger.trace import Trace
from inbond.ledger.weaving import build
from inbond.types import Role
from tests.unit.test_chains import GPT, LLAMA, SOME_GEMMA, about, ask, closed

# Names -----------------------------------------------------------------------------------------------

QWEN3 = "hf:Qwen/Qwen3-30B-A3B-Instruct-2507"
FREE = "api:openrouter.ai/deepseek/deepseek-r1:free"


def closed_on(*teachers: str) -> Graph:
    """A student of which everything is known: whom it learnt from, and nothing else."""
    part = (Part("records", 1.0, "SFT"),)
    nodes = [Node("hf:me/student", "model", complete=True), Node("data:answers", "data", complete=True)]
    nodes += [Node(id_, "model", complete=True) for id_ in teachers]
    edges = [Edge(id_, "data:answers", "generated", ("author",)) for id_ in teachers]
    return build(nodes, [*edges, Edge("data:answers", "hf:me/student", "trained-on", (), "SFT", part)])


@pytest.mark.parametrize(
    ("asked", "candidate"),
    [
        ("gpt-4o-2024-08-06", "api:api.openai.com/gpt-4o"), ("openai/gpt-4o", "api:api.openai.com/gpt-4o"),
        ("hf:openai/gpt-4o", "api:api.openai.com/gpt-4o"), ("GPT", "api:api.openai.com/gpt-4o"),
        ("gpt", "api:api.openai.com/gpt-4o"), ("gpt4o", "api:api.openai.com/gpt-4o"),
        (f"{QWEN3}@abc", QWEN3), ("qwen", QWEN3), ("Qwen3", QWEN3), ("qwen-3", QWEN3),
        ("deepseek-r1", FREE), ("deepseek/deepseek-r1", FREE), ("deepseek", FREE), ("r1", FREE),
        ("llama-3.1", LLAMA), ("llama 3.1", LLAMA), ("llama3.1", LLAMA), ("Llama-3", LLAMA),
        ("hf:unsloth/Llama-3.1-8B", LLAMA), ("unsloth/llama-3.1-8b", LLAMA),
        ("gpt-4o", "api:api.openai.com/gpt-4o-mini"), ("gpt-4o-mini-2024-07-18", "api:x.org/gpt-4o-mini"),
    ],
)  # fmt: skip
def test_a_name_that_may_mean_an_ancestor_is_never_a_no(asked: str, candidate: str) -> None:
    found = ask(closed_on(candidate), "hf:me/student", asked)
    assert found.outcome == "cannot-tell"
    assert candidate in found.sentence
    assert asked in found.sentence
    assert found.evidence is None
    assert not any(ancestor.asked for ancestor in found.ancestors)


@pytest.mark.parametrize(
    ("asked", "ancestor"),
    [
        ("gpt-4o", "api:api.openai.com/gpt-4o"), ("GPT-4o", "api:api.openai.com/gpt-4o"),
        ("gpt-4o", GPT), ("api:api.openai.com/GPT-4o", GPT),
        ("hf:Qwen/Qwen3-30B-A3B-Instruct", QWEN3), ("hf:qwen/qwen3-30b-a3b-instruct", QWEN3),
        ("qwen/qwen3-30b-a3b-instruct-2507", QWEN3), ("gemma", SOME_GEMMA), ("Gemma", SOME_GEMMA),
        ("hf:lab/m", "hf:lab/m@abc"),
    ],
)  # fmt: skip
def test_a_name_that_means_an_ancestor_is_a_yes(asked: str, ancestor: str) -> None:
    found = ask(closed_on(ancestor), "hf:me/student", asked)
    assert found.outcome == "yes"
    assert ancestor in found.sentence


@pytest.mark.parametrize(
    "asked",
    [
        "gpt-4o-mini",
        "gpt-4",
        "o1",
        "4o-mini",
        "llama",
        "claude",
        "penai",
        "pt-4o",
        "hf:other/model",
        "gpt-4o-m",
    ],
)
def test_a_name_that_cannot_mean_it_is_a_no(asked: str) -> None:
    assert ask(closed_on("api:api.openai.com/gpt-4o"), "hf:me/student", asked).outcome == "no"


@pytest.mark.parametrize("asked", ["", "  ", "-", "::"])
def test_a_name_without_a_letter_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="expected the name of a model or data to look for"):
        ask(closed(), "hf:a/student", asked)


def test_names_of_files_and_runs_have_their_case() -> None:
    graph = closed_on("path:Teacher")
    assert ask(graph, "hf:me/student", "path:Teacher").outcome == "yes"
    assert ask(graph, "hf:me/student", "path:teacher").outcome == "cannot-tell"


# Hosts -----------------------------------------------------------------------------------------------


def asked_through(channel: str | None, id_: str = "hf:deepseek-ai/DeepSeek-R1") -> Trace:
    nodes = [Node("hf:me/student", "model"), Node("data:answers", "data"), Node(id_, "model")]
    edges = [
        Edge(id_, "data:answers", "generated", ("author",), channel=channel),
        Edge("data:answers", "hf:me/student", "trained-on", stage="SFT"),
    ]
    return ask(build(nodes, edges), "hf:me/student", "data:answers")


def stance_of(found: Trace, id_: str) -> str | None:
    return next(ancestor.stance for ancestor in found.ancestors if ancestor.node.id == id_)


def test_a_host_that_is_not_on_file_leaves_the_terms_open() -> None:
    """As ``inbond check`` leaves the plan to a person, whatever the weights' own licence says."""
    teacher = "hf:deepseek-ai/DeepSeek-R1"
    found = asked_through("api.together.xyz")
    assert stance_of(found, teacher) is None
    assert "the terms of api.together.xyz are not on file" in about(found, teacher)
    served = "api:api.together.xyz/deepseek-r1"
    assert "the terms of api.together.xyz are not on file" in about(asked_through(None, served), served)


@pytest.mark.parametrize("channel", [None, "self-hosted", "qianfan.baidubce.com", "api.deepseek.com"])
def test_a_host_that_is_on_file_or_none_leaves_nothing_open(channel: str | None) -> None:
    found = asked_through(channel)
    assert stance_of(found, "hf:deepseek-ai/DeepSeek-R1") is not None
    assert not any("not on file" in unknown.what for unknown in found.unknowns)


def test_a_server_of_ones_own_has_no_terms_to_be_on_file() -> None:
    found = asked_through("self-hosted", "api:localhost:8000/deepseek-r1")
    assert not any("not on file" in unknown.what for unknown in found.unknowns)


def test_terms_that_are_not_on_file_leave_no_descent_open() -> None:
    graph = closed_on("api:api.together.xyz/deepseek-r1")
    assert ask(graph, "hf:me/student", "claude").outcome == "no"


# How much, in words ----------------------------------------------------------------------------------


def shared(*edges: Edge) -> str:
    """What is said of a teacher whose data is all that a student learnt from."""
    nodes = [Node(id_, "model") for id_ in ("hf:a/student", "hf:a/teacher", "hf:a/other")]
    parts = (Part("records", 1.0, "SFT"), Part("tokens", 1.0, "SFT"))
    learnt = Edge("data:x", "hf:a/student", "trained-on", (), "SFT", parts)
    graph = build([*nodes, Node("data:x", "data")], [*edges, learnt])
    sentence = ask(graph, "hf:a/student", "hf:a/teacher").sentence
    return sentence.removeprefix("Yes: hf:a/student descends from hf:a/teacher").removesuffix(
        " (as declared, not recorded)."
    )


def hand(role: Role, records: float, tokens: float) -> Edge:
    parts = (Part("records", records), Part("tokens", tokens))
    return Edge("hf:a/teacher", "data:x", "generated", (role,), "", parts)


@pytest.mark.parametrize(
    ("role", "records", "tokens", "said"),
    [
        ("author", 1.0, 1.0, ", which wrote 100% of the records in SFT"),
        ("author", 0.5, 0.25, ", which wrote 50% of the records and 25% of the tokens in SFT"),
        ("judge", 0.3, 0.3, ", which judged 30% of the records in SFT"),
        ("translator", 0.99996, 0.99996, ", which translated more than 99.9% of the records in SFT"),
        ("filter", 0.0001, 0.0001, ", which chose less than 0.1% of the records in SFT"),
        ("verifier", 1.0, 1.0, ", which checked 100% of the records in SFT"),
        ("rewriter", 1.0, 1.0, ", which rewrote 100% of the records in SFT"),
    ],
)
def test_each_role_has_its_verb_and_two_units_that_say_the_same_are_one(
    role: Role, records: float, tokens: float, said: str
) -> None:
    assert shared(hand(role, records, tokens)) == said


def test_what_a_base_is_behind_is_not_said_to_be_its_own_work() -> None:
    """Its weights are in the author; it wrote nothing."""
    graph = build(
        [
            Node("hf:a/student", "model"),
            Node("hf:a/base", "model"),
            Node("hf:a/hand", "model"),
            Node("data:x", "data"),
        ],
        [
            Edge("hf:a/base", "hf:a/hand", "finetuned"),
            Edge("hf:a/hand", "data:x", "generated", ("author",), "", (Part("records", 1.0),)),
            Edge("data:x", "hf:a/student", "trained-on", (), "SFT", (Part("records", 1.0, "SFT"),)),
        ],
    )
    assert ask(graph, "hf:a/student", "base").sentence == (
        "Yes: hf:a/student descends from hf:a/base: a model made from it, hf:a/hand, wrote 100% of the "
        "records in SFT; base itself wrote none of them (as declared, not recorded)."
    )


def test_which_link_is_only_declared_is_said() -> None:
    def link(evidence: Evidence, relation: Relation, one: str, other: str) -> Edge:
        return Edge(one, other, relation, evidence=evidence)

    nodes = [Node(id_, "model") for id_ in ("hf:a/base", "hf:a/copy", "hf:a/next", "run:b")]
    last = [link("recorded", "pruned", "hf:a/next", "run:b")]
    one = [
        link("declared", "quantized", "hf:a/base", "hf:a/copy"),
        link("recorded", "finetuned", "hf:a/copy", "hf:a/next"),
    ]
    two = [replace(edge, evidence="declared") for edge in one]
    assert ask(build(nodes, [*one, *last]), "run:b", "base").sentence.endswith(
        "(that copy comes from base is declared, not recorded)."
    )
    assert ask(build(nodes, [*two, *last]), "run:b", "base").sentence.endswith(
        "(2 of the 3 links are declared, not recorded)."
    )
    assert (
        ask(build(nodes, last), "run:b", "next").sentence
        == "Yes: run:b was made from the weights of hf:a/next."
    )


def test_many_names_are_cut() -> None:
    nodes = [Node(f"hf:a/m{number}", "model") for number in range(9)]
    edges = [Edge(node.id, "hf:a/s", "merged") for node in nodes]
    assert ask(build([*nodes, Node("hf:a/s", "model")], edges), "hf:a/s").sentence == (
        "Yes: hf:a/s was made from the weights of hf:a/m0, hf:a/m1, hf:a/m2 and 6 more (as declared, not "
        "recorded)."
    )
