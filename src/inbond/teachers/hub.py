"""Model folders from the Hugging Face Hub, when it can be reached: weights as safetensors only.

Nothing that could run code is fetched: no pickles (*.bin, *.pt), no Python.
"""

from __future__ import annotations

from pathlib import Path

from inbond.errors import InputError, need_extra
from inbond.types import ModelName

ALLOWED = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json",
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "spiece.model", "*.tiktoken", "chat_template*", "LICENSE*", "README.md",
)  # fmt: skip
REFUSED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.py", "*.msgpack", "*.h5", "*.onnx")


def snapshot(name: ModelName) -> Path:
    """The folder of ``hf:org/name[@revision]`` in the Hub's own cache, fetched when it is not there.

    Raises InputError when the Hub cannot be reached or does not have it, MissingExtraError without
    huggingface_hub.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise need_extra("train", "huggingface_hub") from error
    try:
        folder = snapshot_download(
            name.name,
            revision=name.revision,
            allow_patterns=list(ALLOWED),
            ignore_patterns=list(REFUSED),
            etag_timeout=10,
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise InputError(
            expected=f"{name} on the Hugging Face Hub",
            found=f"the Hub answered {status}",
            fix="check the name and the revision, and for a gated model its licence and HF_TOKEN",
        ) from error
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        raise InputError(
            expected=f"the Hugging Face Hub, to fetch {name}",
            found=f"it cannot be reached, and the model is not in the local cache ({type(error).__name__})",
            fix="check the network, or name a copy on this machine with path:FOLDER or gguf:FILE",
        ) from error
    return Path(folder)
