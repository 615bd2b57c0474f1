"""The lineage picture: any graph is laid out, cycles and unknown ends included."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from inbond.report import graph
from inbond.report.lineage import MOST_NODES, as_text, draw_column, draw_wide, left_out
from inbond.report.picture import Lineage, LineageEdge, LineageNode
from tests.report_examples import demo, odd

names = st.sampled_from("abcdefgh")
edge_lists = st.lists(st.tuples(names, names), max_size=20)


@given(st.lists(names, unique=True), edge_lists)
def test_what_is_kept_has_no_cycle_and_runs_forward(nodes: list[str], edges: list[tuple[str, str]]) -> None:
    rank = graph.ranks(nodes, edges)
    assert set(rank) == set(nodes)
    assert all(rank[source] < rank[target] for source, target in graph.forward(nodes, edges))
    assert set(graph.forward(nodes, edges)) <= set(edges)


@given(st.lists(names, unique=True, min_size=1), edge_lists)
def test_nothing_overlaps_and_every_edge_has_its_way(nodes: list[str], edges: list[tuple[str, str]]) -> None:
    layout = graph.lay_out({node: 40.0 for node in nodes}, edges, 10)
    assert sorted(item for layer in layout.layers for item in layer if item in nodes) == sorted(nodes)
    for layer in layout.layers:
        placed = [(layout.centre[item], 20.0 if item in nodes else 0.0) for item in layer]
        for (above, half), (below, other) in itertools.pairwise(placed):
            assert below - above >= half + other + 10 - 1e-6
    for (source, target), way in layout.ways.items():
        assert (way[0], way[-1]) == (source, target)
    assert min(layout.centre[node] - 20 for node in nodes) >= -1e-6


def test_an_acyclic_graph_keeps_every_edge() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c")]
    assert graph.forward(list("abc"), edges) == edges
    assert graph.in_order(list("cba"), edges) == ["a", "b", "c"]


def test_a_long_edge_goes_round_the_node_between() -> None:
    layout = graph.lay_out({node: 40.0 for node in "abc"}, [("a", "b"), ("b", "c"), ("a", "c")], 10)
    way = layout.ways["a", "c"]
    assert len(way) == 3
    assert abs(layout.centre[way[1]] - layout.centre["b"]) >= 30


ids = st.text(max_size=4)
kinds = st.sampled_from(["weights", "outputs", "data"])
node_lists = st.lists(st.tuples(ids, st.text(), st.text(), st.lists(st.text(), max_size=3)), max_size=8)


@given(node_lists, st.lists(st.tuples(ids, ids, kinds), max_size=12))
def test_any_lineage_draws_well_formed_pictures(
    nodes: list[tuple[str, str, str, list[str]]], edges: list[tuple[str, str, str]]
) -> None:
    lineage = Lineage(
        tuple(LineageNode(id_, kind, label, label, tuple(badges)) for id_, kind, label, badges in nodes),
        tuple(LineageEdge(source, target, kind) for source, target, kind in edges),  # type: ignore[arg-type]
    )
    for svg in (draw_wide(lineage, "w", "Wide"), draw_column(lineage, "c", "Column")):
        assert bool(svg) == bool(nodes)
        if svg:
            drawn = [
                e for e in ElementTree.fromstring(svg).iter() if e.attrib.get("class", "").startswith("node")
            ]
            assert len(drawn) == len({node[0] for node in nodes})
    as_text(lineage)


def test_the_demo_is_drawn_whole_in_both_pictures() -> None:
    lineage = demo().lineage
    for svg in (draw_wide(lineage, "w", "Wide"), draw_column(lineage, "c", "Column")):
        assert svg.count('class="node') == 9
        assert svg.count('class="edge weights"') == 3
        assert svg.count('class="edge outputs"') == 6
        assert svg.count('class="edge data"') == 1


def test_the_text_says_every_edge_with_its_kind() -> None:
    lines = as_text(demo().lineage)
    assert "SmolLM2-135M-Instruct → prune: weights (layers taken over)" in lines
    assert "SmolLM2-135M-Instruct → capture: outputs (log-probabilities)" in lines
    assert len(lines) == 10


def test_a_cycle_is_drawn_without_the_edge_that_closes_it_but_stays_in_the_text() -> None:
    lineage = odd().lineage
    assert draw_wide(lineage, "w", "Wide").count('class="edge') == 1
    assert len(as_text(lineage)) == 2


def test_hundreds_of_nodes_are_cut_and_counted() -> None:
    nodes = tuple(LineageNode(str(i), "model", f"model {i}") for i in range(300))
    edges = tuple(LineageEdge(str(i), str(i + 1), "weights") for i in range(299))
    lineage = Lineage(nodes, edges)
    assert draw_wide(lineage, "w", "Wide").count('class="node') == MOST_NODES
    assert left_out(lineage) == 260
