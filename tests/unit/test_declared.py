"""What weights on this disk declare: what is there and cannot be used is never taken for nothing."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from inbond.policy import weights
from inbond.policy.declared import find_licence, read_card, read_gguf
from inbond.policy.facts import LicenceFinding
from inbond.types import parse_model_name

LLAMA = "meta-llama/Meta-Llama-3-8B"


def found(folder: Path, **files: str | bytes | dict[str, object]) -> LicenceFinding:
    """What the gate learns of a folder of files; ``__`` in a name stands for a dot."""
    for name, content in files.items():
        data = json.dumps(content) if isinstance(content, dict) else content
        path = folder / name.replace("__", ".")
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return find_licence(parse_model_name(f"path:{folder}"), weights.shipped())


def card(front: str) -> str:
    return f"---\n{front}\n---\n"


def gguf(**values: str) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = [
        text(f"general.{key.replace('__', '.')}") + struct.pack("<I", 8) + text(value)
        for key, value in values.items()
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)


def settled(finding: LicenceFinding) -> bool:
    """Whether the gate may go on without a question: licence and all bases known."""
    return finding.licence is not None and all(base.licence is not None for base in finding.bases)


def test_what_can_be_read_whole_is_settled(tmp_path: Path) -> None:
    assert settled(found(tmp_path, README__md=card("license: apache-2.0")))
    assert settled(found(tmp_path, m__gguf=gguf(license="apache-2.0", license__name="Apache License 2.0")))
    assert settled(found(tmp_path, config__json={"model_type": "llama"}))


@pytest.mark.parametrize(
    "files",
    [
        {"README__md": card("license: [\nx: ")},
        {"README__md": card("license: mit\nlicense: llama3")},
        {"README__md": card("license: mit\nbase_model: {name: meta-llama/Meta-Llama-3-8B}")},
        {"README__md": card("license: mit\nbase_model: [{name: x}, 3]")},
        {"README__md": card("license: mit\nbase_model: ./llama")},
        {"README__md": card("license: [mit, {name: llama3}]")},
        {"README__md": card("license: mit"), "m__gguf": b"GGUF\x03"},
        {"README__md": b"---\nlicense: mit\nbase_model: caf\xe9\n---\n"},
        {"README__md": b"---\nlicense: \xe9\n---\n", "m__gguf": gguf(license="mit")},
        {"README__md": card("license: mit").encode("utf-16")},
        {"m__gguf": gguf(license="mit", license__name="Modified MIT")},
        {"m__gguf": gguf(license="mit", base_model__0__name="Llama 3", base_model__0__organization="Meta")},
        {"m__gguf": gguf(license="mit", source__url="https://example.com/llama")},
        {"README__md": card("license: mit"), "config__json": "{"},
        {"README__md": card("license: mit"), "adapter_config__json": "{"},
        {"README__md": card("license: mit"), "adapter_config__json": {"peft_type": "LORA"}},
    ],
)  # fmt: skip
def test_what_is_there_and_cannot_be_used_is_unknown(
    files: dict[str, str | bytes | dict[str, object]], tmp_path: Path
) -> None:
    assert not settled(found(tmp_path, **files))


def test_a_second_licence_applies_beside_the_first(tmp_path: Path) -> None:
    finding = found(tmp_path, README__md=card("license: apache-2.0\nlicense_name: llama3"))
    assert finding.licence == "Apache-2.0 AND llama3"
    finding = found(tmp_path, README__md=card("license: [apache-2.0, other]\nlicense_name: unheard-of"))
    assert finding.licence == "Apache-2.0 AND unheard-of", "of which no terms are on file: a review"


@pytest.mark.parametrize(
    "files",
    [
        {"README__md": card(f"license: mit\nbase_model: {LLAMA}")},
        {"README__md": card("license: mit"), "config__json": {"_name_or_path": LLAMA}},
        {"m__gguf": gguf(license="mit", source__url=f"https://huggingface.co/{LLAMA}")},
        {"m__gguf": gguf(license="mit", base_model__0__repo_url=f"https://huggingface.co/{LLAMA}")},
        {"README__md": card("license: mit"), "adapter_config__json": {"base_model_name_or_path": LLAMA}},
    ],
)
def test_a_base_is_found_wherever_it_is_named(
    files: dict[str, str | bytes | dict[str, object]], tmp_path: Path
) -> None:
    assert [base.subject for base in found(tmp_path, **files).bases] == [f"hf:{LLAMA}"]


@pytest.mark.parametrize("place", ["Meta-Llama-3-8B", "/models/Meta-Llama-3-8B/", "./cache/Meta-Llama-3-8B"])
def test_a_folder_called_like_a_known_model_is_that_model(place: str, tmp_path: Path) -> None:
    files = {"README__md": card("license: mit"), "config__json": {"_name_or_path": place}}
    assert [base.subject for base in found(tmp_path, **files).bases] == ["hf:meta-llama/Meta-Llama-3-8B"]


@pytest.mark.parametrize("place", ["/fsx/runs/step-1000", "output/checkpoint-1000", "../models", "me/mine"])
def test_any_other_folder_says_nothing_of_descent(place: str, tmp_path: Path) -> None:
    files = {"README__md": card("license: mit"), "config__json": {"_name_or_path": place}}
    assert settled(found(tmp_path, **files))


def test_only_what_is_not_there_declares_nothing(tmp_path: Path) -> None:
    assert read_card(tmp_path / "README.md") is None
    (tmp_path / "README.md").write_text("# only prose\n")
    assert read_card(tmp_path / "README.md") is None
    (tmp_path / "README.md").write_text("---\n[\n---\n")
    declared = read_card(tmp_path / "README.md")
    assert declared is not None
    assert "its front matter is not YAML" in declared.licences[0]
    assert declared.bases[0].startswith("what cannot be read (its front matter")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62))
    assert "metadata entries" in read_gguf(tmp_path / "m.gguf").licences[0]
