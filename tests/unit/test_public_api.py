"""The public API's signatures, frozen: a change shows in the diff of a golden file."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Iterator

import typer
import typer.models

PUBLIC = {
    "inbond.digest": [
        "of_bytes",
        "of_file",
        "of_value",
        "canonical",
        "merkle_root",
        "inclusion_proof",
        "consistency_proof",
        "proves_inclusion",
        "proves_consistency",
    ],
    "inbond.errors": ["InbondError", "InputError", "DecisionNeededError", "DeniedError", "TamperedError"],
    "inbond.types": ["Message", "Record", "Origin", "Reason", "Verdict", "ModelName", "parse_model_name"],
    "inbond.workspace": ["Workspace", "find_home"],
    "inbond.policy.facts": ["Facts", "LicenceFinding", "DataLicence"],
    "inbond.policy.decide": ["decide", "Decision"],
    "inbond.ledger.ledger": ["Ledger"],
    "inbond.ledger.verify": ["verify_workspace", "verify_target", "VerifyReport"],
    "inbond.ledger.attest": ["KeyStore", "read_public_key"],
    "inbond.ledger.envelope": ["Envelope", "statement", "seal", "encode", "decode", "open_statement"],
    "inbond.ledger.attested": ["check_folder"],
    "inbond.ledger.proof": ["Proof", "Shown", "proof_from_json", "check"],
    "inbond.ledger.proving": ["prove"],
    "inbond.ledger.records": ["Row", "write_rows", "read_rows"],
    "inbond.ledger.lineage": ["Node", "Edge", "Part", "Unknown", "Graph"],
    "inbond.ledger.weaving": ["build", "join"],
    "inbond.ledger.asking": ["read", "Lineage"],
    "inbond.ledger.importing": ["read_path"],
    "inbond.teachers.protocols": [
        "Sampling",
        "Form",
        "Request",
        "Reply",
        "TokenSequence",
        "Keep",
        "Scores",
    ],
    "inbond.engine.completions": ["complete_all", "FailurePolicy"],
    "inbond.forensics.marking": ["GreenMark"],
    "inbond.engine.preferences": ["choose", "Preferred", "Rules"],
    "inbond.losses.divergences": [
        "Events",
        "ForwardKL",
        "ReverseKL",
        "JSD",
        "jsd",
        "SkewKL",
        "SkewReverseKL",
        "AdaptiveKL",
        "Mixture",
    ],
    "inbond.losses.targets": ["TopK", "Sampled", "Dense", "Online"],
    "inbond.losses.objectives": ["Distil"],
    "inbond.losses.sampling": ["draw"],
    "inbond.losses.batches": ["make_batch"],
    "inbond.losses.hidden": ["label_hidden", "can_share"],
    "inbond.losses.heads": ["chunked_loss", "dense_divergence"],
    "inbond.losses.likelihood": ["Likelihood", "likelihood_loss", "label_logp"],
    "inbond.losses.preferences": ["DPO"],
    "inbond.losses.policy": ["PolicyGradient"],
    "inbond.train.capture": ["capture", "load_targets", "Expected"],
    "inbond.train.shards": ["encode", "unseal", "decode"],
    "inbond.train.examples": ["Example", "Aim", "Objectives"],
    "inbond.train.adapters": ["Lora", "attach", "merge"],
    "inbond.train.loop": ["train", "Plan"],
    "inbond.train.lessons": ["Fixed", "Step"],
    "inbond.train.likelihoods": ["capture_logp", "load_logp"],
    "inbond.train.pairs": ["Pair", "Preference", "Preferring", "check_pairs"],
    "inbond.train.on_policy": ["OnPolicy", "OnPolicyCriterion", "Course"],
    "inbond.train.drawing": ["Drawing", "Draws", "Here", "draw"],
    "inbond.train.collapse": ["note", "collapse", "Beside", "Floors"],
    "inbond.evaluate.diversity": ["measure", "decide", "Limits"],
    "inbond.evaluate.generality": ["Generality", "decide", "Limits"],
    "inbond.evaluate.capacity": ["Capacity", "diagnose", "Limits"],
    "inbond.recipes.reading": ["load", "parse", "to_yaml"],
    "inbond.recipes.run": ["run_recipe", "Options"],
    "inbond.report.page": ["render_page"],
    "inbond.report.card": ["render_card"],
}


def described() -> str:
    lines = []
    for module, names in PUBLIC.items():
        for name in names:
            found = getattr(importlib.import_module(module), name)
            lines.append(f"{module}.{name}{inspect.signature(found)}")
            if inspect.isclass(found):
                lines += [
                    f"    .{method}{inspect.signature(value)}"
                    for method, value in sorted(vars(found).items())
                    if inspect.isfunction(value) and not method.startswith("_")
                ]
    return "\n".join(lines) + "\n"


def test_public_signatures_are_frozen(golden) -> None:  # type: ignore[no-untyped-def]
    golden("public_api.txt", described())


def commands() -> list[str]:
    """Every command with its arguments and options."""
    from inbond.cli import verbs

    app = typer.Typer()
    verbs.register(app)
    lines = []
    for prefix, group in _groups("", app):
        for command in group.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__
            hints = typing.get_type_hints(command.callback, include_extras=True)
            options = [flag for name_, hint in hints.items() for flag in _flags(name_, hint)]
            lines.append(f"inbond {prefix}{name}: {' '.join(options)}")
    return lines


def _groups(prefix: str, app: typer.Typer) -> Iterator[tuple[str, typer.Typer]]:
    """An app and those within it, with what is typed before their verbs."""
    yield prefix, app
    for group in app.registered_groups:
        assert group.name is not None
        assert group.typer_instance is not None
        yield from _groups(f"{prefix}{group.name} ", group.typer_instance)


def test_the_command_line_is_frozen(golden) -> None:  # type: ignore[no-untyped-def]
    """Verbs and options that scripts rely on."""
    golden("command_line.txt", "\n".join(commands()) + "\n")


def test_every_command_has_json_quiet_and_home() -> None:
    """What README promises of all of them."""
    assert len(commands()) > 10
    for line in commands():
        assert {"--json", "--quiet", "--home"} <= set(line.split()), line


def _flags(name: str, hint: object) -> list[str]:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, typer.models.OptionInfo):
            return (
                [extra.default, *(extra.param_decls or [])]
                if isinstance(extra.default, str)
                else list(extra.param_decls or [f"--{name.replace('_', '-')}"])
            )
        if isinstance(extra, typer.models.ArgumentInfo):
            return [name.upper()]
    return []
