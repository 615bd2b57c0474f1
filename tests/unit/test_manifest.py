"""Manifests: identity covers every parameter, existence means complete, foreign bytes are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import TamperedError
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from tests.unit.test_events import bodies

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
IDENTITY = Identity("data", 1, {"k": 8}, {"prompts": digest.of_bytes(b"p")})
digests = st.binary(max_size=3).map(digest.of_bytes)
inputs = st.dictionaries(st.text("ab"), digests, max_size=3)
manifests = st.builds(
    Manifest,
    st.builds(Identity, st.text("abc", min_size=1), st.integers(1, 9), bodies, inputs),
    st.dictionaries(st.text("ab日/", min_size=1), digests, max_size=4),
    st.none() | digests,
    bodies,
)  # fmt: skip


@SHARED
@given(made=manifests)
def test_a_manifest_reads_back(tmp_path: Path, made: Manifest) -> None:
    manifest.write(tmp_path, made)
    read = manifest.read(tmp_path)
    assert read is not None
    assert manifest.encode(read) == manifest.encode(made)
    assert (read.id, read.digest) == (made.id, made.digest)
    assert made.digest == digest.of_file(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    "change", [{"stage": "x"}, {"version": 2}, {"config": {"k": 9}}, {"inputs": {}}, {"config": {"k": "8"}}]
)
def test_an_artifacts_id_covers_every_parameter(change: dict[str, Any]) -> None:
    assert replace(IDENTITY, **change).id != IDENTITY.id


def test_no_manifest_means_not_complete(tmp_path: Path) -> None:
    assert manifest.read(tmp_path) is None
    assert manifest.read(tmp_path / "nowhere") is None
    (tmp_path / "file").write_text("")
    assert manifest.read(tmp_path / "file") is None


@SHARED
@given(data=st.data())
def test_any_changed_byte_is_found_unless_it_says_something_else(tmp_path: Path, data: st.DataObject) -> None:
    """A changed value may still be a manifest; then it has another digest."""
    made = Manifest(IDENTITY, {"a.bin": digest.of_bytes(b"a")}, None, {"rows": 3})
    text = manifest.encode(made)
    where = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[where]))
    (tmp_path / "manifest.json").write_bytes(text[:where] + bytes([byte]) + text[where + 1 :])
    read = None
    try:
        read = manifest.read(tmp_path)
    except TamperedError as error:
        assert error.fix == "remove the artifact's folder and run the recipe again"
    assert read is None or read.digest != made.digest


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"3", b"{", b"\xff\xfe", b"[" * 100_000,
        manifest.encode(Manifest(IDENTITY, {})) + b"\n",
        manifest.encode(Manifest(IDENTITY, {})).rstrip(),
        manifest.encode(Manifest(IDENTITY, {})).replace(b"inbond.manifest/1", b"inbond.manifest/2"),
        manifest.encode(Manifest(IDENTITY, {})).replace(b'"k":8', b'"k":9'),
        manifest.encode(Manifest(IDENTITY, {})).replace(b'"files":{}', b'"files":[]'),
        manifest.encode(Manifest(IDENTITY, {})).replace(b'"facts":{}', b'"facts":{},"more":1'),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(TamperedError) as caught:
        manifest.read(tmp_path)
    assert caught.value.to_json() == {
        "expected": "a manifest of format inbond.manifest/1",
        "found": f"{tmp_path}/manifest.json is not one, or was changed",
        "fix": "remove the artifact's folder and run the recipe again",
    }


def test_all_files_below_are_digested_but_the_manifest_itself(tmp_path: Path) -> None:
    (tmp_path / "日本" / "deep").mkdir(parents=True)
    (tmp_path / "日本" / "deep" / "manifest.json").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "manifest.json").write_bytes(b"3")
    assert manifest.digest_files(tmp_path) == {
        "b": digest.of_bytes(b"2"),
        "日本/deep/manifest.json": digest.of_bytes(b"1"),
    }


@pytest.mark.parametrize("other", [os.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, other: Callable[[Path], None]) -> None:
    other(tmp_path / manifest.NAME)
    with pytest.raises(TamperedError, match="a manifest that can be read"):
        manifest.read(tmp_path)


def test_a_folder_whose_name_no_system_holds_is_not_there(tmp_path: Path) -> None:
    assert manifest.read(tmp_path / ("a" * 300)) is None


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "[" * 900 + "]" * 900, "1e400"])
def test_a_manifest_of_values_that_are_never_written_is_refused(tmp_path: Path, value: str) -> None:
    manifest.write(tmp_path, Manifest(IDENTITY, {}))
    path = tmp_path / manifest.NAME
    path.write_text(path.read_text().replace('"facts":{}', f'"facts":{{"x":{value}}}'))
    with pytest.raises(TamperedError, match="a manifest of format"):
        manifest.read(tmp_path)
