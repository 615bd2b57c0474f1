"""Bills of materials of others: what they say of lineage, what they leave open, and our own read back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import of_bytes
from inbond.ledger.declaration import Declared
from inbond.ledger.lineage import Edge, Graph
from inbond.ledger.texts import enrich
from inbond.ledger.trace import Ancestor, Known, trace
from inbond.ledger.weaving import join
from inbond.policy import library
from inbond.report.exports.cards import card
from inbond.report.exports.cyclonedx import cyclonedx
from inbond.report.exports.facts import Exported, as_json
from inbond.report.exports.spdx import spdx
from tests.exporting import chain
from tests.importing import edges, one, refused, unknowns, written

HASH = "ab" * 32
_SCOPED = re.compile(r"bom:[0-9a-f]{12}#")


def plain(found: Declared) -> list[tuple[str, str, str]]:
    """Edges, with ``#`` for the document that a name holds in."""
    return [(_SCOPED.sub("#", a), relation, _SCOPED.sub("#", b)) for a, relation, b in edges(found)]


def asked(found: Declared) -> list[str]:
    return [_SCOPED.sub("#", what) for what in unknowns(found)]


# CycloneDX ------------------------------------------------------------------------------------------


def model(name: str, **values: Any) -> dict[str, Any]:
    return {"type": "machine-learning-model", "name": name, **values}


def bom(*components: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **values}


def base(name: str, **values: Any) -> dict[str, Any]:
    return {"pedigree": {"ancestors": [model(name, **values)]}}


TUNED = {
    "bom-ref": "m", "group": "org", "version": "1",
    "hashes": [{"alg": "SHA-256", "content": HASH.upper()}, {"alg": "MD5", "content": "ff" * 16}],
    "licenses": [{"license": {"id": "Apache-2.0"}}],
    "pedigree": {"ancestors": [{"name": "base", "purl": "pkg:huggingface/meta/base@r1"}]},
    "modelCard": {"modelParameters": {"datasets": [{"ref": "d"}, {"type": "dataset", "name": "inline"}]}},
}  # fmt: skip


def whole(**changes: Any) -> dict[str, Any]:
    where = {"type": "other", "url": "https://huggingface.co/datasets/org/set"}
    data = {"type": "data", "bom-ref": "d", "name": "set", "externalReferences": [where]}
    tool = {"type": "library", "bom-ref": "torch", "name": "torch"}
    judge = model("judge", **{"bom-ref": "j"})
    found = bom(data, tool, judge, metadata={"component": model("tuned", **TUNED)})
    return {**found, "dependencies": [{"ref": "m", "dependsOn": ["d", "torch", "j"]}], **changes}


def test_pedigree_and_data_are_edges_and_a_dependency_is_a_question(tmp_path: Path) -> None:
    found = one(written(tmp_path, "bom.json", whole()))
    assert _SCOPED.sub("#", found.subject) == "#org/tuned@1"
    assert plain(found) == [
        ("hf:meta/base@r1", "initialised", "#org/tuned@1"),
        ("data:org/set", "trained-on", "#org/tuned@1"),
        ("#inline", "trained-on", "#org/tuned@1"),
    ]
    node = found.graph.nodes[found.subject]
    assert (node.digests, node.licence) == ({f"sha256:{HASH}"}, "Apache-2.0")
    assert asked(found) == [f"how it depends on #judge, as {tmp_path.name}/bom.json says it does"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (whole(specVersion=None), "specVersion is None, where 1.5, 1.6, 1.7 are read"),
        (whole(specVersion="99.banana"), "specVersion is '99.banana'"),
        (whole(components={}), "components is no list"),
        (whole(components=[1]), "components[0] is no object"),
        (whole(components=[{"type": "data"}]), "a component has no name"),
        (whole(components=[]), "modelParameters.datasets names 'd', which is no component"),
        (whole(components=[{"type": "data", "name": "x", "bom-ref": "m"}]), "bom-ref 'm' stands for"),
        (whole(metadata={}, components=[], dependencies=[]), "none"),
        (whole(dependencies=[{"ref": "gone", "dependsOn": []}]), "dependencies name 'gone'"),
        (whole(dependencies=[{"ref": "m", "dependsOn": ["gone"]}]), "dependencies name 'gone'"),
        (bom(model("a", licenses=[{"license": {"id": 5}}])), "a licence has 5 as id, which is no text"),
        (bom(model("a", licenses=[{"expression": ["MIT"]}])), "a licence has ['MIT'] as expression"),
        (bom(model("a", hashes=[{"alg": "SHA-256", "content": "xyz"}])), "a hash SHA-256 of 'xyz'"),
        (bom(model("a", hashes=[{"alg": "SHA-512", "content": 5}])), "a hash SHA-512 of 5"),
        (bom(model("a", version=5)), "a has 5 as version, which is no text"),
        (bom(model("a", purl=5)), "a component has 5 as purl"),
        (bom(model("a", **{"bom-ref": "r"}), model("a", **{"bom-ref": "s"})), "bom-refs 'r' and 's' both"),
        (bom(model("a", **base("a"))), "a cycle: bom:"),
        (bom(model("a", **{"bom-ref": "r"}, properties=[{"name": "inbond:id", "value": 5}])), "inbond:id"),
        ('{"bomFormat": "CycloneDX", "components": [], "components": []}', "'components' is given twice"),
        ('{"bomFormat": "CycloneDX", "version": NaN}', "it holds NaN"),
    ],
)  # fmt: skip
def test_a_malformed_bom_names_the_place(values: Any, found: str, tmp_path: Path) -> None:
    assert found in refused(written(tmp_path, "bom.json", values)).found


def test_a_name_in_a_bom_holds_in_that_bom_alone(tmp_path: Path) -> None:
    """Two people who both ran demo share no data, and neither is we."""
    twins = [
        bom(model("run:demo", **base("data:runs/demo/data/train")), serialNumber=f"urn:uuid:{number}")
        for number in range(2)
    ]
    found = [one(written(tmp_path, f"{n}.cdx.json", twin)) for n, twin in enumerate(twins)]
    first, second = (set(item.graph.nodes) for item in found)
    assert not first & second
    assert not [id_ for id_ in first | second if not id_.startswith("bom:")]
    again = one(written(tmp_path, "renamed.cdx.json", twins[0]))
    assert set(again.graph.nodes) == first, "it is the same document under another file name"
    assert again.key == found[0].key
    unnumbered = [
        set(one(written(tmp_path, f"{n}.cdx.json", bom(model("a"), version=n))).graph.nodes) for n in (1, 2)
    ]
    assert not unnumbered[0] & unnumbered[1], "without a number, its bytes tell it"
    held = [
        one(written(tmp_path, f"{n}.cdx.json", bom(model("a", hashes=[{"alg": "SHA-256", "content": HASH}]),
                                                   serialNumber=f"urn:uuid:{n}"))).graph
        for n in range(2)
    ]  # fmt: skip
    assert len(join(held).nodes) == 1, "the same bytes are the same model"


def test_every_component_of_a_name_is_read(tmp_path: Path) -> None:
    found = one(written(tmp_path, "bom.json", bom(model("a"), model("a", **base("b")))))
    assert plain(found) == [("#b", "initialised", "#a")]


def test_only_the_hubs_own_package_urls_name_what_is_on_the_hub(tmp_path: Path) -> None:
    purls = [
        "pkg:huggingface/a/b@r?repository_url=https://hub.example.com",
        "pkg:huggingface/a/b@r?repository_url=https://huggingface.co",
        "pkg:huggingface/distilbert@0433",
        "pkg:huggingface/..%2f..%2fetc",
        "pkg:mlflow/a@1",
    ]
    components = [model(f"m{number}", purl=purl) for number, purl in enumerate(purls)]
    found = one(written(tmp_path, "bom.json", bom(*components)))
    assert [_SCOPED.sub("#", id_) for id_ in found.graph.nodes] == [
        "#m0", "hf:a/b@r", "hf:distilbert@0433", "#m3", "#m4",
    ]  # fmt: skip


def test_what_a_bom_has_beside_models_is_an_open_question(tmp_path: Path) -> None:
    relatives = {
        "ancestors": [{"type": "library", "name": "x"}],
        "descendants": [model("child")],
        "variants": [model("twin")],
    }
    service = {"bom-ref": "s", "name": "OpenAI", "endpoints": ["https://api.openai.com/v1"]}
    values = bom(model("a", **{"bom-ref": "a"}, pedigree=relatives), services=[service])
    found, read = one(written(tmp_path, "bom.json", values)), f"{tmp_path.name}/bom.json"
    assert plain(found) == [("#a", "initialised", "#child")]
    told = [
        f"what it has of 'x' ('library'), which {read} lists as ancestors",
        f"how #twin is related to it, which {read} lists as variants",
    ]
    said = "the service OpenAI (https://api.openai.com/v1)"
    assert asked(found) == [*told, f"what {said}, which {read} lists, has to do with it"]
    values["dependencies"] = [{"ref": "a", "dependsOn": ["s"]}]
    assert asked(one(written(tmp_path, "bom.json", values))) == [
        *told, f"how it depends on {said}, as {read} says it does",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [of_bytes(b"")[7:], "0" * 64])
def test_a_hash_of_nothing_joins_nothing(content: str, tmp_path: Path) -> None:
    nothing = {"hashes": [{"alg": "SHA-256", "content": content}]}
    purls = {"purl": "pkg:huggingface/me/tuned"}, {"purl": "pkg:huggingface/meta/base"}
    values = bom(model("a", **nothing, **purls[0], **base("b", **nothing, **purls[1])))
    found = one(written(tmp_path, "bom.json", values))
    assert edges(found) == [("hf:meta/base", "initialised", "hf:me/tuned")]
    assert len(unknowns(found)) == 2
    assert "the SHA-256 that" in unknowns(found)[0]


def test_one_hash_for_two_models_of_the_hub_is_an_error(tmp_path: Path) -> None:
    same = {"hashes": [{"alg": "SHA-256", "content": HASH}]}
    values = bom(*(model(name, purl=f"pkg:huggingface/a/{name}", **same) for name in ("m1", "m2")))
    assert refused(written(tmp_path, "bom.json", values)).found == f"sha256:{HASH} under hf:a/m1 and hf:a/m2"


# SPDX 3 ---------------------------------------------------------------------------------------------

Object = dict[str, Any]


def ai(id_: str, name: str, **values: Any) -> Object:
    return {"type": "ai_AIPackage", "spdxId": f"x:{id_}", "name": name, **values}


def data(id_: str, name: str) -> Object:
    return {"type": "dataset_DatasetPackage", "spdxId": f"x:{id_}", "name": name}


def leads(source: str, type_: str, to: Any) -> Object:
    return {
        "type": "Relationship", "spdxId": f"x:{source} {type_} {to!s:.20}", "from": source,
        "relationshipType": type_, "to": to,
    }  # fmt: skip


def document(*elements: Object) -> Object:
    made = {"type": "CreationInfo", "@id": "_:c"}
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    return {"@context": context, "@graph": [made, *elements]}


HUB = {
    "software_packageUrl": "pkg:huggingface/org/tuned",
    "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": HASH}],
}


def test_relationships_are_read_in_their_direction(tmp_path: Path) -> None:
    values = document(
        {"type": "SpdxDocument", "spdxId": "x:doc"},
        ai("m", "tuned", **HUB), ai("t", "teacher"), ai("b", "base"), data("d", "set"),
        leads("x:m", "trainedOn", ["x:d"]), leads("x:m", "descendantOf", "x:t"),
        leads("x:b", "ancestorOf", ["x:t"]), leads("x:t", "generates", ["x:d"]),
        leads("x:m", "testedOn", ["x:d"]), leads("x:m", "amendedBy", ["x:t"]),
        leads("x:doc", "describes", ["x:m"]), leads("x:m", "trainedOn", [data("inline", "inside")]),
    )  # fmt: skip
    found = one(written(tmp_path, "m.spdx.json", values))
    assert plain(found) == [
        ("#set", "trained-on", "hf:org/tuned"),
        ("#teacher", "initialised", "hf:org/tuned"),
        ("#base", "initialised", "#teacher"),
        ("#teacher", "generated", "#set"),
        ("#inside", "trained-on", "hf:org/tuned"),
    ]
    assert found.graph.nodes["hf:org/tuned"].digests == {f"sha256:{HASH}"}
    assert asked(found) == [f"what {tmp_path.name}/m.spdx.json means by amendedBy #teacher"]
    assert found.place == "x:doc"


@pytest.mark.parametrize(
    ("relation", "question"),
    [
        (leads("x:d", "trainedOn", ["x:m"]), "how it came from #m: {} says trainedOn"),
        (leads("x:m", "dependsOn", ["x:t"]), "what {} means by dependsOn #t"),
    ],
)
def test_what_a_relationship_does_not_say_is_a_question(
    relation: Object, question: str, tmp_path: Path
) -> None:
    found = one(
        written(tmp_path, "m.spdx.json", document(ai("m", "m"), ai("t", "t"), data("d", "d"), relation))
    )
    assert edges(found) == []
    assert asked(found) == [question.format(f"{tmp_path.name}/m.spdx.json")]


def test_a_build_has_inputs_and_what_it_did_with_them_is_a_question(tmp_path: Path) -> None:
    build = {"type": "build_Build", "spdxId": "x:b"}
    values = document(
        ai("m", "m"), data("d", "set"), build, leads("x:b", "hasInput", ["x:d"]),
        leads("x:b", "hasOutput", ["x:m"]),
    )  # fmt: skip
    assert asked(one(written(tmp_path, "m.spdx.json", values))) == [
        f"what it has of #set, an input of the build that {tmp_path.name}/m.spdx.json describes"
    ]


@pytest.mark.parametrize(
    ("elements", "licence"),
    [
        ([leads("x:m", "hasDeclaredLicense", ["https://spdx.org/licenses/MIT"])], "MIT"),
        ([leads("x:m", "hasDeclaredLicense", "x:l1")], "CC-BY-NC-4.0"),
        ([leads("x:m", "hasDeclaredLicense", ["x:l1"]), leads("x:m", "hasDeclaredLicense", ["x:l2"])],
         "CC-BY-NC-4.0 AND MIT"),
        ([leads("x:m", "hasDeclaredLicense", ["x:all"])], "CC-BY-NC-4.0 AND MIT"),
        ([leads("x:m", "hasConcludedLicense", ["x:l2"])], "MIT"),
        ([leads("x:m", "hasConcludedLicense", ["x:l2"]), leads("x:m", "hasDeclaredLicense", ["x:l1"])],
         "CC-BY-NC-4.0"),
        ([leads("x:m", "hasDeclaredLicense", ["expandedlicensing_NoAssertionLicense"])], None),
    ],
)  # fmt: skip
def test_all_licences_that_are_declared_apply(
    elements: list[Object], licence: str | None, tmp_path: Path
) -> None:
    expression = "simplelicensing_licenseExpression"
    texts = [
        {"type": "simplelicensing_LicenseExpression", "spdxId": f"x:l{n}", expression: text}
        for n, text in ((1, "CC-BY-NC-4.0"), (2, "MIT"))
    ]
    both = {
        "type": "expandedlicensing_ConjunctiveLicenseSet", "spdxId": "x:all",
        "expandedlicensing_member": ["x:l1", "x:l2"],
    }  # fmt: skip
    found = one(written(tmp_path, "m.spdx.json", document(ai("m", "m"), *texts, both, *elements)))
    (node,) = found.graph.nodes.values()
    assert (node.licence, unknowns(found)) == (licence, [])


def test_a_licence_that_cannot_be_read_is_a_question(tmp_path: Path) -> None:
    text = {"type": "simplelicensing_SimpleLicensingText", "spdxId": "x:l"}
    values = document(ai("m", "m"), text, leads("x:m", "hasDeclaredLicense", ["x:l"]))
    assert unknowns(one(written(tmp_path, "m.spdx.json", values))) == [
        f"which licence {tmp_path.name}/m.spdx.json means by 'x:l'"
    ]


@pytest.mark.parametrize(
    ("elements", "found"),
    [
        ([ai("m", "m"), leads("x:m", "trainedOn", ["x:gone"])], "names 'x:gone', which is not in it"),
        ([ai("m", "m"), ai("t", "t"), leads("x:m", "descendantOf", ["x:t"]),
          leads("x:t", "descendantOf", ["x:m"])], "a cycle: "),
        ([ai("m", "m"), leads("x:m", "descendantOf", ["x:m"])], "a cycle: "),
        ([ai("m", "m"), ai("n", "m")], "'x:m' and 'x:n' are both bom:"),
        ([ai("m", "")], "a package has no name"),
        ([{"type": "ai_AIPackage", "name": "m"}], "an element has no spdxId"),
        ([{"type": "software_Package", "spdxId": "x:p", "name": "lodash"}], "none"),
    ],
)  # fmt: skip
def test_a_malformed_document_names_the_place(elements: list[Object], found: str, tmp_path: Path) -> None:
    assert found in refused(written(tmp_path, "m.spdx.json", document(*elements))).found


# SPDX 2 ---------------------------------------------------------------------------------------------


def package(name: str, **values: Any) -> Object:
    return {"SPDXID": f"SPDXRef-{name}", "name": name, **values}


def spdx_2(*packages: Object, relations: tuple[tuple[str, str, str], ...] = ()) -> Object:
    related = [
        {"spdxElementId": f"SPDXRef-{a}", "relationshipType": type_, "relatedSpdxElement": f"SPDXRef-{b}"}
        for a, type_, b in relations
    ]
    return {"spdxVersion": "SPDX-2.3", "packages": list(packages), "relationships": related}


ON_HUB = package("a", licenseDeclared="MIT", downloadLocation="https://huggingface.co/org/a")


@pytest.mark.parametrize(
    ("type_", "edge", "question"),
    [
        ("DESCENDANT_OF", ("hf:org/a", "initialised", "#b@2"), None),
        ("ANCESTOR_OF", ("#b@2", "initialised", "hf:org/a"), None),
        ("GENERATED_FROM", None, "how it came from hf:org/a: {} says GENERATED_FROM"),
        ("GENERATES", None, "how it came from #b@2: {} says GENERATES"),
        ("VARIANT_OF", None, "what {} means by VARIANT_OF hf:org/a"),
    ],
)
def test_of_packages_only_descent_is_an_edge(
    type_: str, edge: tuple[str, str, str] | None, question: str | None, tmp_path: Path
) -> None:
    values = spdx_2(
        ON_HUB, package("b", versionInfo="2"), package("lodash"),
        relations=(("b", type_, "a"), ("b", "DEPENDS_ON", "lodash"), ("DOCUMENT", "DESCRIBES", "b")),
    )  # fmt: skip
    found = one(written(tmp_path, "b.spdx.json", values))
    assert plain(found) == ([edge] if edge else [])
    assert asked(found) == ([question.format(f"{tmp_path.name}/b.spdx.json")] if question else [])
    assert not [id_ for id_ in found.graph.nodes if "lodash" in id_]


def test_a_list_of_programs_is_no_lineage(tmp_path: Path) -> None:
    reference = {"referenceType": "purl", "referenceLocator": "pkg:npm/lodash@4"}
    values = spdx_2(package("app"), package("lodash", externalRefs=[reference]))
    error = refused(written(tmp_path, "b.spdx.json", values))
    assert error.found.startswith("none of its 2 packages says that it is a model or data")
    values = {**values, "spdxVersion": "SPDX-9"}
    assert "spdxVersion is 'SPDX-9'" in refused(written(tmp_path, "b.spdx.json", values)).found


@pytest.mark.parametrize(
    ("name", "content", "found", "fix"),
    [
        ("bom.xml", '<?xml version="1.0"?>\n<bom xmlns="http://cyclonedx.org/schema/bom/1.6">', 
         "CycloneDX in XML",
         "cyclonedx-cli convert --input-file bom.xml --output-format json --output-file bom.cdx.json"),
        ("m.spdx", "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "SPDX in tag-value form",
         "pyspdxtools --infile m.spdx --outfile m.spdx.json (from spdx-tools)"),
        ("m.spdx.yaml", "spdxVersion: SPDX-2.3\n", "SPDX in YAML",
         "pyspdxtools --infile m.spdx.yaml --outfile m.spdx.json (from spdx-tools)"),
        ("m.rdf", '<rdf:RDF xmlns:spdx="http://spdx.org/rdf/terms#">', "SPDX in RDF/XML",
         "pyspdxtools --infile m.rdf --outfile m.spdx.json (from spdx-tools)"),
    ],
)  # fmt: skip
def test_other_forms_are_named_with_how_to_convert_them(
    name: str, content: str, found: str, fix: str, tmp_path: Path
) -> None:
    error = refused(written(tmp_path, name, content))
    assert (error.found, error.fix) == (found, fix)


# Our own, read back ---------------------------------------------------------------------------------

CHAINS = ("olmo-2", "olmo-3", "r1-distill-llama", "tulu-3")
FORMS: dict[str, Callable[[Exported], dict[str, Any]]] = {"cdx": cyclonedx, "spdx": spdx}


def there(id_: str) -> str:
    """An id as the document that was written calls it."""
    return re.sub(r"^bom:[0-9a-f]{12}#(run|path|gguf|data|api|bom)/", r"\1:", id_)


def shape(graph: Graph) -> tuple[set[Any], set[Any]]:
    """All that the formats hold, without where it was read."""

    def line(edge: Edge) -> tuple[Any, ...]:
        ends = there(edge.source), there(edge.target)
        return (*ends, edge.relation, edge.roles, edge.stage, edge.parts, edge.channel)

    nodes = {
        (there(node.id), node.kind, node.licence, node.digests, node.complete)
        for node in graph.nodes.values()
    }
    return nodes, {line(edge) for edge in graph.edges if edge.relation != "revision"}


def ask(graph: Graph, target: str, name: str) -> tuple[str, Ancestor | None, list[str]]:
    known = enrich(graph, library.shipped())
    found = trace(Known(known, library.shipped()), target, name)
    first = next((ancestor for ancestor in found.ancestors if ancestor.asked), None)
    return found.outcome, first, [f"{there(item.about)}: {item.what}" for item in found.unknowns]


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("form", FORMS)
def test_what_we_export_comes_back_as_the_same_graph(form: str, name: str, tmp_path: Path) -> None:
    told = chain(name)
    found = one(written(tmp_path, f"x.{form}.json", as_json(FORMS[form](told))))
    assert shape(found.graph) == shape(told.graph)
    assert {node.evidence for node in found.graph.nodes.values()} == {"declared"}
    before = {(item.about, item.what) for item in told.graph.unknowns}
    after = {(there(item.about), item.what) for item in found.graph.unknowns}
    assert before <= after, "no open question is lost on the way"


def test_the_answer_about_olmo_3_survives_the_way_through_every_form(tmp_path: Path) -> None:
    told = chain("olmo-3")
    target = told.trace.target
    outcome, first, questions = ask(told.graph, target, "gpt-4o")
    assert first is not None
    files = {form: written(tmp_path, f"x.{form}.json", as_json(FORMS[form](told))) for form in FORMS}
    files["card"] = written(tmp_path / "model", "README.md", card(told))
    for form, path in files.items():
        found = one(path, target if form == "card" else None)
        other, again, open_ = ask(found.graph, target, "gpt-4o")
        assert again is not None, form
        assert (other, again.node.id, again.roles) == (outcome, first.node.id, first.roles)
        assert [share.to_json() for share in again.shares] == [share.to_json() for share in first.shares]
        assert f"{target}: where 86.6% of the tokens of pretraining are from" in open_
        assert "data:olmocr_science_pdfs: which version of olmOCR made which of its tokens" in open_
        if form != "card":  # a card has no room for the ways that lead from an ancestor
            assert again.hops == first.hops
            said = "whether it was made from anything but"
            assert len([text for text in open_ if said in text]) == len(
                [text for text in questions if said in text]
            ), "nothing is asked twice"


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("relation", "dreamt", "inbond:edge has the relation 'dreamt'"),
        ("roles", ["king"], "inbond:edge has the roles ['king']"),
        ("source", "hf:a/gone", "inbond:edge leads from 'hf:a/gone'"),
        ("parts", [{"unit": "tokens", "share": 2}], "inbond:edge has a part"),
        ("relation", "trained-on", "has ends of other kinds"),
    ],
)
def test_what_others_put_into_our_words_is_read_strictly(
    field: str, value: Any, found: str, tmp_path: Path
) -> None:
    from inbond.digest import canonical

    edge = {
        "source": "hf:a/b",
        "target": "hf:c/d",
        "relation": "merged",
        "roles": [],
        "parts": [],
        field: value,
    }
    words = {
        "hf:a/b": [],
        "hf:c/d": [{"name": "inbond:edge", "value": canonical(edge).decode()}],
    }
    components = [
        model(id_, properties=[{"name": "inbond:id", "value": id_}, *properties])
        for id_, properties in words.items()
    ]
    assert found in refused(written(tmp_path, "x.cdx.json", bom(*components))).found


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ({"ancestors": [3]}, "inbond.ancestors is no list of objects"),
        ({"ancestors": [{"kind": "model"}]}, "inbond.ancestors has None as id"),
        ({"ancestors": [{"id": "hf:a/b", "kind": "person"}]}, "calls 'hf:a/b' 'person'"),
        (
            {
                "target": "hf:c/d",
                "ancestors": [
                    {"id": "hf:a/b", "kind": "model", "edge": "outputs", "roles": ["author"],
                     "shares": [{"of": "hf:c/d", "stage": "SFT", "unit": "tokens", "by_role": {"author": 7}}]}
                ],
            },
            "inbond.ancestors has a share of 7",
        ),
    ],
)  # fmt: skip
def test_our_block_in_a_card_is_read_strictly(block: dict[str, Any], found: str, tmp_path: Path) -> None:
    import yaml

    text = f"---\n{yaml.safe_dump({'inbond': block})}---\n"
    assert found in refused(written(tmp_path, "README.md", text), "hf:c/d").found
