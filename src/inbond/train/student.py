"""The student before training: pruned from the teacher, another model, or from scratch.

Legend: L layers, N label tokens, H hidden width, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.losses.batches import Batch
from inbond.losses.heads import dense_divergence, head_weight
from inbond.losses.hidden import label_hidden

CHUNK = 256
_PER_LAYER = ("layer_types", "no_rope_layers", "mlp_layer_types")
"""Fields of a config that list something for each layer."""


def decoder_layers(model: Any) -> nn.ModuleList:
    """The model's blocks. Raises InputError when the architecture keeps them elsewhere."""
    layers = getattr(model.get_decoder(), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise InputError(
            expected="a decoder with a list of layers",
            found=type(model).__name__,
            fix="use student.init: model or scratch, or a teacher of another family",
        )
    return layers


def layer_importance(
    model: Any,
    batches: Sequence[Batch],
    vocabulary: int,
    on_progress: Callable[[int, int], None],
) -> list[float]:
    """For each of L layers, the KL in nats a token that dropping it alone costs on ``batches``.

    The model is left as it was. (Block importance measured on the output, as in ShortGPT, arXiv
    2403.03853, but by KL rather than by the cosine of hidden states.)
    """
    decoder, layers = model.get_decoder(), decoder_layers(model)
    weight_VH = head_weight(model, vocabulary)
    found: list[list[Tensor]] = [[] for _ in layers]
    with torch.inference_mode():
        for number, batch in enumerate(batches):
            whole_NH, inputs = _with_inputs(model, layers, batch)
            for dropped in range(len(layers)):
                with _beginning_at(decoder, dropped + 1, inputs[dropped]):
                    trial_NH = label_hidden(model, batch)
                pair = (whole_NH, weight_VH), (trial_NH, weight_VH)
                found[dropped].append(dense_divergence(*pair, CHUNK)[0])
                on_progress(number * len(layers) + dropped + 1, len(batches) * len(layers))
    return [torch.cat(kl).mean().item() for kl in found]


def _with_inputs(model: Any, layers: nn.ModuleList, batch: Batch) -> tuple[Tensor, list[list[Tensor]]]:
    """(hidden_NH, for each layer what it was given): a trial without a layer begins where that one would."""
    label_hidden(model, batch)  # what is tried once a model must not be remembered
    inputs: list[list[Tensor]] = [[] for _ in layers]

    def remember(place: int) -> Callable[..., None]:
        return lambda _, args, kwargs: inputs[place].append(args[0] if args else kwargs["hidden_states"])

    hooks = [
        layer.register_forward_pre_hook(remember(place), with_kwargs=True)
        for place, layer in enumerate(layers)
    ]
    try:
        return label_hidden(model, batch), inputs
    finally:
        for hook in hooks:
            hook.remove()


class _Replay(nn.Module):
    """Stands for all layers up to a place: gives what the next one is to get, call by call."""

    def __init__(self, like: nn.Module, given: Sequence[Tensor]) -> None:
        super().__init__()
        self._given = iter(given)
        if hasattr(like, "attention_type"):  # some decoders choose a layer's mask by it
            self.attention_type = like.attention_type

    def forward(self, *_: Any, **__: Any) -> Tensor:
        return next(self._given)


@contextmanager
def _beginning_at(decoder: Any, place: int, given: Sequence[Tensor]) -> Iterator[None]:
    """The decoder with its layers from ``place`` on alone, the first of which gets ``given``."""
    layers, config = decoder.layers, decoder.config
    listed = {name: getattr(config, name) for name in _PER_LAYER if _lists(config, name)}
    try:
        decoder.layers = nn.ModuleList([_Replay(layers[place - 1], given), *layers[place:]])
        for name, values in listed.items():  # the decoder looks its layers up by their place
            setattr(config, name, [values[place - 1], *values[place:]])
        yield
    finally:
        decoder.layers = layers
        for name, values in listed.items():
            setattr(config, name, values)


def _lists(config: Any, name: str) -> bool:
    return isinstance(getattr(config, name, None), (list, tuple))


def most_important(importance: Sequence[float], count: int) -> list[int]:
    """The ``count`` layers whose loss hurts most, in their order in the model."""
    ranked = sorted(range(len(importance)), key=lambda layer: (-importance[layer], layer))
    return sorted(ranked[:count])


def check_layers(keep: Sequence[int], layers: int, *, narrower: bool = False) -> None:
    """Raises InputError unless ``keep`` are some of the teacher's layers, each once; all of them only where
    the student is ``narrower`` than its teacher in another way."""
    if not keep or sorted(set(keep)) != list(keep) or keep[0] < 0 or keep[-1] >= layers:
        raise InputError(
            expected=f"layer numbers from 0 to {layers - 1}, each once, rising",
            found=str(list(keep)),
            fix="correct student.keep",
        )
    if len(keep) >= layers and not narrower:
        raise InputError(
            expected=f"a student smaller than its teacher of {layers} layers",
            found=f"{len(keep)} layers",
            fix="set student.layers lower",
        )


def prune_layers(model: Any, keep: Sequence[int], *, narrower: bool = False) -> Any:
    """A copy of ``model`` that has only the layers ``keep``; the model itself is not touched.

    Raises InputError as ``check_layers`` does, and for an architecture that cannot be built so.
    """
    layers = decoder_layers(model)
    check_layers(keep, len(layers), narrower=narrower)
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(keep)
    for name in _PER_LAYER:
        if _lists(config, name):
            setattr(config, name, [getattr(config, name)[layer] for layer in keep])
    try:
        student = type(model)(config).to(model.dtype)
        student.load_state_dict(_renumbered(model.state_dict(), keep), strict=True)
    except Exception as error:  # whatever an architecture may say to fewer layers
        raise InputError(
            expected="an architecture that can be built from some of its layers",
            found=f"{type(model).__name__}: {error!s:.200}",
            fix="use student.init: model or scratch, or a teacher of another family",
        ) from error
    student.generation_config = copy.deepcopy(model.generation_config)
    return student.eval()


def _renumbered(state: dict[str, Tensor], keep: Sequence[int]) -> dict[str, Tensor]:
    """The state of the kept layers under their new numbers, and everything outside the layers."""
    places = {str(old): str(new) for new, old in enumerate(keep)}
    renumbered = {}
    for key, value in state.items():
        before, mark, after = key.partition(".layers.")
        if mark:
            number, dot, rest = after.partition(".")
            if number not in places:
                continue
            key = f"{before}{mark}{places[number]}{dot}{rest}"
        renumbered[key] = value
    return renumbered


def from_scratch(teacher_config: Any, changes: dict[str, Any], seed: int) -> Any:
    """A freshly initialised model of the teacher's architecture with some config fields changed.

    Raises InputError for a field that the architecture does not have.
    """
    config = copy.deepcopy(teacher_config)
    for field in changes:
        if not hasattr(config, field):
            raise InputError(
                expected=f"a field of {type(config).__name__}",
                found=f"student.config.{field}",
                fix="look up the architecture's fields in its config.json",
            )
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    try:
        _change(config, changes)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    except Exception as error:  # whatever an architecture may say to sizes that it does not expect
        raise InputError(
            expected="sizes that fit together (hidden_size a multiple of num_attention_heads, ...)",
            found=f"{changes}: {error}",
            fix="correct student.config",
        ) from error


def _change(config: Any, changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        setattr(config, field, value)
    if "hidden_size" in changes and "head_dim" not in changes and getattr(config, "head_dim", None):
        config.head_dim = config.hidden_size // config.num_attention_heads
    for name in _PER_LAYER:
        if _lists(config, name):
            setattr(config, name, list(getattr(config, name))[: config.num_hidden_layers])


def check_same_tokens(teacher: Digest, student: Digest) -> None:
    """Raises InputError unless both tokenizers have the same real tokens with the same ids.

    Padding rows of the heads do not count: both sides drop them.
    """
    if teacher != student:
        raise InputError(
            expected="a student whose tokenizer has the teacher's tokens, each with the same id",
            found="another vocabulary",
            fix="use a student of the teacher's family, or student.init: prune; or learn across vocabularies "
            "with capture.targets=aligned",
        )


def check_smaller(teacher_params: int, student_params: int) -> None:
    """Raises InputError when the student is larger than its teacher."""
    if student_params > teacher_params:
        raise InputError(
            expected=f"a student of at most the teacher's {teacher_params:,} parameters",
            found=f"{student_params:,}",
            fix="choose a smaller student, or fewer layers",
        )
