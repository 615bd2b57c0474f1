"""Real transformers models that are small enough to make and train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }} {{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant {% endif %}"
)
TEXT = [
    "a river is water that flows to the sea", "a stone is a small piece of rock", "the sun gives light",
    "define the word garden in one sentence", "winter is the cold season of the year", "川は水の流れです",
]  # fmt: skip


def make_tokenizer(vocabulary: int = 300) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with a chat template, so that any text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", bos_token="<|start|>", eos_token="<|end|>"
    )
    fast.chat_template = TEMPLATE
    return fast


def make_model(vocabulary: int, *, layers: int = 4, padding: int = 0, seed: int = 0, **changes: Any) -> Any:
    """A Llama of a few thousand parameters; its head has ``padding`` rows more than real tokens."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary + padding,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
        tie_word_embeddings=True,
        **changes,
    )
    return LlamaForCausalLM(config).eval()


def save_tiny(folder: Path, *, layers: int = 4, padding: int = 0, seed: int = 0) -> Path:
    """A folder as plain transformers writes it, with a card that declares MIT."""
    tokenizer = make_tokenizer()
    make_model(len(tokenizer), layers=layers, padding=padding, seed=seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n", encoding="utf-8")
    return folder
