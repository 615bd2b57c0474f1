"""The lineage graph: ancestors, hops, paths, joining, cycles, names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import Digest, of_bytes
from inbond.errors import InputError
from inbond.ledger.lineage import RELATIONS, Edge, Graph, Node, Unknown
from inbond.ledger.naming import matching, same_name
from inbond.ledger.weaving import build, find_cycle, join

_DOWN = ("pruned", "merged", "scored")


@st.composite
def _dags(draw: st.DrawFn) -> Graph:
    """Models with edges from lower to higher numbers only, and so without cycles."""
    count = draw(st.integers(2, 7))
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw(st.lists(st.tuples(st.sampled_from(pairs), st.sampled_from(_DOWN)), max_size=14))
    nodes = [Node(f"run:{number}", "model") for number in range(count)]
    return build(nodes, [Edge(f"run:{a}", f"run:{b}", how) for (a, b), how in dict.fromkeys(chosen)])


def _ways(graph: Graph, source: str, target: str) -> Iterator[tuple[Edge, ...]]:
    """All paths, by the plain recursive definition."""
    for edge in graph.edges:
        if edge.source == source:
            if edge.target == target:
                yield (edge,)
            for rest in _ways(graph, edge.target, target):
                yield (edge, *rest)


@given(_dags(), st.data())
def test_paths_are_all_paths_and_hops_the_shortest(graph: Graph, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(graph.nodes)))
    hops = graph.hops(target)
    for source in graph.nodes:
        expected = set(_ways(graph, source, target))
        found = graph.paths(source, target)
        assert set(found.paths) == expected
        assert not found.cut
        assert [len(way) for way in found.paths] == sorted(len(way) for way in expected)
        assert hops.get(source) == (min(map(len, expected)) if expected else None)


@given(_dags(), st.integers(1, 4))
def test_cut_paths_say_so_and_keep_a_shortest(graph: Graph, most: int) -> None:
    target = max(graph.nodes)
    for source, count in graph.hops(target).items():
        every = list(_ways(graph, source, target))
        found = graph.paths(source, target, most)
        assert len(found.paths) == min(most, len(every))
        assert found.cut == (len(every) > most)
        assert len(found.paths[0]) == count


def test_a_ladder_of_a_billion_paths_answers_at_once() -> None:
    nodes = [Node(f"run:{n}{side}", "model") for n in range(31) for side in "ab"]
    edges = [Edge(f"run:{n}{a}", f"run:{n + 1}{b}", "merged") for n in range(30) for a in "ab" for b in "ab"]
    found = build(nodes, edges).paths("run:0a", "run:30a")
    assert found.cut
    assert len(found.paths) == 200
    assert all(len(way) == 30 for way in found.paths)


@given(_dags(), st.data())
def test_an_edge_that_closes_a_cycle_is_refused_by_name(graph: Graph, data: st.DataObject) -> None:
    assert find_cycle(graph) is None
    target = data.draw(st.sampled_from(sorted(graph.nodes)))
    above = list(graph.hops(target))
    if not above:
        return
    back = Edge(target, data.draw(st.sampled_from(above)), "finetuned", read="bad.toml")
    with pytest.raises(InputError) as caught:
        build(graph.nodes.values(), [*graph.edges, back])
    assert "a cycle: " in caught.value.found
    named = caught.value.found.removeprefix("a cycle: ").split(" -> ")
    assert named[0] == named[-1]
    assert target in named
    assert "bad.toml" in caught.value.fix


def test_weights_count_only_over_weights_alone() -> None:
    nodes = [Node("run:a", "model"), Node("run:b", "model"), Node("run:c", "model"), Node("data:d", "data")]
    edges = [
        Edge("run:a", "run:b", "pruned"),
        Edge("run:b", "data:d", "generated"),
        Edge("data:d", "run:c", "trained-on", stage="SFT"),
    ]
    assert build(nodes, edges).by_weights("run:c") == set()
    assert build(nodes, [*edges, Edge("run:b", "run:c", "initialised")]).by_weights("run:c") == {
        "run:a",
        "run:b",
    }


def test_a_missing_end_is_named() -> None:
    with pytest.raises(InputError, match="nothing is known of run:nowhere"):
        build([Node("run:a", "model")], [Edge("run:nowhere", "run:a", "pruned")])


# Joining --------------------------------------------------------------------------------------------

SAME = of_bytes(b"weights")


def test_the_same_bytes_are_the_same_model_and_the_recorded_name_stands() -> None:
    recorded = build(
        [
            Node("run:a", "model", "MIT", frozenset({SAME}), "recorded", complete=True),
            Node("path:t", "model"),
        ],
        [Edge("path:t", "run:a", "pruned", evidence="recorded")],
    )
    declared = build(
        [Node("hf:me/mine", "model", None, frozenset({SAME})), Node("hf:me/next", "model")],
        [Edge("hf:me/mine", "hf:me/next", "quantized")],
        [Unknown("hf:me/mine", "what its card left out")],
    )
    graph = join([declared, recorded])
    assert set(graph.nodes) == {"run:a", "path:t", "hf:me/next"}
    assert graph.find("hf:me/mine") == graph.nodes["run:a"]
    assert graph.nodes["run:a"].evidence == "recorded"
    assert graph.hops("hf:me/next") == {"run:a": 1, "path:t": 2}
    assert graph.unknowns == (Unknown("run:a", "what its card left out"),)
    assert matching("mine", graph, graph.nodes) == ["run:a"]
    again = build(graph.nodes.values(), graph.edges, graph.unknowns, graph.names)
    assert again == graph


@given(st.permutations(["run:a", "hf:b/c", "path:d", "gguf:e"]), st.integers(0, 3))
def test_sameness_is_transitive_whatever_the_order(order: list[str], odd: int) -> None:
    """a~b by one digest and b~c by another make all three one."""
    digests = [Digest(of_bytes(bytes([number]))) for number in range(5)]
    held = {name: frozenset({digests[n], digests[n + 1]}) for n, name in enumerate(sorted(order))}
    held[order[odd]] = frozenset()
    rest = [name for name in sorted(order) if held[name]]
    graph = build([Node(name, "model", None, held[name]) for name in order], [])
    groups = {graph.names.get(name, name) for name in rest}
    gap = sorted(order).index(order[odd])
    assert len(groups) == (1 if gap in (0, 3) else 2)


def test_what_differs_in_kind_is_no_join_but_an_error() -> None:
    with pytest.raises(InputError) as caught:
        build([Node("data:x", "data", source="a.toml"), Node("data:x", "model", source="b.toml")], [])
    assert caught.value.found == "data (a.toml) and model (b.toml)"


def test_two_licences_of_one_artifact_are_both_claimed() -> None:
    graph = build([Node("hf:a/b", "model", "MIT"), Node("hf:a/b", "model", "Apache-2.0")], [])
    assert graph.nodes["hf:a/b"].licence == "(MIT) AND (Apache-2.0)"


def test_a_revision_descends_from_the_name_without_one() -> None:
    graph = build([Node("hf:a/b", "model"), Node("hf:a/b@abc", "model")], [])
    assert [(edge.source, edge.target, edge.relation) for edge in graph.edges] == [
        ("hf:a/b", "hf:a/b@abc", "revision")
    ]


# Names ----------------------------------------------------------------------------------------------

GPT = "api:api.openai.com/gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("asked", "id_", "same"),
    [
        ("gpt-4o", GPT, True), ("GPT-4o", GPT, True), ("gpt-4o-2024-08-06", GPT, True), (GPT, GPT, True),
        ("gpt-4o", "api:api.openai.com/gpt-4o", True), ("gpt-4o", "api:api.openai.com/gpt-4o-mini", False),
        ("gpt-4o", "api:api.openai.com/gpt-4o-mini-2024-07-18", False), ("gpt-4", GPT, False),
        ("gpt-4", "api:api.openai.com/gpt-4-0613", True), ("gpt-4", "api:api.openai.com/gpt-4-32k", False),
        ("gpt-4", "api:api.openai.com/gpt-4-1106-preview", True), ("4o", GPT, False), ("", GPT, False),
        ("gpt-4o-2024", GPT, False), ("api:api.openai.com/gpt-4o", GPT, True),
        ("api:api.example.com/gpt-4o", GPT, False), ("Llama-3", "hf:meta-llama/Llama-3.1-8B", False),
        ("DeepSeek-V3", "hf:deepseek-ai/DeepSeek-V3-0324", True),
        ("deepseek-ai/DeepSeek-V3", "hf:deepseek-ai/DeepSeek-V3", True),
        ("other/DeepSeek-V3", "hf:deepseek-ai/DeepSeek-V3", False),
        ("hf:deepseek-ai/DeepSeek-V3", "hf:deepseek-ai/DeepSeek-V3@main", True),
        ("Mistral-Large-Instruct", "hf:mistralai/Mistral-Large-Instruct-2407", True),
        ("model", "hf:org/model-9999", False), ("olmOCR-mix-0225", "data:allenai/olmOCR-mix-0225", True),
        ("demo", "run:demo", True), ("模型", "path:dir/模型", True),
        ("模型", "path:dir/模型-2024-01-02", True),
    ],
)  # fmt: skip
def test_a_name_means_its_dated_versions_and_nothing_else(asked: str, id_: str, same: bool) -> None:
    assert same_name(asked, id_) is same


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_a_bare_name_never_matches_in_the_middle_of_a_word(bare: str, more: str) -> None:
    """Whatever follows a name without a date is another name."""
    if more.isalpha() and not set(bare) & set("/:@#"):
        assert not same_name(bare, f"hf:org/{bare}{more}") or bare.casefold() == f"{bare}{more}".casefold()
        assert not same_name(bare, f"hf:org/{bare}-{more}")


def test_every_relation_is_of_weights_or_of_outputs() -> None:
    assert set(RELATIONS.values()) == {"weights", "outputs"}


def test_what_was_recorded_whole_takes_no_edge_from_others() -> None:
    recorded = build([Node("run:a", "model", None, frozenset({SAME}), "recorded", complete=True)], [])
    said = build(
        [Node("hf:me/mine", "model", None, frozenset({SAME})), Node("hf:x/y", "model")],
        [Edge("hf:x/y", "hf:me/mine", "merged")],
    )
    graph = join([recorded, said])
    assert graph.edges == ()
    assert join([said]).hops("hf:me/mine") == {"hf:x/y": 1}, "of what nobody recorded, others may tell"
    met = build([Node("hf:me/mine", "model", None, frozenset({SAME}), "recorded")], [])
    assert join([met, said]).hops("hf:me/mine") == {"hf:x/y": 1}, "a run met it and did not make it"


def test_names_that_two_files_give_one_artifact_are_all_one() -> None:
    """One file joined a copy with b, another the same copy with c: b and c are one."""
    files = []
    for name, content in (("b", b"1"), ("c", b"2")):
        held = frozenset({of_bytes(content)})
        files.append(
            build([Node(f"hf:x/{name}", "model", None, held), Node("bom:copy", "model", None, held)], [])
        )
    graph = join(files)
    assert len(graph.nodes) == 1
    assert {graph.find(name) for name in ("hf:x/b", "hf:x/c", "bom:copy")} == set(graph.nodes.values())


@given(_dags(), st.data())
def test_a_part_of_a_graph_has_all_of_it_in_its_order(graph: Graph, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(graph.nodes)))
    kept = {target, *graph.hops(target)}
    part = graph.within(target)
    assert list(part.nodes) == [id_ for id_ in graph.nodes if id_ in kept]
    assert part.edges == tuple(edge for edge in graph.edges if edge.target in kept)
    assert part.unknowns == tuple(each for each in graph.unknowns if each.about in kept)
    assert list(part.names.items()) == [(name, id_) for name, id_ in graph.names.items() if id_ in kept]
    assert sum(map(len, graph.read_in.values())) == len(graph.edges)
