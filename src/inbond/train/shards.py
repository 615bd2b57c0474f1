"""A shard of targets as bytes. Format ``inbond.targets/2``, documented byte by byte in docs/targets.md.

::

    17 bytes  "inbond.targets/2" and a line feed
     8        length of the whole shard in bytes, little endian
     4        length H of the header, little endian
     H        header, canonical JSON: about, kind, kept (K), label_tokens (N), streams
     ...      streams in the header's order, each split into byte planes, each plane a zstd frame
    32        SHA-256 of all bytes before

The tokens of a row are kept as a set, because their order is told again by their likelihood: sorted by
rank in the shard's own token table, most frequent first, so that the gaps are small. Log-probabilities
are kept as steps on a grid whose width grows with -log p, and the mass of a row's tokens apart and
finely, since the tail event's share decides more of a loss than any token does.

Legend: N label tokens, K kept tokens, D different tokens in the shard. A row's *sure* tokens come first:
all K of top-k targets, ``sure_N[n]`` of sampled ones, whose others are called *drawn*.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from inbond.digest import canonical, of_bytes, parse, to_raw
from inbond.errors import TamperedError
from inbond.teachers.protocols import Scores

FORMAT = "inbond.targets/2"
STEP, DRAWN_STEP = 0.02, 0.04
"""Relative width of a grid step on -log p + 1/KNEE: of sure tokens, and of drawn ones, whose share of the
mass is even whatever their own probability."""
KNEE = 8.0
MASS_STEP, MASS_REACH = 1 / 128, 30.0
"""Width of a step on the logit of the mass, and the largest logit that is told from 0 or 1."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MAGIC = f"{FORMAT}\n".encode()
_SIZES = struct.Struct("<QI")
_DIGEST_BYTES = 32
_ZSTD_LEVEL = 9
_NO_MASS, _ALL_MASS, _FIRST_LOGIT = 0, 1, 2


@dataclass(frozen=True)
class Sealed:
    """A shard whose digest holds, before its streams are read. ``about`` is what its maker said of it."""

    about: Mapping[str, Any]
    header: Mapping[str, Any]
    body: memoryview
    where: str


@dataclass(frozen=True)
class Shard:
    """The scores of some sequences; ``lengths`` int64, the label tokens of each."""

    about: Mapping[str, Any]
    lengths: Integers
    scores: Scores


def encode(scores: Scores, lengths: Sequence[int], about: Mapping[str, Any]) -> bytes:
    """The shard's bytes. ``about`` is any canonical JSON object; ids are below 2^32, each once a row.

    What ``decode`` gives back holds the same tokens, -log p + 1/8 to within about 1% (drawn ones 2%), and
    the mass of the sure ones to within .4% of itself and of what it lacks to 1.
    """
    count, kept = scores.ids_NK.shape
    assert kept >= 1, "a row keeps a token"
    assert sum(lengths) == count, "a row for each label token"
    assert np.isfinite(scores.logp_NK).all(), "checked before it gets here"
    sampled = scores.sure_N is not None
    sure_N = scores.sure_N.astype(np.int64) if scores.sure_N is not None else np.full(count, kept)
    drawn_NK = np.arange(kept) >= sure_N[:, None]

    tokens_D, classes_D, rank_NK = _table(scores.ids_NK.astype(np.int64))
    order_NK = np.argsort(drawn_NK * (1 << 40) + rank_NK, axis=1)
    ordered_NK = np.take_along_axis(scores.logp_NK, order_NK, 1).astype(np.float64)
    levels_NK = _levels(ordered_NK, STEP)
    deepest_N = np.where(drawn_NK, 0, levels_NK).max(1)
    mass_N = np.where(drawn_NK, 0.0, np.exp(np.minimum(ordered_NK, 0.0))).sum(1)
    streams = {
        "lengths": np.asarray(lengths, dtype=np.int64),
        "tokens": np.diff(tokens_D, prepend=-1) - 1,
        "classes": classes_D,
        "gaps": _to_gaps(np.take_along_axis(rank_NK, order_NK, 1), drawn_NK),
        "mass": _mass_codes(mass_N),
        "deepest": deepest_N,
        "levels": (deepest_N[:, None] - levels_NK)[~drawn_NK],
    }
    if sampled:
        streams |= {"sure": sure_N, **_drawn(ordered_NK, drawn_NK)}
    facts = {"about": about, "kind": "sampled" if sampled else "top-k", "kept": kept, "label_tokens": count}
    return _seal(facts, streams)


def _drawn(logp_NK: Floats, drawn_NK: npt.NDArray[np.bool_]) -> dict[str, Integers]:
    """The levels of drawn tokens: where those of each row are alike, one a row is enough."""
    levels_NK = _levels(logp_NK, DRAWN_STEP)
    level_N = np.where(drawn_NK, levels_NK, 0).max(1)
    if (levels_NK == level_N[:, None])[drawn_NK].all():
        return {"drawn-mean": level_N}
    return {"drawn": levels_NK[drawn_NK]}


def _table(ids_NK: Integers) -> tuple[Integers, Integers, Integers]:
    """(tokens_D ascending, classes_D, rank_NK). A token's class is floor(log2(how often it occurs))."""
    tokens_D, place_NK, count_D = np.unique(ids_NK, return_inverse=True, return_counts=True)
    classes_D = np.frexp(count_D)[1].astype(np.int64) - 1
    return tokens_D, classes_D, _rank_of(tokens_D, classes_D)[place_NK.reshape(ids_NK.shape)]


def _rank_of(tokens_D: Integers, classes_D: Integers) -> Integers:
    """The rank of each token of the table: higher classes first, within one by id."""
    rank_D = np.empty(len(tokens_D), dtype=np.int64)
    rank_D[np.lexsort((tokens_D, -classes_D))] = np.arange(len(tokens_D))
    return rank_D


def _to_gaps(rank_NK: Integers, drawn_NK: npt.NDArray[np.bool_]) -> Integers:
    """How many ranks each token skips after the one before it, in its own group of the row."""
    before_NK = np.concatenate([np.full((len(rank_NK), 1), -1), rank_NK[:, :-1]], axis=1)
    before_NK[:, 1:][drawn_NK[:, 1:] != drawn_NK[:, :-1]] = -1
    gaps_NK: Integers = rank_NK - before_NK - 1
    assert (gaps_NK >= 0).all(), "each token once a row"
    return gaps_NK


def _from_gaps(gaps_NK: Integers, drawn_NK: npt.NDArray[np.bool_]) -> Integers:
    run_NK = np.cumsum(gaps_NK + 1, axis=1)
    sure_run_N = np.where(drawn_NK, 0, run_NK).max(1)
    rank_NK: Integers = run_NK - 1 - np.where(drawn_NK, sure_run_N[:, None], 0)
    return rank_NK


def _levels(logp: Floats, step: float) -> Integers:
    return np.rint(np.log1p(np.maximum(-logp, 0.0) * KNEE) / step).astype(np.int64)


def _logp(levels: Integers, step: float) -> Floats:
    logp: Floats = -np.expm1(levels * step) / KNEE
    return logp


def _mass_codes(mass_N: Floats) -> Integers:
    """0 for next to none, 1 for all of it, else the place on a grid over log(mass / (1 - mass))."""
    inside_N = np.clip(mass_N, np.exp(-MASS_REACH), 1 - np.exp(-MASS_REACH))
    logit_N = np.log(inside_N) - np.log1p(-inside_N)
    codes_N = np.rint((logit_N + MASS_REACH) / MASS_STEP).astype(np.int64) + _FIRST_LOGIT
    return np.select([mass_N < inside_N, mass_N > inside_N], [_NO_MASS, _ALL_MASS], codes_N)


def _log_mass(codes_N: Integers) -> Floats:
    """log mass; -inf where there is next to none."""
    logit_N = (codes_N - _FIRST_LOGIT) * MASS_STEP - MASS_REACH
    inside_N = -np.logaddexp(0.0, -logit_N)
    return np.select([codes_N == _NO_MASS, codes_N == _ALL_MASS], [-np.inf, 0.0], inside_N)


def _seal(facts: Mapping[str, Any], streams: Mapping[str, Integers]) -> bytes:
    listed, frames = [], []
    for name, values in streams.items():
        planes = [_compress(plane) for plane in _planes(values)]
        frames += planes
        listed.append({"name": name, "values": values.size, "planes": [len(plane) for plane in planes]})
    header = canonical({**facts, "streams": listed})
    body = b"".join(frames)
    length = len(_MAGIC) + _SIZES.size + len(header) + len(body) + _DIGEST_BYTES
    sealed = _MAGIC + _SIZES.pack(length, len(header)) + header + body
    return sealed + to_raw(of_bytes(sealed))


def _planes(values: Integers) -> list[bytes]:
    """As many planes of single bytes as the largest value needs, the lowest first."""
    assert values.size == 0 or (values.min() >= 0 and values.max() < 2**32), "values of 32 bits"
    needed = (int(values.max(initial=0)).bit_length() + 7) // 8
    split = np.ascontiguousarray(values.reshape(-1), dtype="<u4").view(np.uint8).reshape(-1, 4)
    return [np.ascontiguousarray(split[:, plane]).tobytes() for plane in range(needed)]


def _compress(plane: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(plane, asbytes=True)
    return packed


def unseal(data: bytes, where: str) -> Sealed:
    """Checks the seal and reads what the shard is about. ``where`` names it in errors.

    Raises TamperedError when it is of another format, cut short, or any bit of it is not as it was.
    """
    start = len(_MAGIC) + _SIZES.size
    if not data.startswith(_MAGIC):
        short = _MAGIC.startswith(data[: len(_MAGIC)])
        raise broken(where, "one that is cut short" if short else "a file of another format")
    if len(data) < start + _DIGEST_BYTES:
        raise broken(where, f"one that is cut short: {len(data)} bytes")
    length, header_length = _SIZES.unpack_from(data, len(_MAGIC))
    if to_raw(of_bytes(data[:-_DIGEST_BYTES])) != data[-_DIGEST_BYTES:]:
        cut = len(data) < length
        found = f"cut short: {len(data)} of {length} bytes" if cut else "damaged: its digest differs"
        raise broken(where, f"one that is {found}")
    try:
        header = parse(data[start : start + header_length])
        return Sealed(header["about"], header, memoryview(data)[start + header_length :], where)
    except (ValueError, KeyError, TypeError) as error:
        raise broken(where, f"one whose header cannot be read ({error!r:.100})") from error


def decode(sealed: Sealed) -> Shard:
    """The scores. Log-probabilities are such that the sure ones of a row add up to its kept mass;
    top-k tokens come likeliest first. ids are int64 where int32 cannot hold them.

    Raises TamperedError for a shard that holds together but makes no sense.
    """
    try:
        return _decode(sealed)
    except (ValueError, KeyError, TypeError, IndexError, OSError, MemoryError, OverflowError) as error:
        raise broken(sealed.where, f"one whose streams make no sense ({error!r:.100})") from error


def _decode(sealed: Sealed) -> Shard:
    streams = _read_streams(sealed)
    count, kept = int(sealed.header["label_tokens"]), int(sealed.header["kept"])
    sampled = sealed.header["kind"] == "sampled"
    sure_N = streams["sure"] if sampled else np.full(count, kept)
    _expect(kept >= 1 and len(sure_N) == len(streams["mass"]) == count == streams["lengths"].sum())
    drawn_NK = np.arange(kept) >= sure_N[:, None]

    tokens_D = np.cumsum(streams["tokens"] + 1) - 1
    by_rank_D = np.empty_like(tokens_D)
    by_rank_D[_rank_of(tokens_D, streams["classes"])] = tokens_D
    ids_NK = by_rank_D[_from_gaps(streams["gaps"].reshape(count, kept), drawn_NK)]

    levels_NK = np.zeros((count, kept), dtype=np.int64)
    levels_NK[~drawn_NK] = streams["levels"]
    levels_NK = np.where(drawn_NK, 0, streams["deepest"][:, None] - levels_NK)
    logp_NK = _with_mass(_logp(levels_NK, STEP), drawn_NK, _log_mass(streams["mass"]))
    if sampled:
        levels_NK = np.where(drawn_NK, _drawn_levels(streams, drawn_NK), levels_NK)
        logp_NK = np.where(drawn_NK, _logp(levels_NK, DRAWN_STEP), logp_NK)
    order_NK = np.lexsort((ids_NK, levels_NK, drawn_NK))
    narrow = np.int32 if ids_NK.max(initial=0) < 2**31 else np.int64
    scores = Scores(
        np.take_along_axis(ids_NK, order_NK, 1).astype(narrow),
        np.minimum(np.take_along_axis(logp_NK, order_NK, 1), 0.0).astype(np.float32),
        sure_N.astype(np.uint8) if sampled else None,
    )
    return Shard(sealed.about, streams["lengths"], scores)


def _drawn_levels(streams: Mapping[str, Integers], drawn_NK: npt.NDArray[np.bool_]) -> Integers:
    """The level of each drawn token [N, K]; anything elsewhere."""
    if "drawn-mean" in streams:
        level_N = streams["drawn-mean"]
        _expect(len(level_N) == len(drawn_NK))
        return np.broadcast_to(level_N[:, None], drawn_NK.shape)
    levels_NK = np.zeros(drawn_NK.shape, dtype=np.int64)
    levels_NK[drawn_NK] = streams["drawn"]
    return levels_NK


def _with_mass(logp_NK: Floats, drawn_NK: npt.NDArray[np.bool_], log_mass_N: Floats) -> Floats:
    """Shifts the sure tokens of each row so that they hold the mass that was kept for them, if any was."""
    held_N = np.where(drawn_NK, 0.0, np.exp(logp_NK)).sum(1)
    known_N = (held_N > 0) & np.isfinite(log_mass_N)
    shift_N = np.where(known_N, log_mass_N, 0.0) - np.log(np.where(known_N, held_N, 1.0))
    shifted_NK: Floats = logp_NK + shift_N[:, None]
    return shifted_NK


def _read_streams(sealed: Sealed) -> dict[str, Integers]:
    streams, start = {}, 0
    codec = pa.Codec("zstd")
    for stream in sealed.header["streams"]:
        values = np.zeros(int(stream["values"]), dtype=np.int64)
        for plane, size in enumerate(stream["planes"]):
            packed = sealed.body[start : start + size]
            raw = codec.decompress(packed, decompressed_size=values.size, asbytes=True)
            values |= np.frombuffer(raw, dtype=np.uint8).astype(np.int64) << 8 * plane
            start += size
        streams[stream["name"]] = values
    _expect(start + _DIGEST_BYTES == len(sealed.body))
    return streams


def _expect(holds: bool) -> None:
    if not holds:
        raise ValueError("its parts do not fit together")


def broken(where: str, found: str) -> TamperedError:
    """The error for a shard that cannot be read, or is not there."""
    return TamperedError(
        expected=f"a whole target shard of format {FORMAT} at {where}",
        found=found,
        fix="remove the targets folder and run the recipe again: generation is not repeated",
    )
