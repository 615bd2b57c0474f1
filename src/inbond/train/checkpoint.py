"""Checkpoints: all that a resumed run needs to be the same run. Nothing is pickled.

Format ``inbond.checkpoint/2``: a folder ``step-<n>`` with model.safetensors, optimizer.safetensors
(AdamW's moments by parameter number) and state.json, written under another name and renamed when
whole; older ones are removed after that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model

from inbond.digest import Digest
from inbond.workspace import PRIVATE_DIR, sync_folder, write_json, writing

FORMAT = "inbond.checkpoint/2"
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
    ``shared``: input tokens that were computed once instead of again for each row."""

    run: Digest
    step: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    measured: tuple[Measured, ...]
    shared: int = 0


def save(folder: Path, model: Any, optimizer: torch.optim.Optimizer, state: TrainState) -> Path:
    """Writes a checkpoint and removes older ones. Raises UnwritableError; then the older ones stay."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        final = folder / f"step-{state.step:08d}"
        temporary = folder / f".{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_model(model, str(temporary / "model.safetensors"))
        save_file(_moments(optimizer), str(temporary / "optimizer.safetensors"))
        write_json(temporary / "state.json", {"format": FORMAT, **asdict(state)})
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        sync_folder(folder)
        for other in folder.glob("*step-*"):
            if other != final:
                shutil.rmtree(other)
    return final


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
            curve = tuple(CurvePoint(**point) for point in value.pop("curve"))
            measured = tuple(Measured(p["step"], p["found"]) for p in value.pop("measured"))
            return path, TrainState(**value, curve=curve, measured=measured)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def restore(path: Path, model: Any, optimizer: torch.optim.Optimizer) -> bool:
    """Loads a checkpoint into model and optimiser; False when its tensors cannot be read."""
    try:
        moments = load_file(str(path / "optimizer.safetensors"))
        load_model(model, str(path / "model.safetensors"))
    except (SafetensorError, OSError, RuntimeError):
        return False
    state = optimizer.state_dict()
    numbers = sorted({int(key.split(".")[0]) for key in moments})
    state["state"] = {number: {name: moments[f"{number}.{name}"] for name in _MOMENTS} for number in numbers}
    optimizer.load_state_dict(state)
    return True
