"""Digests against published vectors and naive definitions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError
from tests.unit.test_events import values

# RFC 8785, sections 3.2.2 to 3.2.4 and appendix B, and the serialisation examples of 3.2.2.3.
NUMBERS = [
    (0.0, "0"), (-0.0, "0"), (5e-324, "5e-324"), (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"), (9007199254740992.0, "9007199254740992"),
    (-9007199254740992.0, "-9007199254740992"), (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"), (1e23, "1e+23"),
    (1.0000000000000001e23, "1.0000000000000001e+23"), (999999999999999700000.0, "999999999999999700000"),
    (999999999999999900000.0, "999999999999999900000"), (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"), (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"), (333333333.33333325, "333333333.33333325"),
    (0.000010, "0.00001"), (1424953923781206.2, "1424953923781206.2"), (4.50, "4.5"), (2e-3, "0.002"),
    (1e-27, "1e-27"), (1, "1"), (1.0, "1"), (2**53 - 1, "9007199254740991"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_are_written_as_rfc_8785_says(number: float, text: str) -> None:
    assert digest.canonical(number) == text.encode()


@given(value=values | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1))
def test_the_short_way_writes_what_the_long_way_does(value: Any) -> None:
    assert digest.canonical([value, {"a": value}]) == rfc8785.dumps([value, {"a": value}])


@given(pieces=st.lists(st.binary()))
def test_bytes_that_come_in_pieces_have_the_digest_of_the_whole(pieces: list[bytes]) -> None:
    running = digest.Running()
    for piece in pieces:
        running.add(piece)
    assert running.digest == digest.of_bytes(b"".join(pieces))


def test_the_example_of_rfc_8785_section_3_2_2() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert digest.canonical(value).decode() == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf_16_units_as_in_section_3_2_3() -> None:
    value = {
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }  # fmt: skip
    assert list(json.loads(digest.canonical(value)).values()) == [
        "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
        "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
    ]  # fmt: skip


@given(value=values)
def test_canonical_json_reads_back_to_the_same_text(value: Any) -> None:
    text = digest.canonical(value)
    assert digest.canonical(digest.parse(text)) == text
    assert digest.parse(text) == value
    assert digest.of_value(value) == digest.of_bytes(text)


@given(value=st.dictionaries(st.text("abc日é", max_size=3), values, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert digest.of_value(dict(reversed(value.items()))) == digest.of_value(value)


def test_a_large_float_survives_the_way_there_and_back() -> None:
    assert digest.canonical(1e17) == b"100000000000000000"
    assert digest.canonical(digest.parse(b"100000000000000000")) == b"100000000000000000"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"nul", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        digest.parse(data)


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, "\ud800", b"x", {1}, object()])
def test_what_canonical_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        digest.canonical({"a": [value]})
    assert caught.value.expected == "a value that canonical JSON (RFC 8785) can hold"
    assert caught.value.fix == (
        "use strings, finite numbers, integers under 2^53, booleans, null, lists and objects"
    )


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(InputError, match=r"a value that canonical JSON \(RFC 8785\) can hold"):
        digest.canonical(_deep())


@given(data=st.binary(max_size=40))
def test_a_digest_is_sha_256_and_has_one_spelling(data: bytes) -> None:
    made = digest.of_bytes(data)
    assert made == "sha256:" + hashlib.sha256(data).hexdigest()
    assert digest.from_raw(digest.to_raw(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        "", "sha256:", "sha256:00", "0" * 64, "sha256:" + "g" * 64, "sha256:" + "0" * 65,
        "sha256:" + "A" * 64, "sha512:" + "0" * 64, "sha256:" + "0" * 64 + "\n", "sha256: " + "0" * 63,
        "sha256:" + "00 " * 32,
    ],
)  # fmt: skip
def test_another_spelling_is_no_digest(text: str) -> None:
    with pytest.raises(InputError) as caught:
        digest.to_raw(digest.Digest(text))
    assert caught.value.to_json() == {
        "expected": "a digest such as sha256:<64 hex digits>",
        "found": repr(text),
        "fix": "copy it again, whole",
    }


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_is_hashed_as_its_bytes(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(b"x" * size)
    assert digest.of_file(tmp_path / "f") == digest.of_bytes(b"x" * size)


def test_a_file_that_is_not_there_raises_as_open_does(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest.of_file(tmp_path / "f")


# RFC 9162 ------------------------------------------------------------------------------------------


def _naive_root(leaves: list[bytes]) -> bytes:
    """Section 2.1.1, word for word: k is the largest power of two smaller than n."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + _naive_root(leaves[:k]) + _naive_root(leaves[k:])).digest()


@given(leaves=st.lists(st.binary(max_size=5), max_size=70))
def test_the_root_is_that_of_the_recursive_definition(leaves: list[bytes]) -> None:
    assert digest.to_raw(digest.merkle_root(leaves)) == _naive_root(leaves)
    assert digest.merkle_root(iter(leaves)) == digest.merkle_root(leaves)


# The roots that certificate-transparency-go's tests expect over its eight well-known entries.
CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
CT_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("size", CT_ROOTS)
def test_the_root_is_that_of_known_vectors(size: int) -> None:
    assert digest.merkle_root(CT_LEAVES[:size]) == "sha256:" + CT_ROOTS[size]


@given(leaves=st.lists(st.binary(max_size=3), min_size=1, max_size=20), data=st.data())
def test_any_changed_leaf_changes_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:where], leaves[where] + b"x", *leaves[where + 1 :]]
    assert digest.merkle_root(changed) != digest.merkle_root(leaves)


def test_inner_nodes_are_set_apart_from_leaves() -> None:
    left, right = digest.leaf_hash(b"a"), digest.leaf_hash(b"b")
    assert digest.node_hash(left, right) != digest.leaf_hash(left + right)


# Proofs --------------------------------------------------------------------------------------------


def _split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def _naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1, word for word."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*_naive_path(index, leaves[:k]), _naive_root(leaves[k:])]
    return [*_naive_path(index - k, leaves[k:]), _naive_root(leaves[:k])]


def _naive_proof(first: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    """RFC 9162, 2.1.4.1: SUBPROOF, word for word."""
    if first == len(leaves):
        return [] if known else [_naive_root(leaves)]
    k = _split(len(leaves))
    if first <= k:
        return [*_naive_proof(first, leaves[:k], known), _naive_root(leaves[k:])]
    return [*_naive_proof(first - k, leaves[k:], False), _naive_root(leaves[:k])]


several = st.lists(st.binary(max_size=3), min_size=1, max_size=70)


@given(leaves=several, data=st.data())
def test_a_path_is_that_of_the_recursive_definition_and_leads_to_the_root(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = digest.inclusion_proof(leaves, index)
    assert path == _naive_path(index, leaves)
    root = digest.merkle_root(leaves)
    assert digest.proves_inclusion(leaves[index], index, len(leaves), path, root)


@given(leaves=several, data=st.data())
def test_a_path_proves_no_other_entry_and_no_other_tree(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, size, root = digest.inclusion_proof(leaves, index), len(leaves), digest.merkle_root(leaves)
    leaf = leaves[index]
    assert not digest.proves_inclusion(leaf + b"x", index, size, path, root)
    assert not digest.proves_inclusion(leaf, index, size, [*path, bytes(32)], root)
    assert not digest.proves_inclusion(leaf, index, size, path, digest.merkle_root([*leaves, b"more"]))
    assert not digest.proves_inclusion(leaf, size, size, path, root)
    assert not digest.proves_inclusion(leaf, -1, size, path, root)
    if path:
        where = data.draw(st.integers(0, len(path) - 1))
        other = [*path[:where], digest.leaf_hash(path[where]), *path[where + 1 :]]
        assert not digest.proves_inclusion(leaf, index, size, other, root)
        assert not digest.proves_inclusion(leaf, index, size, path[:-1], root)


@given(leaves=several, data=st.data())
def test_a_consistency_proof_is_that_of_the_recursive_definition_and_holds(
    leaves: list[bytes], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(leaves)))
    path = digest.consistency_proof(leaves, first)
    assert path == (_naive_proof(first, leaves) if first else [])
    old, new = digest.merkle_root(leaves[:first]), digest.merkle_root(leaves)
    assert digest.proves_consistency(first, old, len(leaves), new, path)


@given(leaves=several, data=st.data())
def test_no_consistency_proof_holds_for_a_history_that_was_changed(
    leaves: list[bytes], data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(leaves)))
    old, size = digest.merkle_root(leaves[:first]), len(leaves)
    where = data.draw(st.integers(0, first - 1))
    changed = [*leaves[:where], leaves[where] + b"x", *leaves[where + 1 :]]
    for path in (digest.consistency_proof(changed, first), digest.consistency_proof(leaves, first)):
        assert not digest.proves_consistency(first, old, size, digest.merkle_root(changed), path)
    assert not digest.proves_consistency(size + 1, old, size, digest.merkle_root(leaves), [])


@given(junk=st.lists(st.binary(min_size=32, max_size=32), max_size=9), data=st.data())
def test_made_up_hashes_prove_nothing(junk: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 2**62))
    index = data.draw(st.integers(-1, 2**62))
    root, other = digest.of_bytes(b"root"), digest.of_bytes(b"other")
    assert not digest.proves_inclusion(b"leaf", index, size, junk, root)
    assert not digest.proves_consistency(index, other, size, root, junk)


# certificate-transparency-go's expected proofs over its eight entries.
CT_PATHS = [
    (0, 1, []),
    (0, 8, [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]),
    (5, 8, [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("index", "size", "path"), CT_PATHS)
def test_paths_are_those_of_known_vectors(index: int, size: int, path: list[str]) -> None:
    assert [node.hex() for node in digest.inclusion_proof(CT_LEAVES[:size], index)] == path
