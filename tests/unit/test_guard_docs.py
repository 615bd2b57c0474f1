"""docs/guard.md names every field that guard.yaml and its tenants have, with its default, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from inbond.guard.callers import Account, Limits, Registered, Tenant, parse_callers
from inbond.guard.config import GuardConfig, ModelPolicy, Sealing, UpstreamSettings, parse_config

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")
WITHIN: dict[str, tuple[str, type[BaseModel]]] = {
    "upstream": ("upstream", UpstreamSettings),
    "sealing": ("sealing", Sealing),
    "models": ("models.NAME", ModelPolicy),
}
NOT_A_VALUE = ("`--upstream`", "known ones", "all", "a file", "none")


def told() -> dict[str, str]:
    """Each field of the tables, with its default as the page writes it."""
    section = PAGE.partition("## Every field\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| .+ \|$", section, re.M)
    assert len(rows) == len(dict(rows)), "no field stands twice"
    return dict(rows)


def fields(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if not before and name in WITHIN:
            yield from fields(WITHIN[name][1], f"{WITHIN[name][0]}.")
        elif before == "TENANT." and name == "registration":
            yield from fields(Registered, "TENANT.registration.")
        elif before != "TENANT." or name != "accounts":
            yield f"{before}{name}", field


def all_fields() -> dict[str, FieldInfo]:
    return dict([*fields(GuardConfig), *fields(Tenant, "TENANT."), *fields(Account, "ACCOUNT.")])


def test_every_field_is_told_and_no_other() -> None:
    assert sorted(told()) == sorted(all_fields())


def test_defaults_are_those_of_the_program() -> None:
    for name, field in all_fields().items():
        said, value = told()[name], field.default
        if said in NOT_A_VALUE or said == "unknown" or isinstance(value, Limits):
            continue
        assert _as(said) == value, name


def _as(said: str) -> Any:
    return yaml.safe_load(said.strip("`"))


def test_limits_are_told_by_name() -> None:
    section = PAGE.partition("\nLimits are `")[2].partition("\n\n")[0]
    assert set(re.findall(r"\w+", section)) >= set(Limits.model_fields)


def test_the_file_that_is_shown_is_one_that_can_be_read() -> None:
    shown = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if "tenants:" in block)
    text = shown.replace("sha256:...", "sha256:" + "0" * 64).encode()
    config = parse_config("guard.yaml", text)
    assert config.models["my-model"].reasoning == "seal"
    callers = parse_callers("guard.yaml", text, within=True)
    assert [caller.name for caller in callers.by_hash.values()] == ["acme/team-a"]
    assert callers.unknown.blind == ()
