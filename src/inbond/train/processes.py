"""The processes that train one student together: what each does of a step, and how the parts come together.

Here those of which each holds the whole student; ``train.sharding`` has those that hold a part of it each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, final

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

T = TypeVar("T")
L = TypeVar("L")


class Processes(Protocol):
    """Whoever trains. Every process calls every method, in the same order."""

    @property
    def count(self) -> int: ...

    @property
    def index(self) -> int:
        """This process, from 0; process 0 tells of the training and writes checkpoints."""

    @property
    def device(self) -> torch.device: ...

    @property
    def shares_prefixes(self) -> bool:
        """Whether a process may read a common prefix apart from the rest, on its own decision."""

    def hold(self, model: Any) -> None:
        """Takes the student over, on the device where it is trained. Its parameters are other objects
        afterwards."""

    def part(self, batch: Sequence[L]) -> tuple[Sequence[L], float]:
        """This process's lessons of a micro-batch, and the factor of their loss: 0 for lessons that are only
        read so that this process takes part. No lessons: there is nothing to do."""

    def learn(self, function: Callable[[Any], T]) -> T:
        """``function`` of the student, whose gradients are wanted."""

    def look(self, function: Callable[[Any], T]) -> T:
        """``function`` of the student, without gradients, the same in every process."""

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss that ``learn`` gave. Those of one process are parts of a sum."""

    def add_up(self, learnt: Sequence[Any], numbers: Sequence[float]) -> list[float]:
        """The numbers, added up over all processes. Gradients of the parameters ``learnt`` are the whole
        step's afterwards: each loss was divided by the whole step's weight, so the sum is what one process
        would have found, however unevenly the step was dealt out."""

    def clip(self, learnt: Sequence[Any], most: float) -> float:
        """Scales gradients down to a norm of ``most``; returns the norm that they had."""

    def first(self, make: Callable[[], T]) -> T:
        """What ``make`` gives in process 0, in every process: for what might differ between them."""

    def whole(self, tensor: Tensor) -> Tensor:
        """A parameter, or what is as large as one, with all its values."""

    def like(self, whole: Tensor, parameter: Any) -> Tensor:
        """``whole`` laid out as ``parameter`` is."""

    def release(self, model: Any) -> Mapping[str, Tensor] | None:
        """What another student like it has to be given when all is done, in process 0; None where ``model``
        itself is whole. All other processes may end then."""


@final
class Copies:
    """One process, or several with the whole student in each. Implements Processes."""

    def __init__(self, model: Any) -> None:
        """Joins the processes that accelerate's environment names; on the device of ``model`` where it names
        none."""
        self._accelerator = Accelerator(cpu=model.device.type != "cuda")
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        self.device: torch.device = self._accelerator.device
        self.shares_prefixes = True
        self._model: Any = None

    def hold(self, model: Any) -> None:
        """See Processes."""
        self._model = model.to(self.device)

    def part(self, batch: Sequence[L]) -> tuple[Sequence[L], float]:
        """See Processes."""
        return batch[self.index :: self.count], 1.0

    def learn(self, function: Callable[[Any], T]) -> T:
        """See Processes."""
        return function(self._model)

    def look(self, function: Callable[[Any], T]) -> T:
        """See Processes."""
        return function(self._model)

    def backward(self, loss: Tensor) -> None:
        """See Processes."""
        self._accelerator.backward(loss)

    def add_up(self, learnt: Sequence[Any], numbers: Sequence[float]) -> list[float]:
        """See Processes."""
        if self.count == 1:
            return list(numbers)
        for parameter in learnt:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self._accelerator.reduce(gradient, reduction="sum")
        return sums(numbers, self.device)

    def clip(self, learnt: Sequence[Any], most: float) -> float:
        """See Processes."""
        return float(torch.nn.utils.clip_grad_norm_(learnt, most))

    def first(self, make: Callable[[], T]) -> T:
        """See Processes."""
        if self.count == 1:
            return make()
        found: list[Any] = [make() if self.index == 0 else None]
        dist.broadcast_object_list(found, src=0, device=self.device)
        made: T = found[0]
        return made

    def whole(self, tensor: Tensor) -> Tensor:
        """See Processes."""
        return tensor

    def like(self, whole: Tensor, parameter: Any) -> Tensor:  # noqa: ARG002
        """See Processes."""
        return whole

    def release(self, model: Any) -> Mapping[str, Tensor] | None:  # noqa: ARG002
        """See Processes."""
        return None


def sums(numbers: Sequence[float], device: torch.device) -> list[float]:
    """Each number added up over all processes, in float64."""
    added = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.all_reduce(added)
    found: list[float] = added.tolist()
    return found
