"""A foreign file is read with every length checked: broken ones are named, none crashes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.teachers.gguf_file import GgufHead, read_head


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def small(*, version: int = 3, tensors: int = 1, data: int = 64, kind: int = 0) -> bytes:
    """A whole GGUF file with one 4x4 float32 tensor."""
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, 3)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("a.list") + struct.pack("<IIQ", 9, 8, 2) + text("x") + text("日本")
    head += text("a.number") + struct.pack("<Id", 12, 0.5)
    head += text("w") + struct.pack("<IQQIQ", 2, 4, 4, kind, 0)
    return head + b"\0" * (-len(head) % 32) + b"\1" * data


def read(tmp_path: Path, data: bytes) -> GgufHead:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    return read_head(path)


def test_a_whole_file(tmp_path: Path) -> None:
    head = read(tmp_path, small())
    assert head.metadata == {"general.architecture": "llama", "a.list": 2, "a.number": 0.5}
    assert (head.tensors[0].name, head.tensors[0].shape, head.tensors[0].bytes) == ("w", (4, 4), 64)


def test_the_real_model(smollm2_gguf: Path) -> None:
    head = read_head(smollm2_gguf)
    assert head.metadata["general.license"] == "apache-2.0"
    assert len(head.tensors) == 272


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with b''"),
        (b"PK\x03\x04", "begins with b'PK"),
        (small(version=99), "version 99"),
        (small(tensors=0), "holds no tensors"),
        (small(tensors=1 << 40), "claims"),
        (small(data=63), "cut short or changed"),
        (small()[:60], "cut short"),
        (small().replace(text("w"), struct.pack("<Q", 1 << 60) + b"w"), "a text of"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match="a whole GGUF file") as caught:
        read(tmp_path, data)
    assert words in caught.value.found
    assert "SHA-256" in caught.value.fix


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(InputError, match="a GGUF file at"):
            read_head(path)


def test_every_cut_of_a_file_is_found(tmp_path: Path) -> None:
    whole = small()
    for length in range(len(whole)):
        with pytest.raises(InputError):
            read(tmp_path, whole[:length])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_are_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(small())
    for place, value in changes:
        data[place % len(data)] = value
    try:
        read(tmp_path, bytes(data))
    except InputError as error:
        assert error.fix  # either outcome is right
