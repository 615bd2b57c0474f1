"""What foreign files declare, as plain values: a card's front matter, configurations, a GGUF header.

Hostile input: sizes and counts are bounded before anything is made of them, and whatever is wrong with a
file is a ValueError: what that means is for whoever asked. One reader for all who ask: the gate wants to
know under which terms weights stand, the ledger what they descend from. What is present and cannot be used
is never left out: it stands in ``unread``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, final

import yaml

from inbond import strict_json
from inbond.policy import gguf_header
from inbond.policy.licences import normalise

CARD_LIMIT = 1 << 20
"""Bytes of a card that are read at most."""
_FRONT_LIMIT = 1 << 18
_MOST_ALIASES = 10
_SHOWN = 80

HUB_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
"""``organisation/name``: a path such as ./base or ../models is none."""
_MODEL = re.compile(rf"hf:{HUB_NAME}(@[A-Za-z0-9_./-]+)?")
_DATA = re.compile(rf"{HUB_NAME}|[A-Za-z0-9][A-Za-z0-9_-]*")
_FILES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".txt", ".arrow", ".zip", ".gz")
_HUB = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/")
_NO_LICENCE = frozenset({"other", "unknown"})
_PLAIN = re.compile(r"[^a-z0-9]+|\b(the|license|licence|version)\b")

# PyYAML's constructors let these through for values such as 2024-13-45.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


@final
@dataclass(frozen=True)
class Told:
    """What a file tells of a model or data. ``licences`` as written, all of which apply; ``other`` stands for
    one that the file does not name. ``bases`` as ``hf:org/name``; ``sources`` those that it is a conversion
    of; ``datasets`` as the Hub names them. ``unread``: what is there and cannot be used, by ``licence``,
    ``base`` or ``dataset``. ``values`` is all that the file holds."""

    licences: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    values: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def licence(self) -> str | None:
        """All that is named, as one expression; None when nothing is."""
        said = [text for text in self.licences if text.lower() not in _NO_LICENCE]
        return " AND ".join(f"({text})" for text in said) if len(said) > 1 else next(iter(said), None)

    def open(self, what: str) -> tuple[str, ...]:
        """What is there of one kind and cannot be used."""
        return tuple(text for kind, text in self.unread if kind == what)


def read_card(data: bytes) -> Told | None:
    """The front matter of a card; None when it has none. Raises ValueError when it cannot be read."""
    front = front_matter(data)
    if front is None:
        return None
    unread: list[tuple[str, str]] = []
    licences = list(_texts(front.get("license"), "licence", unread))
    named = list(_texts(front.get("license_name"), "licence", unread))
    return Told(
        tuple(_licences(licences, named)),
        tuple(_models(_texts(front.get("base_model"), "base", unread), unread)),
        (),
        tuple(_data(_texts(front.get("datasets"), "dataset", unread), unread)),
        tuple(unread),
        front,
    )


def read_config(data: bytes) -> Told:
    """What ``config.json`` says that weights were loaded from: as likely a folder of whoever made them as a
    name, so that it is never more than an open question. Raises ValueError."""
    values = json_object(data)
    unread: list[tuple[str, str]] = []
    bases = tuple(_texts(values.get("_name_or_path") or None, "base", unread))
    return Told((), bases, (), (), tuple(unread), values)


def read_adapter(data: bytes) -> Told:
    """The model that an adapter is for. Raises ValueError, also when it does not say."""
    values = json_object(data)
    name, revision = values.get("base_model_name_or_path"), values.get("revision")
    if not isinstance(name, str) or not name:
        raise ValueError("base_model_name_or_path is missing")
    at = f"@{revision}" if isinstance(revision, str) and revision and "@" not in name else ""
    unread: list[tuple[str, str]] = []
    return Told((), tuple(_models([f"{name}{at}"], unread)), (), (), tuple(unread), values)


def read_gguf(file: BinaryIO) -> Told:
    """What a GGUF header tells. Raises ValueError."""
    values = gguf_header.general(file)
    unread: list[tuple[str, str]] = []
    licences = list(_texts(values.get("general.license"), "licence", unread))
    named = list(_texts(values.get("general.license.name"), "licence", unread))
    bases = list(_texts(values.get("general.base_model"), "base", unread))
    bases += _numbered(values, "base_model", "base", unread)
    sets = list(_texts(values.get("general.datasets"), "dataset", unread))
    sets += _numbered(values, "dataset", "dataset", unread)
    sources = _address(values, "general.source", "base", unread)
    return Told(
        tuple(_licences(licences, named)),
        tuple(_models(bases, unread)),
        tuple(_models(sources, unread)),
        tuple(_data(sets, unread)),
        tuple(unread),
        values,
    )


# Fields ---------------------------------------------------------------------------------------------


def _texts(value: Any, what: str, unread: list[tuple[str, str]]) -> Iterator[str]:
    """The texts in a value that may be one text or a list; anything else is noted."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item.strip():
            yield item.strip()
        elif item is not None or isinstance(value, list):
            unread.append((what, shown(item)))


def _licences(said: Iterable[str], named: Iterable[str]) -> Iterator[str]:
    """Both fields apply: a name takes the place of ``other``, and stands beside anything else unless it only
    says the same in more words."""
    said, named = list(dict.fromkeys(said)), list(dict.fromkeys(named))
    if named:
        said = [text for text in said if text.lower() not in _NO_LICENCE]
    yield from said
    for text in named:
        same = (normalise(text), _plain(text))
        if not any(same[0] == normalise(other) or same[1] == _plain(other) for other in said):
            yield text


def _plain(text: str) -> str:
    return re.sub(_PLAIN, "", re.sub(r"[-_]", " ", text.lower()))


def _models(names: Iterable[str], unread: list[tuple[str, str]]) -> Iterator[str]:
    for name in names:
        id_ = hub_name(name)
        if _MODEL.fullmatch(id_):
            yield id_
        else:
            unread.append(("base", shown(name)))


def _data(names: Iterable[str], unread: list[tuple[str, str]]) -> Iterator[str]:
    for name in names:
        found = hub_data(name)
        if found is None:
            unread.append(("dataset", shown(name)))
        else:
            yield found


def hub_data(name: str) -> str | None:
    """The Hub's name of a data set, also out of its address; None for what is none, such as a file."""
    found = _HUB.sub("", name).removeprefix("datasets/").rstrip("/")
    return found if _DATA.fullmatch(found) and not found.lower().endswith(_FILES) else None


def _numbered(
    values: Mapping[str, Any], what: str, kind: str, unread: list[tuple[str, str]]
) -> Iterator[str]:
    """The addresses of ``general.base_model.0`` and so on, as the header has them."""
    form = re.compile(rf"(general\.{what}\.\d{{1,4}})\.\w[\w.]*")
    for prefix in dict.fromkeys(match[1] for key in values if (match := form.fullmatch(key))):
        yield from _address(values, prefix, kind, unread)


def _address(
    values: Mapping[str, Any], prefix: str, kind: str, unread: list[tuple[str, str]]
) -> Iterator[str]:
    """A Hub address. Names without one are as people say them (Meta Llama 3 8B), and are noted: which the
    Hub's name is would be a guess."""
    fields = ("repo_url", "huggingface.repository", "url", "name", "organization", "version", "doi", "uuid")
    told = {name: values[f"{prefix}.{name}"] for name in fields if f"{prefix}.{name}" in values}
    for name in fields[:3]:
        value = told.get(name)
        if isinstance(value, str) and _MODEL.fullmatch(hub_name(value.replace("/datasets/", "/"))):
            yield value
            return
    if told:
        called = [told[name] for name in ("name", "organization") if name in told] or list(told.values())
        unread.append((kind, " of ".join(shown(value) for value in called[:2])))


def shown(value: Any) -> str:
    """A foreign value in a message: quoted, and cut."""
    return f"{value!r:.{_SHOWN}}"


def hub_name(text: str) -> str:
    """``hf:org/name`` as the Hub writes it, also out of a Hub address; anything else stays what it was: a
    path such as /org/name is not the Hub's org/name."""
    return f"hf:{_HUB.sub('', text).removeprefix('hf:').rstrip('/')}"


# YAML and JSON --------------------------------------------------------------------------------------


@final
class _Loader(yaml.SafeLoader):
    """YAML as cards need it: no key twice, no merging of mappings, hardly any aliases. With those a few
    hundred bytes can stand for gigabytes."""

    _aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > _MOST_ALIASES:
                raise ValueError(f"it has more than {_MOST_ALIASES} aliases")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        """In place of merging."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise ValueError("it merges mappings (<<), which cards do not do")
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise ValueError(f"{shown(key.value)} is given twice")
                seen.add((key.tag, key.value))


def front_matter(data: bytes) -> Mapping[Any, Any] | None:
    """The YAML front matter of a card; None when it has none. Raises ValueError when it cannot be read."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is not UTF-8")
    lines = data[:CARD_LIMIT].removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[0].strip() != b"---":
        return None
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == b"---"), None)
    told = b"\n".join(lines[1:end])
    if end is None or len(told) > _FRONT_LIMIT:
        raise ValueError("its front matter does not end" if end is None else "its front matter is too long")
    text = _utf8(told)
    try:
        front = yaml.load(text, _Loader)
    except _UNREADABLE as error:
        raise ValueError(f"its front matter is not YAML: {error}") from error
    if front is not None and not isinstance(front, dict):
        raise ValueError("its front matter has no fields")
    return front or {}


def json_object(data: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises ValueError when it is none, has a key twice, or is nested too deeply."""
    try:
        values = strict_json.parse(_utf8(data).removeprefix("\ufeff"))
    except strict_json.RepeatedNameError as error:
        raise ValueError(f"{shown(error.name)} is given twice") from None
    except strict_json.NoNumberError as error:
        raise ValueError(f"it holds {error.text}, which is no number of JSON") from None
    except strict_json.TooDeepError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return values


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start} of the text)") from error


def strings(value: Any) -> tuple[str, ...]:
    """The texts in a value that may be one text or a list."""
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)
