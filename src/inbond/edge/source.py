"""A student's folder as exports read it: config, tokenizer, tensors, and what its card says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from inbond.digest import Digest
from inbond.edge import architecture
from inbond.edge.architecture import Architecture
from inbond.errors import InputError

Tensor = NDArray[np.float32]


@final
@dataclass(frozen=True)
class About:
    """What an exported file says of where it is from. ``artifact`` is the student's, ``base_models`` are
    (name, address or None) of what it descends from."""

    name: str
    artifact: Digest
    licence: str | None
    base_models: tuple[tuple[str, str | None], ...]
    made_by: str


@final
@dataclass(frozen=True)
class Source:
    """A model folder in safetensors form."""

    folder: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.json. Raises InputError when it cannot be read."""
        return self._json("config.json")

    @cached_property
    def tokenizer(self) -> Mapping[str, Any]:
        """tokenizer.json. Raises InputError when it cannot be read."""
        return self._json("tokenizer.json")

    @cached_property
    def architecture(self) -> Architecture:
        """Raises InputError for what cannot be exported."""
        return architecture.read(self.config)

    @cached_property
    def template(self) -> str | None:
        """The chat template, where there is one."""
        beside = self.folder / "chat_template.jinja"
        if beside.is_file():
            return beside.read_text("utf-8")
        told = self._json("tokenizer_config.json").get("chat_template")
        return told if isinstance(told, str) else None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name, values in float32) of every tensor, one at a time."""
        import torch
        from safetensors import safe_open

        for path in sorted(self.folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    yield name, file.get_tensor(name).to(torch.float32).numpy()

    def _json(self, name: str) -> Mapping[str, Any]:
        try:
            value = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                expected=f"{name} in {self.folder}",
                found=f"{type(error).__name__}: {error!s:.200}",
                fix="name a folder that transformers can load",
            ) from error
        return value if isinstance(value, dict) else {}
