"""The shard format: what goes in comes out within stated bounds; no damage goes unseen or unexplained."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import canonical, of_bytes, parse, to_raw
from inbond.errors import TamperedError
from inbond.losses.sampling import evened
from inbond.teachers.protocols import Scores
from inbond.train.shards import DRAWN_STEP, FORMAT, KNEE, STEP, Shard, decode, encode, unseal

GOLDEN = Path(__file__).parents[1] / "golden" / "targets-2.shard"
ABOUT = {"teacher": "path:tiny", "keep": {"kind": "top-k", "size": 3}, "名前": "川"}
Drawn = Literal[False, "each", "mean"]
DRAWN = (False, "each", "mean")
START = len(FORMAT) + 1 + 8 + 4


def rows(
    count: int, kept: int, *, vocabulary: int = 300, peak: float = 3.0, sampled: Drawn = False, seed: int = 0
) -> Scores:
    """Rows of some softmax over twice as many tokens as are kept, likeliest first."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, min(2 * kept, vocabulary))) * peak
    logp = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    logp_NK = -np.sort(-logp, axis=1)[:, :kept].astype(np.float32)
    ids = [draw.choice(vocabulary, kept, replace=False) for _ in range(count)]
    ids_NK = np.array(ids, dtype=np.int64).reshape(count, kept)
    sure_N = draw.integers(0, kept + 1, count).astype(np.uint8) if sampled else None
    if sampled == "mean":
        assert sure_N is not None
        logp_NK = evened(torch.from_numpy(logp_NK), torch.from_numpy(sure_N)).numpy()
    return Scores(ids_NK, logp_NK, sure_N)  # type: ignore[arg-type]


def read_by_the_book(data: bytes) -> tuple[list[int], list[list[tuple[int, float]]]]:
    """(lengths, (id, log p) of each row) as docs/targets.md says it: no line of ours is used."""
    header_size = int.from_bytes(data[25:29], "little")
    header = json.loads(data[29 : 29 + header_size])
    streams: dict[str, list[int]] = {}
    start = 29 + header_size
    for stream in header["streams"]:
        values = [0] * stream["values"]
        for plane, size in enumerate(stream["planes"]):
            frame = pa.decompress(data[start : start + size], len(values), codec="zstd", asbytes=True)
            values = [value + byte * 256**plane for value, byte in zip(values, frame, strict=True)]
            start += size
        streams[stream["name"]] = values
    assert start == int.from_bytes(data[17:25], "little") - 32 == len(data) - 32
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]

    tokens = [skipped + place for place, skipped in enumerate(itertools.accumulate(streams["tokens"]))]
    by_rank = [token for _, token in sorted((-c, t) for c, t in zip(streams["classes"], tokens, strict=True))]
    gaps, levels, drawn = (iter(streams.get(name, [])) for name in ("gaps", "levels", "drawn"))
    kept, rows = header["kept"], []
    for row in range(header["label_tokens"]):
        sure = streams["sure"][row] if header["kind"] == "sampled" else kept
        row_tokens, before = [], -1
        for place in range(kept):
            before = (-1 if place == sure else before) + next(gaps) + 1
            row_tokens.append(by_rank[before])
        found = [streams["deepest"][row] - next(levels) for _ in range(sure)]
        mean = streams.get("drawn-mean", [None] * (row + 1))[row]
        found += [next(drawn) if mean is None else mean for _ in range(kept - sure)]
        group = [place >= sure for place in range(kept)]
        logp = [
            -math.expm1(level * (0.04 if late else 0.02)) / 8
            for level, late in zip(found, group, strict=True)
        ]
        code, sum_ = streams["mass"][row], sum(math.exp(x) for x in logp[:sure])
        if code and sum_:
            mass = 1.0 if code == 1 else 1 / (1 + math.exp(-((code - 2) / 128 - 30)))
            logp[:sure] = [x + math.log(mass / sum_) for x in logp[:sure]]
        order = sorted(range(kept), key=lambda i: (group[i], found[i], row_tokens[i]))
        rows.append([(row_tokens[i], min(logp[i], 0.0)) for i in order])
    return streams["lengths"], rows


@pytest.mark.parametrize("sampled", DRAWN)
@pytest.mark.parametrize("vocabulary", [40, 2**32])
def test_a_reader_made_from_the_document_alone_reads_the_same(sampled: Drawn, vocabulary: int) -> None:
    data = encode(rows(30, 9, vocabulary=vocabulary, sampled=sampled), lengths_of(30), ABOUT)
    lengths, found = read_by_the_book(data)
    shard = decode(unseal(data, "here"))
    assert shard.lengths.tolist() == lengths
    assert [[token for token, _ in row] for row in found] == shard.scores.ids_NK.tolist()
    np.testing.assert_allclose(
        [[logp for _, logp in row] for row in found], shard.scores.logp_NK, rtol=1e-6, atol=1e-6
    )


def lengths_of(count: int) -> list[int]:
    return [count // 2, 0, count - count // 2]


def round_trip(scores: Scores) -> Shard:
    return decode(unseal(encode(scores, lengths_of(len(scores.ids_NK)), ABOUT), "here"))


def by_id(scores: Scores) -> tuple[Any, Any, Any]:
    """(ids, logp as float64, whether sure), each row by id."""
    order = np.argsort(scores.ids_NK, axis=1)
    kept = scores.ids_NK.shape[1]
    sure_N = np.full(len(order), kept) if scores.sure_N is None else scores.sure_N
    is_sure = np.arange(kept) < sure_N[:, None]
    parts = (scores.ids_NK.astype(np.int64), scores.logp_NK.astype(np.float64), is_sure)
    return tuple(np.take_along_axis(part, order, 1) for part in parts)  # type: ignore[return-value]


def within(logp: Any, step: float) -> Any:
    """How far rounding to the grid may move each log-probability."""
    return np.expm1(step / 2 + 1e-6) * (1 / KNEE - logp) + 1e-6


@given(
    st.integers(0, 12), st.integers(1, 20), st.sampled_from(DRAWN), st.floats(0, 60),
    st.sampled_from([40, 300, 49_152, 2**17, 2**32]), st.integers(0, 9),
)  # fmt: skip
def test_the_same_tokens_within_the_stated_bounds(
    count: int, kept: int, sampled: Drawn, peak: float, vocabulary: int, seed: int
) -> None:
    scores = rows(count, kept, vocabulary=vocabulary, peak=peak, sampled=sampled, seed=seed)
    shard = round_trip(scores)
    assert shard.about == ABOUT
    assert shard.lengths.tolist() == lengths_of(count)
    assert shard.scores.logp_NK.dtype == np.float32
    (ids, logp, sure), (found_ids, found, found_sure) = by_id(scores), by_id(shard.scores)
    np.testing.assert_array_equal(found_ids, ids)
    np.testing.assert_array_equal(found_sure, sure)
    assert (found <= 0).all()

    p = np.where(sure, np.exp(np.minimum(logp, 0)), 0.0)
    mass, found_mass = p.sum(1), np.where(sure, np.exp(found), 0.0).sum(1)
    assert (np.abs(found_mass - mass) <= np.abs(mass * (1 - mass)) / 200 + 1e-6).all()
    # Bringing the row to its mass moves all its sure tokens alike, by what rounding did to their sum.
    moved = np.log((p * np.exp(within(logp, STEP))).sum(1) / np.maximum(mass, 1e-300) + 1e-300)
    allowed = within(logp, STEP) + np.maximum(moved, 0)[:, None] + 1 / 200
    assert (np.abs(found - logp) <= np.where(sure, allowed, within(logp, DRAWN_STEP))).all()


def test_top_k_comes_likeliest_first() -> None:
    found = round_trip(rows(50, 20)).scores
    assert found.sure_N is None
    assert (np.diff(found.logp_NK, axis=1) <= 0).all()


@pytest.mark.parametrize(
    "logp",
    [[0.0, -80.0, -90.0], [-1e-7, -20.0, -21.0], [-1e-3, -600.0, -1e4], [-50.0, -51.0, -52.0], [-800.0] * 3],
)
def test_rows_that_are_certain_or_hold_next_to_nothing(logp: list[float]) -> None:
    scores = Scores(np.array([[7, 3, 5]], np.int32), np.array([logp], np.float32))
    found = round_trip(scores).scores
    assert sorted(found.ids_NK[0].tolist()) == [3, 5, 7]
    np.testing.assert_allclose(found.logp_NK[0], logp, rtol=0.011, atol=0.01)


def test_a_whole_vocabulary_leaves_no_tail() -> None:
    scores = rows(20, 12, vocabulary=12)
    np.testing.assert_allclose(np.exp(round_trip(scores).scores.logp_NK).sum(1), 1, atol=1e-6)


def test_ids_beyond_int32_come_back() -> None:
    top = 2**32 - 1
    scores = Scores(np.array([[top, 0]]), np.array([[-0.1, -3.0]], np.float32))  # type: ignore[arg-type]
    assert round_trip(scores).scores.ids_NK.tolist() == [[top, 0]]
    assert round_trip(rows(3, 2)).scores.ids_NK.dtype == np.int32


def test_a_thousand_rows_of_the_usual_kind_are_small() -> None:
    """A fence around the figures of benchmarks/targets.py: Zipf's tokens, and a likely one among many."""
    draw = np.random.default_rng(0)
    chances = 1 / np.arange(10, 20_010)
    chances /= chances.sum()
    logp = np.log(np.sort(draw.dirichlet(np.full(200, 0.1), 1000) + 1e-9)[:, ::-1][:, :50])
    ids = np.array([draw.choice(20_000, 50, replace=False, p=chances) for _ in range(1000)])
    shard = encode(Scores(ids.astype(np.int32), logp.astype(np.float32)), [1000], {})
    assert len(shard) < 110 * 1000, "float32 and int32 would take 400 bytes a token"


SMALL = encode(rows(5, 3, sampled="each"), lengths_of(5), ABOUT)


def test_every_flipped_bit_is_found() -> None:
    for bit in range(8 * len(SMALL)):
        data = bytearray(SMALL)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(
            TamperedError, match=r"format inbond.targets/2 at here; found (one that is|a file of)"
        ):
            unseal(bytes(data), "here")


def test_every_cut_is_found_and_called_by_its_name() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(TamperedError, match="found one that is cut short"):
            unseal(SMALL[:size], "here")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x00" * 500, "a file of another format"),
        (SMALL.replace(b"targets/2", b"targets/1"), "a file of another format"),
        (SMALL + b"x", "damaged: its digest differs"),
        (SMALL[:-40] + b"\x00" * 40, "damaged: its digest differs"),
    ],
)
def test_what_is_no_shard_is_said_so(data: bytes, found: str) -> None:
    with pytest.raises(TamperedError, match=found):
        unseal(data, "here")


def resealed(header: bytes, body: bytes) -> bytes:
    """What someone could write who knows how to seal."""
    length = START + len(header) + len(body) + 32
    sealed = SMALL[: len(FORMAT) + 1] + length.to_bytes(8, "little") + len(header).to_bytes(4, "little")
    sealed += header + body
    return sealed + to_raw(of_bytes(sealed))


def parts() -> tuple[bytes, bytes]:
    end = START + int.from_bytes(SMALL[START - 4 : START], "little")
    return SMALL[START:end], SMALL[end:-32]


def read(data: bytes) -> None:
    """Reads it, or refuses it in words; anything else fails the test."""
    try:
        shard = decode(unseal(data, "here"))
    except TamperedError as error:
        assert "here" in str(error)
    else:
        assert shard.scores.ids_NK.shape == shard.scores.logp_NK.shape


@settings(max_examples=300)
@given(st.integers(0, 10**9))
def test_a_sealed_shard_that_makes_no_sense_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    header, body = (bytearray(part) for part in parts())
    for _ in range(chance.randrange(1, 4)):
        part = chance.choice([header, body])
        part[chance.randrange(len(part))] = chance.randrange(256)
    read(resealed(bytes(header), bytes(body)))


@settings(max_examples=200)
@given(st.integers(0, 10**9))
def test_a_header_that_says_something_else_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    header, body = parts()
    value = parse(header)
    place = chance.choice([value, *value["streams"]])
    foreign = [None, -1, 0, 1, 2, 10**6, 10**14, 1.5, "top-k", "sure", [], [1], {}, True]
    place[chance.choice(sorted(place))] = chance.choice(foreign)
    if chance.random() < 0.2 and isinstance(value.get("streams"), list) and value["streams"]:
        del value["streams"][chance.randrange(len(value["streams"]))]
    read(resealed(canonical(value), body))


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"{", b'{"about": 1}', b"\xff"])
def test_a_header_of_another_kind_is_refused(header: bytes) -> None:
    with pytest.raises(TamperedError, match="found one whose (header cannot be read|streams make no sense)"):
        decode(unseal(resealed(header, b""), "here"))


def test_shards_written_before_are_read_for_ever(request: pytest.FixtureRequest) -> None:
    """The bytes of today's golden shard must mean the same to every later reader of the format."""
    scores = Scores(
        np.array([[11, 70_000, 5, 9], [5, 11, 3, 70_000], [9, 5, 11, 2]], np.int32),
        np.log([[0.5, 0.25, 0.01, 0.001], [0.9, 0.05, 0.01, 0.002], [0.02, 0.01, 0.01, 0.001]]).astype("f4"),
        np.array([2, 4, 0], np.uint8),
    )  # fmt: skip
    if request.config.getoption("--update-goldens") and not GOLDEN.exists():
        GOLDEN.write_bytes(encode(scores, [1, 2], ABOUT))
    shard = decode(unseal(GOLDEN.read_bytes(), "golden"))
    assert shard.lengths.tolist() == [1, 2]
    assert shard.about == ABOUT
    assert shard.scores.sure_N is not None
    assert shard.scores.sure_N.tolist() == [2, 4, 0]
    np.testing.assert_array_equal(by_id(shard.scores)[0], by_id(scores)[0])
    np.testing.assert_allclose(by_id(shard.scores)[1], by_id(scores)[1], rtol=0.025)
