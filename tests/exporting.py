"""Exports of declared chains, and what the standards' own validators say of an export."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

from inbond.digest import of_bytes
from inbond.ledger.flow import own_duties, silences
from inbond.ledger.lineage import Graph
from inbond.ledger.lineage_file import parse
from inbond.ledger.texts import enrich, terms_of
from inbond.ledger.trace import Known, trace
from inbond.policy import library
from inbond.policy.library import Library
from inbond.report.exports.facts import Exported, Measured, Step

CHAINS = Path(__file__).parent / "fixtures" / "chains"
TARGETS = {
    "olmo-2": "hf:allenai/OLMo-2-1124-13B-Instruct",
    "olmo-3": "hf:allenai/Olmo-3-1025-7B",
    "r1-distill-llama": "hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "tulu-3": "hf:allenai/Llama-3.1-Tulu-3-8B",
}
AT = "2026-11-22T07:00:00Z"


def exported(
    graph: Graph,
    target: str,
    steps: tuple[Step, ...] = (),
    measured: Measured | None = None,
    known: Library | None = None,
) -> Exported:
    """What an export of ``target`` is made from."""
    known = known or library.shipped()
    whole = enrich(graph, known)
    part = whole.within(target)
    return Exported(
        part,
        trace(Known(whole, known), target),
        AT,
        "0.1.0",
        steps,
        measured or Measured(),
        licence_on_file=terms_of(part.nodes[target], known)[1],
        own=own_duties(part, target, known),
        silences=silences(part, target, known),
    )


def chain(name: str, target: str | None = None) -> Exported:
    """One of the published chains."""
    data = (CHAINS / f"{name}.toml").read_bytes()
    return exported(parse(name, data, of_bytes(data)).graph, target or TARGETS[name])


def check_cyclonedx(text: str, version: str) -> None:
    """Asserts that the strict validator of cyclonedx-python-lib finds nothing, and that all refs resolve."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    schema = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problems = [
            str(each) for each in JsonStrictValidator(schema).validate_str(text, all_errors=True) or ()
        ]
    assert not problems, "; ".join(problems)
    defined: list[str] = []
    named: set[str] = set()
    _refs(json.loads(text), defined, named)
    assert len(defined) == len(set(defined)), "every bom-ref is unique"
    assert named <= set(defined), f"they name what is not there: {named - set(defined)}"


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


def read_spdx(text: str) -> Any:
    """The document as the model of spdx-python-model reads it: classes, types and cardinalities checked."""
    from spdx_python_model import v3_0_1 as spdx

    found = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(io.BytesIO(text.encode()), found)
    assert found.missing_ids == set(), "every id that is named is there"
    spdx.JSONLDSerializer().write(found, io.BytesIO())  # what is required is checked when it is written
    return found


def read_prov(text: str) -> Any:
    """The document as the prov package reads it."""
    from prov.model import ProvDocument

    return ProvDocument.deserialize(io.StringIO(text), format="json")


def read_croissant(text: str, folder: Path | None = None) -> Any:
    """The data set as mlcroissant reads it; an error raises, and so does a warning we have no answer to."""
    import mlcroissant

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if folder is None:
            found = mlcroissant.Dataset(jsonld=json.loads(text))
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
