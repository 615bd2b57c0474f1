"""The matrices that derivation compares, out of a folder of safetensors.

Read by name, one tensor at a time, without building the model: a model that transformers does not know, or
whose code is not to be run, can be compared all the same. Legend: H hidden width, I neurons, V vocabulary.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics.derivation import Matrices

Floats = npt.NDArray[np.float32]

_TOKENS: Final = 8192
"""Tokens that a channel is known by, evenly spaced where there are more."""
_ROWS: Final = (
    r"mlp\.gate_proj", r"mlp\.gate_up_proj", r"mlp\.fc1", r"mlp\.dense_h_to_4h", r"feed_forward\.w1",
    r"feed_forward\.gate_proj", r"mlp\.experts\.(?P<expert>\d+)\.gate_proj",
    r"block_sparse_moe\.experts\.(?P<expert>\d+)\.w1",
)  # fmt: skip
"""Weights with a neuron a row [I, H]."""
_COLUMNS: Final = (r"mlp\.c_fc",)
"""Weights with a neuron a column [H, I]: GPT-2's."""
_EMBEDDING: Final = re.compile(r"(.*\.)?(embed_tokens|wte|embed_in|tok_embeddings|word_embeddings)\.weight")


def _named(names: tuple[str, ...]) -> list[re.Pattern[str]]:
    return [re.compile(rf"(?:.*\.)?(?:layers|h|blocks)\.(?P<layer>\d+)\.{name}\.weight") for name in names]


def read_matrices(name: str, digest: Digest, folder: Path) -> Matrices:
    """Of the model in ``folder``. Raises InputError for a file that is broken, and for weights that are
    packed (quantised for a runtime), whose rows are no neurons any more."""
    layers: dict[tuple[int, int], Floats] = {}
    channels: Floats | None = None
    rows, columns = _named(_ROWS), _named(_COLUMNS)
    for key, tensor in _tensors(folder):
        if _EMBEDDING.fullmatch(key):
            weight = _floats(key, tensor(), folder)
            channels = np.ascontiguousarray(weight[:: -(-len(weight) // _TOKENS)].T)
            continue
        place = _place(key, rows)
        if place is not None:
            layers[place] = _floats(key, tensor(), folder)
        elif (place := _place(key, columns)) is not None:
            layers[place] = np.ascontiguousarray(_floats(key, tensor(), folder).T)
    return Matrices(name, digest, tuple(layers[place] for place in sorted(layers)), channels)


def _place(key: str, patterns: list[re.Pattern[str]]) -> tuple[int, int] | None:
    for pattern in patterns:
        if match := pattern.fullmatch(key):
            return int(match["layer"]), int(match.groupdict().get("expert") or 0)
    return None


def _tensors(folder: Path) -> Any:
    """(name, what reads it) of every tensor."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118  # no mapping
                    yield key, lambda file=file, key=key: file.get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise InputError(
                expected=f"safetensors that can be read at {path}",
                found=f"{error!s:.200}",
                fix="get the file again: it is broken or cut off",
            ) from error


def _floats(key: str, tensor: Any, folder: Path) -> Floats:
    if not tensor.is_floating_point() or tensor.ndim != 2:
        raise InputError(
            expected=f"plain numbers in {key} of {folder}",
            found=f"{str(tensor.dtype).removeprefix('torch.')} of {tensor.ndim} dimensions: packed weights",
            fix="compare a copy that is not quantised, or a GGUF file, which is unpacked here",
        )
    found: Floats = tensor.float().numpy()
    return found
