"""Renders the NOTICE text to hand out with the student, where an obligation asks for one. Pure."""

from __future__ import annotations

from inbond.report import wording
from inbond.report.data import ReportData
from inbond.report.provenance import duty
from inbond.report.text import one_line

ASKED_BY = ("notice", "change-notice", "licence-copy", "display", "name-prefix", "pass-through")
"""Kinds of obligation that are kept by words which go with the weights."""


def render_notice(data: ReportData) -> str | None:
    """Plain text, or None when no verdict's obligation asks for one.

    It says what the student was made from and what changed, and passes on what has to be passed on.
    It cannot hold a notice that came with the teacher's own files: that one is to be added as it is.
    """
    asked = [each for view in data.verdicts for each in view.obligations if str(each.get("kind")) in ASKED_BY]
    if not asked:
        return None
    teacher = data.teacher
    lines = [
        one_line(data.student.label),
        f"Made with Inbond {one_line(data.inbond_version)}, {one_line(data.created)}.",
        "",
        "This model was derived from",
        f"  {one_line(teacher.label)} ({one_line(teacher.name)}),",
        f"  licensed under {one_line(teacher.licence or 'terms that are not known')}.",
        "",
        "It was changed:",
        f"  it began as {one_line(data.student_init or 'something not recorded')},",
        "  and was then trained to follow its teacher.",
        f"  {wording.outcome_sentence(data)}",
        "",
        "To be kept by whoever hands it on:",
    ]
    for each in asked:
        words = duty(each)
        lines.append(f"  - {one_line(words['text'])} ({one_line(words['source'])})")
    return "\n".join(lines) + "\n"
