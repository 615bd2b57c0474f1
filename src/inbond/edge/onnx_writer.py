"""A student as an ONNX file, written operator by operator: what onnxruntime runs, in a browser or on a phone.

Inputs and outputs are named as Optimum names them, so that tools for its exports take the file: input_ids,
attention_mask and position_ids [B, T] (the mask [B, P+T]), past_key_values.N.key and .value [B, G, P, D];
logits [B, T, V] and present.N.*. float32. Same folder, same bytes.

Legend: B rows, T new positions, P past ones, S = P + T, A query heads, G key-value heads, D head width,
H hidden width, V vocabulary.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from inbond.edge.architecture import Architecture
from inbond.edge.source import About, Source
from inbond.errors import InputError, need_extra

OPSET: Final = 17
_LARGEST = 1_900_000_000
"""Bytes of tensors that one file may hold: its format ends at 2 GiB."""


def write(source: Source, about: About, path: Path) -> dict[str, int]:
    """Writes ``path`` from a model folder; how many tensors are kept in which type. Raises InputError for an
    architecture that is not supported or a model above 2 GB, MissingExtraError."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise need_extra("onnx", error.name or "onnx") from error
    shape = source.architecture
    check_size(sum(map(math.prod, shape.tensors.values())))
    graph = _Graph(shape)
    for name, values in source.tensors():
        graph.keep(name, values)
    model = onnx.helper.make_model(
        graph.build(), opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="inbond"
    )
    model.ir_version = 8
    facts = {
        "name": about.name,
        "licence": about.licence or "unknown",
        "base_models": json.dumps([name for name, _ in about.base_models]),
        "inbond.artifact": about.artifact,
        "inbond.made_by": about.made_by,
        "ends": json.dumps(list(source.ends)),
    }
    onnx.helper.set_model_props(model, facts)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return {"f32": len(shape.tensors)}


def check_size(parameters: int) -> None:
    """Raises InputError for more than one file may hold."""
    if parameters * 4 > _LARGEST:
        raise InputError(
            expected="a student whose tensors fit an ONNX file of 2 GB",
            found=f"{parameters * 4 / 1e9:.1f} GB in float32",
            fix="export it as gguf",
        )


@final
class _Graph:
    """Nodes, tensors, inputs and outputs as they are added."""

    def __init__(self, shape: Architecture) -> None:
        self._shape = shape
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []
        self._names: set[str] = set()

    def keep(self, name: str, values: Any) -> None:
        """A tensor of the model; linear layers are turned, so that they can be multiplied from the right."""
        turned = values.ndim == 2 and name not in ("model.embed_tokens.weight", "lm_head.weight")
        self._tensor(name, np.ascontiguousarray(values.T) if turned else values)

    def build(self) -> Any:
        """The whole graph."""
        from onnx import TensorProto, helper

        shape = self._shape
        self._common()
        hidden = self._node("Gather", ["model.embed_tokens.weight", "input_ids"], "hidden")
        caches, presents = [], []
        kept: list[str | int | None] = ["B", shape.kv_heads, "P", shape.head_width]
        for layer in range(shape.layers):
            hidden = self._layer(layer, hidden)
            for part in ("key", "value"):
                name = f"{layer}.{part}"
                caches.append(
                    helper.make_tensor_value_info(f"past_key_values.{name}", TensorProto.FLOAT, kept)
                )
                whole = [*kept[:2], "S", kept[3]]
                presents.append(helper.make_tensor_value_info(f"present.{name}", TensorProto.FLOAT, whole))
        hidden = self._norm(hidden, "model.norm.weight", "final")
        head = "model.embed_tokens.weight" if "lm_head.weight" not in self._names else "lm_head.weight"
        turned = self._node("Transpose", [head], "head", perm=[1, 0])
        self._node("MatMul", [hidden, turned], "logits", exact=True)
        integers = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["B", width])
            for name, width in (("input_ids", "T"), ("attention_mask", "S"), ("position_ids", "T"))
        ]
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", "T", shape.vocabulary])
        return helper.make_graph(
            self._nodes, "student", [*integers, *caches], [logits, *presents], self._tensors
        )

    def _common(self) -> None:
        """What all layers share: rotations [B, 1, T, D] and the mask [B, 1, T, S]."""
        shape = self._shape
        half = np.arange(0, shape.head_width, 2, dtype=np.float64) / shape.head_width
        speed = shape.rope_base**-half / (np.array(shape.slowed) if shape.slowed else 1.0)
        speed_D = np.tile(speed, 2).astype(np.float32)
        self._tensor("speed_D", speed_D)
        for name, values in (("axis1", [1]), ("axis12", [1, 2]), ("axis13", [1, 3])):
            self._tensor(name, np.array(values, np.int64))
        self._tensor("epsilon", np.array(shape.epsilon, np.float32))
        self._tensor("two", np.array(2.0, np.float32))
        self._tensor("scale", np.array(shape.head_width**-0.5, np.float32))
        self._tensor("least", np.array(np.finfo(np.float32).min, np.float32))
        self._tensor("zero", np.array(0.0, np.float32))
        self._tensor("half", np.array([shape.head_width // 2], np.int64))
        self._tensor("first", np.array([0], np.int64))
        self._tensor("end", np.array([shape.head_width], np.int64))
        self._tensor("last", np.array([-1], np.int64))
        self._shapes()
        places = self._node("Cast", ["position_ids"], "places", to=1)
        places = self._node("Unsqueeze", [places, "axis13"], "places_B1T1")
        angles = self._node("Mul", [places, "speed_D"], "angles")
        self._node("Cos", [angles], "cos", exact=True)
        self._node("Sin", [angles], "sin", exact=True)
        self._mask()

    def _shapes(self) -> None:
        shape = self._shape
        wide = shape.heads * shape.head_width
        split = {"split_A": [0, 0, shape.heads, shape.head_width], "joined": [0, 0, wide]}
        split |= {"split_G": [0, 0, shape.kv_heads, shape.head_width]}
        split |= {"groups": [1, 1, shape.group, 1, 1], "merged": [0, shape.heads, -1, shape.head_width]}
        for name, values in split.items():
            self._tensor(name, np.array(values, np.int64))
        self._tensor("axis2", np.array([2], np.int64))

    def _mask(self) -> None:
        """A position sees what is real and not later than itself, by its place in what was read."""
        size = self._node("Shape", ["attention_mask"], "mask_shape", start=1, end=2)
        new = self._node("Shape", ["input_ids"], "ids_shape", start=1, end=2)
        total, fresh = (self._node("Squeeze", [one], f"{one}_0") for one in (size, new))
        self._tensor("zero_0", np.array(0, np.int64))
        self._tensor("one_0", np.array(1, np.int64))
        keys = self._node("Range", ["zero_0", total, "one_0"], "keys_S")
        before = self._node("Sub", [total, fresh], "before")
        rows = self._node("Range", [before, total, "one_0"], "rows_T")
        rows = self._node("Unsqueeze", [rows, "axis1"], "rows_T1")
        sees = self._node("LessOrEqual", [keys, rows], "sees_TS")
        real = self._node("Cast", ["attention_mask"], "real_BS", to=9)
        real = self._node("Unsqueeze", [real, "axis12"], "real_B11S")
        seen = self._node("And", [real, sees], "seen")
        self._node("Where", [seen, "zero", "least"], "mask", exact=True)

    def _layer(self, layer: int, hidden: str) -> str:
        at = f"model.layers.{layer}"
        normed = self._norm(hidden, f"{at}.input_layernorm.weight", f"{layer}.in")
        mixed = self._attention(layer, normed)
        hidden = self._node("Add", [hidden, mixed], f"{layer}.attended")
        normed = self._norm(hidden, f"{at}.post_attention_layernorm.weight", f"{layer}.post")
        gate = self._linear(normed, f"{at}.mlp.gate_proj")
        slow = self._node("Sigmoid", [gate], f"{layer}.sigmoid")
        gate = self._node("Mul", [gate, slow], f"{layer}.silu")
        up = self._linear(normed, f"{at}.mlp.up_proj")
        down = self._linear(self._node("Mul", [gate, up], f"{layer}.gated"), f"{at}.mlp.down_proj")
        return self._node("Add", [hidden, down], f"{layer}.hidden")

    def _attention(self, layer: int, normed: str) -> str:
        at = f"model.layers.{layer}.self_attn"
        parts = {}
        for part, split in (("q", "split_A"), ("k", "split_G"), ("v", "split_G")):
            flat = self._linear(normed, f"{at}.{part}_proj")
            heads = self._node("Reshape", [flat, split], f"{layer}.{part}.heads")
            if f"{at}.{part}_norm.weight" in self._names:
                heads = self._norm(heads, f"{at}.{part}_norm.weight", f"{layer}.{part}.norm")
            parts[part] = self._node("Transpose", [heads], f"{layer}.{part}.BADT", perm=[0, 2, 1, 3])
        query, key = (self._rotated(parts[part], f"{layer}.{part}") for part in "qk")
        key = self._with_past(layer, "key", key)
        value = self._with_past(layer, "value", parts["v"])
        key, value = (self._repeated(one, f"{one}.all") for one in (key, value))
        turned = self._node("Transpose", [key], f"{layer}.key.turned", perm=[0, 1, 3, 2])
        scaled = self._node("Mul", [query, "scale"], f"{layer}.q.scaled")
        scores = self._node("MatMul", [scaled, turned], f"{layer}.scores")
        scores = self._node("Add", [scores, "mask"], f"{layer}.masked")
        weights = self._node("Softmax", [scores], f"{layer}.weights", axis=-1)
        mixed = self._node("MatMul", [weights, value], f"{layer}.mixed")
        mixed = self._node("Transpose", [mixed], f"{layer}.mixed.BTAD", perm=[0, 2, 1, 3])
        mixed = self._node("Reshape", [mixed, "joined"], f"{layer}.mixed.BTH")
        return self._linear(mixed, f"{at}.o_proj")

    def _with_past(self, layer: int, part: str, new: str) -> str:
        past = f"past_key_values.{layer}.{part}"
        return self._node("Concat", [past, new], f"present.{layer}.{part}", exact=True, axis=2)

    def _repeated(self, heads: str, name: str) -> str:
        """[B, G, S, D] as [B, A, S, D]."""
        if self._shape.group == 1:
            return heads
        apart = self._node("Unsqueeze", [heads, "axis2"], f"{name}.apart")
        times = self._node("Tile", [apart, "groups"], f"{name}.tiled")
        return self._node("Reshape", [times, "merged"], f"{name}.merged")

    def _rotated(self, heads: str, name: str) -> str:
        first = self._node("Slice", [heads, "first", "half", "last"], f"{name}.first")
        second = self._node("Slice", [heads, "half", "end", "last"], f"{name}.second")
        minus = self._node("Neg", [second], f"{name}.minus")
        turned = self._node("Concat", [minus, first], f"{name}.turned", axis=-1)
        kept = self._node("Mul", [heads, "cos"], f"{name}.cos")
        moved = self._node("Mul", [turned, "sin"], f"{name}.sin")
        return self._node("Add", [kept, moved], f"{name}.rotated")

    def _norm(self, x: str, weight: str, name: str) -> str:
        square = self._node("Mul", [x, x], f"{name}.square")
        mean = self._node("ReduceMean", [square], f"{name}.mean", axes=[-1])
        root = self._node("Sqrt", [self._node("Add", [mean, "epsilon"], f"{name}.sum")], f"{name}.root")
        return self._node("Mul", [self._node("Div", [x, root], f"{name}.unit"), weight], f"{name}.normed")

    def _linear(self, x: str, module: str) -> str:
        product = self._node("MatMul", [x, f"{module}.weight"], f"{module}.product")
        if f"{module}.bias" not in self._names:
            return product
        return self._node("Add", [product, f"{module}.bias"], f"{module}.sum")

    def _tensor(self, name: str, values: Any) -> None:
        from onnx import numpy_helper

        self._names.add(name)
        self._tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def _node(
        self, kind: str, inputs: list[str], output: str, *, exact: bool = False, **attributes: Any
    ) -> str:
        """Adds an operator; gives its output's name, which is ``output`` itself where it is ``exact``."""
        from onnx import helper

        name = output if exact else f"at/{output}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name
