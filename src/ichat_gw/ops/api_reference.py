"""The reference of the JSON API, from its values and routes: `python -m ichat_gw.ops.api_reference`."""

import ast
import inspect
import typing
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal

import msgspec

from ichat_gw.ops import api, api_routes

_INTRODUCTION = """\
# The JSON API

<!-- Written by `python -m ichat_gw.ops.api_reference`; do not edit. -->

The status page, `ichat-gw status` and the other commands read this API, and so can you. It is served at
[HttpAddress](settings.md#httpaddress-new) and [HttpPort](settings.md#httpport): by default at
`http://127.0.0.1:5090`. With [HttpAuth](settings.md#httpauth) it asks for the password by HTTP Basic, with
any user name. A request whose `Host` is neither an IP address nor `localhost` is refused unless its name is
in [HttpHosts](settings.md#httphosts-new). Who asks more than 50 times a second waits; so does who guesses
passwords (the same wrong one again is no guess). The files of the pages, below `/static/`, need no password.

Times are UTC as RFC 3339 writes them, durations seconds. What is not known is `null`. Fields may be added
within `v1`; none is renamed, removed or given another meaning. Texts that came from outside (addresses,
names, reasons) are passed on as they came: escape them before you show them.

A `GET` changes nothing. A `POST` needs the header `{header}`, with any value, so that no other site's page
can have a browser send it.

    curl -u :PASSWORD http://127.0.0.1:5090/api/v1/status
    curl -u :PASSWORD -X POST -H '{header}: 1' http://127.0.0.1:5090/api/v1/reload
    curl -u :PASSWORD -N http://127.0.0.1:5090/api/v1/events

Beside the API there are, for machines:

- `/metrics`: for Prometheus, see [Metrics](metrics.md).
- `/healthz`: 200 while the process serves requests. No password. For who would restart it otherwise.
- `/readyz`: 200 when calls can be taken (online at the XMPP server, the connector running, every part of
  the media engine working, not stopping), otherwise 503 and a line for each thing that is missing. No
  password. For who would send calls elsewhere otherwise: a restart does not help when the XMPP server is
  away.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION.replace("{header}", api_routes.ASKING_HEADER), "## Paths\n"]
    values: dict[type[Any], None] = {}
    for route in api_routes.ROUTES:
        parts.append(_route(route))
        if not isinstance(route.answer, str):
            _collect(route.answer, values)
    parts.append("## Events\n")
    parts.append(
        "`/api/v1/events` begins with one `status` and one `calls`, and goes on until either side leaves.\n"
        "A reader who is too slow is disconnected; ask again. Each event is a name and a line of JSON:\n"
    )
    for name, value, when in api_routes.EVENTS:
        parts.append(f"- `{name}`: {_link(value)}, {when}.")
        _collect(value, values)
    _collect(api.ErrorReply, values)
    parts.append("\n## Values\n")
    parts.append("Every answer whose status is 400 or more has an [ErrorReply](#errorreply) as its body.\n")
    parts += [_value(value) for value in values]
    return "\n".join(parts).rstrip("\n") + "\n"


def _route(route: api_routes.Route) -> str:
    answer = f"`{route.answer}`" if isinstance(route.answer, str) else _link(route.answer)
    lines = [
        f"### `{route.method} {api_routes.BASE}{route.path}`\n",
        f"{route.sentence}\n",
        f"- Answer: {answer}",
    ]
    lines += [f"- `{name}`: {meaning}" for name, meaning in route.parameters]
    return "\n".join(lines) + "\n"


def _value(value: type[Any]) -> str:
    """A value: what it is, and each of its fields with its docstring."""
    docs = _docs_of_fields(value)
    lines = [f"### {value.__name__}\n", f"{inspect.getdoc(value)}\n"]
    for field in msgspec.structs.fields(value):
        kind = typing.get_type_hints(value)[field.name]
        meaning = docs.get(field.name, "")
        lines.append(f"- `{field.name}` ({_kind(kind)}){': ' + meaning if meaning else ''}")
    return "\n".join(lines) + "\n"


def _docs_of_fields(value: type[Any]) -> dict[str, str]:
    """The string that stands below each field."""
    [made] = ast.parse(inspect.getsource(value)).body
    assert isinstance(made, ast.ClassDef)
    docs = {}
    for field, below in zip(made.body, made.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            docs[field.target.id] = " ".join(str(below.value.value).split())
    return docs


def _kind(kind: Any) -> str:
    """A type in JSON's words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is UnionType or origin is typing.Union:
        return " or ".join(_kind(argument) for argument in arguments)
    if origin is tuple:
        return f"array of {_kind(arguments[0])}"
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in arguments)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _link(kind)
    return _WORDS[kind]


_WORDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    datetime: "time",
    NoneType: "null",
}


def _link(value: type[Any]) -> str:
    return f"[{value.__name__}](#{value.__name__.lower()})"


def _collect(value: type[Any], into: dict[type[Any], None]) -> None:
    """Note a value and those in it, each once."""
    if value in into:
        return
    into[value] = None
    for kind in typing.get_type_hints(value).values():
        for part in (
            kind,
            *typing.get_args(kind),
            *(a for k in typing.get_args(kind) for a in typing.get_args(k)),
        ):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                _collect(part, into)


if __name__ == "__main__":
    print(reference(), end="")
