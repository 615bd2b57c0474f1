"""Checkpoints: all that a resumed run needs to be the same run. Nothing is pickled.

Format ``inbond.checkpoint/3``: a folder ``step-<n>`` with model.safetensors, optimizer.safetensors
(AdamW's moments by parameter number) and state.json, which holds their digests, written under another name
and renamed when whole and on the disk; older ones are removed after that.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model

from inbond.digest import Digest, of_file
from inbond.workspace import PRIVATE_DIR, sync_folder, write_json, writing

FORMAT = "inbond.checkpoint/3"
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class CurvePoint:
    """One optimiser step: mean loss in nats a label token, learning rate, speed in label tokens a second."""

    step: int
    seconds: float
    loss: float
    lr: float
    label_tokens_per_s: float


@dataclass(frozen=True)
class Measured:
    """The held-out part after ``step`` steps: whatever ``measure`` of the loop gives, plain JSON."""

    step: int
    found: Mapping[str, Any]


@dataclass(frozen=True)
class TrainState:
    """Where training stands: optimiser steps done, seconds spent, the curve and what was measured so far.
    ``shared``: input tokens that were computed once instead of again for each row; ``noted``: what lessons
    noted while they were made (of the student's own samples); ``label_tokens``: how many were learnt from."""

    run: Digest
    step: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    measured: tuple[Measured, ...]
    shared: int = 0
    noted: tuple[Measured, ...] = ()
    label_tokens: int = 0


def save(folder: Path, model: Any, optimizer: torch.optim.Optimizer, state: TrainState) -> Path:
    """Writes a checkpoint and removes older ones. Raises UnwritableError; then the older ones stay."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        final = folder / f"step-{state.step:08d}"
        temporary = folder / f".{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_model(model, str(temporary / MODEL))
        save_file(_moments(optimizer), str(temporary / OPTIMIZER))
        digests = {name: _settled(temporary / name) for name in (MODEL, OPTIMIZER)}
        write_json(temporary / "state.json", {"format": FORMAT, "digests": digests, **asdict(state)})
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        sync_folder(folder)
        for other in folder.glob("*step-*"):
            if other != final:
                shutil.rmtree(other)
    return final


def _settled(path: Path) -> Digest:
    """The file's digest, once it is on the disk: the checkpoint before it is removed after that."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return of_file(path)


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{name}": entry[name].contiguous()
        for number, entry in optimizer.state_dict()["state"].items()
        for name in _MOMENTS
    }


def latest(folder: Path, run: Digest) -> tuple[Path, TrainState] | None:
    """The newest whole checkpoint of this very run (its config and inputs), or None."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            value = json.loads((path / "state.json").read_bytes())
            if value.pop("format") != FORMAT or value["run"] != run:
                continue
            if any(of_file(path / name) != digest for name, digest in value.pop("digests").items()):
                continue
            curve = tuple(CurvePoint(**point) for point in value.pop("curve"))
            measured, noted = (
                tuple(Measured(p["step"], p["found"]) for p in value.pop(name, ()))
                for name in ("measured", "noted")
            )
            return path, TrainState(**value, curve=curve, measured=measured, noted=noted)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def restore(path: Path, model: Any, optimizer: torch.optim.Optimizer) -> bool:
    """Loads a checkpoint into model and optimiser; False when its tensors cannot be read."""
    try:
        moments = load_file(str(path / OPTIMIZER))
        load_model(model, str(path / MODEL))
    except (SafetensorError, OSError, RuntimeError):
        return False
    state = optimizer.state_dict()
    numbers = sorted({int(key.split(".")[0]) for key in moments})
    state["state"] = {number: {name: moments[f"{number}.{name}"] for name in _MOMENTS} for number in numbers}
    optimizer.load_state_dict(state)
    return True
