"""Narrower layers: the attention heads and the neurons that do least are left out.

Importance is what a part adds to its layer's output at the label positions of a probe, in the mean:
Minitron's activation-based measure (arXiv 2407.14679), with the weights that read the activation taken in.
Heads go in groups that share a key and a value. For decoders built as Llama's. Legend: L layers, G groups of
heads, A heads, D head width, F neurons, H hidden width, N label positions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.hidden import label_hidden
from inbond.train.student import decoder_layers


@final
@dataclass(frozen=True)
class Width:
    """What each layer keeps: its groups of heads, its neurons, both rising."""

    groups: tuple[tuple[int, ...], ...]
    neurons: tuple[tuple[int, ...], ...]


@final
@dataclass(frozen=True)
class Importance:
    """Of each layer: of its groups [L, G], of its neurons [L, F]."""

    groups_LG: Tensor
    neurons_LF: Tensor

    def most(self, groups: int, neurons: int, layers: Sequence[int]) -> Width:
        """The most important so many of each of ``layers``."""
        return Width(
            tuple(_top(self.groups_LG[layer], groups) for layer in layers),
            tuple(_top(self.neurons_LF[layer], neurons) for layer in layers),
        )


def _top(value_X: Tensor, count: int) -> tuple[int, ...]:
    order = torch.sort(value_X, descending=True, stable=True).indices
    return tuple(sorted(order[:count].tolist()))


def sizes(config: Any, heads: int | float | None, neurons: int | float | None) -> tuple[int, int]:
    """(groups, neurons) that a layer keeps; a number below 1 is a share, of which the nearest that can be had
    is taken, None keeps all.

    Raises InputError when heads do not make up whole groups, or cannot be had: transformers reads a Llama
    only when its heads divide its hidden width.
    """
    all_heads, all_neurons = config.num_attention_heads, config.intermediate_size
    group = _group(config)
    can = [kept for kept in range(1, all_heads // group + 1) if _loads(config, kept * group, kept)]
    if heads is None:
        groups = all_heads // group
    elif isinstance(heads, float):
        near = _count(heads, all_heads // group)
        groups = min(can, key=lambda kept: (abs(kept - near), kept))
    else:
        groups = int(heads) // group
        if heads % group or groups not in can:
            few = ", ".join(str(kept * group) for kept in can)
            raise InputError(
                expected=f"student.heads in whole groups of {group}, which share a key and a value, and as "
                f"transformers reads them: {few}",
                found=str(heads),
                fix="set student.heads to one of these, or to a share such as 0.67",
            )
    count = _count(neurons, all_neurons) if isinstance(neurons, float) else neurons or all_neurons
    if not 1 <= count <= all_neurons:
        raise InputError(
            expected=f"student.neurons from 1 to {all_neurons}", found=str(neurons), fix="set it lower"
        )
    return groups, int(count)


def _loads(config: Any, heads: int, kv_heads: int) -> bool:
    """Whether a config of its class may say so."""
    try:
        type(config).from_dict({**config.to_dict(), **_narrowed(config, heads, kv_heads)})
    except Exception:  # whatever a class may say to a config of its own
        return False
    return True


def _narrowed(config: Any, heads: int, kv_heads: int) -> dict[str, int]:
    """What a config says of heads that are fewer and as wide as before."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": width}


def _count(share: float, whole: int) -> int:
    return max(1, round(share * whole))


@torch.inference_mode()
def importance(model: Any, batches: Sequence[Batch]) -> Importance:
    """Measured on the label positions of ``batches``. Raises InputError for layers built otherwise."""
    layers = decoder_layers(model)
    group = _group(model.config)
    groups: list[list[Tensor]] = [[] for _ in layers]
    neurons: list[list[Tensor]] = [[] for _ in layers]
    check_built(model)
    for batch in batches:
        label_hidden(model, batch)  # whether a prefix can be shared is tried before anything counts
        hooks = []
        for place, layer in enumerate(layers):
            attention: Any = layer.self_attn
            mlp: Any = layer.mlp
            out, down = attention.o_proj, mlp.down_proj
            hooks += [
                out.register_forward_pre_hook(_note(batch, out, groups[place], model.config, group)),
                down.register_forward_pre_hook(_note(batch, down, neurons[place], model.config, None)),
            ]
        try:
            label_hidden(model, batch)
        finally:
            for hook in hooks:
                hook.remove()
    groups_LG, neurons_LF = (
        torch.stack([torch.cat(part).mean(0) for part in found]) for found in (groups, neurons)
    )
    return Importance(groups_LG.cpu(), neurons_LF.cpu())


def _note(
    batch: Batch, module: nn.Linear, found: list[Tensor], config: Any, group: int | None
) -> Callable[..., None]:
    """Keeps what each part of the input adds to the module's output, at the label positions."""

    def note(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        behind = args[0].shape[1] - batch.ids_BT.shape[1]
        if behind < 0 or args[0].shape[0] != len(batch.ids_BT):
            return  # the shared prefix, which predicts nothing
        x_NX, weight_HX = args[0][:, behind:][batch.predicts_BT], module.weight
        if group is None:
            found.append(x_NX.abs() * weight_HX.norm(dim=0))
            return
        heads = config.num_attention_heads
        x_NAD = x_NX.reshape(len(x_NX), heads, -1)
        weight_HAD = weight_HX.reshape(len(weight_HX), heads, -1)
        added_NA = torch.stack(
            [(x_NAD[:, head] @ weight_HAD[:, head].T).norm(dim=1) for head in range(heads)], dim=1
        )
        found.append(added_NA.reshape(len(x_NX), -1, group).sum(2))

    return note


def narrow(model: Any, width: Width) -> Any:
    """A copy of ``model`` whose layers have only the groups and neurons of ``width``.

    Raises InputError for layers built otherwise, or that keep more than they have.
    """
    check_built(model)
    config, group = copy.deepcopy(model.config), _group(model.config)
    kept = len(width.groups[0])
    head_width = model.get_decoder().layers[0].self_attn.head_dim
    for name, value in _narrowed(config, kept * group, kept).items():
        setattr(config, name, value)
    config.intermediate_size = len(width.neurons[0])
    assert config.head_dim == head_width, "a head is as wide as its config says"
    state = model.state_dict()
    for key in list(state):
        _, mark, after = key.partition(".layers.")
        if mark:
            number, _, rest = after.partition(".")
            state[key] = _kept(rest, state[key], int(number), width, group, head_width)
    student = type(model)(config).to(model.dtype)
    student.load_state_dict(state, strict=True)
    student.generation_config = copy.deepcopy(model.generation_config)
    return student.eval()


def _kept(name: str, value: Tensor, layer: int, width: Width, group: int, head_width: int) -> Tensor:
    """The part of one tensor of a layer that stays."""
    module, _, part = name.rpartition(".")
    shared = _spans(width.groups[layer], head_width)
    rows = {
        "self_attn.q_proj": _spans(width.groups[layer], group * head_width),
        "self_attn.k_proj": shared,
        "self_attn.v_proj": shared,
        "mlp.gate_proj": width.neurons[layer],
        "mlp.up_proj": width.neurons[layer],
    }
    columns = {
        "self_attn.o_proj": _spans(width.groups[layer], group * head_width),
        "mlp.down_proj": width.neurons[layer],
    }
    if module in rows:
        return value[list(rows[module])].clone()
    if module in columns and part == "weight":
        return value[:, list(columns[module])].clone()
    return value


def _spans(groups: Sequence[int], size: int) -> list[int]:
    return [place for group in groups for place in range(group * size, (group + 1) * size)]


def _group(config: Any) -> int:
    heads: int = config.num_attention_heads
    return heads // (getattr(config, "num_key_value_heads", None) or heads)


def check_built(model: Any) -> None:
    """Raises InputError unless all layers are built as Llama's; their weights do not matter."""
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip
    for layer in decoder_layers(model):
        parts = dict(layer.named_modules())
        if not all(isinstance(parts.get(name), nn.Linear) for name in names):
            raise InputError(
                expected="layers built as Llama's, to make them narrower",
                found=type(model).__name__,
                fix="leave student.heads and student.neurons out",
            )
