"""Context distillation: the teacher sees a long context that the student does not.

The skill that the context gives moves into the student's weights (arXiv 2112.00861, 2209.15189): answers and
targets are made with it, training and use go without. The tokens of an answer are the same on both sides;
only what stands before them differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inbond.errors import InputError
from inbond.ledger.records import Row
from inbond.recipes.objective import is_across
from inbond.recipes.recipe import Recipe
from inbond.teachers.protocols import TokenSequence
from inbond.types import Message, Prompt, Record


def with_context(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the text of its context in it, where that is a file's. Raises InputError for a file
    that cannot be read, or holds nothing."""
    file = recipe.prompts.context_file
    if file is None:
        return recipe
    try:
        text = (folder / file).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refuse(folder / file, str(error)) from error
    if not text:
        raise _refuse(folder / file, "an empty file")
    return recipe.model_copy(update={"prompts": recipe.prompts.model_copy(update={"context": text})})


def _refuse(path: Path, found: str) -> InputError:
    return InputError(
        expected=f"a text in UTF-8 at {path}, which prompts.context_file names",
        found=found,
        fix="correct the path or the file",
    )


def seen(recipe: Recipe, prompt: Prompt) -> Prompt:
    """A prompt as the teacher sees it: the context first, in one system message with the prompt's own."""
    context = recipe.prompts.context
    if context is None:
        return prompt
    assert not isinstance(prompt, str), "a context is for conversations"
    if prompt[0].role == "system":
        return (Message("system", f"{context}\n\n{prompt[0].content}"), *prompt[1:])
    return (Message("system", context), *prompt)


def encode_seen(
    tokenizer: Any, recipe: Recipe, rows: Sequence[Row], plain: Sequence[TokenSequence]
) -> list[TokenSequence]:
    """Rows as the teacher sees them; ``plain`` is how the student does. Raises InputError where the tokens of
    an answer are not the same on both sides."""
    if recipe.prompts.context is None:
        return list(plain)
    from inbond.teachers.tokens import encode_record

    found = []
    for row, without in zip(rows, plain, strict=True):
        record = Record(seen(recipe, row.record.prompt), row.record.completion)
        sequence = encode_record(tokenizer, record, ended=row.finish != "length")
        if sequence.ids[sequence.prompt_length :] != without.ids[without.prompt_length :]:
            raise InputError(
                expected="the same tokens of an answer with the context and without",
                found=f"{sequence.labels} tokens with it, {without.labels} without",
                fix="use a tokenizer whose chat template writes answers alike after any prompt",
            )
        found.append(sequence)
    return found


def check_shown(tokenizer: Any, recipe: Recipe) -> None:
    """Raises InputError for a chat template that has no place for a context: it refuses a system message, or
    leaves it out."""
    from inbond.teachers.tokens import encode_prompt

    asked = (Message("user", "?"),)
    if encode_prompt(tokenizer, seen(recipe, asked)) == encode_prompt(tokenizer, asked):
        raise InputError(
            expected="a teacher whose chat template shows a system message, since there is a context",
            found="one that leaves it out: the teacher would never see the context",
            fix="write the context into prompts.template, or take another teacher",
        )


def check(recipe: Recipe) -> None:
    """Raises InputError for what cannot be done while the teacher sees more than the student."""
    if recipe.prompts.context is None:
        return
    if recipe.capture.targets == "online":
        raise _cannot("capture.targets = online", "the teacher would be asked without it", "top-k or sampled")
    if is_across(recipe):
        raise _cannot("another vocabulary", "alignment knows one beginning", "the teacher's vocabulary")
    if recipe.preferences is not None:
        raise _cannot("preferences", "critiques and revisions are made without it", "no preferences")


def _cannot(what: str, why: str, instead: str) -> InputError:
    return InputError(
        expected=f"with prompts.context: {instead}",
        found=f"{what}: {why}",
        fix=f"use {instead}, or leave the context out",
    )
