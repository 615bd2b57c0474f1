"""A recipe with the models it names: what can be found wrong before a teacher is asked, let alone paid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from inbond.digest import Digest
from inbond.engine.filters import FilterConfig
from inbond.engine.verifying.opening import check_machine
from inbond.errors import InputError, need_extra
from inbond.recipes import context, narrowing, serving_copies
from inbond.recipes.articles import Questions
from inbond.recipes.models import TeacherSource
from inbond.recipes.objective import alternatives, is_across, text_alone
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.train import Lora
from inbond.teachers.opening import Weights
from inbond.teachers.probing import MOST
from inbond.teachers.protocols import Form
from inbond.types import ModelName


@dataclass(frozen=True)
class Planned:
    """``base`` is the model that the student starts from, None unless student.init is model; ``reference``
    weights to check the teacher's host against, None unless the recipe names some."""

    recipe: Recipe
    teacher: TeacherSource
    base: Weights | None
    reference: Weights | None = None
    further: tuple[TeacherSource, ...] = ()
    questions: Questions | None = None
    """Those about articles, where the recipe has some."""

    @property
    def forms(self) -> Mapping[Digest, Form]:
        """What answers are held to, by their prompts' ids."""
        return self.questions.forms if self.questions is not None else {}

    @property
    def filters(self) -> FilterConfig:
        """The recipe's filters, for the engine."""
        return FilterConfig(**self.recipe.filters.model_dump())

    def check(self) -> None:
        """Raises InputError for an objective or a start that needs weights which are not at hand. Cheap."""
        recipe, name = self.recipe, self.teacher.name
        context.check(recipe)
        _check_mixture(recipe)
        if self.forms and self.teacher.runtime == "local":
            raise InputError(
                expected="a teacher that can be held to a schema: a GGUF file, or one behind an API",
                found=f"{name}, which transformers runs",
                fix="set prompts.articles.form=told: the schema then stands in the prompt",
            )
        if recipe.student.init == "none":
            return
        if alternatives(recipe):
            _check_remote(recipe, self.teacher)
        _check_across(recipe)
        if recipe.on_policy is not None and self.teacher.weights is None:
            raise InputError(
                expected="a teacher whose weights are here, to say what it thinks of the student's answers",
                found=f"on_policy with only the API of {name} at hand",
                fix="remove on_policy, or name a teacher by its weights",
            )
        if self.teacher.weights is not None:
            return
        if recipe.train.taught > 0 and not alternatives(recipe):
            raise InputError(
                expected=f"targets that can be had with only the API of {name} at hand",
                found=f"divergences weigh {recipe.train.taught:g}, "
                f"capture.targets = {recipe.capture.targets}",
                fix=f"set capture.targets=remote capture.k={MOST} to learn from what its host reports of "
                f"its tokens, or {text_alone(recipe.train)} to learn from its text alone",
            )
        if recipe.student.init != "model":
            raise InputError(
                expected=f"weights for the student to start from, since {_at_hand(recipe, name)}",
                found=f"student.init = {recipe.student.init}",
                fix="set student.init=model student.base=NAME",
            )

    def _check_further(self) -> None:
        """Raises InputError for a further teacher that scores its answers in another vocabulary."""
        from inbond.teachers.local import load_tokenizer
        from inbond.teachers.tokens import vocabulary_digest
        from inbond.train.student import check_same_tokens

        here = [source.weights for source in self.further if source.weights is not None]
        if not here or self.teacher.weights is None or self.recipe.train.divergence == 0:
            return
        first = vocabulary_digest(load_tokenizer(self.teacher.weights.folder()))
        for weights in here:
            check_same_tokens(first, vocabulary_digest(load_tokenizer(weights.folder())))

    def check_models(self) -> None:
        """Looks into the models' folders: k, draws, layers, adapters and tokenizers that cannot fit are an
        InputError now, a package that adapters need a MissingExtraError.

        Called once, before the first question; a GGUF file is converted for it, which capture needs anyway.
        """
        self.filters.check()
        for source in (self.teacher, *self.further):
            source.check_mark()
        if self.recipe.verify is not None:
            check_machine(self.recipe.verify.kind)
        if self.recipe.student.init == "none":
            return
        self._check_start()
        if self.teacher.weights is None:
            return
        self._check_further()
        if self.recipe.prompts.context is not None:
            from inbond.teachers.local import load_tokenizer

            context.check_shown(load_tokenizer(self.teacher.weights.folder()), self.recipe)
        config = _config(self.teacher.weights)
        _check_kept(self.recipe, config)
        if self.recipe.student.init == "prune" and "num_hidden_layers" in config:
            _check_pruning(self.recipe, self.teacher.weights, config["num_hidden_layers"])
        if self.base is not None:
            self._check_tokens(self.teacher.weights, self.base)

    def _check_start(self) -> None:
        """What the weights that the student begins from must allow."""
        start, recipe = self.base or self.teacher.weights, self.recipe
        if start is None:
            return
        if recipe.export.gguf or recipe.export.onnx:
            _check_exports(recipe, start)
        if recipe.on_policy is not None:
            serving_copies.check(recipe.on_policy, start)
        if recipe.train.lora is not None:
            _check_adapter(recipe.train.lora, start)

    def _check_tokens(self, teacher: Weights, base: Weights) -> None:
        """That the base has the teacher's tokens, or can be taught across."""
        from inbond.teachers.local import load_tokenizer
        from inbond.teachers.spelling import Speller
        from inbond.teachers.tokens import vocabulary_digest
        from inbond.train.student import check_same_tokens

        both = [load_tokenizer(weights.folder()) for weights in (teacher, base)]
        if not is_across(self.recipe):
            check_same_tokens(*map(vocabulary_digest, both))
            return
        from inbond.recipes import across

        named = {str(self.teacher.name): both[0], str(self.recipe.student.base): both[1]}
        across.check_prompts(self.recipe, named)
        for tokenizer in both:
            Speller(tokenizer)


def _check_pruning(recipe: Recipe, teacher: Weights, layers: int) -> None:
    from inbond.train.student import check_layers

    settings = recipe.student
    keep = settings.keep if settings.keep is not None else range(settings.layers or layers // 2)
    check_layers(keep, layers, narrower=settings.narrows)
    if settings.narrows:
        model = _architecture(teacher) if settings.widths else None
        narrowing.check(settings, teacher.folder(), model)


def _check_mixture(recipe: Recipe) -> None:
    """What several teachers cannot be combined with."""
    if not recipe.teachers:
        return
    for what, is_so in (
        ("capture.targets = online", recipe.capture.targets == "online" and recipe.train.divergence > 0),
        ("capture.targets = remote", alternatives(recipe) > 0),
        ("preferences", recipe.preferences is not None),
        ("on_policy", recipe.on_policy is not None),
        ("student.vocabulary", recipe.student.vocabulary is not None),
        ("another vocabulary", is_across(recipe)),
        (f"generate.role = {recipe.generate.role}", recipe.generate.role != "author"),
    ):
        if is_so:
            raise InputError(
                expected="with several teachers: their answers, and top-k or sampled targets, or text alone",
                found=what,
                fix="take one teacher for it, or leave it out",
            )


def _at_hand(recipe: Recipe, name: ModelName) -> str:
    if recipe.capture.reference is None:
        return f"only the API of {name} is at hand"
    return f"capture.reference serves to check {name} and nothing else"


def _check_remote(recipe: Recipe, teacher: TeacherSource) -> None:
    """What a host's log-probabilities cannot be asked for."""
    if teacher.weights is not None:
        raise InputError(
            expected="a teacher behind an API (api:host/model), as capture.targets = remote asks its host",
            found=f"{teacher.name}, whose weights are here and say more",
            fix="set capture.targets=top-k",
        )
    if recipe.train.temperature != 1:
        raise InputError(
            expected="train.temperature = 1, as a host's few likeliest tokens tell nothing of another one",
            found=f"train.temperature = {recipe.train.temperature:g} with capture.targets = remote",
            fix="set train.temperature=1",
        )
    if recipe.capture.k > MOST:
        raise InputError(
            expected=f"at most {MOST} alternatives a token, the most that hosts give",
            found=f"capture.k = {recipe.capture.k} with capture.targets = remote",
            fix=f"set capture.k={MOST}",
        )


def _check_across(recipe: Recipe) -> None:
    """What learning across vocabularies needs, and what nothing else can use."""
    if not is_across(recipe):
        if recipe.train.likelihood == 0:
            return
        raise InputError(
            expected="capture.targets = aligned, since train.likelihood is learnt from stretches of text",
            found=f"train.likelihood = {recipe.train.likelihood:g}, targets = {recipe.capture.targets}",
            fix="set capture.targets=aligned, or train.likelihood=0",
        )
    if recipe.student.init != "model":
        raise InputError(
            expected="a student with weights of its own, as capture.targets = aligned carries targets over "
            "to another vocabulary",
            found=f"student.init = {recipe.student.init}, whose vocabulary is the teacher's",
            fix="set student.init=model student.base=NAME, or capture.targets=top-k",
        )
    if recipe.train.dpo is not None:
        raise InputError(
            expected="records to learn from, as capture.targets = aligned does",
            found="train.dpo, which learns from pairs",
            fix="remove train.dpo, or set capture.targets=top-k",
        )
    if recipe.train.temperature != 1:
        raise InputError(
            expected="train.temperature = 1, as a stretch of several tokens has a likelihood at no other one",
            found=f"train.temperature = {recipe.train.temperature:g} with capture.targets = aligned",
            fix="set train.temperature=1",
        )


def _config(weights: Weights) -> dict[str, Any]:
    """config.json as it stands; what is wrong with it is said when the model is loaded."""
    try:
        value = json.loads((weights.folder() / "config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _check_kept(recipe: Recipe, config: dict[str, Any]) -> None:
    """What is kept of a token cannot be more than there is; online targets keep nothing."""
    vocabulary, targets = config.get("vocab_size"), recipe.capture.targets
    if recipe.train.taught == 0 or targets == "online" or not isinstance(vocabulary, int):
        return
    name, size = ("draws", recipe.capture.draws) if targets == "sampled" else ("k", recipe.capture.k)
    if size > vocabulary:
        raise InputError(
            expected=f"{name} from 1 to {vocabulary}, the teacher's vocabulary",
            found=f"{name} = {size}",
            fix=f"set capture.{name} lower",
        )


def _check_exports(recipe: Recipe, start: Weights) -> None:
    """Families and tokenizers that cannot be exported, and packages that are not there."""
    from inbond.edge import gguf_tokens
    from inbond.edge.source import Source

    source = Source(start.folder())
    shape = source.architecture
    if recipe.export.gguf:
        gguf_tokens.read(source.tokenizer, shape.vocabulary)
    needed = [("local", "xllamacpp")] if recipe.export.gguf else []
    needed += [("onnx", "onnx"), ("onnx", "onnxruntime")] if recipe.export.onnx else []
    for extra, package in needed:
        if find_spec(package) is None:
            raise need_extra(extra, package)


def _check_adapter(lora: Lora, start: Weights) -> None:
    """Looks for the layers that are adapted in the student's architecture, without its weights."""
    if find_spec("peft") is None:
        raise need_extra("train", "peft")
    from inbond.train import adapters

    model = _architecture(start)
    if model is not None:
        adapters.check_targets(model, adapters.Lora(**lora.model_dump()))


def _architecture(weights: Weights) -> Any | None:
    """The model without its numbers; None when it cannot be made, which is said when it is loaded."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(weights.folder(), trust_remote_code=False)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception:  # whatever readers of foreign files may raise
        return None
