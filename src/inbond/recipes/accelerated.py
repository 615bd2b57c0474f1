"""Accelerate's configuration, as ``accelerate config`` writes it, and what of it a training is started with.

What would change what is learnt, and what is not done here, is refused by name; what only says how
accelerate itself finds its processes, or how fast they are, is passed over. Pure, but for ``read`` and
``check_machine``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from inbond import strict_yaml
from inbond.errors import InputError
from inbond.recipes.recipe import Recipe

_NOTHING = (None, False, "no", "NO", "none", "", 0)
_KINDS = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")
_ONLY: Mapping[str, tuple[Any, str]] = {
    "compute_environment": ("LOCAL_MACHINE", "processes are started on this machine"),
    "num_machines": (1, "processes are started on this machine"),
    "machine_rank": (0, "processes are started on this machine"),
    "mixed_precision": (
        "no",
        "a student is trained in the precision of its weights, so that results are equal",
    ),
}
"""Fields with one value, and why."""
_EMPTY = (
    "deepspeed_config", "megatron_lm_config", "fp8_config", "parallelism_config", "mpirun_config",
    "dynamo_backend", "downcast_bf16", "fp16", "tpu_name", "tpu_zone", "tpu_use_cluster", "tpu_use_sudo",
    "tpu_env", "tpu_vm", "command_file", "commands",
)  # fmt: skip
"""Fields of what is not done here: they must say nothing."""
_PASSED = (
    "debug", "enable_cpu_affinity", "main_process_ip", "main_process_port", "main_training_function",
    "rdzv_backend", "same_network",
)  # fmt: skip
_READ = ("distributed_type", "num_processes", "use_cpu", "gpu_ids", "fsdp_config", "dynamo_config")
_FSDP_ONLY: Mapping[str, tuple[Any, str]] = {
    "version": (2, "parameters are sharded one by one"),
    "offload_params": (False, "the optimiser works where the parameters are"),
    "activation_checkpointing": (False, "what a layer computed is kept"),
    "auto_wrap_policy": ("TRANSFORMER_BASED_WRAP", "the layers of the decoder are sharded one by one"),
}
_FSDP_PASSED = (
    "backward_prefetch", "backward_prefetch_policy", "cpu_ram_efficient_loading", "forward_prefetch",
    "state_dict_type", "sync_module_states", "transformer_layer_cls_to_wrap", "use_orig_params",
)  # fmt: skip


@final
@dataclass(frozen=True)
class Accelerated:
    """How a student is trained by several processes. ``sharded``: each holds a part of it; ``again``: layers
    are given up after their forward pass; ``gpus``: which are used, None for all."""

    processes: int
    sharded: bool = False
    on_cpu: bool = False
    again: bool = True
    gpus: str | None = None


def read(path: Path) -> Accelerated:
    """The configuration in a file. Raises InputError naming the field."""
    try:
        values = strict_yaml.parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            expected=f"accelerate's configuration in {path}",
            found=str(error),
            fix="make one: accelerate config --config_file FILE",
        ) from error
    return parse(values, str(path))


def parse(values: Any, where: str) -> Accelerated:
    """The configuration in plain values. Raises InputError naming the field."""
    if not isinstance(values, dict):
        raise _refuse(where, "fields such as distributed_type and num_processes", type(values).__name__)
    kind = values.get("distributed_type")
    if kind not in _KINDS:
        found = "no distributed_type" if kind is None else f"distributed_type: {kind}"
        raise _refuse(where, f"distributed_type: one of {', '.join(_KINDS)}", found)
    known = (*_ONLY, *_EMPTY, *_PASSED, *_READ)
    for name, value in values.items():
        if name not in known:
            raise _refuse(where, "fields that accelerate config writes", f"{name}, which is not known here")
        if name in _ONLY and value not in (_ONLY[name][0], None):
            raise _one_value(where, name, _ONLY[name], value)
        if name in _EMPTY and value and value not in _NOTHING:
            raise _refuse(where, f"no {name}: it is not done here", f"{name}: {value}")
    _check_dynamo(values.get("dynamo_config"), where)
    sharded = kind == "FSDP"
    fsdp = _fsdp(values.get("fsdp_config"), where) if sharded else {}
    on_cpu = kind == "MULTI_CPU" or _truth(values, "use_cpu", False, where)
    count = _count(values, kind, where)
    gpus = values.get("gpu_ids")
    return Accelerated(
        count,
        sharded and count > 1,
        on_cpu,
        _truth(fsdp, "reshard_after_forward", True, where),
        None if on_cpu or gpus in (None, "all") else str(gpus),
    )


def _count(values: Mapping[str, Any], kind: str, where: str) -> int:
    count = values.get("num_processes", 1 if kind == "NO" else None)
    if type(count) is not int or count < 1 or (kind == "NO" and count > 1):
        wanted = "num_processes: 1, with distributed_type: NO" if kind == "NO" else "num_processes: 1 or more"
        raise _refuse(where, wanted, f"num_processes: {count}")
    return count


def _fsdp(values: Any, where: str) -> dict[str, Any]:
    """The fields of ``fsdp_config`` without their prefix."""
    if not isinstance(values, dict):
        raise _refuse(where, "fsdp_config with fsdp_version: 2", "none")
    fields = {str(name).removeprefix("fsdp_"): value for name, value in values.items()}
    fields = {"version": 1, **fields}  # what accelerate takes a missing one for
    for name, value in fields.items():
        if name in _FSDP_ONLY and value != _FSDP_ONLY[name][0]:
            raise _one_value(where, f"fsdp_{name}", _FSDP_ONLY[name], value)
        if name not in (*_FSDP_ONLY, *_FSDP_PASSED, "reshard_after_forward"):
            raise _refuse(where, "fields of FSDP 2 in fsdp_config", f"fsdp_{name}, which is not known here")
    return fields


def _check_dynamo(values: Any, where: str) -> None:
    backend = values.get("dynamo_backend", "NO") if isinstance(values, dict) else values
    if backend not in _NOTHING:
        raise _refuse(where, "no compilation (dynamo_backend: NO)", f"dynamo_backend: {backend}")


def _truth(values: Mapping[str, Any], name: str, default: bool, where: str) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        raise _refuse(where, f"{name}: true or false", f"{name}: {value}")
    return value


def _one_value(where: str, name: str, only: tuple[Any, str], value: Any) -> InputError:
    return _refuse(where, f"{name}: {_word(only[0])}, since {only[1]}", f"{name}: {_word(value)}")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'" if value == "no" else str(value)


def _refuse(where: str, expected: str, found: str) -> InputError:
    return InputError(
        expected=f"an accelerate configuration with {expected}",
        found=f"{found} in {where}",
        fix="correct the file (docs/scale.md says what is read), or run without --accelerate",
    )


def check(how: Accelerated | None, recipe: Recipe) -> None:
    """Raises InputError for a recipe that cannot be trained so."""
    if how is None or not how.sharded or recipe.on_policy is None:
        return
    raise InputError(
        expected="a student that is whole in every process, since on_policy has it answer prompts",
        found=f"distributed_type: FSDP, of {how.processes} processes",
        fix="use a configuration with distributed_type: MULTI_GPU or MULTI_CPU, or run without --accelerate",
    )


def check_machine(how: Accelerated | None) -> None:
    """Raises InputError where there are fewer GPUs than processes."""
    if how is None or how.on_cpu:
        return
    import torch

    there = torch.cuda.device_count()
    if how.gpus is not None:
        there = min(there, len(how.gpus.split(",")))
    if there < how.processes and not (how.processes == 1 and there == 0):
        raise InputError(
            expected=f"a GPU for each of {how.processes} processes",
            found=f"{there} of them",
            fix="set num_processes lower, or use_cpu: true",
        )
