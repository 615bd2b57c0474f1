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
from typing import TYPE_CHECKING, Any, cast, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model

from inbond.digest import Digest, of_file
from inbond.workspace import PRIVATE_DIR, sync_folder, write_json, writing

if TYPE_CHECKING:
    from inbond.train.processes import Processes

FORMAT = "inbond.checkpoint/3"
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
Moments = Mapping[str, torch.Tensor]
"""AdamW's, whole: ``<parameter number>.<name>``."""


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


@final
@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds of a student and its optimiser, whole. Names that are tied have one tensor."""

    weights: Mapping[str, torch.Tensor]
    moments: Mapping[str, torch.Tensor]

    @classmethod
    def of(cls, model: Any, optimizer: torch.optim.Optimizer, together: Processes) -> Snapshot:
        """As they are now. Every process calls this; the first one has the values, whatever part it holds."""
        entries = optimizer.state_dict()["state"].items()
        moments = {f"{number}.{name}": entry[name] for number, entry in entries for name in _MOMENTS}
        return cls(
            *(whole_tensors(tensors, together) for tensors in (model.state_dict(keep_vars=True), moments))
        )

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All that safetensors asks a model for."""
        return dict(self.weights)


def whole_tensors(tensors: Mapping[str, Any], together: Processes) -> dict[str, torch.Tensor]:
    """With all their values, one by one, in the first process; the others keep nothing. Names of one tensor
    have one again."""
    found: dict[int, torch.Tensor] = {}
    for tensor in tensors.values():
        if id(tensor) not in found:
            whole = together.whole(tensor.detach())
            found[id(tensor)] = whole if together.index == 0 else whole.new_empty(0)
    return {name: found[id(tensor)] for name, tensor in tensors.items()}


def save(folder: Path, snapshot: Snapshot, state: TrainState) -> Path:
    """Writes a checkpoint and removes older ones. Raises UnwritableError; then the older ones stay."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        final = folder / f"step-{state.step:08d}"
        temporary = folder / f".{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_model(cast(Any, snapshot), str(temporary / MODEL))
        moments = {name: tensor.contiguous() for name, tensor in snapshot.moments.items()}
        save_file(moments, str(temporary / OPTIMIZER))
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


def resume(folder: Path, run: Digest, model: Any) -> tuple[TrainState, Moments]:
    """Puts the newest checkpoint of ``run`` into the model, while it is whole; its state, and the optimiser's
    moments for ``set_moments``. Without one, or where its tensors cannot be read, a state of no steps."""
    found = latest(folder, run)
    if found is not None:
        path, state = found
        try:
            moments: Moments = load_file(str(path / OPTIMIZER))
            load_model(model, str(path / MODEL))
            return state, moments
        except (SafetensorError, OSError, RuntimeError):
            pass
    return TrainState(run, 0, 0.0, (), ()), {}


def set_moments(optimizer: torch.optim.Optimizer, moments: Moments, together: Processes) -> None:
    """Gives an optimiser that has done no step the moments that ``resume`` found, laid out as its parameters
    are. Nothing where there are none."""
    if not moments:
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = optimizer.state_dict()
    state["state"] = {
        number: {
            "step": moments[f"{number}.step"],
            **{name: together.like(moments[f"{number}.{name}"], parameter) for name in _MOMENTS[1:]},
        }
        for number, parameter in enumerate(parameters)
        if f"{number}.step" in moments
    }
    optimizer.load_state_dict(state)
