"""Croissant 1.1 as JSON-LD: a data set with its files, its records and what it was made from. Pure.

Files are named as they lie in the data's folder, so that the document can be put beside them. Data that was
only declared has no files here, and the document says nothing of any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from inbond.digest import PREFIX, canonical
from inbond.report.exports import names
from inbond.report.exports.facts import WROTE, Exported, Step

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"
RECORDS: Final = "records.jsonl"
_FORMATS: Mapping[str, str] = {
    ".jsonl": "application/jsonlines",
    ".json": "application/json",
    ".parquet": "application/x-parquet",
}
_WORDS: Final = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
    "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{word: f"cr:{word}" for word in _WORDS},
}

Object = dict[str, Any]


def croissant(exported: Exported) -> Object:
    """The data set ``exported`` is about."""
    node = exported.target
    assert node.kind == "data", "the command line says so before"
    step = exported.made.get(node.id)
    name = names.title(node).name
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": exported.trace.sentence,
        "url": f"urn:uuid:{exported.id}",
        "identifier": sorted(node.digests) or node.id,
        "dateCreated": exported.at,
        **({"license": node.licence} if node.licence else {}),
        "rai:dataCollection": " ".join(_collected(exported)),
        **_origins(exported),
        **({"distribution": _files(step)} if step else {}),
        **({"recordSet": [_records()]} if step and RECORDS in step.files else {}),
    }


def _collected(exported: Exported) -> Iterator[str]:
    """In sentences, how the data came about and what is not known of it."""
    for edge in exported.into(exported.trace.target):
        roles = f" as {' and '.join(edge.roles)}" if edge.roles else ""
        yield f"{edge.source}: {edge.relation}{roles} ({edge.evidence})."
    for ancestor in exported.trace.ancestors:
        shares = [canonical(share.to_json()).decode() for share in ancestor.shares]
        if shares:
            yield f"Share of {ancestor.node.id}: {'; '.join(shares)}."
    for unknown in exported.trace.unknowns:
        yield f"Not known of {unknown.about}: {unknown.what}."


def _origins(exported: Exported) -> Object:
    """In the words of PROV: what it was derived from, and whose words are in it."""
    into = exported.into(exported.trace.target)
    derived = dict.fromkeys(edge.source for edge in into)
    wrote = dict.fromkeys(edge.source for edge in into if WROTE & set(edge.roles))
    found: Object = {}
    for word, type_, sources in (
        ("prov:wasDerivedFrom", "prov:Entity", derived),
        ("prov:wasAttributedTo", "prov:SoftwareAgent", wrote),
    ):
        if sources:
            found[word] = [
                {"@type": type_, "@id": f"urn:uuid:{exported.id}#{names.fragment(each)}", "prov:label": each}
                for each in sources
            ]
    return found


def _files(step: Step) -> list[Object]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": _FORMATS.get(f".{name.rpartition('.')[2]}", "application/octet-stream"),
            "sha256": digest.removeprefix(PREFIX),
        }
        for name, digest in sorted(step.files.items())
    ]


def _records() -> Object:
    """What every record has. Its prompt is in ``messages`` or in ``prompt``, which Croissant's fields, the
    same for all records, cannot say."""
    return {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": "One example a line, its prompt in messages or in prompt.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": "records/completion",
                "name": "completion",
                "description": "What the student learns to say.",
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": RECORDS}, "extract": {"column": "completion"}},
            }
        ],
    }
