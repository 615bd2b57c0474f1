"""A student of which each process holds a part (FSDP, version 2): whole only a layer at a time.

Whatever reads parameters runs within the forward pass of one outer module. So what belongs to no layer (the
embedding, the last norm, the head) is whole in every process for as long as a micro-batch's loss and its
gradients take, and the chunked head reads it as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, final

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from inbond.errors import InputError
from inbond.train.checkpoint import whole_tensors
from inbond.train.processes import sums
from inbond.train.student import decoder_layers

T = TypeVar("T")
L = TypeVar("L")


@final
class _Outer(nn.Module):
    """Its forward pass is whatever it is given to do with the student."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[Any], Any]) -> Any:
        """``function`` of the student, while what belongs to no layer is whole."""
        return function(self.model)


@final
class Shards:
    """Several processes that hold a part of the student each. Implements Processes.

    ``again``: a layer is given up after its forward pass and gathered again for the backward one.
    """

    def __init__(self, model: Any, *, again: bool = True) -> None:
        self._accelerator = Accelerator(cpu=model.device.type != "cuda")
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        self.device: torch.device = self._accelerator.device
        # Layers are gathered once each time they are run: all processes must run them as often.
        self.shares_prefixes = False
        self._again = again
        self._outer: Any = None

    def hold(self, model: Any) -> None:
        """See Processes. Raises InputError where torch is too old."""
        try:
            from torch.distributed.fsdp import fully_shard
        except ImportError as error:
            raise InputError(
                expected="torch 2.6 or newer, for FSDP of version 2",
                found=f"torch {torch.__version__}",
                fix="pip install -U torch, or use copies (distributed_type: MULTI_GPU or MULTI_CPU)",
            ) from error
        model.to(self.device)
        for layer in decoder_layers(model):
            fully_shard(layer, reshard_after_forward=self._again)
        self._outer = fully_shard(_Outer(model), reshard_after_forward=False)

    def part(self, batch: Sequence[L]) -> tuple[Sequence[L], float]:
        """See Processes. A process without a lesson reads the first one and learns nothing from it."""
        mine = batch[self.index :: self.count]
        return (mine, 1.0) if mine else (batch[:1], 0.0)

    def learn(self, function: Callable[[Any], T]) -> T:
        """See Processes."""
        return cast(T, self._outer(function))

    def look(self, function: Callable[[Any], T]) -> T:
        """See Processes."""
        with torch.no_grad():
            found = self._outer(function)
        self._outer.reshard()  # what the optimiser changes next must not be hidden by what was gathered
        return cast(T, found)

    def backward(self, loss: Tensor) -> None:
        """See Processes. Gradients are averaged on their way, so each is made so many times as large."""
        self._accelerator.backward(loss * self.count)

    def add_up(self, learnt: Sequence[Any], numbers: Sequence[float]) -> list[float]:  # noqa: ARG002
        """See Processes. The gradients are whole sums already."""
        return sums(numbers, self.device)

    def clip(self, learnt: Sequence[Any], most: float) -> float:
        """See Processes."""
        norm: Any = torch.nn.utils.clip_grad_norm_(learnt, most)
        return float(norm.full_tensor())

    def first(self, make: Callable[[], T]) -> T:
        """See Processes. Fixed lessons are the same everywhere, and a part of a student draws no others."""
        return make()

    def whole(self, tensor: Tensor) -> Tensor:
        """See Processes. On the processor: a graphics card need not hold a whole student."""
        if not hasattr(tensor, "full_tensor"):
            return tensor
        whole: Tensor = tensor.full_tensor()
        if self.index > 0:
            return whole
        # What was gathered may lie in a larger storage, which a file could not take for one tensor.
        return torch.empty_like(whole, device="cpu").copy_(whole)

    def like(self, whole: Tensor, parameter: Any) -> Tensor:
        """See Processes."""
        if not hasattr(parameter, "device_mesh"):
            return whole
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(
            whole.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
        )

    def release(self, model: Any) -> Mapping[str, Tensor] | None:
        """See Processes."""
        return whole_tensors(model.state_dict(keep_vars=True), self)
