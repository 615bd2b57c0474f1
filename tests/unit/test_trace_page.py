"""The lineage page and its picture: what they say of the published chains; any graph is drawn safely."""

from __future__ import annotations

import itertools
import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli.main import run as inbond
from inbond.ledger.lineage import Edge, Graph, Node, Unknown
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Known, find_target, trace
from inbond.ledger.weaving import build
from inbond.policy import library
from inbond.report.edge_words import place, wrapped
from inbond.report.lineage import MOST_NODES, as_text
from inbond.report.trace_page import render_trace_page, render_trace_svg
from inbond.report.trace_view import MOST_ENTRIES, View, view
from inbond.workspace import Workspace
from tests.exporting import CHAINS, TARGETS
from tests.unit.test_chains import SOME_GEMMA, chain
from tests.unit.test_report_page import check

ROOT = Path(__file__).parents[2]
GPT = "api:api.openai.com/gpt-4o-2024-08-06"
SVG = "{http://www.w3.org/2000/svg}"


def shown(graph: Graph, target: str, asked: str | None = None) -> View:
    id_ = find_target(target, graph)
    return view(trace(Known(graph, library.shipped()), id_, asked), graph.nodes[id_], asked)


def of_chain(name: str, asked: str | None = None) -> View:
    return shown(enrich(chain(name), library.shipped()), TARGETS[name], asked)


def long_chain(count: int) -> Graph:
    """model 0 -> model 1 -> ... -> the last one."""
    names = [f"hf:org/model-{number}" for number in range(count)]
    edges = [Edge(one, other, "finetuned") for one, other in itertools.pairwise(names)]
    return build([Node(name, "model", complete=True) for name in names], edges)


def words_of(svg: str) -> str:
    """All text that is drawn, lines of a text joined by blanks."""
    return " ".join(
        text for each in ElementTree.fromstring(svg).iter(f"{SVG}text") for text in each.itertext()
    )


# What is shown ---------------------------------------------------------------------------------------


def test_the_chain_to_gpt_4o_is_marked_with_its_shares_terms_and_open_ends() -> None:
    found = of_chain("olmo-3", "gpt-4o")
    nodes = {node.id: node for node in found.lineage.nodes}
    assert nodes[GPT].marks == ("asked",)
    assert nodes[GPT].note == "looked for"
    assert nodes[GPT].detail == "a model taught by it touched 13.4% of pretraining tokens as transcriber"
    assert nodes[GPT].pills == (("care", "terms: competing-only"),)
    assert nodes[GPT].badges == ("the terms of api.openai.com",), "a model behind a host has its host's terms"
    hand = nodes["hf:allenai/olmOCR-7B-0225-preview"]
    assert hand.detail == "touched 13.4% of pretraining tokens as transcriber"
    base = nodes["hf:Qwen/Qwen2-VL-7B-Instruct"]
    assert base.detail == "a model made from it touched 13.4% of pretraining tokens as transcriber"
    on_path = {id_ for id_, node in nodes.items() if node.marks == ("on-path",)}
    assert on_path == {
        "data:allenai/olmOCR-mix-0225", "hf:allenai/olmOCR-7B-0225-preview", "data:olmocr_science_pdfs",
    }  # fmt: skip
    last = next(edge for edge in found.lineage.edges if edge.source == "data:olmocr_science_pdfs")
    assert (last.shown, last.evidence, last.on_path) == ("13.4% of pretraining tokens", "declared", True)
    base = next(edge for edge in found.lineage.edges if edge.source == "hf:Qwen/Qwen2-VL-7B-Instruct")
    assert (base.kind, base.shown, base.on_path) == ("weights", "finetuned", False)
    open_ends = [node for node in found.lineage.nodes if node.kind == "open"]
    assert len(open_ends) == 6
    assert "where 86.6% of the tokens of pretraining are from" in {node.detail for node in open_ends}


def test_a_share_that_nobody_declared_is_said_and_is_no_number() -> None:
    found = of_chain("tulu-3")
    edge = next(edge for edge in found.lineage.edges if edge.source == "data:allenai/tulu-3-sft-mixture")
    assert edge.shown == "SFT data, share not known"
    entry = next(entry for entry in found.entries if entry.name == SOME_GEMMA)
    assert [(part.wrote, part.touched) for part in entry.parts] == [("not established", "not established")]


@pytest.mark.parametrize(("name", "asked"), [(name, asked) for name in TARGETS for asked in (None, "gpt-4o")])
def test_every_chain_has_a_sound_page_and_every_node_leads_to_its_entry(name: str, asked: str | None) -> None:
    found = of_chain(name, asked)
    page = render_trace_page(found, "0.1.0")
    checked = check(page)
    for node in found.lineage.nodes:
        assert f"#{node.link}" in checked.links
        assert node.link in checked.ids
    for entry in found.entries:
        assert {f"#wide-{entry.anchor}", f"#column-{entry.anchor}"} <= set(checked.links)
    text = " ".join(" ".join(checked.texts).split())
    assert found.sentence in text
    for unknown in found.unknowns:
        assert unknown.what in text
    for each in found.owed:
        assert each.text in text
    for line in as_text(found.lineage):
        assert line in text


def test_the_picture_alone_says_what_the_page_says_and_leads_nowhere() -> None:
    found = of_chain("olmo-3", "gpt-4o")
    svg = render_trace_svg(found)
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    assert not list(root.iter(f"{SVG}a"))
    assert "13.4% of pretraining tokens" in words_of(svg)
    assert "terms: competing-only" in words_of(svg)
    assert "descends from" in (root.findtext(f"{SVG}title") or "")
    assert "declared" in (root.findtext(f"{SVG}desc") or "")
    assert set(re.findall(r"https?://[^\"' ]+", svg)) == {"http://www.w3.org/2000/svg"}


def test_edges_are_dashed_by_their_evidence() -> None:
    nodes = [Node("run:a", "model"), Node("run:b", "model"), Node("hf:o/c", "model")]
    edges = [Edge("run:a", "run:b", "pruned", evidence="recorded"), Edge("run:b", "hf:o/c", "quantized")]
    svg = render_trace_svg(shown(build(nodes, edges), "hf:o/c"))
    assert svg.count('class="edge weights"') == 1
    assert svg.count('class="edge weights declared"') == 1


def test_several_edges_between_two_nodes_are_one_that_says_all_and_the_weakest_evidence() -> None:
    nodes = [Node("run:a", "model"), Node("run:b", "model")]
    edges = [Edge("run:a", "run:b", "pruned", evidence="recorded"), Edge("run:a", "run:b", "scored")]
    (edge,) = [e for e in shown(build(nodes, edges), "run:b").lineage.edges if e.kind != "open"]
    assert (edge.kind, edge.evidence, edge.shown) == ("weights", "declared", "pruned; scored")


# Too much ---------------------------------------------------------------------------------------------


def test_a_long_way_keeps_both_its_ends_and_says_how_much_is_between() -> None:
    found = shown(long_chain(300), "hf:org/model-299", "hf:org/model-0")
    drawn = {node.id: node for node in found.lineage.nodes}
    assert {"hf:org/model-0", "hf:org/model-1", "hf:org/model-298", "hf:org/model-299"} <= set(drawn)
    assert len(drawn) <= MOST_NODES
    (gap,) = [node for node in drawn.values() if node.label == "… Left out"]
    assert gap.detail == "270 more on the way, not drawn"
    assert found.not_drawn == 270
    page = render_trace_page(found, "0.1.0")
    assert "270 more models or data are not in the picture" in page
    check(page)


def test_hundreds_of_sources_are_cut_and_those_asked_for_are_kept() -> None:
    sources = [f"hf:org/model-{number}" for number in range(400)]
    nodes = [Node(name, "model") for name in (*sources, "hf:org/merged")]
    graph = build(nodes, [Edge(name, "hf:org/merged", "merged") for name in sources])
    found = shown(graph, "hf:org/merged", "hf:org/model-399")
    drawn = {node.id: node for node in found.lineage.nodes}
    assert "hf:org/model-399" in drawn
    assert len(drawn) <= MOST_NODES
    assert ("care", "+ 371 sources") in drawn["hf:org/merged"].pills
    assert found.not_drawn == 371
    assert found.entries_left_out == 400 - MOST_ENTRIES
    checked = check(render_trace_page(found, "0.1.0"))
    assert all(f"#{node.link}" in checked.links for node in drawn.values())
    undrawn = [name for name in drawn if any("question" in text for _, text in drawn[name].pills)]
    open_ends = [node for node in drawn.values() if node.kind == "open"]
    assert len(undrawn) + len(open_ends) == 30


def test_the_longest_names_and_most_stages_still_make_a_page_of_bounded_size() -> None:
    sources = [f"data:{number}/" + "長い名前" * 600 for number in range(250)]
    edges = [
        Edge(name, "run:b", "trained-on", stage=f"stage {stage} " + "y" * 300)
        for name in sources
        for stage in range(20 if name == sources[0] else 1)
    ]
    graph = build([*(Node(name, "data", "z" * 500) for name in sources), Node("run:b", "model")], edges)
    found = shown(graph, "run:b", sources[-1])
    checked = check(render_trace_page(found, "0.1.0"))
    assert all(f"#{node.link}" in checked.links for node in found.lineage.nodes)
    entry = next(entry for entry in found.entries if entry.name == sources[0])
    assert (len(entry.parts), entry.parts_left_out) == (16, 4)


# Hostile ----------------------------------------------------------------------------------------------

HOSTILE = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("<>&\"'\u202e\u2066\x1b\x00שלוםعرب答え")
    ),
    max_size=60,
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph with any names, without cycles."""
    names = draw(st.lists(HOSTILE.filter(bool), min_size=1, max_size=7, unique=True))
    nodes = [Node(name, "model", draw(st.none() | HOSTILE), source=draw(HOSTILE)) for name in names]
    pairs = st.tuples(st.integers(0, len(names) - 1), st.integers(0, len(names) - 1))
    edges = [
        Edge(names[a], names[b], draw(st.sampled_from(["pruned", "scored", "merged"])))
        for a, b in draw(st.lists(pairs, max_size=12, unique=True))
        if a < b
    ]
    unknowns = [Unknown(name, draw(HOSTILE)) for name in draw(st.lists(st.sampled_from(names), max_size=4))]
    return Graph({node.id: node for node in nodes}, tuple(edges), tuple(unknowns))


@given(graphs(), st.data())
@settings(max_examples=60, deadline=None)
def test_any_graph_gives_a_sound_page_and_a_well_formed_picture(graph: Graph, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(graph.nodes)))
    asked = data.draw(st.none() | st.sampled_from(sorted(graph.nodes)))
    found = view(trace(Known(graph, library.shipped()), target, asked), graph.nodes[target], asked)
    check(render_trace_page(found, "0.1.0"))
    svg = render_trace_svg(found)
    boxes = [e for e in ElementTree.fromstring(svg).iter() if e.attrib.get("class", "").startswith("node")]
    assert len(boxes) == len(found.lineage.nodes)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", svg)


def test_a_name_as_long_as_a_book_is_cut_and_cannot_run_anything() -> None:
    name = "hf:o/" + "<script>alert(1)</script>" * 4000
    graph = build([Node(name, "model"), Node("run:b", "model")], [Edge(name, "run:b", "pruned")])
    found = shown(graph, "run:b", name)
    page, svg = render_trace_page(found, "0.1.0"), render_trace_svg(found)
    check(page)
    assert "<script" not in page + svg
    assert len(svg) < 20_000


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 300), st.text("ab ", min_size=1)), max_size=12))
def test_words_on_edges_never_cover_one_another(said: list[tuple[float, float, str]]) -> None:
    placed = place([wrapped(text, "outputs", x, y) for x, y, text in said])
    assert len(placed) == len(said)
    for number, one in enumerate(placed):
        for other in placed[:number]:
            beside = abs(one.x - other.x) >= one.half + other.half
            assert beside or one.top >= other.bottom or other.top >= one.bottom


# The command ------------------------------------------------------------------------------------------


def at_home(workspace: Workspace, *arguments: str) -> int:
    return inbond([*arguments, "--home", str(workspace.home)])


@pytest.fixture
def olmo(workspace: Workspace) -> Workspace:
    assert at_home(workspace, "import", str(CHAINS / "olmo-3.toml")) == 0
    return workspace


def test_the_command_writes_both_and_says_so(
    olmo: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, svg = tmp_path / "l.html", tmp_path / "l.svg"
    assert at_home(olmo, "trace", "Olmo-3-1025-7B", "--page", str(page), "--svg", str(svg)) == 0
    out = capsys.readouterr().out
    assert f"Written: page {page}" in out
    assert f"Written: svg {svg}" in out
    check(page.read_text("utf-8"))
    ElementTree.fromstring(svg.read_text("utf-8"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--page", "{tmp}/no/l.html"], ["--page with a file in a folder that exists", "make the folder"]),
        (["--svg", "{home}/l.svg"], ["--svg with a file outside the workspace"]),
        (["--page", "{tmp}"], ["--page with a file outside the workspace", "a folder"]),
        (["--page", "{tmp}/x", "--svg", "{tmp}/x"], ["two files for --page and --svg"]),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_written(
    olmo: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    filled = [option.format(tmp=outside, home=olmo.home) for option in options]
    assert at_home(olmo, "trace", "Olmo-3-1025-7B", *filled) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert not list(outside.iterdir())


def test_the_picture_in_the_docs_is_what_its_commands_make(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "trace.md").read_text("utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(ROOT)
    for line in block[1].splitlines():
        assert line.startswith("inbond ")
        words = shlex.split(line)[1:]
        made = [str(tmp_path / "made.svg") if word.endswith(".svg") else word for word in words]
        assert at_home(workspace, *made) == 0
    kept = ROOT / "docs" / "lineage-olmo-3.svg"
    assert (tmp_path / "made.svg").read_text("utf-8") == kept.read_text("utf-8"), f"make it anew: {block[1]}"
