"""How a structured reply is asked for in the OpenAI format, and how a tool's arguments come back: pure.

That a reply has its form is not checked here: whoever asked reads it, and sees what a host did instead.
"""

from __future__ import annotations

import json
from typing import Any, final

from inbond.teachers.protocols import Form


def form_fields(form: Form) -> dict[str, Any]:
    """What a form adds to the body of a request."""
    if form.kind == "json-object":
        return {"response_format": {"type": "json_object"}}
    schema = form.schema_value()
    if form.kind == "json-schema":
        named = {"name": form.name, "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    function = {"name": form.name, "strict": True, "parameters": schema}
    return {
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": form.name}},
    }


@final
class ToolCall:
    """Puts the arguments of the one call of the tool ``name`` together, out of the ``tool_calls`` of a whole
    message or of a stream's deltas. ``arguments`` is None until a call was seen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._index: int | None = None
        self._id = ""
        self._pieces: list[str] = []

    @property
    def arguments(self) -> str | None:
        return None if self._index is None else "".join(self._pieces)

    def add(self, calls: Any) -> int:
        """Takes one ``tool_calls`` and says how many characters it brought. Raises ValueError, which says
        what was found in our own words alone, for what is no call, for a second call, and for one of another
        tool; RecursionError for arguments that nobody can read."""
        if not isinstance(calls, list):
            raise ValueError("tool_calls that are no list")
        return sum(self._add(place, call) for place, call in enumerate(calls))

    def _add(self, place: int, call: Any) -> int:
        if not isinstance(call, dict) or not isinstance(function := call.get("function"), dict):
            raise ValueError("a tool call that is no object with a function")
        self._check_one(call.get("index"), place, call.get("id"))
        name = function.get("name")
        if name not in (None, "", self.name):
            raise ValueError("a call of another tool")
        piece = _arguments(function.get("arguments"))
        self._pieces.append(piece)
        return len(piece)

    def _check_one(self, index: Any, place: int, id_: Any) -> None:
        """Some hosts leave the index out, some give the same to every call: then their ids differ."""
        index = place if index is None else index
        if isinstance(index, bool) or not isinstance(index, int) or not isinstance(id_, str | None):
            raise ValueError("a tool call whose index is no number, or whose id is no text")
        id_ = id_ or ""
        if (self._index is not None and index != self._index) or (self._id and id_ and id_ != self._id):
            raise ValueError("several tool calls")
        self._index, self._id = index, self._id or id_


def _arguments(value: Any) -> str:
    """Text as it is. A few hosts give the arguments as an object, whole."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        raise ValueError("arguments of a tool call that are neither text nor an object")
    return value
