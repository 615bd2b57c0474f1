"""What the standards themselves say of an export: their schemas, what others maintain to read them, and what
both leave out (that a reference leads somewhere, that a time is one, that a claim is kept).

Each check raises when it finds fault, with whatever error its validator has.
"""

from __future__ import annotations

import functools
import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from inbond.ledger.lineage import UNITS
from inbond.policy.licences import is_spdx
from inbond.types import ROLES

SCHEMAS = Path(__file__).parent / "fixtures" / "standards"


def _faults(validator: Any, document: Any) -> list[str]:
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in validator.iter_errors(document)
    ]


def _time(text: Any) -> datetime:
    assert isinstance(text, str), f"a time is a text: {text!r}"
    found = datetime.fromisoformat(text)
    assert found.tzinfo is not None, f"a time without a zone: {text}"
    return found


# CycloneDX ------------------------------------------------------------------------------------------


def check_cyclonedx(text: str, version: str) -> None:
    """The strict validator of cyclonedx-python-lib finds nothing, all refs resolve, and every licence that
    is called an expression is one."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    schema = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problems = [
            str(each) for each in JsonStrictValidator(schema).validate_str(text, all_errors=True) or ()
        ]
    assert not problems, "; ".join(problems)
    document = json.loads(text)
    assert document["specVersion"] == version
    defined: list[str] = []
    named: set[str] = set()
    _refs(document, defined, named)
    assert len(defined) == len(set(defined)), "every bom-ref is unique"
    assert named <= set(defined), f"they name what is not there: {named - set(defined)}"
    wrong = [found for found in _values(document, "expression") if not is_spdx(found)]
    assert not wrong, f"no SPDX expressions: {wrong}"


def _refs(value: Any, defined: list[str], named: set[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _refs(item, defined, named)
    elif isinstance(value, dict):
        for key, item in value.items():
            lists_refs = (
                key in ("dependsOn", "dependencies", "evidence") and item and isinstance(item[0], str)
            )
            if key == "bom-ref":
                defined.append(item)
            elif key in ("ref", "target"):
                named.add(item)
            elif lists_refs:
                named |= set(item)
            else:
                _refs(item, defined, named)


def _values(value: Any, name: str) -> Iterator[Any]:
    """All values of one key, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == name:
                yield item
            yield from _values(item, name)


# SPDX -----------------------------------------------------------------------------------------------

_FILLED = {"core", "software", "build", "simpleLicensing"}
"""Profiles whose required fields a lineage always has."""


def check_spdx(text: str) -> Any:
    """The standard's own JSON schema, then as ``read_spdx``, which see. Each element is held against the
    schema of its own class: the whole schema would try every class on it."""
    document = json.loads(text)
    faults = _faults(_spdx_schema(), {**document, "@graph": []})
    for each in document["@graph"]:
        faults += _faults(_spdx_schema(each["type"]), each)
    assert not faults, "; ".join(faults)
    return read_spdx(text)


@functools.cache
def _spdx_schema(class_: str | None = None) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads((SCHEMAS / "spdx-3.0.1.schema.json").read_text("utf-8"))
    if class_ is not None:
        schema = {"$ref": f"#/$defs/{class_}", "unevaluatedProperties": False, "$defs": schema["$defs"]}
    return Draft202012Validator(schema)


def read_spdx(text: str) -> Any:
    """The document as the model of spdx-python-model reads it: classes, types and cardinalities checked; and
    what neither it nor the schema asks for: one document with a root, profiles that are kept, expressions
    that are some, times in their order."""
    from spdx_python_model import v3_0_1 as spdx

    found = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(text.encode()), found)
    assert found.missing_ids == set(), "every id that is named is there"
    spdx.JSONLDSerializer().write(found, io.BytesIO())  # what is required is checked when it is written
    graph = json.loads(text)["@graph"]
    (document,) = [each for each in graph if each["type"] == "SpdxDocument"]
    assert document.get("rootElement"), "a document says what it is about"
    claimed = set(document["profileConformance"])
    assert claimed <= _FILLED, f"profiles that are not kept: {claimed - _FILLED}"
    for each in graph:
        expression = each.get("simplelicensing_licenseExpression")
        assert expression is None or is_spdx(expression), f"no expression: {expression}"
        if each["type"] == "build_Build":
            began, ended = each["build_buildStartTime"], each["build_buildEndTime"]
            assert _time(began) <= _time(ended), f"it ends before it starts: {ended}"
    return found


# PROV -----------------------------------------------------------------------------------------------

_ENDS = {
    "prov:entity": "entity", "prov:generatedEntity": "entity", "prov:usedEntity": "entity",
    "prov:activity": "activity", "prov:agent": "agent",
}  # fmt: skip
"""What the ends of a relation are."""
_TIMES = ("prov:time", "prov:startTime", "prov:endTime")


def read_prov(text: str) -> Any:
    """The document as the prov package reads it, once it has passed the schema of W3C's PROV-JSON submission
    and the constraints of PROV that concern us: ends exist and are of their kind, prefixes are declared,
    times are times in their order, and nothing is derived from itself, however far back."""
    from prov.model import ProvDocument

    document = json.loads(text)
    faults = _faults(_prov_schema(), document)
    assert not faults, "; ".join(faults)
    relations = [
        (kind, values)
        for kind in document.keys() - {"prefix", "entity", "activity", "agent"}
        for values in document[kind].values()
    ]
    for kind, values in relations:
        for name, of in _ENDS.items():
            assert values.get(name) is None or values[name] in document.get(of, {}), (
                f"{kind}: no {of} {values[name]}"
            )
    spaces = {*document["prefix"], "prov", "xsd"}
    used = {name.partition(":")[0] for name in _names(document)}
    assert used <= spaces, f"prefixes that are not declared: {used - spaces}"
    for values in (*document.get("activity", {}).values(), *(values for _, values in relations)):
        times = [_time(values[name]) for name in _TIMES if name in values]
        assert times == sorted(times), f"it ends before it starts: {values}"
    derived = document.get("wasDerivedFrom", {}).values()
    _acyclic((each["prov:generatedEntity"], each["prov:usedEntity"]) for each in derived)
    return ProvDocument.deserialize(io.StringIO(text), format="json")


@functools.cache
def _prov_schema() -> Any:
    """The submission's schema, which the prov package brings for its own tests."""
    import prov
    from jsonschema import Draft4Validator

    path = Path(prov.__file__).parent / "tests" / "schemas" / "prov-json.schema.json"
    return Draft4Validator(json.loads(path.read_text("utf-8")), format_checker=Draft4Validator.FORMAT_CHECKER)


def _names(document: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is a qualified name: of records, of attributes, and of what relations point to."""
    for kind, records in document.items():
        if kind == "prefix":
            continue
        for name, values in records.items():
            yield name
            for key, value in values.items():
                yield key
                if key in _ENDS:
                    yield value
                if isinstance(value, dict) and value.get("type") == "prov:QUALIFIED_NAME":
                    yield value["$"]


def _acyclic(edges: Iterable[tuple[str, str]]) -> None:
    from graphlib import TopologicalSorter

    above: dict[str, set[str]] = {}
    for later, earlier in edges:
        above.setdefault(later, set()).add(earlier)
    TopologicalSorter(above).prepare()  # raises CycleError


# Croissant ------------------------------------------------------------------------------------------

_REQUIRED = {"@context", "@type", "conformsTo", "name", "description", "url"}
_KNOWN = _REQUIRED | {
    "identifier", "dateCreated", "license", "rai:dataCollection", "prov:wasDerivedFrom",
    "prov:wasAttributedTo", "distribution", "recordSet",
}  # fmt: skip


def read_croissant(text: str, folder: Path | None = None) -> Any:
    """The data set as mlcroissant reads it; an error raises, and so does a warning that we have no answer to,
    a field that the standard requires and mlcroissant does not miss, and one that nobody knows."""
    import mlcroissant

    document = json.loads(text)
    assert document.keys() >= _REQUIRED, f"it lacks {_REQUIRED - document.keys()}"
    assert document.keys() <= _KNOWN, f"nobody knows {document.keys() - _KNOWN}"
    _time(document["dateCreated"])
    for file in document.get("distribution", ()):
        assert file.keys() >= {"@id", "name", "contentUrl", "encodingFormat", "sha256"}, file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if folder is None:
            found = mlcroissant.Dataset(jsonld=document)
        else:
            path = folder / "croissant.json"
            path.write_text(text, encoding="utf-8")
            found = mlcroissant.Dataset(jsonld=str(path))
    assert not found.metadata.issues.errors
    recommended = ("datePublished", "citeAs", "version", "license")
    strange = [
        each for each in found.metadata.issues.warnings if not any(f"/{word}" in each for word in recommended)
    ]
    assert strange == []
    return found


# The EU's summary -----------------------------------------------------------------------------------

_PART = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT, "uniqueItems": True}


def _object(required: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(required), "required": list(required),
        "additionalProperties": False,
    }  # fmt: skip


_SHARE = _object(
    {
        "stage": {"type": "string"}, "of": _TEXT, "unit": {"enum": list(UNITS)}, "authored": _PART,
        "touched": _PART, "by_role": {"type": "object", "additionalProperties": _PART},
        "scored": _PART, "evidence": {"enum": ["recorded", "declared", "receipt"]},
    }
)  # fmt: skip
_SUMMARY = _object(
    {
        "format": {"const": "inbond.eu-summary/1"},
        "about": _TEXT,
        "model": _TEXT,
        "at": {"type": "string", "format": "date-time"},
        "used": {"enum": ["yes", "no", "cannot-tell"]},
        "sentence": _TEXT,
        "modalities": {"type": ["array", "null"], "items": {"const": "text"}},
        "models": {
            "type": "array",
            "items": _object(
                {
                    "id": _TEXT, "licence": {"type": ["string", "null"]},
                    "roles": {**_TEXTS, "items": {"enum": list(ROLES)}}, "data": {**_TEXTS, "minItems": 1},
                    "channels": _TEXTS,
                    "by": {"enum": ["this workspace, as recorded", "others, as declared"]},
                    "shares": {"type": "array", "items": _SHARE},
                }
            ),
        },
        "scored_by": _TEXTS,
        "further_back": _TEXTS,
        "not_established": {"type": "array", "items": _object({"about": _TEXT, "what": _TEXT})},
        "to_add": {**_TEXTS, "minItems": 1},
    }
)  # fmt: skip


def check_eu_summary(values: Any) -> None:
    """Our own schema, and that the answer, its sentence and its models agree."""
    from jsonschema import Draft202012Validator

    faults = _faults(Draft202012Validator(_SUMMARY), values)
    assert not faults, "; ".join(faults)
    _time(values["at"])
    begins = {"yes": "Yes", "no": "No", "cannot-tell": "Cannot tell"}[values["used"]]
    assert values["sentence"].startswith(begins), values["sentence"]
    assert values["models"] or values["used"] != "yes", "a yes names the models"
    assert not values["models"] or values["used"] != "no", "a no names none"
