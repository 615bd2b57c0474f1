"""What pins a model in a folder: one digest over the files that decide what it says, and nothing else. Pure.

Cards, notices and curves lie beside the weights and change nothing of what the model says.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from inbond.digest import Digest, of_value

WEIGHTS = "*.safetensors"
_DECIDING = (
    WEIGHTS, "config.json", "generation_config.json", "tokenizer*", "chat_template*", "*.model",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "*.tiktoken",
)  # fmt: skip


def decides(name: str) -> bool:
    """Whether a file of this name has a part in what the model says."""
    return any(fnmatchcase(name, pattern) for pattern in _DECIDING)


def pin(files: Mapping[str, Digest]) -> Digest:
    """The digest of a model whose folder holds ``files``, by name."""
    return of_value({name: digest for name, digest in files.items() if decides(name)})


def names(files: Mapping[str, Digest]) -> frozenset[Digest]:
    """All digests that this very model is known by: its pin, and that of its weights where they are one
    file. A file of several may be part of other models too."""
    weights = [digest for name, digest in files.items() if fnmatchcase(name, WEIGHTS)]
    return frozenset({pin(files), *(weights if len(weights) == 1 else ())})
