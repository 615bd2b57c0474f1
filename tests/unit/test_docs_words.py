"""What README and docs say between the lines: commands in sentences are commands, files that they show can be
read, every verb has its page, and every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from manual.site import gather

from inbond.errors import InputError
from inbond.guard.config import parse_config
from inbond.ledger.lineage_file import parse as parse_lineage
from inbond.policy.terms import parse_terms
from inbond.policy.weights import registry_of
from inbond.recipes import pipeline, reading
from inbond.roundtable.agenda import parse_agenda
from inbond.roundtable.judge.constitution import parse as parse_constitution
from inbond.strict_yaml import parse as parse_yaml
from inbond.teachers.hosts import read_hosts
from tests.docs_pages import PAGES, ROOT, fences, mentioned, name_of

EVERYWHERE = {"-h", "--help"}


def tree() -> Any:
    from inbond.cli import verbs

    app = typer.Typer()
    verbs.register(app)
    return typer.main.get_command(app)


def fault(command: str, root: Any) -> str | None:
    """Why nobody could type it, or None. Words in capitals, dots, brackets and bars stand for something."""
    bare = re.sub(r"\s+#.*$", "", command)
    words = shlex.split(re.sub(r"\[|\]|\.\.\.|…", " ", bare))[1:]
    at = root
    while words and hasattr(at, "commands"):
        first = words.pop(0)
        if first in ("--help", "-h", "--version") or first.isupper():
            return None
        each = first.split("|")
        unknown = [name for name in each if name not in at.commands]
        if unknown:
            return f"no verb {unknown[0]!r}"
        at = at.commands[each[0]]
    if hasattr(at, "commands"):
        return None  # a group by its name alone
    known = {
        flag: parameter for parameter in at.params for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word in (">", "|", ">>", "&&"):
            return None
        if re.fullmatch(r"--?[A-Za-z].*", word):
            for flag in word.partition("=")[0].split("|"):
                if flag not in known and flag not in EVERYWHERE:
                    return f"no option {flag!r}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_sentences_are_commands(page: Path) -> None:
    root = tree()
    wrong = [f"{command}: {why}" for command in mentioned(page) if (why := fault(command, root))]
    assert wrong == []


def test_there_are_many_of_them() -> None:
    assert sum(len(list(mentioned(page))) for page in PAGES) > 150


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("inbond run demo --set a.b=c", None),
        ("inbond export gguf|onnx RUN --out FILE", None),
        ("inbond models list", None),
        ("inbond models lst", "no verb 'lst'"),
        ("inbond distil", "no verb 'distil'"),
        ("inbond run demo --sett a=b", "no option '--sett'"),
        ("inbond verify TARGET [--key PUB] [--haed FILE]", "no option '--haed'"),
        ("inbond keys show > key.pem", None),
    ],
)
def test_what_nobody_could_type_is_told(command: str, why: str | None) -> None:
    assert fault(command, tree()) == why


def test_examples_in_the_help_are_commands() -> None:
    from manual.reference.commands import commands

    root, found = tree(), commands()
    wrong = [
        f"{example}: {why}" for each in found for example in each.examples if (why := fault(example, root))
    ]
    assert wrong == []
    assert [each.name for each in found if not each.examples] == []


YAML = [
    pytest.param(page, number, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, _ in enumerate(fences(page, "yaml"))
]


@pytest.mark.parametrize(("page", "number"), YAML)
def test_yaml_that_pages_show_is_read_by_what_it_is_for(page: Path, number: int, tmp_path: Path) -> None:
    text = fences(page, "yaml")[number]
    values = parse_yaml(text.encode())
    read_as(values, text, tmp_path, name_of(page))


def read_as(values: Mapping[str, Any], text: str, folder: Path, where: str) -> None:
    """By the reader of hosts, of the guard's configuration, of a roundtable's session, else of recipes, where
    what every recipe needs is filled in."""
    if all(re.search(r"[.:]", name) for name in values):
        (folder / "hosts.yaml").write_text(text, "utf-8")
        (folder / "example.json").write_text("{}", "utf-8")
        assert set(read_hosts(folder / "hosts.yaml")) == set(values)
    elif "upstream" in values:
        parse_config(where, text.replace("sha256:...", f"sha256:{'0' * 64}").encode())
    elif "question" in values:
        parse_agenda(text.encode(), where)
    elif "principles" in values:
        parse_constitution(text.encode(), where)
    elif "stages" in values:
        pipeline.parse(values, where)
    else:
        needed = {"name": "shown", "teacher": "path:model", "prompts": {"items": ["a"]}}
        reading.parse({**needed, **values}, where)


def test_a_misspelt_field_in_a_page_would_be_told(tmp_path: Path) -> None:
    for text in (
        "train: {klx: 1}",
        "a.example: {base_pth: /}",
        "question: a\noptons: [b, c]",
        "upstream: {ur: a}",
    ):
        with pytest.raises(InputError):
            read_as(parse_yaml(text.encode()), text, tmp_path, "a page")


def test_toml_that_pages_show_is_read_by_what_it_is_for() -> None:
    read = []
    for page in PAGES:
        for text in fences(page, "toml"):
            values = tomllib.loads(text)
            if "model" in values:
                registry_of([("models.toml", text.encode())])
            elif values.get("format") == "inbond.lineage/1":
                parse_lineage("a.lineage.toml", text.encode(), "sha256:" + "0" * 64)
            else:
                parse_terms("example.toml", text.encode())
            read.append(name_of(page))
    assert read == ["docs/import.md", "docs/terms-contributing.md", "docs/terms.md"]


def test_every_verb_has_its_page() -> None:
    root = tree()
    titles = {page.title for page in gather().pages.values()}
    missing = [verb for verb in root.commands if not any(f"inbond {verb}" in title for title in titles)]
    assert missing == []


def test_links_lead_somewhere() -> None:
    """Those of docs are held by ``gather``; README's are files of the repository."""
    gather()
    text = (ROOT / "README.md").read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(links) > 20
