"""Which artifact a person means by a name: exact on its boundaries, and lenient only about dates. Pure.

Beside what a name means there is what it may mean: the same name under another organisation or host, a
version of it, or a family (qwen). That is never a yes, and keeps a no from being said. An id that ends in
words in brackets, ``bom:Gemma (which one is not established)``, stands for one of a family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from pathlib import Path

from inbond.errors import InputError
from inbond.ledger.lineage import Graph
from inbond.ledger.scopes import on_disk

_DATE = (
    r"(?:(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|2\d(?:0[1-9]|1[0-2]))"
)
"""2024-08-06, 20240806, 0613 (month and day), 2407 (year and month)."""
_DATED = re.compile(rf"-{_DATE}(?:-preview)?$")
_SCHEME = re.compile(r"(hf|path|gguf|pypi|api|run|data|bom):")
_ANY_CASE = ("hf:", "api:", "pypi:")
"""Names that mean the same in any case; files and runs of two cases are two."""
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")
_WORD = re.compile(r"[^\W\d_]+|\d[^\W_]*(?:\.\d[^\W_]*)*")
"""Letters, or what begins with a digit (3.1, 4o, 30B): Qwen3 is two words, gpt-4o is two, and 4o is one."""


def same_name(asked: str, id_: str) -> bool:
    """Whether a name that a person gives means the artifact ``id_``.

    A whole id, an id without its revision, or a bare name: the last part of the id, in any case, alone or
    with a date after it. gpt-4o means api:api.openai.com/gpt-4o-2024-08-06, and not gpt-4o-mini.
    """
    if whole_name(asked, id_):
        return True
    wanted, name = asked, _without_revision(id_)
    if _SCHEME.match(asked):
        if not id_.startswith(_ANY_CASE):
            return _undated(name) == asked
        names = {name}
    else:
        rest = _bare(id_)
        names = {rest, rest.partition(" (")[0]}
        names |= set() if "/" in asked else {_last(name) for name in names}
    wanted = wanted.casefold()
    return any(wanted in (found, _undated(found)) for found in map(str.casefold, names))


def whole_name(asked: str, id_: str) -> bool:
    """Whether a name says which artifact it means and where it is: ``id_``, or that without its revision."""
    if id_.startswith(_ANY_CASE):
        asked, id_ = asked.casefold(), id_.casefold()
    return asked == id_ or (bool(_SCHEME.match(asked)) and id_.startswith(f"{asked}@"))


def may_mean(asked: str, id_: str) -> bool:
    """Whether a name that does not mean ``id_`` by its words alone may do so: ``id_`` says less than it (no
    date, no revision, only which family it is of), or lies elsewhere under the same name."""
    bare = _words(_last(_plain(asked)))
    name = _last(_plain(id_))
    family, said, _ = name.partition(" (")
    if said and _within(_words(family), bare):
        return True
    return bool(bare) and _words(name) in (bare, _words(_last(_undated(_plain(asked)))))


def of_family(asked: str, id_: str) -> bool:
    """Whether the name of ``id_`` has ``asked`` in it, word by word: qwen is in Qwen3-8B, and gpt-4o in
    gpt-4o-mini, which it does not mean."""
    return _within(_words(_plain(asked)), _words(_plain(id_)))


def _within(family: list[str], words: list[str]) -> bool:
    """Whether ``family`` stands among ``words``, one after the other. llama-3 is the family of llama-3.1."""
    size = len(family)
    return bool(size) and any(
        words[at : at + size - 1] == family[:-1] and f"{words[at + size - 1]}.".startswith(f"{family[-1]}.")
        for at in range(len(words) - size + 1)
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _plain(name: str) -> str:
    """Without scheme, revision and tag (``:free``)."""
    bare = _bare(name).casefold()
    head, slash, tail = bare.rpartition("/")
    return head + slash + tail.partition(":")[0]


def _bare(name: str) -> str:
    """Without scheme and revision."""
    return _SCHEME.sub("", _without_revision(name), count=1)


def _without_revision(name: str) -> str:
    return name.rpartition("@")[0] or name


def _last(text: str) -> str:
    return re.split(r"[/#]", text)[-1]


def _undated(name: str) -> str:
    return _DATED.sub("", name)


def check_name(asked: str, graph: Graph) -> None:
    """Raises InputError for a name that can name nothing: no letter, no digit."""
    if not _words(asked) and graph.find(asked) is None:
        raise InputError(
            expected="the name of a model or data to look for",
            found=f"{asked!r:.80}",
            fix="give a name, such as gpt-4o or hf:Qwen/Qwen3-8B",
        )


def matching(asked: str, graph: Graph, among: Iterable[str]) -> list[str]:
    """The ids among ``among`` that a person means by ``asked``: a name, a digest, or its beginning; other
    names of theirs included."""
    ids = list(among)
    digest = _DIGEST.fullmatch(asked)
    if digest is not None:
        begins = f"sha256:{digest[1]}"
        found = [id_ for id_ in ids if any(item.startswith(begins) for item in graph.nodes[id_].digests)]
        if found:
            return found
    return named(same_name, asked, graph, ids)


def wholly(asked: str, graph: Graph, id_: str) -> bool:
    """Whether ``asked`` is the whole name of ``id_``, or of the same artifact, or its digest."""
    return asked in graph.nodes[id_].digests or bool(named(whole_name, asked, graph, [id_]))


def named(same: Callable[[str, str], bool], asked: str, graph: Graph, among: Iterable[str]) -> list[str]:
    """The ids among ``among`` of which one name is the ``same`` as ``asked``. A path that is not whole begins
    in the current folder, as everywhere on a command line."""
    meant = dict.fromkeys((asked, on_disk(asked, Path.cwd())))
    others: dict[str, list[str]] = {}
    for name, id_ in graph.names.items():
        others.setdefault(id_, []).append(name)
    return [
        id_
        for id_ in among
        if any(same(text, name) for name in (id_, *others.get(id_, ())) for text in meant)
    ]


def nearest(asked: str, names: Iterable[str]) -> list[str]:
    """The names, the most alike first."""
    wanted = _last(_plain(asked))

    def unlike(name: str) -> tuple[bool, float, str]:
        return not of_family(asked, name), -SequenceMatcher(None, wanted, _last(_plain(name))).ratio(), name

    return sorted(names, key=unlike)
