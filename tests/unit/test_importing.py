"""What foreign files declare: every kind that is read, what is malformed, and what is hostile."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes, of_file
from inbond.errors import InputError
from inbond.ledger import declaration, lineage_file, pins
from inbond.ledger.declaration import Declared, from_body
from inbond.ledger.importing import read_path


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    path.write_bytes(data)
    return path


def one(path: Path, name: str | None = None) -> Declared:
    (found,) = read_path(path, name)
    assert from_body(json.loads(json.dumps(found.to_body()))) == found, "the ledger keeps all of it"
    return found


def edges(found: Declared) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.relation, edge.target) for edge in found.graph.edges]


def unknowns(found: Declared) -> list[str]:
    return [unknown.what for unknown in found.graph.unknowns]


def refused(path: Path, name: str | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        read_path(path, name)
    return caught.value


# Cards ----------------------------------------------------------------------------------------------


def card(**front: Any) -> str:
    return f"---\n{json.dumps(front, ensure_ascii=False)}\n---\n# 題\n"


def test_a_model_card_names_base_relation_data_and_licence(tmp_path: Path) -> None:
    text = card(
        license="llama3.1", base_model=["meta-llama/Llama-3.1-8B"], base_model_relation="finetune",
        datasets=["allenai/tulu-3-sft-mixture"],
    )  # fmt: skip
    found = one(written(tmp_path, "README.md", text), "hf:allenai/Llama-3.1-Tulu-3-8B")
    assert edges(found) == [
        ("hf:meta-llama/Llama-3.1-8B", "finetuned", "hf:allenai/Llama-3.1-Tulu-3-8B"),
        ("data:allenai/tulu-3-sft-mixture", "trained-on", "hf:allenai/Llama-3.1-Tulu-3-8B"),
    ]
    assert found.graph.nodes["hf:allenai/Llama-3.1-Tulu-3-8B"].licence == "llama3.1"
    assert {node.evidence for node in found.graph.nodes.values()} == {"declared"}
    assert not any(node.complete for node in found.graph.nodes.values()), "no card says that this was all"


@pytest.mark.parametrize(
    ("told", "relation"),
    [("adapter", "adapter"), ("merge", "merged"), ("quantized", "quantized"), (None, "initialised")],
)
def test_each_relation_of_a_card(told: str | None, relation: str, tmp_path: Path) -> None:
    front = {"base_model": "a/b", **({"base_model_relation": told} if told else {})}
    assert edges(one(written(tmp_path, "README.md", card(**front)), "hf:c/d")) == [
        ("hf:a/b", relation, "hf:c/d")
    ]


def test_what_a_card_leaves_open_is_an_open_question(tmp_path: Path) -> None:
    text = card(base_model=["/root/llama", "gpt2"], base_model_relation="distilled", license="other")
    found = one(written(tmp_path, "README.md", text), "hf:c/d")
    assert edges(found) == []
    assert unknowns(found) == [
        "what its card means by base_model_relation 'distilled'",
        f"which model '/root/llama' is, which {tmp_path.name}/README.md names as its base",
        f"which model 'gpt2' is, which {tmp_path.name}/README.md names as its base",
    ]
    assert found.graph.nodes["hf:c/d"].licence is None


def test_a_data_card_names_its_sources_and_what_a_model_wrote(tmp_path: Path) -> None:
    text = card(
        license="odc-by", source_datasets=["original", "allenai/dolma", "extended|squad"],
        language_creators=["machine-generated"], tags=["synthetic"],
    )  # fmt: skip
    found = one(written(tmp_path, "README.md", text), "data:allenai/olmOCR-mix-0225")
    assert edges(found) == [("data:allenai/dolma", "derived", "data:allenai/olmOCR-mix-0225")]
    assert unknowns(found) == [
        "which data its card means by source_datasets 'extended|squad'",
        "which model it is whose work its card means by language_creators: machine-generated",
        "which model wrote what its card calls synthetic",
    ]
    assert found.graph.nodes["data:allenai/olmOCR-mix-0225"].kind == "data"


def test_our_own_card_names_the_teacher_and_another_workspaces_run_is_not_ours(tmp_path: Path) -> None:
    block = {"teacher": "api:api.openai.com/gpt-4o", "channel": "api.openai.com", "edges": ["outputs"]}
    found = one(written(tmp_path, "README.md", card(license="mit", inbond=block)), "hf:c/d")
    made, learnt = found.graph.edges
    assert (made.source, made.roles, made.channel) == (
        "api:api.openai.com/gpt-4o",
        ("author",),
        "api.openai.com",
    )
    assert (learnt.source, learnt.target) == (made.target, "hf:c/d")
    block = {"teacher": "run:a", "edges": ["outputs", "weights"]}
    found = one(written(tmp_path, "README.md", card(inbond=block, tags=["pruned"])), "hf:c/d")
    assert ("run:a of hf:c/d", "pruned", "hf:c/d") in edges(found)
    assert "run:a" not in found.graph.nodes


def test_a_folder_is_read_whole_and_known_by_its_weights(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    written(folder, "model.safetensors", b"weights")
    written(folder, "config.json", {"_name_or_path": "Qwen/Qwen2.5-0.5B"})
    written(
        folder, "adapter_config.json", {"base_model_name_or_path": "Qwen/Qwen2.5-0.5B", "revision": "abc"}
    )
    written(folder, "README.md", card(base_model="https://huggingface.co/Qwen/Qwen2.5-0.5B"))
    found = read_path(folder)
    assert [item.form for item in found] == ["card", "config", "adapter"]
    assert [edges(item)[0] for item in found] == [
        ("hf:Qwen/Qwen2.5-0.5B", "initialised", f"path:{folder}"),
        ("hf:Qwen/Qwen2.5-0.5B", "initialised", f"path:{folder}"),
        ("hf:Qwen/Qwen2.5-0.5B@abc", "adapter", f"path:{folder}"),
    ]
    files = {path.name: of_file(path) for path in folder.iterdir() if pins.decides(path.name)}
    assert of_bytes(b"weights") in pins.names(files)
    assert found[0].graph.nodes[f"path:{folder}"].digests == pins.names(files)


def test_a_hub_snapshot_is_known_by_its_name_and_revision(tmp_path: Path) -> None:
    folder = tmp_path / "models--org--some-model" / "snapshots" / "0abc"
    found = one(written(folder, "README.md", card(license="mit", base_model="a/b")))
    assert found.subject == "hf:org/some-model@0abc"
    folder = tmp_path / "datasets--org--data" / "snapshots" / "0abc"
    assert one(written(folder, "README.md", card(license="mit"))).subject == "data:org/data"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("README.md", "---\nlicense: [\n---\n", "its front matter is not YAML"),
        ("README.md", "---\nlicense: mit\n", "its front matter does not end"),
        ("README.md", "---\n- a\n---\n", "its front matter has no fields"),
        ("README.md", "---\nd: 2024-13-45\n---\n", "its front matter is not YAML"),
        ("README.md", "# only prose", "nothing: no front matter, or no base"),
        ("README.md", card(inbond={"teacher": "gpt-4o"}), "inbond.teacher 'gpt-4o' is no model"),
        ("README.md", card(base_model="a/" + "b" * 600), "(60"),
        ("README.md", card(license="m\u0000it"), "'m\\x00it'"),
        ("README.md", card(base_model="a/b", datasets=["a\u202eb/c"]), "a\\u202eb/c"),
        ("config.json", {"_name_or_path": ""}, "nothing: no front matter, or no base"),
        ("config.json", "[1]", "it is no JSON object"),
        ("config.json", "{", "Expecting property name"),
        ("adapter_config.json", {"peft_type": "LORA"}, "base_model_name_or_path is missing"),
        ("x.json", {"a": 1}, "it is no CycloneDX, no SPDX and no lineage file"),
        ("x.json", "[" * 100_000, "nested too deeply"),
        ("m.gguf", b"GGUX", "not a GGUF file"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 9), "the file ends in its header"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "too many keys"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_an_error_that_names_it(
    name: str, content: Any, found: str, tmp_path: Path
) -> None:
    error = refused(written(tmp_path, name, content), "hf:c/d")
    assert found in error.found
    assert name in error.expected
    assert error.exit_code == 2


def test_what_is_not_there_or_no_name_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nothing.json").found
    assert refused(tmp_path).found == "none of them"
    assert refused(tmp_path, "gpt-4o").found == "'gpt-4o'"


# GGUF -----------------------------------------------------------------------------------------------


def gguf(**values: str) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = b"".join(
        text(key.replace("__", ".")) + struct.pack("<I", 8) + text(value) for key, value in values.items()
    )
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + pairs


def test_a_gguf_header_names_source_bases_and_data(tmp_path: Path) -> None:
    data = gguf(
        general__license="apache-2.0",
        general__source__repo_url="https://huggingface.co/org/full",
        general__base_model__0__organization="Org Two", general__base_model__0__name="Base",
        general__base_model__1__name="someone's model",
        general__dataset__0__repo_url="https://huggingface.co/org/set",
        tokenizer__ggml__model="llama",
    )  # fmt: skip
    path = written(tmp_path, "m.gguf", data)
    found = one(path)
    assert edges(found) == [
        ("hf:org/full", "quantized", f"gguf:{path}"),
        ("hf:Org-Two/Base", "initialised", f"gguf:{path}"),
        ("data:org/set", "trained-on", f"gguf:{path}"),
    ]
    assert found.graph.nodes[f"gguf:{path}"].licence == "Apache-2.0"
    assert found.graph.nodes[f"gguf:{path}"].digests == {of_bytes(data)}
    assert unknowns(found) == ['which model its header means by "someone\'s model"']


# BOMs -----------------------------------------------------------------------------------------------

HASH = "ab" * 32


def cyclonedx(**changes: Any) -> dict[str, Any]:
    model = {
        "type": "machine-learning-model", "bom-ref": "m", "group": "org", "name": "tuned", "version": "1",
        "hashes": [{"alg": "SHA-256", "content": HASH.upper()}, {"alg": "MD5", "content": "ff"}],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "pedigree": {"ancestors": [{"name": "base", "purl": "pkg:huggingface/meta/base@r1"}]},
        "modelCard": {"modelParameters": {"datasets": [{"ref": "d"}, {"type": "dataset", "name": "inline"}]}},
    }  # fmt: skip
    where = {"type": "other", "url": "https://huggingface.co/datasets/org/set"}
    data = {"type": "data", "bom-ref": "d", "name": "set", "externalReferences": [where]}
    tool = {"type": "library", "bom-ref": "torch", "name": "torch"}
    judge = {"type": "machine-learning-model", "bom-ref": "j", "name": "judge"}
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": model},
        "components": [data, tool, judge],
        "dependencies": [{"ref": "m", "dependsOn": ["d", "torch", "j"]}],
    }  # fmt: skip
    return {**bom, **changes}


def test_cyclonedx_pedigree_and_data_are_edges_and_a_dependency_a_question(tmp_path: Path) -> None:
    found = one(written(tmp_path, "bom.json", cyclonedx()))
    assert found.subject == "bom:org/tuned@1"
    assert edges(found) == [
        ("hf:meta/base@r1", "initialised", "bom:org/tuned@1"),
        ("data:org/set", "trained-on", "bom:org/tuned@1"),
        ("data:inline", "trained-on", "bom:org/tuned@1"),
    ]
    assert found.graph.nodes["bom:org/tuned@1"].digests == {f"sha256:{HASH}"}
    assert found.graph.nodes["bom:org/tuned@1"].licence == "Apache-2.0"
    assert unknowns(found) == [f"how it depends on bom:judge, as {tmp_path.name}/bom.json says it does"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"specVersion": None}, "specVersion is missing"),
        ({"components": {}}, "components is no list"),
        ({"components": [1]}, "components[0] is no object"),
        ({"components": [{"type": "data"}]}, "a component has no name"),
        ({"components": []}, "modelParameters.datasets names 'd', which is no component"),
        ({"components": [{"type": "data", "name": "x", "bom-ref": "m"}]}, "bom-ref 'm' stands for"),
        ({"metadata": {}, "components": []}, "none"),
    ],
)
def test_a_malformed_cyclonedx_names_the_place(changes: dict[str, Any], found: str, tmp_path: Path) -> None:
    assert found in refused(written(tmp_path, "bom.json", cyclonedx(**changes))).found


def spdx(*relationships: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [
            {"type": "CreationInfo", "@id": "_:c"},
            {"type": "SpdxDocument", "spdxId": "x:doc"},
            {"type": "ai_AIPackage", "spdxId": "x:m", "name": "tuned",
             "software_packageUrl": "pkg:huggingface/org/tuned",
             "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": HASH}]},
            {"type": "ai_AIPackage", "spdxId": "x:t", "name": "teacher"},
            {"type": "dataset_DatasetPackage", "spdxId": "x:d", "name": "set"},
            {"type": "simplelicensing_LicenseExpression", "spdxId": "x:l",
             "simplelicensing_licenseExpression": "MIT"},
            *({"type": "Relationship", "spdxId": f"x:r{n}", **item} for n, item in enumerate(relationships)),
        ],
    }  # fmt: skip


def test_spdx_3_relationships_are_read_in_their_direction(tmp_path: Path) -> None:
    bom = spdx(
        {"from": "x:m", "relationshipType": "trainedOn", "to": ["x:d"]},
        {"from": "x:m", "relationshipType": "descendantOf", "to": ["x:t"]},
        {"from": "x:t", "relationshipType": "generates", "to": ["x:d"]},
        {"from": "x:m", "relationshipType": "testedOn", "to": ["x:d"]},
        {"from": "x:m", "relationshipType": "hasDeclaredLicense", "to": ["x:l"]},
        {"from": "x:m", "relationshipType": "amendedBy", "to": ["x:t"]},
        {"from": "x:doc", "relationshipType": "describes", "to": ["x:m"]},
    )
    found = one(written(tmp_path, "m.spdx.json", bom))
    assert edges(found) == [
        ("data:set", "trained-on", "hf:org/tuned"),
        ("bom:teacher", "initialised", "hf:org/tuned"),
        ("bom:teacher", "generated", "data:set"),
    ]
    assert found.graph.nodes["hf:org/tuned"].licence == "MIT"
    assert found.graph.nodes["hf:org/tuned"].digests == {f"sha256:{HASH}"}
    assert unknowns(found) == [f"what {tmp_path.name}/m.spdx.json means by amendedBy bom:teacher"]


def test_an_spdx_relationship_to_nothing_or_a_cycle_is_an_error(tmp_path: Path) -> None:
    gone = spdx({"from": "x:m", "relationshipType": "trainedOn", "to": ["x:gone"]})
    assert "names 'x:gone', which is not in it" in refused(written(tmp_path, "m.spdx.json", gone)).found
    round_ = spdx(
        {"from": "x:m", "relationshipType": "descendantOf", "to": ["x:t"]},
        {"from": "x:t", "relationshipType": "descendantOf", "to": ["x:m"]},
    )
    assert "a cycle: " in refused(written(tmp_path, "m.spdx.json", round_)).found


def test_spdx_2_packages_are_models(tmp_path: Path) -> None:
    bom = {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {
                "SPDXID": "SPDXRef-a",
                "name": "a",
                "licenseDeclared": "MIT",
                "downloadLocation": "https://huggingface.co/org/a",
            },
            {"SPDXID": "SPDXRef-b", "name": "b", "versionInfo": "2"},
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-b",
                "relationshipType": "DESCENDANT_OF",
                "relatedSpdxElement": "SPDXRef-a",
            },
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-b",
            },
        ],
    }
    assert edges(one(written(tmp_path, "b.spdx.json", bom))) == [("hf:org/a", "initialised", "bom:b@2")]


# Lineage files --------------------------------------------------------------------------------------

LINEAGE: dict[str, Any] = {
    "format": "inbond.lineage/1",
    "node": [
        {"id": "hf:a/b", "kind": "model"}, {"id": "data:d", "kind": "data"},
        {"id": "hf:a/c", "kind": "model"},
    ],
    "edge": [
        {"source": "hf:a/b", "target": "data:d", "relation": "generated", "roles": ["judge"]},
        {"source": "data:d", "target": "hf:a/c", "relation": "trained-on", "stage": "SFT",
         "parts": [{"unit": "tokens", "amount": 1, "of": 4}]},
    ],
}  # fmt: skip


def test_a_lineage_file_in_json_says_the_same_as_in_toml(tmp_path: Path) -> None:
    found = one(written(tmp_path, "x.json", LINEAGE))
    toml = (
        'format = "inbond.lineage/1"\nnode = [{id = "hf:a/b", kind = "model"}, '
        '{id = "data:d", kind = "data"}, {id = "hf:a/c", kind = "model"}]\n'
        '[[edge]]\nsource = "hf:a/b"\ntarget = "data:d"\nrelation = "generated"\nroles = ["judge"]\n'
        '[[edge]]\nsource = "data:d"\ntarget = "hf:a/c"\nrelation = "trained-on"\n'
        'stage = "SFT"\nparts = [{unit = "tokens", share = 0.25}]\n'
    )
    other = lineage_file.parse(found.read, toml.encode(), found.digest)
    assert other == found
    assert found.graph.edges[1].parts[0].share == 0.25


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (("format",), "inbond.lineage/2", "format: Input should be 'inbond.lineage/1'"),
        (("colour",), "red", "colour: Extra inputs are not permitted"),
        (("node", 0, "id"), "gpt-4o", "node.0.id: String should match"),
        (("node", 0, "kind"), "person", "node.0.kind"),
        (("node", 0, "digests"), ["md5:ff"], "node.0.digests.0"),
        (("node", 1, "id"), "hf:a/b", "hf:a/b twice"),
        (("edge", 0, "source"), "hf:a/gone", "none, though the edge hf:a/gone -> data:d names it"),
        (("edge", 0, "relation"), "stolen", "edge.0.relation"),
        (("edge", 0, "relation"), "pruned", "roles are for relation generated"),
        (("edge", 0, "roles"), ["king"], "edge.0.roles.0"),
        (("edge", 1, "stage"), "", "relation trained-on needs a stage"),
        (("edge", 1, "source"), "hf:a/b", "hf:a/b -> hf:a/c, where hf:a/b is model"),
        (("edge", 1, "parts", 0, "amount"), 5, "amount is more than of"),
        (("edge", 1, "parts", 0, "share"), 0.5, "give either share, or amount and of"),
        (("edge", 1, "parts", 0, "unit"), "miles", "edge.1.parts.0.unit"),
        (("unknown",), [{"about": "hf:a/gone", "what": "x"}], "none, though an open question is about it"),
        (("unknown",), [{"about": "hf:a/b", "what": "x\ny"}], "'x\\ny'"),
    ],
)  # fmt: skip
def test_a_lineage_file_is_read_strictly(
    place: tuple[Any, ...], value: Any, found: str, tmp_path: Path
) -> None:
    values = json.loads(json.dumps(LINEAGE))
    at = values
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    assert found in refused(written(tmp_path, "x.json", values)).found


def test_a_cycle_in_a_lineage_file_is_refused_by_name(tmp_path: Path) -> None:
    values = json.loads(json.dumps(LINEAGE))
    values["edge"].append({"source": "hf:a/c", "target": "hf:a/b", "relation": "merged"})
    assert refused(written(tmp_path, "x.json", values)).found == (
        "a cycle: hf:a/b -> data:d -> hf:a/c -> hf:a/b"
    )


def test_a_file_that_says_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declaration, "MOST_NODES", 2)
    error = refused(written(tmp_path, "x.json", LINEAGE))
    assert "at most 2 models and data" in error.expected


# Hostile input --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    [
        "type", "name", "bom-ref", "components", "metadata", "component", "pedigree", "ancestors",
        "modelCard",
        "modelParameters", "datasets", "ref", "hashes", "licenses", "license", "dependencies", "dependsOn",
        "specVersion", "purl", "externalReferences", "url", "spdxId", "from", "to", "relationshipType",
        "@graph", "verifiedUsing", "packages", "relationships", "base_model", "source_datasets", "inbond",
        "teacher", "edges",
    ]
)  # fmt: skip
VALUES = st.sampled_from(
    ["machine-learning-model", "data", "ai_AIPackage", "Relationship", "trainedOn", "m", "a/b"]
)
LIKELY = st.recursive(
    VALUES | JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)


def _either_reads_or_refuses(path: Path) -> None:
    with contextlib.suppress(InputError):
        for found in read_path(path, "hf:c/d"):
            assert from_body(json.loads(json.dumps(found.to_body()))) == found


@given(
    st.dictionaries(WORDS, LIKELY, max_size=6),
    st.sampled_from(["cdx", "spdx3", "spdx2", "card", "config", "adapter"]),
)
def test_likely_nonsense_is_read_or_refused_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], form: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    if form == "card":
        _either_reads_or_refuses(written(folder, "README.md", f"---\n{json.dumps(values)}\n---\n"))
        return
    mark = {
        "cdx": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
        "spdx2": {"spdxVersion": "SPDX-2.3"},
    }.get(form, {})
    if form == "spdx3":
        values.setdefault("@graph", [{**values, "spdxId": "x:1"}])
    name = {"config": "config.json", "adapter": "adapter_config.json"}.get(form, "x.json")
    _either_reads_or_refuses(written(folder, name, {**values, **mark}))


@given(st.binary(max_size=200), st.sampled_from(["README.md", "config.json", "x.json", "x.toml", "m.gguf"]))
def test_any_bytes_are_read_or_refused_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    _either_reads_or_refuses(
        written(folder, name, (b"GGUF\x03\x00\x00\x00" if name == "m.gguf" else b"") + data)
    )


@given(JSON)
def test_a_body_that_is_no_declared_lineage_is_refused(body: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        from_body(body if isinstance(body, dict) else {"graph": body})
