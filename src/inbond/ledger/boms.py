"""Lineage in bills of materials: which of them are read, and which document one is.

CycloneDX (1.5 to 1.7) and SPDX (2.2, 2.3, 3.0) in JSON. What a relationship does not say is not made up:
that a component depends on a model is an open question, not an edge. Malformed input is a ValueError.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger import spdx_2, spdx_3
from inbond.ledger.bom_parts import Object, text_of
from inbond.ledger.cyclonedx import CycloneDX
from inbond.ledger.declaration import Draft
from inbond.ledger.scopes import Scope

_CYCLONEDX_XML = re.compile(rb"<(?:\w+:)?bom[^>]{0,400}cyclonedx", re.IGNORECASE)
_SPDX_LINES = re.compile(rb"^\s*(?:-{3}\s+)?[\"']?spdxVersion[\"']?\s*:", re.IGNORECASE | re.MULTILINE)
_SPDX_XML = re.compile(rb"spdx\.org/rdf", re.IGNORECASE)


def is_bom(values: Object) -> bool:
    """Whether an object claims to be a BOM of a kind that is read here."""
    return (
        values.get("bomFormat") == "CycloneDX"
        or "spdxVersion" in values
        or "@graph" in values
        or "spdx.org/rdf/3" in str(values.get("@context"))
    )


def document_id(values: Object) -> str | None:
    """The id that a document has by itself, whatever its file is called."""
    if values.get("bomFormat") == "CycloneDX":
        return text_of(values, "serialNumber", "the BOM")
    if "spdxVersion" in values:
        return text_of(values, "documentNamespace", "the document")
    return spdx_3.document_id(values)


def read_bom(draft: Draft, values: Object, digest: Digest) -> str:
    """Adds a BOM, and returns the id of what it is about, '' when it does not say."""
    scope = Scope(document_id(values) or digest)
    if values.get("bomFormat") == "CycloneDX":
        return CycloneDX(draft, values, scope).read()
    if "spdxVersion" in values:
        return spdx_2.Spdx2(draft, values, scope).read()
    return spdx_3.Spdx3(draft, values, scope).read()


def refuse_other_forms(read: str, name: str, data: bytes) -> None:
    """Raises InputError for a BOM in a form that is not read here, with how to make one of it that is."""
    head, stem = data[:4096], PurePath(name).stem
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        if _CYCLONEDX_XML.search(head):
            output = f"--output-format json --output-file {stem}.cdx.json"
            fix = f"cyclonedx-cli convert --input-file {name} {output}"
            raise InputError(expected=f"CycloneDX in JSON in {read}", found="CycloneDX in XML", fix=fix)
        if _SPDX_XML.search(head):
            raise _other_spdx(read, name, stem, "RDF/XML")
    elif not head.lstrip().startswith(b"{") and _SPDX_LINES.search(head):
        what = "YAML" if name.endswith((".yaml", ".yml")) else "tag-value form"
        raise _other_spdx(read, name, stem, what)


def _other_spdx(read: str, name: str, stem: str, what: str) -> InputError:
    return InputError(
        expected=f"SPDX in JSON in {read}",
        found=f"SPDX in {what}",
        fix=f"pyspdxtools --infile {name} --outfile {stem.removesuffix('.spdx')}.spdx.json (from spdx-tools)",
    )
