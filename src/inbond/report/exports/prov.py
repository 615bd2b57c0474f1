"""W3C PROV as PROV-JSON: artifacts as entities, recorded stages as activities, Inbond as the agent. Pure.

A model is an entity, and where it wrote data an agent too: the data is attributed to it. An edge becomes a
derivation; relation, roles, evidence and shares stand beside it in the name space ``inbond``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final, final

from inbond.digest import canonical
from inbond.ledger.lineage import Edge, Node
from inbond.report.exports import names
from inbond.report.exports.facts import WROTE, Exported, Step

SPACE: Final = "urn:inbond:terms:"
_INBOND: Final = "inbond:inbond"
Object = dict[str, Any]


def prov(exported: Exported) -> Object:
    """The provenance of the target as one PROV-JSON document."""
    found = _Document(exported)
    for node in exported.nodes:
        found.entity(node)
    for step in exported.steps:
        found.activity(step)
    for edge in exported.edges:
        found.derivation(edge)
    return found.document


@final
class _Document:
    """The document as it grows. Relations have names of their own, so that each can be told apart."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        self._places = {step.artifact: self._made(step) for step in exported.steps}
        self._numbers = count(1)
        self.document: Object = {
            "prefix": {"inbond": SPACE, "at": f"urn:uuid:{exported.id}#"},
            "entity": {},
            "activity": {},
            "agent": {
                _INBOND: {
                    "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
                    "inbond:version": exported.version,
                }
            },
        }

    def entity(self, node: Node) -> None:
        """One artifact, with what is not known of it."""
        ancestor = self._exported.ancestors.get(node.id)
        unknowns = [item.what for item in self._exported.trace.unknowns if item.about == node.id]
        shares = [canonical(share.to_json()).decode() for share in ancestor.shares] if ancestor else []
        self.document["entity"][_at(node.id)] = {
            "prov:label": node.id,
            "prov:type": {"$": f"inbond:{node.kind}", "type": "prov:QUALIFIED_NAME"},
            "inbond:evidence": node.evidence,
            "inbond:complete": node.complete,
            **({"inbond:licence": node.licence} if node.licence else {}),
            **({"inbond:source": node.source} if node.source else {}),
            **({"inbond:digest": sorted(node.digests)} if node.digests else {}),
            **({"inbond:unknown": unknowns} if unknowns else {}),
            **({"inbond:share": shares} if shares else {}),
        }

    def activity(self, step: Step) -> None:
        """One stage: what it used, and the artifact that it made."""
        name = _at(f"stage {step.folder}")
        self.document["activity"][name] = {
            "prov:startTime": step.started,
            "prov:endTime": step.completed,
            "prov:label": f"{step.stage} of run:{step.run}",
            "inbond:stage": step.stage,
            "inbond:artifact": step.artifact,
            "inbond:manifest": step.manifest,
        }
        made = self._made(step)
        if step.makes is None:
            self.document["entity"][made] = {
                "prov:label": step.folder,
                "prov:type": {"$": "inbond:artifact", "type": "prov:QUALIFIED_NAME"},
                "inbond:digest": [step.manifest],
            }
        for source in dict.fromkeys([*map(_at, step.nodes), *self._inputs(step)]):
            self._relate("used", {"prov:activity": name, "prov:entity": source})
        self._relate(
            "wasGeneratedBy", {"prov:entity": made, "prov:activity": name, "prov:time": step.completed}
        )
        self._relate("wasAssociatedWith", {"prov:activity": name, "prov:agent": _INBOND})

    def derivation(self, edge: Edge) -> None:
        """One edge; data that a model wrote is attributed to it as well."""
        values: Object = {
            "prov:generatedEntity": _at(edge.target),
            "prov:usedEntity": _at(edge.source),
            "inbond:kind": edge.kind,
            "inbond:relation": edge.relation,
            "inbond:evidence": edge.evidence,
        }
        optional: Mapping[str, Any] = {
            "inbond:role": list(edge.roles),
            "inbond:stage": edge.stage,
            "inbond:channel": edge.channel,
            "inbond:read": edge.read,
            "inbond:part": [canonical(part.to_json()).decode() for part in edge.parts],
        }
        self._relate("wasDerivedFrom", values | {name: value for name, value in optional.items() if value})
        if WROTE & set(edge.roles):
            self.document["agent"][_at(edge.source)] = {
                "prov:label": edge.source,
                "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
            }
            self._relate("wasAttributedTo", {"prov:entity": _at(edge.target), "prov:agent": _at(edge.source)})

    def _inputs(self, step: Step) -> Iterator[str]:
        yield from (self._places[digest] for digest in step.inputs.values() if digest in self._places)

    def _made(self, step: Step) -> str:
        return _at(step.makes or f"artifact {step.folder}")

    def _relate(self, kind: str, values: Object) -> None:
        self.document.setdefault(kind, {})[f"inbond:r{next(self._numbers)}"] = values


def _at(id_: str) -> str:
    return f"at:{names.fragment(id_)}"
