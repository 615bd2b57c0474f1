"""A student narrower than its teacher: fewer tokens, fewer heads and neurons in a layer.

Where tokens are left out, the teacher that is learnt from and compared with is the one that knows only these:
its distribution given that one of them comes next. How much of it that leaves out is measured and told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.ledger.manifest import Identity
from inbond.ledger.records import read_rows
from inbond.recipes.models import TeacherSource
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.student import Student
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.workspace import write_bytes, write_json

if TYPE_CHECKING:
    from inbond.losses.batches import Batch
    from inbond.recipes.answers import Datasets
    from inbond.teachers.local import Local

VOCABULARY_VERSION = 2
KEPT = "kept.json"
_TOKENIZER = "tokenizer"
_TEXTS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
"""What a pruned tokenizer is made of; other files would still have the whole vocabulary."""


def check(settings: Student, folder: Path, model: Any | None) -> None:
    """Raises InputError for what cannot be had of a teacher in ``folder``, before it is asked anything.
    ``model``: its architecture without numbers, where that could be made."""
    from inbond.teachers.local import load_tokenizer
    from inbond.train import vocabulary
    from inbond.train import width as narrower

    if settings.widths and model is not None:
        narrower.check_built(model)
        narrower.sizes(model.config, settings.heads, settings.neurons)
    if settings.vocabulary is not None:
        size = None if settings.vocabulary == "occurring" else int(settings.vocabulary)
        whole = json.loads(load_tokenizer(folder).backend_tokenizer.to_str())
        vocabulary.choose(whole, {}, size)


def choose(trail: Trail, recipe: Recipe, teacher: TeacherSource, data: Datasets) -> Artifact | None:
    """The student's tokenizer and which of its teacher's tokens it has; None when it has all of them."""
    wanted = recipe.student.vocabulary
    if wanted is None:
        return None
    identity = Identity(
        "vocabulary",
        VOCABULARY_VERSION,
        {"teacher": teacher.pinned, "vocabulary": wanted},
        {"train": data.train.id},
    )

    def make(folder: Path) -> Made:
        from inbond.teachers.local import load_tokenizer
        from inbond.train import vocabulary

        assert teacher.weights is not None, "init: prune has weights to prune"
        tokenizer = load_tokenizer(teacher.weights.folder())
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        size = None if wanted == "occurring" else int(wanted)
        keep = vocabulary.choose(whole, _counts(tokenizer, data.train), size)
        save_tokenizer(tokenizer, vocabulary.prune(whole, keep), keep, folder)
        write_json(folder / KEPT, keep)
        return Made({"kept": len(keep), "of": len(tokenizer)})

    return trail.stage("vocabulary", "vocabulary", identity, make)


def _counts(tokenizer: Any, train: Artifact) -> Counter[int]:
    """How often each token occurs in the training records, prompts and all. Held-out ones have no say: what
    is measured on them would else be better than on any other text."""
    from inbond.teachers.tokens import encode_record

    counts: Counter[int] = Counter()
    for row in read_rows(train.folder):
        counts.update(encode_record(tokenizer, row.record).ids)
    return counts


def save_tokenizer(tokenizer: Any, pruned: dict[str, Any], keep: Sequence[int], folder: Path) -> None:
    """A tokenizer that transformers loads as it stands, not made anew from a class's own rules."""
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        if path.name not in _TEXTS:
            path.unlink()
    write_bytes(folder / "tokenizer.json", json.dumps(pruned, ensure_ascii=False).encode())
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_bytes())
    new = {str(old): str(number) for number, old in enumerate(keep)}
    listed = settings.pop("added_tokens_decoder", {})
    if listed:
        settings["added_tokens_decoder"] = {new[old]: value for old, value in listed.items() if old in new}
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_bytes(path, (json.dumps(settings, ensure_ascii=False, indent=2) + "\n").encode())


def kept_tokens(chosen: Artifact) -> list[int]:
    """The teacher's ids of the student's tokens, in the student's order."""
    kept: list[int] = json.loads((chosen.folder / KEPT).read_bytes())
    return kept


def smaller(whole: Local, teacher: TeacherSource, chosen: Artifact) -> Local:
    """The teacher that knows only the student's tokens."""
    from inbond.teachers.local import Local, load_tokenizer
    from inbond.train.restricted import restricted

    assert teacher.weights is not None, "init: prune has weights to prune"
    model = restricted(whole.model, kept_tokens(chosen))
    return Local(str(teacher.name), teacher.weights.digest, model, load_tokenizer(chosen.folder))


def width(settings: Student, model: Any, batches: Sequence[Batch], keep: Sequence[int]) -> dict[str, Any]:
    """What each kept layer keeps: ``groups`` of heads and ``neurons``, one list a layer."""
    from inbond.train import width as narrower

    groups, neurons = narrower.sizes(model.config, settings.heads, settings.neurons)
    chosen = narrower.importance(model, batches).most(groups, neurons, keep)
    return {"groups": chosen.groups, "neurons": chosen.neurons}


def narrow(model: Any, chosen: dict[str, Any]) -> Any:
    """``model`` with what ``width`` chose."""
    from inbond.train import width as narrower

    groups, neurons = (tuple(tuple(layer) for layer in chosen[name]) for name in ("groups", "neurons"))
    return narrower.narrow(model, narrower.Width(groups, neurons))
