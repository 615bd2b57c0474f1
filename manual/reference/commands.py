"""Every command with its arguments, options and examples, as the command line itself declares them."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import typer

from manual.reference.words import code, first_sentence, opening, plain, table

_EVERYWHERE = ("--home", "--json", "--quiet")
_EXAMPLES = re.compile(r"\bExamples?:\s*")
_KINDS = {bool: "", int: "N", float: "N", Path: "PATH", str: "TEXT"}


@final
@dataclass(frozen=True)
class Command:
    """``parameters`` are typer's own, arguments first as they are typed."""

    name: str
    says: str
    examples: tuple[str, ...]
    parameters: tuple[Any, ...]


def commands() -> list[Command]:
    """In the order of --help."""
    from inbond.cli import verbs

    app = typer.Typer()
    verbs.register(app)
    return list(_within("inbond", typer.main.get_command(app)))


def _within(name: str, found: Any) -> Iterator[Command]:
    if hasattr(found, "commands"):
        for below, each in found.commands.items():
            yield from _within(f"{name} {below}", each)
        return
    text, _, examples = plain(found.help).partition("Example")
    shown = _EXAMPLES.split(f"Example{examples}")[-1] if examples else ""
    yield Command(name, text.strip(), tuple(_split(shown)), tuple(found.params))


def _split(examples: str) -> list[str]:
    """Examples stand in one paragraph, parted by dots in the middle of the line or by semicolons."""
    parts = re.split(r"\s+·\s+|;\s+(?=inbond )|\s(?=inbond )", examples)
    return [part.strip().rstrip(".;,") for part in parts if part.strip().startswith("inbond")]


def page() -> str:
    found = commands()
    names = [[f"[`{each.name}`](#{_anchor(each.name)})", first_sentence(each.says)] for each in found]
    return opening("Commands", "commands") + table(["command", ""], names) + "".join(map(_section, found))


def _section(command: Command) -> str:
    options = [each for each in command.parameters if _is_option(each) and each.opts[0] not in _EVERYWHERE]
    arguments = [each for each in command.parameters if not _is_option(each)]
    typed = [command.name, *map(_placeholder, arguments), *(["[OPTION]..."] if options else [])]
    examples = "```sh\n" + "\n".join(command.examples) + "\n```\n\n" if command.examples else ""
    rows = [[code(_typed(each)), _help(each)] for each in (*arguments, *options)]
    return f"\n## {code(command.name)}\n\n`{' '.join(typed)}`\n\n{command.says}\n\n{examples}" + (
        table(["argument or option", "meaning"], rows) if rows else ""
    )


def _is_option(parameter: Any) -> bool:
    return str(parameter.opts[0]).startswith("-")


def _placeholder(argument: Any) -> str:
    name = str(argument.name).upper().rstrip("_")
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _typed(parameter: Any) -> str:
    if not _is_option(parameter):
        return _placeholder(parameter)
    flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return flags
    value = parameter.metavar or _value(parameter.type_descriptor.annotation)
    return f"{flags} {value}" + (" ..." if parameter.multiple else "")


def _value(annotation: Any) -> str:
    inner = [each for each in typing.get_args(annotation) if each is not type(None)] or [annotation]
    if typing.get_origin(annotation) is typing.Literal:
        return "|".join(map(str, inner))
    return _KINDS.get(inner[0], "VALUE")


def _help(parameter: Any) -> str:
    """Its help, and its default where that says something."""
    default, flag = parameter.default, getattr(parameter, "is_flag", False)
    said = " ".join((parameter.help or "").split())
    if default in (None, "", (), []) or (flag and default is False) or callable(default) or "efault" in said:
        return said
    shown = (
        {True: "on"}.get(default, str(default))
        if isinstance(default, bool)
        else str(getattr(default, "value", default))
    )
    return f"{said} Default: {code(shown)}.".strip()


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
