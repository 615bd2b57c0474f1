"""How the guard reads what its operator writes, guard.yaml and callers.yaml: YAML or JSON, no key twice, and
what is wrong said in the words of the file. Nothing that is said quotes a value: it may be a key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from inbond import strict_json
from inbond.errors import InputError

_KINDS: Final[Mapping[str, str]] = {
    "model_type": "write names with values, as docs/guard.md shows",
    "model_attributes_type": "write names with values, as docs/guard.md shows",
    "dict_type": "write names with values, as docs/guard.md shows",
    "tuple_type": "write a list, in square brackets",
    "frozen_set_type": "write a list, in square brackets",
    "missing": "it has to be there",
    "extra_forbidden": "there is no such field",
}
_DEEPEST: Final = 32
_MOST_SHOWN: Final = 200
"""Characters of a field's name: what is no field may be a whole file."""
_RAW_KEY: Final = re.compile(r"ib-[\w-]{43}")


def read_file(path: Path) -> bytes:
    """Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            expected=f"a file that can be read at {path}",
            found=error.strerror or str(error),
            fix="correct the path",
        ) from error


def looks_like_key(text: str) -> bool:
    """Whether a key stands in it, as ``callers.new_key`` makes them."""
    return _RAW_KEY.search(text) is not None


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice: the second would take the place of the first, with all below it."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            if twice != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"{str(twice)[:100]!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def values(data: bytes) -> Any:
    """What a file says. Raises ValueError, RecursionError and YAML's own errors, which ``fault`` words: of
    JSON a name that stands twice, NaN and nesting in the words of ``strict_json``."""
    text = data.decode("utf-8-sig")
    if text.lstrip().startswith("{"):
        try:
            return strict_json.parse(text)
        except json.JSONDecodeError:
            pass  # YAML also begins so
    _check_depth(text)
    return yaml.load(text, _Loader)


def _check_depth(text: str) -> None:
    """Raises ValueError. The loader in C goes down without looking, and takes the process with it."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"nested more than {_DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def fault(error: Exception) -> str:
    """The first thing that is wrong: where, and why."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        given = first["input"]
        if looks_like_key(f"{field} {given}" if isinstance(given, str) else field):
            where = _RAW_KEY.sub("(a key)", field)[:_MOST_SHOWN]
            return f"{where}: a key itself; write its hash, which inbond guard key prints beside it"
        return (
            f"{field[:_MOST_SHOWN]}: {_KINDS.get(first['type'], first['msg'].removeprefix('Value error, '))}"
        )
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem or error.context}"
    if isinstance(error, InputError):
        return f"{error.found} instead of {error.expected}"
    return _RAW_KEY.sub("(a key)", str(error)) or "what cannot be read"
