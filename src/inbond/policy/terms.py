"""Terms as data: one TOML file a text, read strictly, and all of them by id.

A file says what a text is (id, version, dates, how sure we are) and what it says about three things:
training on a model's outputs (``outputs``), models made from its weights (``derived_weights``), and
training on the text itself as data (``training_data``). A thing the file does not speak of is
reviewed. ``silent`` and ``express`` are different stances and stay so. Pure: files are ``library``'s.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.policy.contradictions import check
from inbond.policy.licences import is_listed
from inbond.policy.obligations import KINDS
from inbond.policy.schema import Terms
from inbond.policy.strict import toml_values


@dataclass(frozen=True)
class Catalogue:
    """All terms by id, and ids by the names that cards use. Its digest is part of who decided."""

    terms: Mapping[str, Terms]
    digest: Digest
    names: Mapping[str, str]
    owners: Mapping[str, str]
    """The file behind each id."""

    def get(self, id_: str) -> Terms | None:
        """The terms of this id, or of exactly this name on a card."""
        return self.terms.get(id_) or self.terms.get(self.names.get(id_, ""))

    def not_yet(self, day: date) -> tuple[str, ...]:
        """The ids of all texts that are not in force on that day, in order."""
        early = (
            id_ for id_, text in self.terms.items() if text.effective is not None and day < text.effective
        )
        return tuple(sorted(early))

    def standing(self, terms: Terms, in_force: Callable[[Terms], bool]) -> Terms | None:
        """This text, or the latest of those that it replaced, of which ``in_force`` holds; None where there
        is none on file."""
        found: Terms | None = terms
        while found is not None and not in_force(found):
            found = self.terms.get(found.replaces) if found.replaces is not None else None
        return found


def parse_terms(file: str, data: bytes) -> Terms:
    """Reads one terms file. Raises InputError that names ``file`` and the field."""
    try:
        terms = Terms.model_validate(_spread(toml_values(data)))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            expected=f"a TOML file in UTF-8 at {file}", found=str(error), fix="correct the file at that place"
        ) from error
    except ValidationError as error:
        raise _refusal(file, error) from error
    check(file, terms)
    return terms


def _spread(value: dict[str, Any]) -> dict[str, Any]:
    """Obligations under ``shared`` are those of ``outputs`` and of ``derived_weights`` alike."""
    shared = value.get("shared")
    positions = [value.get(topic) for topic in ("outputs", "derived_weights")]
    taking = [item for item in positions if isinstance(item, dict)]
    if not isinstance(shared, list) or not taking:
        return value  # the schema knows no such field, and says so
    for position in taking:
        own = position.get("obligations", [])
        position["obligations"] = [*own, *shared] if isinstance(own, list) else own
    del value["shared"]
    return value


def catalogue_of(files: Iterable[tuple[str, bytes]], below: Catalogue | None = None) -> Catalogue:
    """Builds a catalogue from (file name, bytes), on top of the one ``below``. Raises InputError as
    ``parse_terms`` does, and when two files claim one id or one name."""
    terms: dict[str, Terms] = dict(below.terms) if below else {}
    names: dict[str, str] = dict(below.names) if below else {}
    owner: dict[str, str] = dict(below.owners) if below else {}
    for file, data in files:
        read = parse_terms(file, data)
        _check_names(file, read)
        for field, claimed in (("id", (read.id,)), ("names", read.names)):
            for text in claimed:
                taken = owner.get(text) or owner.get(names.get(text, ""))
                if taken is not None:
                    raise _two_owners(field, text, taken, file)
        terms[read.id], owner[read.id] = read, file
        names |= dict.fromkeys(read.names, read.id)
    for each in terms.values():
        _check_replaced(owner[each.id], each, terms)
    digest = of_value({id_: item.model_dump(mode="json") for id_, item in terms.items()})
    return Catalogue(terms, digest, names, owner)


def _check_names(file: str, terms: Terms) -> None:
    """A name is what cards say for want of an id: the id of another licence is none."""
    for name in terms.names:
        if is_listed(name):
            raise InputError(
                expected=f"names in {file} that are no licence's id",
                found=f"field names: {name!r}, which is the SPDX id of a licence",
                fix="remove it; a reading of that licence is a terms file of its own, with that id",
            )


def _check_replaced(file: str, terms: Terms, every: Mapping[str, Terms]) -> None:
    if terms.replaces is None:
        return
    before = every.get(terms.replaces)
    days = (before.effective, terms.effective) if before is not None and before.kind == terms.kind else None
    if days is not None and days[0] is not None and days[1] is not None and days[0] < days[1]:
        return
    raise InputError(
        expected=f"replaces in {file} to name the {terms.kind}'s text that was in force before",
        found=f"{terms.replaces!r}, which is no such text on file with an earlier day under effective",
        fix="add that text, or remove replaces",
    )


def _two_owners(field: str, text: str, first: str, second: str) -> InputError:
    return InputError(
        expected=f"one file for the terms {text}",
        found=f"field {field}: both {first} and {second} claim it",
        fix="give one of them an id of its own, or remove it",
    )


def _refusal(file: str, error: ValidationError) -> InputError:
    first: Any = error.errors()[0]
    places = [str(part) for part in first["loc"]]
    if len(places) > 2 and "obligations" in places[:-2]:
        at = places.index("obligations") + 2
        if places[at : at + 1] and places[at] in KINDS:
            del places[at]  # the kind, by which pydantic chose the class, is no field
    if first["type"].startswith("union_tag"):
        places.append("kind")
    field = ".".join(places)
    unknown = first["type"] == "extra_forbidden"
    return InputError(
        expected=f"only fields of a terms file in {file}" if unknown else f"a valid field {field} in {file}",
        found=f"unknown field {field}" if unknown else f"{first['msg']} (field {field})",
        fix="remove it, or correct its spelling"
        if unknown
        else "docs/terms-contributing.md shows a terms file",
    )
