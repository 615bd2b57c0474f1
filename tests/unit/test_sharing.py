"""Shares of what several files and runs say: nothing twice, nothing over all; probabilities; the cost."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.ledger import lineage_file
from inbond.ledger.lineage import MOST_STEPS, Edge, Graph, Node, Part
from inbond.ledger.records import Row
from inbond.ledger.shares import Share
from inbond.ledger.tally import Chunk, Counted, Tracer
from inbond.ledger.trace import Known, Trace, trace
from inbond.ledger.weaving import build, join
from inbond.policy import library
from inbond.recipes.sections.train import Train
from inbond.types import DIVERGENCES
from tests.unit.test_chains import CHAINS, GPT, OLMO, about
from tests.unit.test_trace_workspace import MINE, Maker, command, maker, origin, rows, shares

__all__ = ["command", "maker"]

HALF, WHOLE = (Part("records", 0.5),), (Part("records", 1.0),)


def asked(graph: Graph, target: str, name: str | None = None) -> Trace:
    return trace(Known(graph, library.shipped()), target, name)


def share_of(found: Trace, id_: str) -> Share:
    (share,) = next(ancestor.shares for ancestor in found.ancestors if ancestor.node.id == id_)
    return share


def parsed(text: str, read: str) -> Graph:
    return lineage_file.parse(read, text.encode(), of_bytes(text.encode())).graph


def learnt(*parts: tuple[str, float], by: str = "a.toml") -> Graph:
    """A teacher wrote all data, of which a student learnt these parts."""
    nodes = [Node("hf:o/student", "model"), Node("hf:o/teacher", "model")]
    edges = []
    for data, share in parts:
        nodes.append(Node(data, "data"))
        edges += [
            Edge("hf:o/teacher", data, "generated", ("author",), "", WHOLE, read=by),
            Edge(data, "hf:o/student", "trained-on", (), "SFT", (Part("records", share, "SFT"),), read=by),
        ]
    return build(nodes, edges)


# Several files about one thing ------------------------------------------------------------------------


def test_two_files_that_describe_one_edge_do_not_double_its_share() -> None:
    text = (CHAINS / "olmo-3.toml").read_text("utf-8")
    other = text.replace('read = "paper: 805B', 'read = "what a blog says: 805B')
    assert other != text
    both = join([parsed(text, "a.toml"), parsed(other, "b.toml")])
    assert len(both.into[OLMO]) == 2
    found = asked(both, OLMO, "gpt-4o")
    assert share_of(found, GPT).touch.touched.exact == 0.134
    assert "where 86.6% of the tokens of pretraining are from" in about(found, OLMO)


def test_files_that_disagree_leave_a_range_and_are_both_named() -> None:
    found = asked(join([learnt(("data:a", 0.134)), learnt(("data:a", 0.2), by="b.toml")]), "hf:o/student")
    touched = share_of(found, "hf:o/teacher").touch.touched
    assert (touched.low, touched.high, touched.exact) == (0.134, 0.2, None)
    what = "what part of the records of SFT of hf:o/student is data:a: 13.4% (a.toml), 20% (b.toml)"
    assert what in about(found, "hf:o/student")


def derived(by: str, share: float = 0.3) -> Graph:
    """A teacher's text comes to a mixture by two ways, each a part of it."""
    names = ("data:raw", "data:left", "data:right", "data:mix")
    nodes = [Node("hf:o/teacher", "model"), *(Node(name, "data") for name in names)]
    edges = [Edge("hf:o/teacher", "data:raw", "generated", ("author",), "", WHOLE, read=by)]
    for side in ("data:left", "data:right"):
        edges += [
            Edge("data:raw", side, "derived", parts=WHOLE, read=by),
            Edge(side, "data:mix", "derived", parts=(Part("records", share),), read=by),
        ]
    return build(nodes, edges)


def test_parts_of_data_are_not_doubled_either() -> None:
    assert share_of(asked(derived("a"), "data:mix"), "hf:o/teacher").touch.touched.exact == 0.6
    both = join([derived("a"), derived("b")])
    assert share_of(asked(both, "data:mix"), "hf:o/teacher").touch.touched.exact == 0.6


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 25), min_size=1),
    st.randoms(),
)
def test_saying_it_again_changes_nothing(parts: dict[str, int], chance: random.Random) -> None:
    once = learnt(*((f"data:{name}", share / 100) for name, share in parts.items()))
    again = [replace(edge, read="b.toml") for edge in once.edges if chance.random() < 0.7]
    chance.shuffle(again)
    first, second = (
        asked(graph, "hf:o/student") for graph in (once, build(once.nodes.values(), [*once.edges, *again]))
    )
    mine, theirs = (share_of(found, "hf:o/teacher").touch.touched.exact for found in (first, second))
    assert mine == theirs == pytest.approx(sum(parts.values()) / 100)
    assert first.unknowns == second.unknowns


# More than all of it ----------------------------------------------------------------------------------

OVER = """
format = "inbond.lineage/1"
node = [{id = "hf:o/student", kind = "model"}, {id = "data:a", kind = "data"}, {id = "data:b", kind = "data"},
  {id = "data:c", kind = "data"}]
edge = [
  {source = "data:a", target = "TARGET", HOW, parts = [{unit = "tokens", share = 0.8}]},
  {source = "data:b", target = "TARGET", HOW, parts = [{unit = "tokens", share = 0.7}]},
]
"""


@pytest.mark.parametrize(
    ("target", "how", "words"),
    [
        ("hf:o/student", 'relation = "trained-on", stage = "SFT"', "the tokens of SFT of hf:o/student"),
        ("data:c", 'relation = "derived"', "the tokens of data:c"),
    ],
)
def test_one_file_whose_parts_come_to_more_than_all_is_refused(target: str, how: str, words: str) -> None:
    text = OVER.replace("TARGET", target).replace("HOW", how)
    with pytest.raises(InputError) as caught:
        parsed(text, "over.toml")
    assert caught.value.expected == f"parts of {words} that come to at most 100% in over.toml"
    assert caught.value.found == "150%: data:a 80%, data:b 70%"
    assert parsed(text.replace("0.7", "0.2"), "whole.toml")


def test_files_whose_parts_come_to_more_than_all_together_establish_nothing() -> None:
    both = join([learnt(("data:a", 0.8)), learnt(("data:b", 0.7), by="b.toml")])
    found = asked(both, "hf:o/student")
    share = share_of(found, "hf:o/teacher")
    assert (share.touch.touched.low, share.touch.touched.high) == (0.0, 1.0)
    assert share.to_json()["authored"] is None
    what = "which parts of the records of SFT are too large: they come to 150%: "
    assert f"{what}data:a 80% (a.toml), data:b 70% (b.toml)" in about(found, "hf:o/student")


def test_thirds_are_not_more_than_all() -> None:
    third = 1 / 3
    assert (
        share_of(
            asked(learnt(("data:a", third), ("data:b", third), ("data:c", third)), "hf:o/student"),
            "hf:o/teacher",
        ).touch.touched.exact
        == 1.0
    )


def test_a_declared_part_of_a_recorded_set_is_not_all() -> None:
    """Somebody declares to have trained on a tenth of what a run recorded."""
    chunk = Chunk(np.array([0]), np.array([0, 0]), np.zeros(0, np.int32), np.array([5]))
    counted = Counted(Tracer(2).tally([chunk], [], 1, [0]), [("hf:o/teacher", "author"), ("", None)], 1, [])
    graph = learnt(("data:runs/a/data/train", 0.1))
    known = Known(graph, library.shipped(), {"data:runs/a/data/train": counted})
    share = share_of(trace(known, "hf:o/student"), "hf:o/teacher")
    assert (share.touch.authored.exact, share.evidence) == (0.1, "declared")


# Probabilities ----------------------------------------------------------------------------------------


def scored(*parts: float, stage: str = "SFT") -> Graph:
    nodes = [Node(name, "model") for name in ("hf:o/base", "hf:o/teacher", "hf:o/student")]
    edges = [
        Edge("hf:o/base", "hf:o/teacher", "finetuned"),
        *(
            Edge(
                "hf:o/teacher",
                "hf:o/student",
                "scored",
                (),
                stage,
                (Part("tokens", part, stage),),
                read=f"{n}",
            )
            for n, part in enumerate(parts)
        ),
    ]
    return build(nodes, edges)


@pytest.mark.parametrize("ancestor", ["hf:o/teacher", "hf:o/base"])
def test_what_was_learnt_by_probabilities_is_touched_and_not_authored(ancestor: str) -> None:
    share = share_of(asked(scored(0.4, 0.4), "hf:o/student"), ancestor)
    assert share.to_json() == {
        "stage": "SFT", "of": "hf:o/student", "unit": "tokens", "authored": 0.0, "touched": 0.4,
        "by_role": {}, "scored": 0.4, "evidence": "declared",
    }  # fmt: skip
    words = "taught 40% of the tokens in SFT of hf:o/student through probabilities, and wrote none of them"
    assert share.words() == words


def test_probabilities_without_a_stage_or_a_part_are_an_open_question() -> None:
    assert share_of(asked(scored(0.4, stage=""), "hf:o/student"), "hf:o/teacher").touch.scored.exact == 0.4
    graph = scored(0.4)
    bare = build(graph.nodes.values(), [replace(edge, parts=()) for edge in graph.edges])
    found = asked(bare, "hf:o/student")
    assert share_of(found, "hf:o/teacher").touch.touched.exact is None
    what = "what part of the records of SFT the probabilities of hf:o/teacher taught"
    assert what in about(found, "hf:o/student")


def test_text_and_probabilities_of_one_teacher_may_overlap() -> None:
    text, taught = learnt(("data:a", 0.5)), scored(0.4)
    edges = [replace(edge, parts=(Part("records", 0.4, "SFT"),)) for edge in taught.edges]
    share = share_of(
        asked(build([*text.nodes.values(), *taught.nodes.values()], [*text.edges, *edges]), "hf:o/student"),
        "hf:o/teacher",
    )
    touched = share.touch.touched
    assert (touched.low, touched.high, share.touch.authored.exact) == (0.5, 0.9, 0.5)


OTHER = origin("hf:lab/other")
MIXED = rows((OTHER, (), 10), (OTHER, (), 30), (MINE, (), 40))


def record(
    maker: Maker, config: dict[str, Any], asked_for: dict[str, Any], learnt_rows: Sequence[Row] = MIXED, *,
    targets: bool,
) -> None:  # fmt: skip
    """A run that is taught by hf:lab/scorer two records that another wrote, and given one as text."""
    plan = {"teacher": "hf:lab/scorer", "base_is_teacher": False, "base": None}
    maker.ledger.record("gate.decided", {"run": "a", "plan": plan, "verdict": {"obligations": []}})
    said = maker.stage("a", "data/answers", "generate", asked_for, {}, rows((OTHER, (), 10)))
    kept = maker.stage("a", "data/train", "filter-train", {}, {}, learnt_rows)
    inputs = {"train": kept.id, **({"targets": said.id} if targets else {})}
    maker.stage("a", "trained", "train", {"teacher": "hf:lab/scorer", **config}, inputs, b"w")


@pytest.mark.parametrize(
    ("config", "targets"),
    [({"targets": "shards"}, True), ({"targets": "online", "kl": 1.0, "ce": 0.5}, False)],
)
def test_a_run_learns_by_probabilities_what_was_not_given_to_it_as_text(
    maker: Maker, command: Any, config: dict[str, Any], targets: bool
) -> None:
    record(maker, config, {"teacher": "hf:lab/scorer"}, targets=targets)
    found = command("trace", "run:a", "--from", "scorer")
    by_unit = shares(found, "hf:lab/scorer", "run:a")
    expected = {"authored": 0.0, "by_role": {}, "evidence": "recorded"}
    assert by_unit["records"].items() >= {**expected, "touched": 0.666667, "scored": 0.666667}.items()
    assert by_unit["tokens"].items() >= {**expected, "touched": 0.5, "scored": 0.5}.items()
    other = shares(found, "hf:lab/other", "run:a")["tokens"]
    assert (other["authored"], other["scored"]) == (0.5, 0.0)


def test_a_teacher_that_could_score_nothing_touched_none_of_it(maker: Maker, command: Any) -> None:
    record(maker, {}, {"teacher": "hf:lab/scorer"}, rows((MINE, (), 40)), targets=True)
    found = command("trace", "run:a", "--from", "scorer")
    assert shares(found, "hf:lab/scorer", "run:a")["tokens"]["touched"] == 0.0
    assert "not established" not in found["answer"]["sentence"]
    assert "which touched none of the records that it was trained on" in found["answer"]["sentence"]


def test_which_answers_of_a_host_came_with_probabilities_is_not_recorded(maker: Maker, command: Any) -> None:
    record(maker, {"targets": "remote"}, {"teacher": "hf:lab/scorer", "top_logprobs": 5}, targets=True)
    found = command("trace", "run:a", "--from", "scorer")
    assert shares(found, "hf:lab/scorer", "run:a")["records"]["touched"] is None
    what = "what part of the records of train the probabilities of hf:lab/scorer taught"
    assert {"about": "run:a", "what": what} in found["unknowns"]


def test_a_run_that_learns_text_alone_is_taught_by_no_probabilities(maker: Maker, command: Any) -> None:
    settings = Train(**dict.fromkeys(DIVERGENCES, 0.0), ce=1.0).model_dump()
    record(maker, {**settings, "targets": "online"}, {"teacher": "hf:lab/scorer"}, targets=False)
    assert "scored" not in {edge["relation"] for edge in command("trace", "run:a")["edges"]}


# Evidence, paths and what they cost -------------------------------------------------------------------


def test_one_recorded_way_is_found_behind_hundreds_of_declared_ones() -> None:
    nodes = [Node(name, "model") for name in ("run:a", "run:b", "run:c", "run:d")]
    declared = [Edge("run:a", "run:d", "merged", read=f"file {number}") for number in range(300)]
    recorded = [Edge(f"run:{a}", f"run:{b}", "pruned", evidence="recorded") for a, b in ("ab", "bc", "cd")]
    graph = build(nodes, [*declared, *recorded])
    assert graph.paths("run:a", "run:d").cut
    first = next(each for each in asked(graph, "run:d", "run:a").ancestors if each.asked)
    assert first.evidence == "recorded"
    assert [edge.evidence for edge in first.paths.paths[-1]] == ["recorded"] * 3
    assert "declared" not in asked(graph, "run:d", "run:a").sentence
    broken = build(nodes, [*declared, *recorded[1:], replace(recorded[0], evidence="declared")])
    assert next(a for a in asked(broken, "run:d").ancestors if a.node.id == "run:a").evidence == "declared"


def ladder(rungs: int) -> tuple[Graph, str]:
    """Every model is merged from two that have one model behind them: 2^rungs ways."""
    names = ["hf:t/0"]
    edges = []
    for rung in range(rungs):
        last, (a, b, c) = names[-1], (f"hf:t/{3 * rung + n}" for n in (1, 2, 3))
        names += [a, b, c]
        edges += [Edge(*pair, "merged") for pair in ((last, a), (last, b), (a, c), (b, c))]
    return build([Node(name, "model") for name in names], edges), names[-1]


def test_a_ladder_of_merges_has_a_small_object_in_which_every_path_can_be_followed() -> None:
    graph, target = ladder(99)
    whole = asked(graph, target, "hf:t/0").to_json()
    assert len(json.dumps(whole)) < 4e6
    assert sum(path["hops"] for each in whole["ancestors"] for path in each["paths"]) <= MOST_STEPS
    for each in whole["ancestors"]:
        assert each["paths"]
        assert [path["hops"] for path in each["paths"]] == sorted(path["hops"] for path in each["paths"])
        for path in each["paths"]:
            edges = [whole["edges"][number] for number in path["edges"]]
            assert [edges[0]["source"], *(edge["target"] for edge in edges)] == path["nodes"]
            assert path["kinds"] == [edge["kind"] for edge in edges]
            assert (path["nodes"][0], path["nodes"][-1]) == (each["id"], target)
    first, *_, last = whole["ancestors"]
    assert first["id"] == "hf:t/0", "what was asked for comes first"
    assert len(first["paths"]) > len(last["paths"])
    assert first["paths_cut"]
    assert last["paths_cut"]


def test_a_way_longer_than_all_paths_may_be_is_still_shown_of_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inbond.ledger.lineage.MOST_STEPS", 20)
    graph, target = ladder(20)
    found = {each.node.id: each.paths for each in asked(graph, target, "hf:t/0").ancestors}
    assert len(found["hf:t/0"].paths) == 1
    assert found["hf:t/1"].cut
    assert not found["hf:t/1"].paths


def test_a_long_chain_of_finetunes_each_with_its_own_data_is_answered_in_seconds() -> None:
    """It took half a minute, with the cube of its length."""
    nodes, edges = [Node("hf:t/0", "model")], []
    for number in range(1, 300):
        nodes += [Node(f"hf:t/{number}", "model"), Node(f"data:{number}", "data")]
        edges += [
            Edge(f"hf:t/{number - 1}", f"hf:t/{number}", "finetuned"),
            Edge(f"data:{number}", f"hf:t/{number}", "trained-on", (), "SFT", (Part("records", 1.0, "SFT"),)),
        ]
    graph = build(nodes, edges)
    started = time.perf_counter()
    found = asked(graph, "hf:t/299")
    assert time.perf_counter() - started < 8
    assert sum(len(ancestor.shares) for ancestor in found.ancestors) == 299


def test_a_share_takes_no_loop_over_words() -> None:
    """Hundreds of questions about a set in which every record has other hands behind it."""
    hands, count = 90, 100_000
    draw = np.random.default_rng(0)
    tracer = Tracer(hands)
    none = np.zeros(0, np.int32)
    first = Chunk(draw.integers(0, hands, count), np.zeros(count + 1, np.int32), none, none)
    parents = draw.integers(0, count, 3 * count)
    last = Chunk(draw.integers(0, hands, count), 3 * np.arange(count + 1), parents, np.ones(count, np.int32))
    above = [tracer.words([first], [])]
    started = time.perf_counter()
    tally = tracer.tally([last], above)
    found = [tally.touched(1 << one | 1 << two).records for one in range(20) for two in range(hands)]
    assert time.perf_counter() - started < 8
    assert tally.words.shape[1] > 0.9 * count
    assert max(found) < tally.whole.records == count
