"""What a text asks for, as typed data: one class a kind, told apart by the field ``kind``.

A condition that a verdict turns on (a number of users, a country, a field of use, a name) is a value
here and never a phrase to be searched. ``text`` is the sentence that a person reads. Nothing here
decides: ``conditions`` does, given a plan.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from inbond.policy.facts import Modality
from inbond.policy.places import COUNTRIES, GROUPS
from inbond.policy.strict import Day, Strict

ObligationKind = Literal[
    "name-prefix",
    "display",
    "notice",
    "change-notice",
    "licence-copy",
    "pass-through",
    "threshold",
    "territory",
    "field-of-use",
    "non-commercial",
    "no-compete",
    "register",
    "conduct",
]
KINDS: tuple[ObligationKind, ...] = get_args(ObligationKind)
When = Literal["always", "offered", "distributed"]
Metric = Literal["monthly-active-users", "monthly-revenue-usd", "annual-revenue-usd"]

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]


class _Common(Strict):
    """What every kind has. ``when``: always, once the model is offered as a service or handed out
    (``offered``), or once its weights are handed out (``distributed``). ``only_for``: the text asks it
    of models of that modality alone."""

    text: Text
    when: When
    clause: Text
    only_for: Modality | None = None


class Plain(_Common):
    """Kinds that need nothing but their sentence. ``conduct``: something not to do with what the teacher
    says, which no fact of a plan tells (reverse-engineering)."""

    kind: Literal["notice", "change-notice", "licence-copy", "non-commercial", "register", "conduct"]
    prescribed: Text | None = None
    """Of a notice: its wording, where the text was read and has that very line. ``{name}``: the model's."""

    @model_validator(mode="after")
    def _of_a_notice(self) -> Plain:
        if self.prescribed and self.kind != "notice":
            raise ValueError("prescribed goes with kind = notice or display alone")
        return self


class NamePrefix(_Common):
    """The student's name must begin with ``prefix``, letter for letter; a hyphen stands for a space, which
    the names of repositories cannot have."""

    kind: Literal["name-prefix"]
    prefix: Text


class Display(_Common):
    """Any one of the texts in ``show`` is to be shown where ``text``, which quotes them, says."""

    kind: Literal["display"]
    show: Annotated[tuple[Text, ...], Field(min_length=1)]
    prescribed: Text | None = None
    """The line to print beside any model that this is asked of, as for a notice."""


class PassThrough(_Common):
    """What whoever receives the student must be bound to: the text's use restrictions, the same licence
    (share-alike; ``or_under`` are the ids of others that it takes in its place), or, for a channel that
    serves the models of others, each model's own terms."""

    kind: Literal["pass-through"]
    what: Literal["use-restrictions", "licence", "model-terms"]
    or_under: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _of_share_alike(self) -> PassThrough:
        if self.or_under and self.what != "licence":
            raise ValueError("or_under goes with what = licence alone")
        return self


class Threshold(_Common):
    """Something follows once the plan's ``metric`` is above ``above`` (users, or US dollars). ``as_of``: what
    counts is not today's number, but that of the calendar month before this day."""

    kind: Literal["threshold"]
    metric: Metric
    above: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    then: Literal["obligation", "review", "deny"]
    as_of: Day | None = None


class Territory(_Common):
    """No rights in the places of ``excluded``, or only in those of ``only``: ISO 3166-1 codes of two
    letters, or ``EU``."""

    kind: Literal["territory"]
    excluded: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    then: Literal["review", "deny"] = "deny"

    @model_validator(mode="after")
    def _one_list(self) -> Territory:
        if bool(self.excluded) == bool(self.only):
            raise ValueError("give either excluded or only")
        for code in self.excluded + self.only:
            if code not in COUNTRIES and code not in GROUPS:
                raise ValueError(f"{code!r} is neither an ISO 3166-1 code of two letters nor EU")
        return self


class FieldOfUse(_Common):
    """Fields that the text closes, as tags (``fields.SENSITIVE`` explains them). An empty list: it closes
    some, and which has not been read."""

    kind: Literal["field-of-use"]
    forbidden: tuple[Tag, ...] = ()
    then: Literal["review", "deny"] = "deny"


class NoCompete(_Common):
    """What may not be made: competing products or services, or competing models."""

    kind: Literal["no-compete"]
    scope: Literal["products-and-services", "models"]


Obligation = Annotated[
    Plain | NamePrefix | Display | PassThrough | Threshold | Territory | FieldOfUse | NoCompete,
    Field(discriminator="kind"),
]
