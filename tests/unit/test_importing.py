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
from inbond.ledger.declaration import from_body
from inbond.ledger.importing import read_path
from inbond.ledger.weaving import join
from tests.importing import edges, one, refused, unknowns, written

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
    (name,) = [id_ for id_ in found.graph.nodes if id_.endswith("#run/a")]
    assert (name, "pruned", "hf:c/d") in edges(found)
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
    assert [edges(item) for item in found] == [
        [("hf:Qwen/Qwen2.5-0.5B", "initialised", f"path:{folder}")],
        [],
        [("hf:Qwen/Qwen2.5-0.5B@abc", "adapter", f"path:{folder}")],
    ]
    assert unknowns(found[1]) == [
        "which model 'Qwen/Qwen2.5-0.5B' is, which snapshots/config.json says it was loaded from"
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
        ("README.md", "---\nlicense: mit\nlicense: other\n---\n", "'license' is given twice"),
        ("README.md", b"---\nbase_model: org/caf\xe9\n---\n", "it is not UTF-8"),
        ("README.md", "---\na: &a {b: c}\nd: {<<: *a}\n---\n", "it merges mappings (<<)"),
        ("README.md", card(inbond="me"), "its block inbond is 'me'"),
        ("README.md", card(license="m\u0000it"), "'m\\x00it'"),
        ("config.json", {"_name_or_path": ""}, "nothing: no front matter, or no base"),
        ("config.json", "[1]", "it is no JSON object"),
        ("config.json", "{", "Expecting property name"),
        ("config.json", '{"_name_or_path": "a", "_name_or_path": "b"}', "'_name_or_path' is given twice"),
        ("config.json", '{"a": NaN}', "it holds NaN"),
        ("adapter_config.json", {"peft_type": "LORA"}, "base_model_name_or_path is missing"),
        ("x.json", {"a": 1}, "it is no CycloneDX, no SPDX and no lineage file"),
        ("x.json", "[" * 100_000, "nested too deeply"),
        ("m.gguf", b"GGUX", "not a GGUF file"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 9), "the file ends in its header"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "metadata entries"),
        ("m.gguf", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), "a text of"),
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


def test_a_path_on_disk_is_no_model_of_the_hub(tmp_path: Path) -> None:
    for name in ("./llama-2-7b", "../models", "output/checkpoint-1000", "~/llama", "gpt2"):
        found = one(written(tmp_path, "config.json", {"_name_or_path": name}), "hf:c/d")
        assert edges(found) == []
        assert unknowns(found) == [
            f"which model {name!r} is, which {tmp_path.name}/config.json says it was loaded from"
        ]
    for name in ("./base", "../base", "-a/b", ".a/b"):
        found = one(written(tmp_path, "README.md", card(base_model=name)), "hf:c/d")
        assert edges(found) == []
        assert unknowns(found) == [
            f"which model {name!r} is, which {tmp_path.name}/README.md names as its base"
        ]


def test_what_is_no_text_in_a_card_is_an_open_question_and_not_dropped(tmp_path: Path) -> None:
    text = card(
        license=["mit", "other"], base_model={"id": "a/b"}, datasets=[{"name": "a/b"}, 3, "x/y.jsonl"]
    )
    found, read = one(written(tmp_path, "README.md", text), "hf:c/d"), f"{tmp_path.name}/README.md"
    assert edges(found) == []
    assert unknowns(found) == [
        f"which licence {read} means by other",
        f"which model {{'id': 'a/b'}} is, which {read} names as its base",
        f"which data {{'name': 'a/b'}} is, which {read} says it was trained on",
        f"which data 3 is, which {read} says it was trained on",
        f"which data 'x/y.jsonl' is, which {read} says it was trained on",
    ]
    found = one(written(tmp_path, "README.md", card(base_model="c/d")), "hf:c/d@main")
    assert unknowns(found) == [f"what it was made from: {read} names itself as its base"]


def test_a_licence_and_its_name_both_apply(tmp_path: Path) -> None:
    def licence(**front: Any) -> str | None:
        return one(written(tmp_path, "README.md", card(**front)), "hf:c/d").graph.nodes["hf:c/d"].licence

    assert licence(license="other", license_name="llama3") == "llama3"
    assert licence(license="apache-2.0", license_name="llama3") == "Apache-2.0 AND llama3"
    assert licence(license=["apache-2.0", "other"], license_name="llama3") == "Apache-2.0 AND llama3"
    assert licence(license="apache-2.0", license_name="Apache License, Version 2.0") == "Apache-2.0"


def test_half_a_kilobyte_of_yaml_does_not_become_gigabytes(tmp_path: Path) -> None:
    lines = ["---", "a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(9)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 9) + "]}" for n in range(1, 8)]
    path = written(tmp_path, "README.md", "\n".join([*lines, "---", ""]))
    assert refused(path, "hf:c/d").found == "its front matter is not YAML: it has more than 10 aliases"
    shared = "---\na: &a [x]\ndatasets: *a\nlicense: mit\n---\n"
    assert edges(one(written(tmp_path, "README.md", shared), "hf:c/d")) == [
        ("data:x", "trained-on", "hf:c/d")
    ]


def test_a_place_is_whole_so_that_two_folders_are_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = []
    for name in ("m1", "m2"):
        folder = written(tmp_path / name, "README.md", card(base_model="a/b")).parent
        monkeypatch.chdir(folder)
        subjects.append(one(Path("README.md")).subject)
    assert subjects == [f"path:{tmp_path / 'm1'}", f"path:{tmp_path / 'm2'}"]
    written(tmp_path, "m.gguf", gguf(general__license="mit"))
    monkeypatch.chdir(tmp_path)
    assert one(Path("m.gguf")).subject == f"gguf:{tmp_path / 'm.gguf'}"
    assert one(Path("m1/README.md"), "path:other").subject == f"path:{tmp_path / 'other'}"


@pytest.mark.parametrize(
    ("name", "content", "given", "expected"),
    [
        ("README.md", card(base_model="a/b"), "data:a/b", "a name of a model"),
        ("README.md", card(source_datasets="a/b"), "hf:a/b", "a name of data"),
        ("README.md", card(base_model="a/b"), "run:demo", "something that this workspace did not make"),
        ("README.md", card(base_model="a/b"), "hf:a", "a name such as hf:org/name, or data:org/name"),
        ("x.lineage.toml", 'format = "inbond.lineage/1"\nnode = [{id = "hf:a/b", kind = "model"}]', "hf:c/d",
         "BOMs and lineage files name what they are about"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_the_file_is_an_error(
    name: str, content: str, given: str, expected: str, tmp_path: Path
) -> None:
    error = refused(written(tmp_path, name, content), given)
    assert expected in error.expected
    assert given in error.found


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
        ("data:org/set", "trained-on", f"gguf:{path}"),
    ]
    assert found.graph.nodes[f"gguf:{path}"].licence == "Apache-2.0"
    assert found.graph.nodes[f"gguf:{path}"].digests == {of_bytes(data)}
    read = f"{tmp_path.name}/m.gguf"
    assert unknowns(found) == [
        f"which model 'Base' of 'Org Two' is, which {read} names as its base",
        f'which model "someone\'s model" is, which {read} names as its base',
    ]


def test_what_a_header_says_in_other_ways(tmp_path: Path) -> None:
    quantized = gguf(general__source__url="https://huggingface.co/org/full")
    assert edges(one(written(tmp_path, "q.gguf", quantized)))[0][:2] == ("hf:org/full", "quantized")
    adapter = gguf(general__type="adapter", general__base_model__0__repo_url="https://huggingface.co/org/b")
    assert edges(one(written(tmp_path, "a.gguf", adapter)))[0][:2] == ("hf:org/b", "adapter")
    elsewhere = gguf(general__source__url="https://example.com/x", general__dataset__0__name="Alpaca")
    read = f"{tmp_path.name}/e.gguf"
    assert unknowns(one(written(tmp_path, "e.gguf", elsewhere))) == [
        f"which model 'https://example.com/x' is, which {read} names as its base",
        f"which data 'Alpaca' is, which {read} says it was trained on",
    ]
    one_key = gguf(general__license="mit")
    twice = one_key[:16] + struct.pack("<Q", 2) + one_key[24:] * 2
    assert refused(written(tmp_path, "t.gguf", twice)).found == "'general.license' is given twice"


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
    other = lineage_file.parse(found.read, toml.encode(), found.digest, found.place)
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


def test_a_lineage_file_names_what_there_is_and_nothing_descends_from_itself(tmp_path: Path) -> None:
    values = json.loads(json.dumps(LINEAGE))
    values["node"].append({"id": "path:m1", "kind": "model"})
    error = refused(written(tmp_path, "x.json", values))
    assert error.expected == f"path:m1, which {tmp_path.name}/x.json names"
    assert error.found == f"nothing at {tmp_path / 'm1'}"
    (tmp_path / "m1").mkdir()
    assert f"path:{tmp_path / 'm1'}" in one(tmp_path / "x.json").graph.nodes
    values["edge"].append({"source": "path:m1", "target": f"path:{tmp_path}/m1", "relation": "merged"})
    found = refused(written(tmp_path, "x.json", values)).found
    assert found == f"a cycle: path:{tmp_path}/m1 -> path:{tmp_path}/m1"
    text = json.dumps(LINEAGE).replace('"kind": "data"', '"kind": "data", "licence": "MIT", "licence": "X"')
    assert "licence" in refused(written(tmp_path, "x.json", text)).found


def test_two_names_with_the_digest_of_one_are_an_error_and_a_placeholder_is_none(tmp_path: Path) -> None:
    values = json.loads(json.dumps(LINEAGE))
    for node in (values["node"][0], values["node"][2]):
        node["digests"] = [of_bytes(b"the same")]
    error = refused(written(tmp_path, "x.json", values))
    assert error.found == f"{of_bytes(b'the same')} under hf:a/b and hf:a/c"
    for nothing in (of_bytes(b""), "sha256:" + "0" * 64):
        for node in (values["node"][0], values["node"][2]):
            node["digests"] = [nothing]
        found = one(written(tmp_path, "x.json", values))
        assert set(found.graph.nodes) == {"hf:a/b", "data:d", "hf:a/c"}
        assert unknowns(found)[0] == (
            f"which bytes it has: the SHA-256 that {tmp_path.name}/x.json gives is of none"
        )


def test_other_names_of_one_artifact_stay_known(tmp_path: Path) -> None:
    values = json.loads(json.dumps(LINEAGE))
    values["node"][0]["digests"] = [of_bytes(b"w")]
    values["node"].append({"id": "bom:copy", "kind": "model", "digests": [of_bytes(b"w")]})
    found = one(written(tmp_path, "x.json", values))
    assert found.to_body()["graph"]["names"] == {"bom:copy": "hf:a/b"}
    again = join([from_body(found.to_body()).graph])
    assert again.find("bom:copy") == again.nodes["hf:a/b"]


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
