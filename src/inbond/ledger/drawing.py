"""Lineage as a workspace recorded it: from ledger, manifests and origins to a graph, run by run.

A run gives a model, ``run:name``, and the data that it learnt from, ``data:runs/name/data/train``. Who
wrote that data, and what the weights began as, was recorded when it happened: this only reads it. What a
manifest does not say becomes an unknown, never a guess. Which bytes are behind a name counts, not the name:
a student that was made anew after another run learnt from it is another model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import manifest, receipt_file
from inbond.ledger.events import Event
from inbond.ledger.inventory import Inventory
from inbond.ledger.lineage import Edge, Evidence, Node, Relation, Unknown
from inbond.ledger.recorded import LEARNT, Kept, Run, Workbook, data_id, parents_of, run_of
from inbond.ledger.told import Told
from inbond.policy import licences
from inbond.types import DIVERGENCES, Origin
from inbond.workspace import Workspace

TRAIN = "train"
"""The stage in which a run's student learns."""

GENERATE, FURTHER = "generate", "further"
"""The stage in which the first teacher answers, and in the sampling of origins the number of a further one,
whose stage has the number behind it."""

TOOL = "tool:"
"""How names of programs begin, among the teachers of origins."""

_LISTED = "the recipe's own list"
"""How a plan calls prompts that have no file."""
_INITS: Mapping[str, Relation] = {"prune": "pruned", "model": "initialised"}


def read(workspace: Workspace, events: Iterable[Event]) -> Workbook:
    """Reads what ``events``, a whole ledger's in order, and the manifests say.

    Raises TamperedError when a manifest is not the one that the ledger recorded.
    """
    return draw(workspace, Told.of(events))


def draw(workspace: Workspace, told: Told) -> Workbook:
    """As ``read``, of what the events told."""
    book = Workbook()
    places = {kept.claim.folder: kept for kept in _kept(workspace, told.inventory, book)}
    book.artifacts = {kept.manifest.id: kept for kept in places.values()}
    by_run: dict[str, dict[str, Kept]] = {}
    for folder, kept in places.items():
        if folder.startswith("runs/") and folder.count("/") > 1:
            by_run.setdefault(folder.split("/")[1], {})[kept.stage] = kept
    for name, by_stage in by_run.items():
        body = told.decided.get(name, {})
        book.runs[name] = Run(name, by_stage, body.get("plan", {}), body.get("verdict", {}))
    _Drawing(book).draw()
    return book


def _kept(workspace: Workspace, found: Inventory, book: Workbook) -> Iterator[Kept]:
    for claim in found.artifacts.values():
        folder = workspace.home / claim.folder
        kept = manifest.read(folder)
        if kept is None:
            run = claim.folder.split("/")[1] if "/" in claim.folder else claim.folder
            what = f"{claim.folder} is recorded ({claim.event}) but is not there any more"
            book.unknowns.append(Unknown(f"run:{run}", what))
        elif kept.digest != claim.manifest:
            raise TamperedError(
                expected=f"the manifest in {folder} that {claim.event} recorded",
                found=f"another one, {kept.digest}",
                fix="inbond verify names what changed; a lineage is only traced through what verifies",
            )
        else:
            yield Kept(claim, folder, kept)


@final
class _Drawing:
    """Turns runs into nodes and edges."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._pins: dict[str, Digest] = {}
        self._drawn: set[str] = set()
        self._receipts: dict[Digest, bool] = {}

    def draw(self) -> None:
        """Runs in the order in which they are first recorded."""
        for run in self._book.runs.values():
            if run.trained:
                self._draw_run(run)
            elif LEARNT in run.kept:
                self._draw_data(run, run.kept[LEARNT])

    def _draw_run(self, run: Run) -> None:
        book, data = self._book, run.learnt
        book.nodes.append(
            Node(run.model, "model", _outgoing(run), run.digests, "recorded", _event(run.student), True)
        )
        self._draw_data(run, data)
        train = run.kept["train"]
        self._edge(data_id(data), run.model, "trained-on", train, stage=TRAIN)
        pinned = str(train.config.get("teacher", ""))
        online = train.config.get("targets") == "online" and _compares(train.config)
        # Of several teachers each scores what it wrote itself: their shares are in the data already.
        alone = not any(stage.startswith("generate-") for stage in run.kept)
        if alone and (online or "targets" in train.manifest.identity.inputs):
            teacher, host = self._model(pinned, run, train), _host(run)
            self._edge(teacher, run.model, "scored", train, stage=TRAIN, channel=host)
        self._draw_start(run, pinned)

    def _draw_data(self, run: Run, data: Kept) -> None:
        """A record set with all who have a part in it."""
        book, id_ = self._book, data_id(data)
        if id_ in self._drawn:
            return
        self._drawn.add(id_)
        root = data.manifest.records_root
        book.nodes.append(
            Node(id_, "data", None, frozenset({root} if root else ()), "recorded", _event(data), True)
        )
        earlier = self._draw_earlier(run, data, id_)
        self._draw_makers(data, self._makers(run, data, earlier), id_, earlier)
        self._draw_prompts(run, id_, data)

    def _draw_makers(self, by: Kept, makers: tuple[str, ...], id_: str, earlier: Mapping[str, str]) -> None:
        for origin, maker in zip(by.origins, makers, strict=True):
            tool = maker.startswith(TOOL)
            relation: Relation = "derived" if tool or maker.startswith("data:") else "generated"
            roles = (origin.role,) if tool or relation == "generated" else ()
            signed = not (origin.own or tool) and self._has_receipts(by, origin)
            evidence: Evidence = "receipt" if signed else "recorded"
            if not origin.own or origin.teacher not in earlier:  # else it came with the earlier set
                self._book.edges.append(
                    Edge(maker, id_, relation, roles, "", (), origin.channel, evidence, _event(by))
                )

    def _has_receipts(self, kept: Kept, origin: Origin) -> bool:
        """Whether the teacher's host signed for every one of the answers that a run got from it."""
        further = origin.sampling.get(FURTHER)
        stage = f"{GENERATE}-{further}" if further else GENERATE
        answers = self._book.runs[run_of(kept)].kept.get(stage)
        if answers is None or not receipt_file.lies_in(answers.manifest.files):
            return False
        id_ = answers.manifest.id
        if id_ not in self._receipts:
            self._receipts[id_] = receipt_file.check(answers.folder).whole
        return self._receipts[id_]

    def _makers(self, run: Run, data: Kept, earlier: Mapping[str, str]) -> tuple[str, ...]:
        """The nodes of a set's origins. A teacher's pin stands with the answers that it gave; who is behind
        records of an ``earlier`` run was found out there."""
        asked = (kept for stage, kept in run.kept.items() if stage.startswith("generate"))
        pins = {_named(pin): pin for pin in (str(kept.config.get("teacher", "")) for kept in asked)}

        def maker(origin: Origin) -> str:
            if origin.own and origin.teacher in earlier:
                return earlier[origin.teacher]
            if origin.teacher.startswith("data:"):
                return self._own(origin.teacher, run, data)
            if origin.teacher.startswith(TOOL):
                return self._tool(origin.teacher, data)
            return self._model(pins.get(origin.teacher, origin.teacher), run, data)

        makers = tuple(maker(origin) for origin in data.origins)
        self._book.makers[data.manifest.id] = makers
        return makers

    def _draw_prompts(self, run: Run, id_: str, data: Kept) -> None:
        answers = run.kept.get(GENERATE)
        self._draw_further_prompts(run, id_, data)
        if answers is not None and data.stage != "source":
            self._draw_context(run, answers, f"data:context of {run.model}", id_, data)
        if data.stage == "source" or (answers is not None and "source" in answers.manifest.identity.inputs):
            return  # the text is worked on: what was made descends from it
        given = run.plan.get("data", [])
        if answers is not None and self._draw_earlier_prompts(answers, id_, data):
            return
        if given:
            uri = str(given[0].get("uri", ""))
            name = f"data:{uri}" if not uri.startswith(_LISTED) else f"data:prompts of {run.model}"
            licence, source = given[0].get("licence"), f"the plan of {run.model}"
            self._book.nodes.append(Node(name, "data", licence, frozenset(), "recorded", source))
            self._edge(name, id_, "prompted", data)
        else:
            self._book.unknowns.append(Unknown(id_, "which prompts its answers were given to"))

    def _draw_further_prompts(self, run: Run, id_: str, data: Kept) -> None:
        """What further teachers were asked, where it is not what the first one was."""
        first = run.kept.get(GENERATE)
        for stage, answers in sorted(run.kept.items()):
            number = stage.removeprefix(f"{GENERATE}-")
            if number == stage or data.stage == "source":
                continue
            self._draw_context(run, answers, f"data:context {number} of {run.model}", id_, data)
            asked = answers.manifest.identity.inputs.get("prompts")
            shared = first is not None and asked == first.manifest.identity.inputs.get("prompts")
            if shared or self._draw_earlier_prompts(answers, id_, data):
                continue
            named = answers.manifest.facts.get("prompts_named")
            name = f"data:{named}" if named else f"data:prompts {number} of {run.model}"
            self._edge(self._own(name, run, answers), id_, "prompted", data)

    def _draw_context(self, run: Run, answers: Kept, name: str, id_: str, data: Kept) -> None:
        """What a teacher alone saw before every prompt."""
        if "context" not in answers.config:
            return
        known = frozenset({Digest(answers.config["context"])})
        given = run.plan.get("data", [])[1:2] if answers.stage == GENERATE else []
        licence = next((each.get("licence") for each in given), None)
        self._book.nodes.append(Node(name, "data", licence, known, "recorded", _event(answers)))
        self._edge(name, id_, "prompted", data)

    def _draw_earlier_prompts(self, answers: Kept, id_: str, data: Kept) -> bool:
        """Whether the prompts were records of an earlier run, which are drawn then."""
        earlier = self._book.artifacts.get(answers.manifest.facts.get("prompts_from", ""))
        if earlier is None:
            return False
        self._draw_data(self._book.runs[run_of(earlier)], earlier)
        self._edge(data_id(earlier), id_, "prompted", data)
        return True

    def _draw_earlier(self, run: Run, data: Kept, id_: str) -> dict[str, str]:
        """Record sets that this one took records from, and who is behind them: nodes by teachers' names. A
        run's own answers are no node of their own, nor what it made of them on the way."""
        behind: dict[str, str] = {}
        for parent in parents_of(data, self._book.artifacts):
            if isinstance(parent, Unknown):
                self._book.unknowns.append(parent)
            elif run_of(parent) == run.name and parent.stage == "verify":
                self._makers(run, parent, {})  # they are those of the answers
                behind |= self._draw_earlier(run, parent, id_)
            elif run_of(parent) == run.name and parent.stage.startswith(("generate", "verdicts")):
                self._draw_makers(parent, self._makers(run, parent, {}), id_, {})
                if parent.stage == "generate":
                    self._draw_worked_on(parent, id_, data)
            else:
                self._draw_derived(parent, id_, data)
                teachers = (origin.teacher for origin in parent.origins)
                behind |= zip(teachers, self._book.makers[parent.manifest.id], strict=True)
        return behind

    def _draw_worked_on(self, answers: Kept, id_: str, data: Kept) -> None:
        """The text that a teacher rewrote, translated or the like, where it did not answer."""
        for source in parents_of(answers, self._book.artifacts):
            if isinstance(source, Unknown):
                self._book.unknowns.append(source)
            else:
                self._draw_derived(source, id_, data)

    def _draw_derived(self, parent: Kept, id_: str, data: Kept) -> None:
        self._draw_data(self._book.runs[run_of(parent)], parent)
        self._edge(data_id(parent), id_, "derived", data)

    def _draw_start(self, run: Run, pinned: str) -> None:
        start = run.kept.get("start")
        if start is None:
            what = "how its weights began is not in the workspace any more"
            self._book.unknowns.append(Unknown(run.model, what))
            return
        init = str(start.config.get("init"))
        if init == "prune":
            self._edge(self._model(pinned, run, start), run.model, _INITS[init], start)
        elif init == "model":
            base = f"{start.config['base']} {start.config.get('base_weights', '')}".strip()
            self._edge(self._model(base, run, start), run.model, _INITS[init], start)

    def _edge(
        self, source: str, target: str, relation: Relation, by: Kept, stage: str = "",
        channel: str | None = None,
    ) -> None:  # fmt: skip
        edge = Edge(source, target, relation, (), stage, (), channel, "recorded", _event(by))
        self._book.edges.append(edge)

    def _own(self, name: str, run: Run, by: Kept) -> str:
        given = (item for item in run.plan.get("data", []) if f"data:{item.get('uri')}" == name)
        licence = next((item.get("licence") for item in given), None)
        self._book.nodes.append(Node(name, "data", licence, frozenset(), "recorded", _event(by)))
        return name

    def _tool(self, name: str, by: Kept) -> str:
        """A program that had a hand in records. It has no terms that bind what it says, and nothing behind
        it: it stands there as data that was made here does."""
        self._book.nodes.append(Node(name, "data", None, frozenset(), "recorded", _event(by), True))
        return name

    def _model(self, pinned: str, run: Run, by: Kept) -> str:
        """The node of a model by its name and pin; other bytes under a name are another model."""
        name, pin = _named(pinned), _pin_of(pinned)
        id_ = self._id(name, pin)
        if self._student(id_) is not None:
            return id_
        known = frozenset({pin}) if pin else frozenset()
        self._book.nodes.append(Node(id_, "model", _licence(name, run.plan), known, "recorded", _event(by)))
        if id_ != name:
            what = f"these are other weights than {name} has elsewhere; what they descend from is not kept"
            self._book.unknowns.append(Unknown(id_, what))
        return id_

    def _id(self, name: str, pin: Digest | None) -> str:
        if pin is None:
            return name
        current = self._student(name)
        if current is not None:
            return name if pin in current.digests else f"{name}@{pin}"
        first = self._pins.setdefault(name, pin)
        return name if pin == first else f"{name}@{pin}"

    def _student(self, name: str) -> Run | None:
        """The run of this workspace whose student is called ``name``."""
        run = self._book.runs.get(name.removeprefix("run:")) if name.startswith("run:") else None
        return run if run is not None and run.trained else None


def _host(run: Run) -> str | None:
    """The channel over which a host gave probabilities with its answers, or with some of them."""
    answers = run.kept.get("generate")
    if answers is None or "top_logprobs" not in answers.config or not answers.origins:
        return None
    return answers.origins[0].channel


def _compares(config: Mapping[str, Any]) -> bool:
    """Whether an objective has a term that compares probabilities. Text alone may be learnt beside a teacher
    that could have been asked."""
    weights = [config[name] for name in DIVERGENCES if name in config]
    return not weights or any(weights)


def _event(kept: Kept) -> str:
    return f"{kept.claim.event}, {kept.claim.folder}"


def _named(pinned: str) -> str:
    """The name in ``name sha256:...``; names may hold spaces."""
    head, space, tail = pinned.rpartition(" ")
    return head if space and tail.startswith("sha256:") else pinned


def _pin_of(pinned: str) -> Digest | None:
    tail = pinned.rpartition(" ")[2]
    return Digest(tail) if tail.startswith("sha256:") and tail != pinned else None


def _licence(name: str, plan: Mapping[str, Any]) -> str | None:
    taught = [plan.get("weights"), *(each.get("weights") for each in plan.get("beside", ()))]
    for found in (*taught, plan.get("base")):
        if found and found.get("subject") == name:
            licence: str | None = found.get("licence")
            return licence
    return None


def _outgoing(run: Run) -> str | None:
    """The licence that comes down with the weights, and the texts that bind what was made under them."""
    start = run.plan.get("weights") if run.plan.get("base_is_teacher") else run.plan.get("base")
    texts = [start.get("licence") if start else None, *run.verdict.get("bound_by", ())]
    return licences.all_of_texts([text for text in texts if text])
