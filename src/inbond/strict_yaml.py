"""YAML that can be read in one way only: no mapping has a field twice, of which the first would be lost,
nothing stands for anything else (no aliases, no merging), with which a few bytes can mean gigabytes, and yes,
no, on and off are words, as in YAML 1.2, and no truth values. Pure.

What is refused is said in a sentence; who read it words it for those it answers to.
"""

from __future__ import annotations

import re
from typing import Any, final

import yaml

# PyYAML's constructors let these through for values such as 2024-13-45 or !!int x.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError)

_BOOL = "tag:yaml.org,2002:bool"
_TRUTH = re.compile(r"true|True|TRUE|false|False|FALSE")


def parse(data: bytes) -> Any:
    """The value. Raises ValueError that says in one line what is wrong, and where."""
    try:
        value = yaml.load(data.decode("utf-8-sig"), _Loader)
        _check_text(value)
        return value
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("text that is not UTF-8") from None
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate)") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        said = error.problem or error.context or "a fault"
        raise ValueError(f"line {mark.line + 1}: {said}" if mark else said) from error
    except _UNREADABLE as error:
        raise ValueError(" ".join(str(error).split())[:300]) from error


@final
class _Loader(yaml.SafeLoader):
    """Refuses what ``parse`` says."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as the base class has it
        first: [(tag, form) for tag, form in known if tag != _BOOL]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            _refuse("an alias (*name): write it out", self.peek_event())  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """In place of merging."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                _refuse("merging (<<): write it out", key)
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    _refuse(f"the field {key.value!r:.60} twice", key)
                seen.add((key.tag, key.value))


_Loader.add_implicit_resolver(_BOOL, _TRUTH, list("tTfF"))


def _refuse(what: str, where: Any) -> None:
    raise yaml.constructor.ConstructorError(None, None, what, where.start_mark)


def _check_text(value: Any) -> None:
    """Halves of characters cannot be written again."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            _check_text(item)
