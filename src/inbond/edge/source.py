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
        told = self._json("tokenizer_config.json", needed=False).get("chat_template")
        return told if isinstance(told, str) else None

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Ids that end an answer: the tokenizer's own first, then those of the model's settings."""
        own = self._special("eos_token")
        listed = [self._json("generation_config.json", needed=False), self.config]
        found = [own, *(end for config in listed for end in _listed(config.get("eos_token_id")))]
        return tuple(dict.fromkeys(end for end in found if isinstance(end, int)))

    @cached_property
    def begins(self) -> int | None:
        """The id that stands for the beginning of a text, where there is one."""
        told = self.config.get("bos_token_id")
        return told if isinstance(told, int) else self._special("bos_token")

    @cached_property
    def around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that the tokenizer itself puts before and behind a text."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(json.dumps(self.tokenizer))
        bare, whole = (tokenizer.encode("a", add_special_tokens=add).ids for add in (False, True))
        at = next(n for n in range(len(whole)) if whole[n : n + len(bare)] == bare)
        return tuple(whole[:at]), tuple(whole[at + len(bare) :])

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name, values in float32) of every tensor, one at a time; of a tied head only the embedding.

        Raises InputError unless they are those of the architecture, and finite.
        """
        import torch
        from safetensors import safe_open

        wanted = dict(self.architecture.tensors)
        for path in sorted(self.folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    if name.endswith("rotary_emb.inv_freq") or (
                        name == "lm_head.weight" and self.architecture.tied
                    ):
                        continue  # made anew from the config
                    values = file.get_tensor(name).to(torch.float32).numpy()
                    if wanted.pop(name, None) != values.shape:
                        raise self._odd(f"{name} of the shape {values.shape}")
                    if not np.isfinite(values).all():
                        raise self._odd(f"{name}, in which not every number is finite")
                    yield name, values
        if wanted:
            raise self._odd(f"no {min(wanted)} among its tensors")

    def _odd(self, found: str) -> InputError:
        return InputError(
            expected=f"the tensors of a {self.architecture.family} of its config.json in {self.folder}",
            found=found,
            fix="name a folder that transformers loads without a warning",
        )

    def _special(self, role: str) -> int | None:
        """The id of a special token that the tokenizer's settings name."""
        told = self._json("tokenizer_config.json", needed=False).get(role)
        text = told.get("content") if isinstance(told, dict) else told
        added = {entry["content"]: entry["id"] for entry in self.tokenizer.get("added_tokens", ())}
        found = {**self.tokenizer.get("model", {}).get("vocab", {}), **added}.get(text)
        return found if isinstance(found, int) else None

    def _json(self, name: str, *, needed: bool = True) -> Mapping[str, Any]:
        if not needed and not (self.folder / name).exists():
            return {}
        try:
            value = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                expected=f"{name} in {self.folder}",
                found=f"{type(error).__name__}: {error!s:.200}",
                fix="name a folder that transformers can load",
            ) from error
        return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
